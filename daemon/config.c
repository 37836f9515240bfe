/* SPDX-License-Identifier: MIT */
#include "daemon/config_private.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "lib/paths.h"

static const char default_file[] = "/etc/groupd.conf";

enum { FILE_MAX = 1 << 20, KEY_OPTION = 1000 };

static int set_by_name(struct config *c, const char *name, struct str value,
		       struct err *err)
{
	return config_keys[config_find_key(str_of(name))].set(c, value, err);
}

static int set_default_paths(struct config *c, struct err *err)
{
	struct buf data = { 0 };
	struct buf sock = { 0 };
	int rc = 0;

	(void)paths_own_data(&data); /* empty: said below */
	(void)paths_own_socket(&sock);
	if (c->data[0] == '\0' &&
	    set_by_name(c, "data", buf_str(&data), err) < 0)
		rc = err_wrap(err, "data: set it");
	else if (c->socket[0] == '\0' &&
		 set_by_name(c, "socket", buf_str(&sock), err) < 0)
		rc = err_wrap(err, "socket: set it");
	buf_release(&data);
	buf_release(&sock);
	return rc;
}

static int set_default_store(struct config *c, struct err *err)
{
	struct buf url = { 0 };
	int rc;

	if (c->store[0] != '\0')
		return 0;
	buf_printf(&url, "sqlite:%s/groupd.db", c->data);
	rc = set_by_name(c, "store", buf_str(&url), err);
	buf_release(&url);
	return rc;
}

void config_defaults(struct config *c)
{
	*c = (struct config){
		.listen_host = "127.0.0.1",
		.listen_port = 7480,
		.gateways = 1,
		.max_message_bytes = 65536,
		.media_max_bytes = UINT64_C(100) << 20,
		.dedupe_window_ms = UINT64_C(86400000),
		.retention_interval = 60000,
	};
}

static struct str trim(struct str s)
{
	while (s.len > 0 && strchr(" \t\r", s.data[0]) != NULL) {
		s.data++;
		s.len--;
	}
	while (s.len > 0 && strchr(" \t\r", s.data[s.len - 1]) != NULL)
		s.len--;
	return s;
}

static int parse_line(struct config *c, struct str line, bool *seen,
		      struct err *err)
{
	const char *equals;
	struct str name;
	int key;

	line = trim(line);
	if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';' ||
	    str_eq(line, str_of("[groupd]")))
		return 0;
	if (memchr(line.data, 0, line.len) != NULL)
		return err_set(err, ERR_BAD_REQUEST, "a NUL byte");
	equals = memchr(line.data, '=', line.len);
	if (equals == NULL)
		return err_set(err, ERR_BAD_REQUEST, "not KEY = VALUE");
	name = trim(str_make(line.data, (size_t)(equals - line.data)));
	key = config_find_key(name);
	if (key < 0)
		return err_set(err, ERR_BAD_REQUEST, "unknown key: %.*s",
			       (int)(name.len < 64 ? name.len : 64), name.data);
	if (seen[config_canonical_key(key)])
		return err_set(err, ERR_BAD_REQUEST, "%s is set twice",
			       config_keys[key].name);
	seen[config_canonical_key(key)] = true;
	if (config_keys[key].set(
		    c,
		    trim(str_make(equals + 1,
				  line.len - 1 - (size_t)(equals - line.data))),
		    err) < 0)
		return err_wrap(err, "%s", config_keys[key].name);
	return 0;
}

int config_parse(struct config *c, const char *name, struct str text,
		 struct err *err)
{
	bool seen[CONFIG_KEYS] = { false };

	for (unsigned number = 1; text.len > 0; number++) {
		const char *end = memchr(text.data, '\n', text.len);
		size_t n = end == NULL ? text.len : (size_t)(end - text.data);

		if (parse_line(c, str_make(text.data, n), seen, err) < 0)
			return err_wrap(err, "%s:%u", name, number);
		n += end != NULL;
		text.data += n;
		text.len -= n;
	}
	return 0;
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd < 0)
		return err_set(err, ERR_BAD_REQUEST, "Cannot read %s: %s", path,
			       strerror(errno));
	while (n > 0 && out->len <= FILE_MAX && buf_reserve(out, 65536)) {
		n = read(fd, out->data + out->len, 65536);
		if (n > 0)
			out->len += (size_t)n;
	}
	close(fd);
	if (n != 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "Cannot read %s: not a file of at most 1 MiB",
			       path);
	return 0;
}

static int load_file(struct config *c, const char *path, struct err *err)
{
	struct buf text = { 0 };
	int rc = read_file(path, &text, err);

	if (rc == 0)
		rc = config_parse(c, path, buf_str(&text), err);
	buf_release(&text);
	return rc;
}

