/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/commands.h"
#include "lib/env.h"
#include "lib/text.h"

enum ctl_exit ctl_token_create(struct ctl *ctl, const struct ctl_options *o,
			       int argc, char **argv)
{
	struct wire_body_create_token body = { .user = str_of(argv[0]) };
	struct wire_body_token answer;
	struct buf out = { 0 };
	enum ctl_exit rc;

	(void)argc;
	if (!ctl_is_user_name(argv[0]))
		return CTL_REFUSED;
	if (o->expires_ms != 0)
		body.expires_ms = env_now_ms(env_system()) + o->expires_ms;
	rc = ctl_call(ctl, WIRE_CREATE_TOKEN, &body, &answer);
	if (rc != CTL_OK)
		return rc;
	ctl_put_line(&out, answer.token);
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
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

enum ctl_exit ctl_token_list(struct ctl *ctl, const struct ctl_options *o,
			     int argc, char **argv)
{
	struct wire_body_list_tokens body = { 0 };
	struct wire_body_token_list answer = { 0 };
	struct buf out = { 0 };
	enum ctl_exit rc = CTL_OK;

	(void)o;
	if (argc == 1) {
		if (!ctl_is_user_name(argv[0]))
			return CTL_REFUSED;
		body.user = str_of(argv[0]);
	}
	while (rc == CTL_OK && answer.complete == 0) {
		struct wire_token_info t;
		uint64_t before = body.after_id;

		rc = ctl_call(ctl, WIRE_LIST_TOKENS, &body, &answer);
		if (rc != CTL_OK)
			break;
		while (wire_next(&answer.tokens, &wire_schema_token_info, &t) ==
		       1) {
			put_token(&out, &t);
			body.after_id = t.token_id;
		}
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
