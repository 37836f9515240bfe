/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/send.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/env.h"
#include "lib/json.h"

enum {
	/* Lines that come slowly go at once; those of one piece share a
	 * commit. */
	PIECE = 64 << 10,
	BATCH_MAX = 500
};

void send_make_key(char out[SEND_KEY_SIZE])
{
	(void)snprintf(out, SEND_KEY_SIZE, "groupctl%016llx",
		       (unsigned long long)env_random_u64(env_system()));
}

enum ctl_exit send_report(const struct ctl *ctl, const struct ctl_options *o,
			  enum ctl_exit rc, const char *client_id,
			  const struct wire_body_sent *sent)
{
	struct buf out = { 0 };

	if (rc != CTL_OK && ctl->err.code == ERR_OUTCOME_UNKNOWN &&
	    client_id != NULL) {
		ctl_complain("it is not known whether this was stored: send it "
			     "again with --client-id %s, and it is stored once",
			     client_id);
		return rc;
	}
	if (rc != CTL_OK) {
		ctl_complain("%s", ctl->err.text);
		return rc;
	}
	if ((sent->warnings & WARN_MENTION_DROPPED) != 0)
		ctl_complain("warning: nobody is mentioned by @everyone: in a "
			     "group of over 100 members that is for its "
			     "admins (mention_dropped)");
	if (!o->json)
		return CTL_OK;
	buf_append_char(&out, '{');
	json_put_sent(&out, sent);
	buf_append_str(&out, str_of("}\n"));
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}

static enum ctl_exit send_items(struct ctl *ctl, uint64_t group_id,
				const struct buf *items,
				struct wire_body_sent *sent)
{
	struct wire_body_send body = { .group_id = group_id,
				       .items = buf_str(items) };
	char key[SEND_KEY_SIZE];

	send_make_key(key);
	body.batch_id = str_of(key);
	return ctl_ask(ctl, WIRE_SEND, &body, CLIENT_TIMEOUT_MS, sent);
}

static enum ctl_exit send_one(struct ctl *ctl, const struct ctl_options *o,
			      uint64_t group_id, struct str text)
{
	struct wire_item item = { .reply_to = o->reply_to, .content = text };
	struct wire_body_sent sent;
	struct buf items = { 0 };
	char made[SEND_KEY_SIZE];
	const char *id = o->client_id;
	enum ctl_exit rc;

	if (id == NULL) {
		send_make_key(made);
		id = made;
	}
	item.client_id = str_of(id);
	if (text.len > ctl->client.max_content) {
		ctl_complain("the message is too large: %zu bytes, and %llu "
			     "may be sent",
			     text.len,
			     (unsigned long long)ctl->client.max_content);
		return CTL_REFUSED;
	}
	wire_put(&items, &wire_schema_item, &item);
	if (items.failed) {
		ctl_complain("out of memory");
		rc = CTL_REFUSED;
	} else {
		rc = send_items(ctl, group_id, &items, &sent);
		rc = send_report(ctl, o, rc, id, &sent);
	}
	buf_release(&items);
	return rc;
}

/* Standard input. */