/* Flags that are no settings, with and without a short form. */
static const struct option flag_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, 'C' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ "verbose", no_argument, NULL, 'v' },
};

enum { FLAG_COUNT = sizeof(flag_options) / sizeof(flag_options[0]) };

static void make_options(struct option out[CONFIG_KEYS + FLAG_COUNT + 1])
{
	static const struct option end = { 0 };

	for (int i = 0; i < CONFIG_KEYS; i++)
		out[i] = (struct option){ .name = config_keys[i].name,
					  .has_arg = required_argument,
					  .val = KEY_OPTION + i };
	for (int i = 0; i < FLAG_COUNT; i++)
		out[CONFIG_KEYS + i] = flag_options[i];
	out[CONFIG_KEYS + FLAG_COUNT] = end;
}

static int apply_key(struct config *c, int key, const char *value, bool *seen,
		     struct err *err)
{
	if (seen[config_canonical_key(key)])
		return err_set(err, ERR_BAD_REQUEST, "--%s is given twice",
			       config_keys[key].name);
	seen[config_canonical_key(key)] = true;
	if (config_keys[key].set(c, str_of(value), err) < 0)
		return err_wrap(err, "--%s", config_keys[key].name);
	return 0;
}

/* Walks argv: flags go to flags (may be NULL), settings to c (may be NULL). */
static int walk(int argc, char **argv, struct config_flags *flags,
		struct config *c, struct err *err)
{
	struct option options[CONFIG_KEYS + FLAG_COUNT + 1];
	struct config_flags unused = { 0 };
	bool seen[CONFIG_KEYS] = { false };
	int option;

	if (flags == NULL)
		flags = &unused;
	make_options(options);
	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "c:hvV", options, NULL)) !=
	       -1) {
		if (option == 'c')
			flags->file = optarg;
		else if (option == 'C')
			flags->check = true;
		else if (option == 'V')
			flags->version = true;
		else if (option == 'h')
			flags->help = true;
		else if (option == 'v')
			flags->verbose = true;
		else if (option < KEY_OPTION)
			return err_set(err, ERR_BAD_REQUEST,
				       "Unknown option or value missing: %s",
				       argv[optind - 1]);
		else if (c != NULL && apply_key(c, option - KEY_OPTION, optarg,
						seen, err) < 0)
			return err_rc(err);
	}
	if (optind < argc)
		return err_set(err, ERR_BAD_REQUEST, "Unknown argument: %s",
			       argv[optind]);
	return 0;
}

int config_parse_flags(struct config_flags *flags, int argc, char **argv,
		       struct err *err)
{
	*flags = (struct config_flags){ .argc = argc, .argv = argv };
	return walk(argc, argv, flags, NULL, err);
}

/* What only nodes that share a store may say. */
static int check_shared(const struct config *c, struct err *err)
{
	const char *key = c->bus[0] != '\0'	 ? "bus"
			  : c->archive_after > 0 ? "archive_after"
						 : NULL;

	if (key == NULL || strncmp(c->store, "sqlite:", strlen("sqlite:")) != 0)
		return 0;
	return err_set(err, ERR_BAD_REQUEST,
		       "%s: it is for nodes that share a store, and %.128s "
		       "belongs to one",
		       key, c->store);
}

int config_load(struct config *c, const struct config_flags *flags,
		struct err *err)
{
	int rc = 0;

	config_defaults(c);
	if (flags->file != NULL)
		rc = load_file(c, flags->file, err);
	else if (access(default_file, F_OK) == 0)
		rc = load_file(c, default_file, err);
	if (rc == 0)
		rc = walk(flags->argc, flags->argv, NULL, c, err);
	if (rc == 0)
		rc = set_default_paths(c, err);
	if (rc == 0)
		rc = set_default_store(c, err);
	if (rc == 0 && (c->tls_cert[0] == '\0') != (c->tls_key[0] == '\0'))
		rc = err_set(err, ERR_BAD_REQUEST,
			     "tls_cert and tls_key go together: one of them "
			     "is not set");
	return rc == 0 ? check_shared(c, err) : rc;
}

bool config_trusts(const struct config *c, uid_t uid)
{
	for (size_t i = 0; i < c->ntrusted; i++) {
		if (c->trusted[i] == uid)
			return true;
	}
	return false;
}

void config_usage(struct buf *out)
{
	buf_printf(out,
		   "usage: groupd [-c FILE] [--check] [-v] [OPTION...]\n"
		   "  -c FILE         read FILE, not %s\n"
		   "  --check         check the configuration only\n"
		   "  --version, --help\n",
		   default_file);
	for (int i = 0; i < CONFIG_KEYS; i++) {
		if (config_keys[i].help != NULL)
			buf_printf(out, "  --%s %s\n", config_keys[i].name,
				   config_keys[i].help);
	}
}
