/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/config.h"

static struct config *parse(const char *text, int *rc, struct err *err)
{
	struct config *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	config_defaults(c);
	*rc = config_parse(c, "groupd.conf", str_of(text), err);
	return c;
}

static void every_key_is_taken(void **state)
{
	struct err err;
	int rc;
	struct config *c = parse("# comment\n[groupd]\n"
				 "data = /srv/g\n"
				 "store=sqlite:/srv/x.db\n"
				 "socket = /run/x.sock\r\n"
				 "listen = [::1]:7481\n"
				 "tls_cert = /etc/g/chain.pem\n"
				 "tls-key = /etc/g/key.pem\n"
				 "gateways = 3\n"
				 "gateway_user = www-data\n"
				 "trusted_users = root, 4711\n"
				 "allowed_origins = https://a.example "
				 "http://b:80\n"
				 "max_message_bytes = 1000\n"
				 "media_max_bytes = 3M\n"
				 "dedupe_window = 2d\n"
				 "retention = days=30, bytes=7 messages=9\n"
				 "retention_interval = 90\n"
				 "archive_after = never\n"
				 "rate_messages_per_second = 1000000\n"
				 "max_connections_per_user = 20\n"
				 "max_connections_per_address = 30\n",
				 &rc, &err);

	(void)state;
	assert_int_equal(rc, 0);
	assert_string_equal(c->data, "/srv/g");
	assert_string_equal(c->store, "sqlite:/srv/x.db");
	assert_string_equal(c->socket, "/run/x.sock");
	assert_string_equal(c->listen_host, "::1");
	assert_int_equal(c->listen_port, 7481);
	assert_string_equal(c->tls_cert, "/etc/g/chain.pem");
	assert_string_equal(c->tls_key, "/etc/g/key.pem");
	assert_int_equal(c->gateways, 3);
	assert_string_equal(c->gateway_user, "www-data");
	assert_int_equal(c->ntrusted, 2);
	assert_true(config_trusts(c, 0) && config_trusts(c, 4711));
	assert_false(config_trusts(c, 4712));
	assert_int_equal(c->norigins, 2);
	assert_string_equal(c->origins[1], "http://b:80");
	assert_int_equal(c->max_message_bytes, 1000);
	assert_int_equal(c->media_max_bytes, 3 << 20);
	assert_int_equal(c->dedupe_window_ms, 172800000);
	assert_int_equal(c->retention.age_ms, UINT64_C(2592000000));
	assert_int_equal(c->retention.messages, 9);
	assert_int_equal(c->retention.bytes, 7);
	assert_int_equal(c->retention_interval, 90000);
	assert_int_equal(c->rate_messages_per_second, 1000000);
	assert_int_equal(c->max_connections_per_user, 20);
	assert_int_equal(c->max_connections_per_address, 30);
	free(c);
}

static void bad_lines_are_refused_with_file_and_line(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{ "\ncolour = red\n", "groupd.conf:2: unknown key: colour" },
		{ "gateways=1\ngateways=1", "groupd.conf:2: gateways is set "
					    "twice" },
		{ "gateways = 65", "groupd.conf:1: gateways: not a number from "
				   "0 to 64" },
		{ "gateways = -1", "groupd.conf:1: gateways: not a number" },
		{ "max_message_bytes = 0", "groupd.conf:1: max_message_bytes" },
		{ "max_message_bytes = 1048577", "groupd.conf:1: max_" },
		{ "media_max_bytes = 0",
		  "groupd.conf:1: media_max_bytes: not a "
		  "size from 1 to 64G" },
		{ "retention = 30d", "not days=N, messages=N, bytes=N" },
		{ "retention = hours=3", "not days=N" },
		{ "retention =", "a value is missing" },
		{ "retention = days=0", "from 1 to 36500" },
		{ "retention = messages=x", "not a number from 1" },
		{ "retention_interval = 0", "from 1s to 365d" },
		{ "archive_after = 23h", "not a time from 1d to 365d" },
		{ "archive_after = none", "not a time" },
		{ "media_max_bytes = 65G", "not a size" },
		{ "media_max_bytes = 18446744073709551615K", "not a size" },
		{ "media_max_bytes = M", "not a size" },
		{ "media_max_bytes = 1T", "not a size" },
		{ "dedupe_window = 59s", "not a time from 1m to 365d" },
		{ "dedupe_window = 99999999999999999999d", "not a time" },
		{ "listen = nowhere", "not HOST:PORT" },
		{ "listen = a:65536", "port: not a number from 0 to 65535" },
		{ "listen = :80", "a value is missing" },
		{ "data =", "groupd.conf:1: data: a value is missing" },
		{ "just words", "groupd.conf:1: not KEY = VALUE" },
		{ "trusted_users = no-such-user-here", "no such local user" },
		{ "allowed_origins = example.com", "an origin is SCHEME" },
		{ "bus = nats://x", "groupd.conf:1: bus: not redis://HOST" },
		{ "bus = rediss://x", "bus: this version speaks no TLS" },
		{ "bus = redis://:6379", "bus: the host is missing" },
		{ "bus = redis://h:65536", "bus: the port is not a number" },
		{ "bus = redis://h/x", "bus: the database is not a number" },
		{ "bus = redis://u@h", "bus: before the @ stands USER" },
		{ "bus = redis://:%0@h", "bus: the user or the password" },
		{ "bus = redis://:%00@h", "bus: the user or the password" },
		{ "bus = redis://[::1", "bus: not [HOST]:PORT" },
		{ "bus = unix://run/s", "bus: the path of a Unix socket" },
		{ "bus = unix:///s?x=1", "bus: behind the ? stands db=" },
		{ "tls_cert =", "groupd.conf:1: tls_cert: a value is missing" },
		{ "tls-key = /x\ntls_key = /x", "groupd.conf:2: tls_key is "
						"set twice" },
		{ "rate_messages_per_second = 1000001",
		  "rate_messages_per_second: not a number from 0 to 1000000" },
		{ "rate_messages_per_second = 1.5", "not a number from 0 to" },
		{ "max_connections_per_user = 1000001",
		  "max_connections_per_user: not a number from 0 to 1000000" },
		{ "max_connections_per_address = -1",
		  "max_connections_per_address: not a number from 0 to" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		int rc;
		struct config *c = parse(cases[i].text, &rc, &err);

		assert_int_equal(rc, -EINVAL);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("case %zu says: %s", i, err.text);
		free(c);
	}
}