/* Appends what there is now, or waits for some. 1; 0 at its end; -errno. */
static int read_piece(struct buf *in)
{
	char piece[PIECE];
	ssize_t n;

	do {
		n = read(STDIN_FILENO, piece, sizeof(piece));
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf_append(in, piece, (size_t)n);
	if (in->failed)
		return -ENOMEM;
	return n > 0;
}

static enum ctl_exit cannot_read(int rc)
{
	ctl_complain("cannot read standard input: %s", strerror(-rc));
	return CTL_REFUSED;
}

/* All of it as one message, without the newline at its end. Nothing at all is
 * no message, as with `post`: so a job that is silent sends none. */
static enum ctl_exit send_stdin(struct ctl *ctl, const struct ctl_options *o,
				uint64_t group_id)
{
	struct buf in = { 0 };
	enum ctl_exit rc;
	int more;

	if (isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1)
		(void)fputs("(the message, then Ctrl-D on a line of its own)\n",
			    stderr);
	/* One byte more than may be sent is enough to be refused. */
	do {
		more = read_piece(&in);
	} while (more > 0 && in.len <= ctl->client.max_content + 1);
	if (more < 0)
		rc = cannot_read(more);
	else if (in.len == 0)
		rc = CTL_OK;
	else
		rc = send_one(ctl, o, group_id,
			      str_make(in.data,
				       in.len - (in.data[in.len - 1] == '\n')));
	buf_release(&in);
	return rc;
}

struct lines {
	struct ctl *ctl;
	const struct ctl_options *options;
	uint64_t group_id;
	struct buf items;
	size_t count;  /* of items */
	uint64_t sent; /* lines before those */
};

static bool is_too_fast(const struct lines *l, enum ctl_exit rc)
{
	return rc == CTL_REFUSED && l->ctl->err.code == ERR_RATE_LIMITED &&
	       l->ctl->err.rate_limit > 0;
}

/* Sends these, and waits where groupd says that it was too many in too short a
 * time. */
static enum ctl_exit send_patiently(struct lines *l, const struct buf *items,
				    struct wire_body_sent *sent)
{
	enum ctl_exit rc;

	do {
		rc = send_items(l->ctl, l->group_id, items, sent);
		if (!is_too_fast(l, rc))
			break;
		ctl_wait(l->ctl, l->ctl->err.retry_after_ms + 1);
	} while (!l->ctl->lost);
	return rc;
}

/* In parts that the rate limit lets through at all. */
static enum ctl_exit send_in_parts(struct lines *l, uint64_t limit,
				   struct wire_body_sent *sent)
{
	struct str items = buf_str(&l->items);
	struct wire_item item;
	struct buf part = { 0 };
	enum ctl_exit rc = CTL_OK;
	uint64_t n = 0;

	while (rc == CTL_OK && l->count > 0 &&
	       wire_next(&items, &wire_schema_item, &item) == 1) {
		wire_put(&part, &wire_schema_item, &item);
		if (++n < limit && n < l->count)
			continue;
		rc = send_patiently(l, &part, sent);
		l->sent += rc == CTL_OK ? n : 0;
		l->count -= n;
		n = 0;
		buf_clear(&part);
	}
	buf_release(&part);
	return rc;
}

static enum ctl_exit flush_lines(struct lines *l)
{
	struct wire_body_sent sent;
	enum ctl_exit rc;

	if (l->count == 0)
		return CTL_OK;
	if (l->items.failed) {
		ctl_complain("out of memory");
		return CTL_REFUSED;
	}
	rc = send_items(l->ctl, l->group_id, &l->items, &sent);
	if (is_too_fast(l, rc))
		rc = send_in_parts(l, l->ctl->err.rate_limit, &sent);
	if (rc == CTL_OK || l->sent == 0)
		rc = send_report(l->ctl, l->options, rc, NULL, &sent);
	else
		ctl_complain("%s (%llu lines were sent before)",
			     l->ctl->err.text, (unsigned long long)l->sent);
	l->sent += l->count;
	l->count = 0;
	buf_clear(&l->items);
	return rc;
}

static enum ctl_exit add_line(struct lines *l, struct str line)
{
	const struct wire_item item = { .content = line };

	if (line.len > l->ctl->client.max_content) {
		enum ctl_exit rc = flush_lines(l);

		if (rc == CTL_OK)
			ctl_complain("a line is too large: %llu lines were "
				     "sent before it",
				     (unsigned long long)l->sent);
		return rc == CTL_OK ? CTL_REFUSED : rc;
	}
	wire_put(&l->items, &wire_schema_item, &item);
	return ++l->count < BATCH_MAX && l->items.len < WIRE_TEXT_MAX
		       ? CTL_OK
		       : flush_lines(l);
}

/* Takes the complete lines off in; at the end of all, the rest too. */
static enum ctl_exit take_lines(struct lines *l, struct buf *in, bool end)
{
	enum ctl_exit rc = CTL_OK;
	size_t at = 0;

	while (rc == CTL_OK && at < in->len) {
		const char *from = in->data + at;
		const char *nl = memchr(from, '\n', in->len - at);
		size_t len = nl == NULL ? in->len - at : (size_t)(nl - from);

		if (nl == NULL && !end && len <= l->ctl->client.max_content)
			break;
		rc = add_line(l, str_make(from, len));
		at += len + (nl != NULL);
	}
	buf_consume(in, at);
	return rc == CTL_OK ? flush_lines(l) : rc;
}

static enum ctl_exit send_lines(struct ctl *ctl, const struct ctl_options *o,
				uint64_t group_id)
{
	struct lines l = { .ctl = ctl, .options = o, .group_id = group_id };
	struct buf in = { 0 };
	enum ctl_exit rc = CTL_OK;
	int more = 1;

	while (rc == CTL_OK && more > 0) {
		more = read_piece(&in);
		rc = more < 0 ? cannot_read(more)
			      : take_lines(&l, &in, more == 0);
	}
	buf_release(&in);
	buf_release(&l.items);
	return rc;
}

/* The words with a space between, as echo(1) has them. */
static enum ctl_exit join(struct buf *out, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (i > 0)
			buf_append_char(out, ' ');
		buf_append_str(out, str_of(argv[i]));
	}
	if (!out->failed)
		return CTL_OK;
	ctl_complain("out of memory");
	return CTL_REFUSED;
}

/* What the options cannot mean together; NULL: they can. */
static const char *conflict(const struct ctl_options *o, int words)
{
	if (o->media != NULL && o->reply_to != 0)
		return "a file cannot be a reply: --media and --reply";
	if (!o->lines)
		return NULL;
	if (words > 0)
		return "--lines reads standard input, and there is text";
	if (o->client_id != NULL || o->reply_to != 0 || o->media != NULL ||
	    o->json)
		return "--lines is for plain messages: no other option goes "
		       "with it";
	return NULL;
}

enum ctl_exit ctl_send(struct ctl *ctl, const struct ctl_options *o, int argc,
		       char **argv)
{
	const char *wrong = conflict(o, argc - 1);
	struct wire_body_group group;
	struct buf text = { 0 };
	enum ctl_exit rc;

	if (wrong != NULL) {
		ctl_complain("%s", wrong);
		return CTL_USAGE;
	}
	/* First, so that nobody types a text for a group that is not there. */
	rc = ctl_find_group(ctl, argv[0], &group);
	if (rc == CTL_OK)
		rc = join(&text, argc - 1, argv + 1);
	if (rc == CTL_OK) {
		if (o->lines)
			rc = send_lines(ctl, o, group.group_id);
		else if (o->media != NULL)
			rc = send_media(ctl, o, group.group_id, buf_str(&text));
		else if (argc == 1)
			rc = send_stdin(ctl, o, group.group_id);
		else
			rc = send_one(ctl, o, group.group_id, buf_str(&text));
	}
	buf_release(&text);
	return rc;
}
