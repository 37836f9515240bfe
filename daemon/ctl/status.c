/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "daemon/ctl/commands.h"
#include "daemon/ctl/health.h"
#include "lib/json.h"
#include "lib/text.h"

/* "12" or "0.25" as JSON writes it: no leading zero, and not so great that a
 * reader who counts in doubles would lose digits. */
static bool is_json_number(struct str s)
{
	const char *dot = s.len == 0 ? NULL : memchr(s.data, '.', s.len);
	size_t whole = dot == NULL ? s.len : (size_t)(dot - s.data);
	uint64_t v;

	if (!text_parse_u64(str_make(s.data, whole), &v) ||
	    v > UINT64_C(1) << 53 || (whole > 1 && s.data[0] == '0'))
		return false;
	return dot == NULL ||
	       text_parse_u64(str_make(dot + 1, s.len - whole - 1), &v);
}

static void put_json(struct buf *out, struct str figures)
{
	struct wire_figure f;
	const char *before = "{";

	while (wire_next(&figures, &wire_schema_figure, &f) == 1) {
		buf_append_str(out, str_of(before));
		json_put_str(out, f.name);
		buf_append_char(out, ':');
		if (is_json_number(f.value))
			buf_append_str(out, f.value);
		else
			json_put_str(out, f.value);
		before = ",";
	}
	buf_append_str(out, str_of(before[0] == '{' ? "{}\n" : "}\n"));
}

/* One look. *bad: something is. */
static enum ctl_exit look(struct ctl *ctl, const struct ctl_options *o,
			  struct terminal *t, bool *bad)
{
	const struct wire_body_get_status body = { 0 };
	struct wire_body_status answer;
	struct buf out = { 0 };
	enum ctl_exit rc;

	rc = ctl_call(ctl, WIRE_GET_STATUS, &body, &answer);
	if (rc != CTL_OK)
		return rc;
	/* Home, and clear what is below: no flicker. */
	if (o->watch_s != 0 && t->is_tty && !o->json)
		buf_append_str(&out, str_of("\033[H\033[J"));
	if (o->json) {
		put_json(&out, answer.figures);
		*bad = health_warnings(NULL, NULL, answer.figures) ==
		       HEALTH_BAD;
	} else {
		*bad = health_screen(&out, t, answer.figures) == HEALTH_BAD;
	}
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}

enum ctl_exit ctl_status(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct terminal t;
	enum ctl_exit rc;
	bool bad = false;

	(void)argc;
	(void)argv;
	terminal_init(&t, o->color);
	rc = look(ctl, o, &t, &bad);
	while (rc == CTL_OK && o->watch_s != 0) {
		ctl_wait(ctl, UINT64_C(1000) * o->watch_s);
		rc = look(ctl, o, &t, &bad);
	}
	return rc == CTL_OK && o->check && bad ? CTL_REFUSED : rc;
}
