/* SPDX-License-Identifier: MIT */
/* What `groupctl status` makes of groupd's figures. */
#include "daemon/ctl/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/wire.h"

static void put(struct buf *figures, const char *name, const char *value)
{
	const struct wire_figure f = { .name = str_of(name),
				       .value = str_of(value) };

	wire_put(figures, &wire_schema_figure, &f);
}

struct row {
	const char *name;
	const char *value;
	enum health how;
	const char *says; /* NULL: nothing */
};

/* Figures of a groupd that is well, but for the row's one, which comes first
 * and so counts. */
static void look(const struct row *row)
{
	struct buf figures = { 0 };
	struct buf out = { 0 };
	enum health how;

	put(&figures, row->name, row->value);
	put(&figures, "gateways", "2");
	put(&figures, "gateways_configured", "2");
	put(&figures, "gateway_0", "up");
	put(&figures, "gateway_1", "up");
	put(&figures, "disk_bytes", "1000000");
	put(&figures, "disk_free_bytes", "500000");
	put(&figures, "commit_p99_ms", "2.5");
	how = health_warnings(&out, NULL, buf_str(&figures));
	if (how != row->how)
		fail_msg("%s %s: %d, %s", row->name, row->value, (int)how,
			 buf_cstr(&out));
	if (row->says == NULL)
		assert_string_equal(buf_cstr(&out), "");
	else if (strstr(buf_cstr(&out), row->says) == NULL)
		fail_msg("%s %s: %s", row->name, row->value, buf_cstr(&out));
	assert_int_equal(health_warnings(NULL, NULL, buf_str(&figures)), how);
	buf_release(&figures);
	buf_release(&out);
}

static void what_is_wrong_is_said(void **state)
{
	static const struct row rows[] = {
		{ "version", "1", HEALTH_GOOD, NULL },
		{ "gateways", "0", HEALTH_BAD, "!! no gateway is up" },
		{ "gateways_configured", "0", HEALTH_NOTE,
		  "no gateway is conf" },
		{ "gateway_1", "down", HEALTH_BAD, "!! gateway 1 is down" },
		{ "gateway_1", "starting", HEALTH_NOTE,
		  "!  gateway 1 is star" },
		{ "gateway_restarts", "3", HEALTH_NOTE, "started again: 3" },
		{ "disk_free_bytes", "99999", HEALTH_NOTE,
		  "97.7 KiB left (9%)" },
		{ "disk_free_bytes", "49999", HEALTH_BAD,
		  "48.8 KiB left (4%)" },
		{ "disk_free_bytes", "100000", HEALTH_GOOD, NULL },
		{ "writes_queued", "1000", HEALTH_NOTE, "1000 writes wait" },
		{ "writes_queued", "999", HEALTH_GOOD, NULL },
		{ "commit_p99_ms", "250.000", HEALTH_NOTE, "over 250 ms" },
		{ "lagging_subscribers", "1", HEALTH_NOTE, "than is sent: 1" },
		{ "lagging_sessions", "2", HEALTH_NOTE, "do not read: 2" },
		{ "store_silent", "yes", HEALTH_BAD, "mounts are cut off" },
		{ "store_silent", "no", HEALTH_GOOD, NULL },
		{ "store_away", "no route", HEALTH_BAD,
		  "the store is away: no route" },
		{ "bus", "down since X: why", HEALTH_NOTE,
		  "the bus is down since X: why; what other" },
		{ "bus", "up since X", HEALTH_GOOD, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		look(&rows[i]);
}

static void a_store_that_is_away_is_said_once(void **state)
{
	struct terminal t = { 0 };
	struct buf figures = { 0 };
	struct buf out = { 0 };

	(void)state;
	put(&figures, "store_away", "no route");
	put(&figures, "store_silent", "yes");
	assert_int_equal(health_warnings(&out, &t, buf_str(&figures)),
			 HEALTH_BAD);
	assert_non_null(strstr(buf_cstr(&out), "is away: no route"));
	assert_null(strstr(buf_cstr(&out), "does not answer"));
	buf_release(&out);
	buf_release(&figures);
}

static void the_worst_comes_first(void **state)
{
	struct terminal t = { .color = true };
	struct buf figures = { 0 };
	struct buf out = { 0 };
	const char *bad, *note;

	(void)state;
	put(&figures, "gateways_configured", "1");
	put(&figures, "gateway_restarts", "1");
	put(&figures, "version", "1.0\x1b[2J");
	assert_int_equal(health_screen(&out, &t, buf_str(&figures)),
			 HEALTH_BAD);
	bad = strstr(buf_cstr(&out), "\033[1;31m!! no gateway");
	note = strstr(buf_cstr(&out), "\033[33m!  gateways");
	assert_non_null(bad);
	assert_non_null(note);
	assert_true(bad < note);
	assert_non_null(strstr(buf_cstr(&out), "1.0\\x1b[2J"));
	buf_release(&figures);
	buf_release(&out);
}

static void sizes_and_spans_are_for_people(void **state)
{
	static const struct {
		uint64_t value;
		const char *bytes;
		const char *span;
	} rows[] = {
		{ 0, "0 bytes", "0 s" },
		{ 59, "59 bytes", "59 s" },
		{ 60, "60 bytes", "1 min" },
		{ 1023, "1023 bytes", "17 min" },
		{ 1536, "1.5 KiB", "25 min" },
		{ 12000, "11.7 KiB", "3 h 20 min" },
		{ 86400, "84.4 KiB", "1 day 0 h" },
		{ 1048575, "1.0 MiB", "12 days 3 h" },
		{ UINT64_C(44023414784), "41.0 GiB", "509530 days 6 h" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = { 0 };

		health_put_bytes(&out, rows[i].value);
		assert_string_equal(buf_cstr(&out), rows[i].bytes);
		buf_clear(&out);
		health_put_span(&out, rows[i].value);
		assert_string_equal(buf_cstr(&out), rows[i].span);
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(a_store_that_is_away_is_said_once),
		cmocka_unit_test(the_worst_comes_first),
		cmocka_unit_test(sizes_and_spans_are_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
