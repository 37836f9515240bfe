/* SPDX-License-Identifier: MIT */
/* groupctl's command line: options sorted and read, what was perhaps meant. */
#include "daemon/ctl/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/ctl/usage.h"

enum { WORDS_MAX = 16 };

/* Takes the words of a line, which are cut in place. */
static bool take(struct ctl_arguments *a, char *line)
{
	static char *argv[WORDS_MAX + 1];
	int argc = 0;

	for (char *w = strtok(line, " "); w != NULL; w = strtok(NULL, " ")) {
		assert_true(argc < WORDS_MAX);
		argv[argc++] = w;
	}
	argv[argc] = NULL;
	return ctl_options_take(a, argc, argv);
}

static void options_stand_where_they_like(void **state)
{
	char line[] = "groupctl --json token --expires 90d create --socket s x";
	struct ctl_arguments a;

	(void)state;
	assert_true(take(&a, line));
	assert_true(a.options.json);
	assert_int_equal(a.options.expires_ms, UINT64_C(90) * 86400 * 1000);
	assert_string_equal(a.socket, "s");
	assert_int_equal(a.given, TAKES_JSON | TAKES_EXPIRES);
	assert_int_equal(a.argc, 3);
	assert_string_equal(a.argv[0], "token");
	assert_string_equal(a.argv[2], "x");
	assert_int_equal(a.options.role, ROLE_NONE);
}

static void what_is_behind_two_hyphens_is_no_option(void **state)
{
	char line[] = "groupctl send dev -- --json -x";
	struct ctl_arguments a;

	(void)state;
	assert_true(take(&a, line));
	assert_false(a.options.json);
	assert_int_equal(a.argc, 4);
	assert_string_equal(a.argv[3], "-x");
}

static void wrong_values_are_named(void **state)
{
	static const struct {
		const char *line;
		const char *wrong;
	} rows[] = {
		{ "g --after x follow", "--after" },
		{ "g --after -1 follow", "--after" },
		{ "g --after 9223372036854775807 follow", "--after" },
		{ "g --tail 1.5 follow", "--tail" },
		{ "g --color red follow", "auto, always or never" },
		{ "g --reply 0 send", "--reply" },
		{ "g --client-id= send", "1 to 64 bytes" },
		{ "g --client-id "
		  "01234567890123456789012345678901234567890123456789"
		  "012345678901234 send",
		  "1 to 64 bytes" },
		{ "g --role owner add", "admin or member" },
		{ "g --watch 0 status", "--watch" },
		{ "g --expires 0d token", "--expires" },
		{ "g --expires 4x token", "30m, 12h or 90d" },
		{ "g status --json=yes", "--json takes no value" },
		{ "g follow --after", "--after needs a value" },
		{ "g follow --nothing", "no option --nothing" },
		{ "g follow -q", "no option -q" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ctl_arguments a;
		char line[256];

		assert_true(strlen(rows[i].line) < sizeof(line));
		memcpy(line, rows[i].line, strlen(rows[i].line) + 1);
		assert_false(take(&a, line));
		if (strstr(a.wrong, rows[i].wrong) == NULL)
			fail_msg("%s: %s", rows[i].line, a.wrong);
	}
}

static void right_values_are_read(void **state)
{
	char line[] = "g --after 0 --tail 7 --color never --role admin "
		      "--reply 12 --client-id é --watch 86400";
	struct ctl_arguments a;

	(void)state;
	assert_true(take(&a, line));
	assert_true(a.options.from_seq);
	assert_int_equal(a.options.after, 0);
	assert_int_equal(a.options.tail, 7);
	assert_int_equal(a.options.color, COLOR_NEVER);
	assert_int_equal(a.options.role, ROLE_ADMIN);
	assert_int_equal(a.options.reply_to, 12);
	assert_string_equal(a.options.client_id, "é");
	assert_int_equal(a.options.watch_s, 86400);
}

static void each_option_has_a_bit_of_its_own(void **state)
{
	const struct ctl_option *o;
	unsigned int seen = 0;

	(void)state;
	for (size_t i = 0; (o = ctl_option_at(i)) != NULL; i++) {
		assert_int_equal(seen & o->bit, 0);
		assert_true((o->bit == 0) == (o->read == NULL));
		/* A value that may be wrong says what would be right. */
		if (o->read != NULL && o->value != NULL)
			assert_non_null(o->wants);
		seen |= o->bit;
	}
}

static void a_slip_of_the_finger_is_near(void **state)
{
	static const struct {
		const char *a, *b;
		size_t distance;
	} rows[] = {
		{ "status", "status", 0 },	 { "staus", "status", 1 },
		{ "statsu", "status", 1 },	 { "statuss", "status", 1 },
		{ "stetus", "status", 1 },	 { "", "add", 3 },
		{ "follow", "folow", 1 },	 { "verify", "members", 6 },
		{ "user lsit", "user list", 1 }, { "ab", "ba", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(usage_distance(rows[i].a, rows[i].b),
				 rows[i].distance);
		assert_int_equal(usage_distance(rows[i].b, rows[i].a),
				 rows[i].distance);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_where_they_like),
		cmocka_unit_test(what_is_behind_two_hyphens_is_no_option),
		cmocka_unit_test(wrong_values_are_named),
		cmocka_unit_test(right_values_are_read),
		cmocka_unit_test(each_option_has_a_bit_of_its_own),
		cmocka_unit_test(a_slip_of_the_finger_is_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
