/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/commands.h"
#include "daemon/ctl/terminal.h"
#include "lib/env.h"
#include "lib/json.h"
#include "lib/text.h"

enum ctl_exit ctl_token_create(struct ctl *ctl, const struct ctl_options *o,
			       int argc, char **argv)
{
	struct wire_body_create_token body = { .user = str_of(argv[0]) };
	struct wire_body_token answer;
	struct buf key = { 0 };
	struct buf out = { 0 };
	enum ctl_exit rc;

	(void)argc;
	if (!ctl_is_user_name(argv[0]))
		return CTL_REFUSED;
	if (o->expires_ms != 0)
		body.expires_ms = env_now_ms(env_system()) + o->expires_ms;
	/* Asked again over a lost connection, it is one token all the same. */
	for (unsigned i = 0; i < 4; i++)
		buf_printf(&key, "%016llx",
			   (unsigned long long)env_random_u64(env_system()));
	body.key = buf_str(&key);
	rc = ctl_call(ctl, WIRE_CREATE_TOKEN, &body, &answer);
	buf_release(&key);
	if (rc != CTL_OK)
		return rc;
	ctl_put_line(&out, answer.token);
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}

static void put_json(struct buf *out, const struct wire_token_info *t)
{
	buf_printf(out, "{\"token_id\":%llu,\"user\":",
		   (unsigned long long)t->token_id);
	json_put_str(out, t->user);
	buf_append_str(out, str_of(",\"created_at\":"));
	json_put_time(out, t->created_ms);
	if (t->expires_ms != 0) {
		buf_append_str(out, str_of(",\"expires_at\":"));
		json_put_time(out, t->expires_ms);
	}
	buf_append_str(out, str_of("}\n"));
}

static void put_token(struct buf *out, const struct wire_token_info *t)
{
	char time[TEXT_TIME_LEN + 1];

	buf_printf(out, "%llu\t", (unsigned long long)t->token_id);
	text_escape(out, t->user);
	text_format_time(time, t->created_ms);
	buf_printf(out, "\t%s\t", time);
	text_format_time(time, t->expires_ms);
	buf_printf(out, "%s\n", t->expires_ms == 0 ? "never" : time);
}

/* In columns on a terminal, with tabs elsewhere. */
static void put_page(struct buf *out, const struct terminal *t, bool json,
		     struct str tokens, uint64_t *last)
{
	struct wire_token_info info;
	struct buf rows = { 0 };

	while (wire_next(&tokens, &wire_schema_token_info, &info) == 1) {
		if (json)
			put_json(out, &info);
		else
			put_token(&rows, &info);
		*last = info.token_id;
	}
	if (t->is_tty)
		terminal_table(t, out, "id\tuser\tcreated\texpires",
			       buf_str(&rows));
	else
		buf_append_str(out, buf_str(&rows));
	out->failed = out->failed || rows.failed;
	buf_release(&rows);
}

enum ctl_exit ctl_token_list(struct ctl *ctl, const struct ctl_options *o,
			     int argc, char **argv)
{
	struct wire_body_list_tokens body = { 0 };
	struct wire_body_token_list answer = { 0 };
	struct terminal t;
	struct buf out = { 0 };
	enum ctl_exit rc = CTL_OK;

	if (argc == 1) {
		if (!ctl_is_user_name(argv[0]))
			return CTL_REFUSED;
		body.user = str_of(argv[0]);
	}
	terminal_init(&t, o->color);
	while (rc == CTL_OK && answer.complete == 0) {
		uint64_t before = body.after_id;

		rc = ctl_call(ctl, WIRE_LIST_TOKENS, &body, &answer);
		if (rc != CTL_OK)
			break;
		put_page(&out, &t, o->json, answer.tokens, &body.after_id);
		/* A page that brings nothing new would be asked for again for
		 * ever. */
		if (body.after_id == before)
			break;
		rc = ctl_print(&out);
		buf_clear(&out);
	}
	buf_release(&out);
	return rc;
}

enum ctl_exit ctl_token_revoke(struct ctl *ctl, const struct ctl_options *o,
			       int argc, char **argv)
{
	struct wire_body_revoke_token body = { 0 };
	struct wire_body_ok answer;

	(void)o;
	(void)argc;
	if (!text_parse_u64(str_of(argv[0]), &body.token_id)) {
		ctl_complain("'%s' is no token's number: see 'groupctl token "
			     "list'",
			     argv[0]);
		return CTL_USAGE;
	}
	return ctl_call(ctl, WIRE_REVOKE_TOKEN, &body, &answer);
}
