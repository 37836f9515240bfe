/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "daemon/ctl/commands.h"
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

static void put_table(struct buf *out, struct str figures)
{
	struct str rest = figures;
	struct wire_figure f;
	size_t width = 0;

	while (wire_next(&rest, &wire_schema_figure, &f) == 1) {
		if (f.name.len > width)
			width = f.name.len;
	}
	while (wire_next(&figures, &wire_schema_figure, &f) == 1) {
		text_escape(out, f.name);
		for (size_t i = f.name.len; i < width + 2; i++)
			buf_append_char(out, ' ');
		ctl_put_line(out, f.value);
	}
}

enum ctl_exit ctl_status(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct wire_body_get_status body = { 0 };
	struct wire_body_status answer;
	struct buf out = { 0 };
	enum ctl_exit rc;

	(void)argc;
	(void)argv;
	rc = ctl_call(ctl, WIRE_GET_STATUS, &body, &answer);
	if (rc != CTL_OK)
		return rc;
	if (o->json)
		put_json(&out, answer.figures);
	else
		put_table(&out, answer.figures);
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}