static void sizes_have_units_of_1024(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} cases[] = { { "media_max_bytes = 1", 1 },
		      { "media_max_bytes = 7K", 7 << 10 },
		      { "media_max_bytes=64G", UINT64_C(64) << 30 },
		      { "media_max_bytes = 68719476736", UINT64_C(64) << 30 },
		      { "", 104857600 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = { 0 };
		int rc;
		struct config *c = parse(cases[i].text, &rc, &err);

		assert_int_equal(rc, 0);
		assert_true(c->media_max_bytes == cases[i].size);
		free(c);
	}
}

static void command_line_wins_and_refuses_doubles(void **state)
{
	char *argv[] = { (char[]){ "groupd" },
			 (char[]){ "--listen" },
			 (char[]){ "none" },
			 (char[]){ "--gateways=2" },
			 (char[]){ "-v" },
			 (char[]){ "--data" },
			 (char[]){ "/d" },
			 (char[]){ "--socket=/s" },
			 NULL };
	char *twice[] = { (char[]){ "groupd" }, (char[]){ "--data=/d" },
			  (char[]){ "--data=/d" }, NULL };
	struct config *c = calloc(1, sizeof(*c));
	struct config_flags flags;
	struct err err = { 0 };

	(void)state;
	assert_non_null(c);
	assert_int_equal(config_parse_flags(&flags, 8, argv, &err), 0);
	assert_true(flags.verbose && !flags.check);
	assert_int_equal(config_load(c, &flags, &err), 0);
	assert_string_equal(c->listen_host, "");
	assert_int_equal(c->gateways, 2);
	assert_string_equal(c->store, "sqlite:/d/groupd.db");
	assert_int_equal(config_parse_flags(&flags, 3, twice, &err), 0);
	assert_int_equal(config_load(c, &flags, &err), -EINVAL);
	assert_non_null(strstr(err.text, "--data is given twice"));
	free(c);
}

static void tls_needs_both_files(void **state)
{
	static const char *const sets[][3] = { { "--tls-cert=/c", "--data=/d" },
					       { "--tls-key=/k", "--data=/d" },
					       { "--tls-cert=/c",
						 "--tls_key=/k" } };
	struct config *c = calloc(1, sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < 3; i++) {
		char first[32] = { 0 };
		char second[32] = { 0 };
		char *argv[] = { (char[]){ "groupd" },
				 first,
				 second,
				 (char[]){ "--socket=/s" },
				 (char[]){ "--store=sqlite:/x" },
				 NULL };
		struct config_flags flags;
		struct err err = { 0 };

		str_to_cstr(str_of(sets[i][0]), first, sizeof(first));
		str_to_cstr(str_of(sets[i][1]), second, sizeof(second));
		assert_int_equal(config_parse_flags(&flags, 5, argv, &err), 0);
		assert_int_equal(config_load(c, &flags, &err),
				 i == 2 ? 0 : -EINVAL);
		if (i < 2)
			assert_non_null(strstr(err.text, "go together"));
	}
	assert_string_equal(c->tls_cert, "/c");
	assert_string_equal(c->tls_key, "/k");
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_needs_both_files),
		cmocka_unit_test(every_key_is_taken),
		cmocka_unit_test(bad_lines_are_refused_with_file_and_line),
		cmocka_unit_test(sizes_have_units_of_1024),
		cmocka_unit_test(command_line_wins_and_refuses_doubles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
