/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "daemon/ctl/commands.h"
#include "lib/env.h"
#include "lib/text.h"

/* The longest life is to the year 9999, which is all that times can say. */
#define TIME_MS_MAX UINT64_C(253402300799999)

static uint64_t unit_ms(char unit)
{
	switch (unit) {
	case 's':
		return 1000;
	case 'm':
		return 60 * 1000;
	case 'h':
		return 60 * 60 * 1000;
	case 'd':
		return 24 * 60 * 60 * 1000;
	case 'w':
		return UINT64_C(7) * 24 * 60 * 60 * 1000;
	default:
		return 0;
	}
}

bool ctl_parse_duration(const char *text, uint64_t *ms)
{
	size_t len = strlen(text);
	uint64_t unit = len == 0 ? 0 : unit_ms(text[len - 1]);
	uint64_t most = TIME_MS_MAX - env_now_ms(env_system());
	uint64_t n;

	if (unit == 0 || !text_parse_u64(str_make(text, len - 1), &n) ||
	    n == 0 || n > most / unit)
		return false;
	*ms = n * unit;
	return true;
}

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
