/* SPDX-License-Identifier: MIT */
/*
 * What groupctl shows of strangers' texts. FILES: daemon/ctl/terminal.c
 *
 * Input: a text. What is shown of it steers no terminal; JSON that was escaped
 * means the same.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <locale.h>
#include <stdlib.h>

#include "daemon/ctl/terminal.h"
#include "lib/json.h"
#include "lib/text.h"

/* Nothing that text_escape() would change, but for backslashes and, where it
 * is said, line ends. */
static void check_harmless(struct str s, bool lines)
{
	struct buf again = { 0 };
	struct str rest = s;

	while (rest.len > 0)
		terminal_escape(&again, lines ? fuzz_until(&rest, '\n') : rest),
			rest = lines ? rest : str_make(NULL, 0);
	assert(lines || str_eq(buf_str(&again), s));
	assert(!lines || again.len <= s.len);
	buf_release(&again);
}

static void check_escape(struct str text)
{
	struct buf out = { 0 };

	terminal_escape(&out, text);
	check_harmless(buf_str(&out), false);
	buf_release(&out);
}

static void check_json(struct str text)
{
	struct buf before = { 0 }, after = { 0 }, out = { 0 };
	struct json *j, *second;
	struct err err;

	if (json_parse(&j, text, 1 << 16, &err) < 0)
		return;
	json_put_value(&before, j);
	buf_append_str(&out, str_of("x"));
	json_put_value(&out, j);
	terminal_escape_json(&out, 1);
	check_harmless(buf_str(&out), true);
	assert(json_parse(&second, str_make(out.data + 1, out.len - 1),
			  SIZE_MAX, &err) == 0);
	json_put_value(&after, second);
	assert(str_eq(buf_str(&before), buf_str(&after)));
	json_free(j);
	json_free(second);
	buf_release(&before);
	buf_release(&after);
	buf_release(&out);
}

static void check_columns(struct str text, size_t columns)
{
	struct str fit = terminal_fit(text, columns);

	assert(fit.len <= text.len && terminal_columns(fit) <= columns);
	assert(text_is_utf8(fit));
}

static void check_table(struct str rows, bool color)
{
	struct terminal t;
	struct buf out = { 0 };

	terminal_init(&t, color ? COLOR_ALWAYS : COLOR_NEVER);
	terminal_measure(&t);
	terminal_table(&t, &out, "ONE\tTWO\tTHREE", rows);
	terminal_put(&t, &out, terminal_color_of(rows), str_of("x"));
	assert(!out.failed);
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	uint8_t columns = fuzz_byte(&in);
	char *copy = fuzz_copy(in);
	struct str text = str_make(copy, in.len);

	assert(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
	if (text_is_utf8(text)) {
		check_escape(text);
		check_json(text);
		check_columns(text, columns);
		check_table(text, columns % 2 == 1);
	}
	free(copy);
	return 0;
}
