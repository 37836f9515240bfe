/* SPDX-License-Identifier: MIT */
/*
 * groupd's configuration. FILES: daemon/config.c daemon/config_keys.c
 * daemon/bus_url.c
 *
 * Input: a byte; odd: a command line, an argument a line; else a file. What is
 * taken is within its bounds, and the same with comments between and blanks
 * around the lines, and read as a file or as a text.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/bus.h"
#include "daemon/config.h"
#include "lib/wire.h"

enum { ARGS_MAX = 16 };

static void check_text(const char *text, size_t size)
{
	assert(memchr(text, '\0', size) != NULL);
}

static void check_bounds(const struct config *c)
{
	struct buf shown = { 0 };
	struct err err;

	check_text(c->data, sizeof(c->data));
	check_text(c->store, sizeof(c->store));
	check_text(c->bus, sizeof(c->bus));
	check_text(c->socket, CONFIG_SOCKET_MAX);
	check_text(c->listen_host, sizeof(c->listen_host));
	check_text(c->tls_cert, sizeof(c->tls_cert));
	check_text(c->tls_key, sizeof(c->tls_key));
	check_text(c->gateway_user, sizeof(c->gateway_user));
	assert(c->listen_port <= 65535 && c->gateways <= CONFIG_GATEWAYS_MAX);
	assert(c->max_message_bytes >= 1 &&
	       c->max_message_bytes <= WIRE_CONTENT_MAX);
	assert(c->media_max_bytes >= 1 &&
	       c->media_max_bytes <= CONFIG_MEDIA_MAX);
	assert(c->dedupe_window_ms >= 60000 && c->retention_interval >= 1000);
	assert(c->ntrusted <= CONFIG_TRUSTED_MAX &&
	       c->norigins <= CONFIG_ORIGINS_MAX);
	for (size_t i = 0; i < c->norigins; i++)
		check_text(c->origins[i], CONFIG_ORIGIN_LEN);
	(void)config_trusts(c, 1000);
	if (c->bus[0] == '\0')
		return;
	/* What may be shown is an URL, too, and has no password. */
	bus_show_url(&shown, str_of(c->bus));
	assert(bus_check_url(buf_str(&shown), &err) == 0);
	assert(memchr(shown.data, '@', shown.len) == NULL ||
	       strncmp(shown.data, "unix:", 5) == 0);
	buf_release(&shown);
}

static struct config *defaults(void)
{
	struct config *c = malloc(sizeof(*c));

	assert(c != NULL);
	config_defaults(c);
	return c;
}

/* The same lines, otherwise written. */
static void check_again(struct str text, const struct config *first, int rc)
{
	struct config *c = defaults();
	struct buf other = { 0 };
	struct err err;

	while (text.len > 0) {
		struct str line = fuzz_until(&text, '\n');

		buf_append_str(&other, str_of("# =\n \t"));
		buf_append_str(&other, line);
		buf_append_str(&other, str_of(" \r\n\n;\n"));
	}
	assert(config_parse(c, "again", buf_str(&other), &err) == rc);
	if (rc == 0)
		assert(memcmp(c, first, sizeof(*c)) == 0);
	buf_release(&other);
	free(c);
}

static void check_file(struct str text)
{
	char name[] = "groupd", option[] = "-c";
	struct config *c = defaults();
	struct config_flags flags;
	struct fuzz_file file;
	struct err err;
	int rc = config_parse(c, "it", text, &err);

	if (rc == 0)
		check_bounds(c);
	else
		assert(err.code == ERR_BAD_REQUEST && err.text[0] != '\0');
	check_again(text, c, rc);
	fuzz_file(&file, text);
	assert(config_parse_flags(&flags, 3,
				  (char *[]){ name, option, file.path, NULL },
				  &err) == 0);
	flags.argv = (char *[]){ name, option, file.path, NULL };
	/* What the settings say together may be refused on top. */
	if (config_load(c, &flags, &err) == 0) {
		assert(rc == 0 && c->data[0] != '\0' && c->store[0] != '\0');
		check_bounds(c);
	}
	close(file.fd);
	free(c);
}

static void check_arguments(struct str text)
{
	char *argv[ARGS_MAX + 2] = { NULL };
	struct config *c = defaults();
	struct config_flags flags;
	struct err err;
	int argc = 1;

	argv[0] = strdup("groupd");
	while (text.len > 0 && argc <= ARGS_MAX) {
		struct str line = fuzz_until(&text, '\n');

		argv[argc++] = line.len == 0 ? strdup("")
					     : strndup(line.data, line.len);
	}
	if (config_parse_flags(&flags, argc, argv, &err) == 0 &&
	    flags.file == NULL && config_load(c, &flags, &err) == 0)
		check_bounds(c);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	struct buf usage = { 0 };
	uint8_t how = fuzz_byte(&in);
	char *copy = fuzz_copy(in);

	if (how % 2 == 1)
		check_arguments(str_make(copy, in.len));
	else
		check_file(str_make(copy, in.len));
	config_usage(&usage);
	assert(usage.len > 0);
	buf_release(&usage);
	free(copy);
	return 0;
}
