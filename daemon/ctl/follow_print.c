/* SPDX-License-Identifier: MIT */
/* From the cursors of the sources to the bytes that stdout gets. */
#include "daemon/ctl/follow.h"
#include "lib/json.h"
#include "lib/text.h"

/* Messages of one group in a row, while others have some too. */
enum { IN_A_ROW = 256, QUOTE_BYTES = 4096 };

static void quote_came(struct client_request *req, const struct err *err,
		       const void *body)
{
	struct source *s = req->data;
	const struct wire_body_messages *page = body;
	struct str list = { 0 };
	struct wire_message m;

	if (err == NULL)
		list = page->messages;
	if (wire_next(&list, &wire_schema_message, &m) == 1 &&
	    m.seq == s->quote.seq)
		show_take_quote(&s->quote, &m);
	if (list_empty(&s->ready))
		list_push(&s->follow->ready, &s->ready);
}

/* The original of a reply is in memory, or is pulled. False: it comes, and
 * the reply waits for it. */
static bool have_quote(struct source *s, uint64_t seq)
{
	const struct wire_body_pull body = { .group_id = s->group_id,
					     .after_seq = seq - 1,
					     .limit = 1,
					     .max_bytes = QUOTE_BYTES };
	struct ctl *ctl = s->follow->ctl;
	const struct wire_message *m;

	if (s->asked && s->quote.seq == seq)
		return s->pull.client == NULL;
	s->asked = true;
	m = feed_recent_message(&s->sub, seq);
	if (m != NULL) {
		show_take_quote(&s->quote, m);
		return true;
	}
	s->quote = (struct show_quote){ .seq = seq };
	s->pull.data = s;
	return client_submit(&ctl->client, &s->pull, &ctl->self, WIRE_PULL,
			     &body, CLIENT_TIMEOUT_MS, quote_came) != 0;
}

static void put_line(struct source *s, const struct wire_message *m)
{
	struct follow *f = s->follow;
	size_t from = f->out.len;

	if (f->form == FOLLOW_LINES) {
		if (f->several)
			buf_printf(&f->out, "%s\t", s->name);
		text_render(&f->out, m);
		return;
	}
	buf_append_char(&f->out, '{');
	if (f->several) {
		buf_append_str(&f->out, str_of("\"group\":"));
		json_put_str(&f->out, str_of(s->name));
		buf_append_char(&f->out, ',');
	}
	json_put_message_fields(&f->out, m);
	buf_append_str(&f->out, str_of("}\n"));
	terminal_escape_json(&f->out, from);
}

/* Messages of one source. 0: none are left; 1: perhaps; a negative errno: it
 * ended. */
static int gather_from(struct source *s)
{
	struct follow *f = s->follow;
	struct feed_message *m;

	for (int n = 0; n < IN_A_ROW && f->out.len < FOLLOW_BATCH; n++) {
		int rc = feed_read(&s->sub, &m);

		if (rc != 1)
			return rc;
		if (f->form != FOLLOW_PEOPLE) {
			put_line(s, &m->m);
			continue;
		}
		if (m->m.reply_to != 0 && !have_quote(s, m->m.reply_to)) {
			feed_unread(&s->sub);
			return 0;
		}
		show_message(&f->show, &f->out, s->name, &m->m,
			     s->quote.text[0] == '\0' ? NULL : &s->quote);
	}
	return 1;
}

void follow_gather(struct follow *f, void (*ended)(struct source *s))
{
	while (f->out.len < FOLLOW_BATCH && !list_empty(&f->ready)) {
		struct source *s =
			container_of(f->ready.next, struct source, ready);
		int rc = gather_from(s);

		list_remove(&s->ready);
		if (rc == 1)
			list_push(&f->ready, &s->ready);
		if (rc < 0)
			ended(s);
	}
}
