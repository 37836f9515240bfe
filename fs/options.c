/* SPDX-License-Identifier: MIT */
#include "fs/options.h"

#include <string.h>

#include "lib/paths.h"
#include "lib/str.h"

/* What mount(8) and fstab know and we need not: accepted, not passed on. */
/* "dev" and "suid" are what mount.fuse3(8) adds where nobody asked for them:
 * no file here is a device or a program, so they stay off. */
static const char *const IGNORED[] = { "auto",	  "noauto", "user",  "nouser",
				       "users",	  "owner",  "group", "nofail",
				       "_netdev", "async",  "dev",   "suid",
				       NULL };

static bool is_ignored(struct str option)
{
	for (size_t i = 0; IGNORED[i] != NULL; i++) {
		if (str_eq(option, str_of(IGNORED[i])))
			return true;
	}
	return option.len >= 2 && memcmp(option.data, "x-", 2) == 0;
}

static bool take_prefix(struct str *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (s->len < n || memcmp(s->data, prefix, n) != 0)
		return false;
	*s = str_make(s->data + n, s->len - n);
	return true;
}

static int set(struct buf *b, struct str value)
{
	buf_clear(b);
	buf_append_str(b, value);
	return b->failed ? -ENOMEM : 0;
}

static int take_option(struct mount_options *o, struct str option,
		       struct err *err)
{
	if (option.len == 0 || is_ignored(option))
		return 0;
	if (take_prefix(&option, "socket=")) {
		if (option.len == 0)
			return err_set(err, ERR_BAD_REQUEST,
				       "socket= needs a path");
		return set(&o->socket, option);
	}
	if (str_eq(option, str_of("debug"))) {
		o->debug = true;
		return 0;
	}
	if (o->rest.len > 0)
		buf_append_char(&o->rest, ',');
	buf_append_str(&o->rest, option);
	return o->rest.failed ? -ENOMEM : 0;
}

static int take_list(struct mount_options *o, const char *list, struct err *err)
{
	while (list != NULL) {
		const char *comma = strchr(list, ',');
		size_t len =
			comma == NULL ? strlen(list) : (size_t)(comma - list);
		int rc = take_option(o, str_make(list, len), err);

		if (rc != 0)
			return rc;
		list = comma == NULL ? NULL : comma + 1;
	}
	return 0;
}

/* The last word is the mountpoint, one before it the source. */
static int take_word(struct mount_options *o, const char *word, struct err *err)
{
	int rc;

	if (o->source.len > 0)
		return err_set(err, ERR_BAD_REQUEST, "too many arguments: %s",
			       word);
	if (word[0] == '\0')
		return err_set(err, ERR_BAD_REQUEST, "an empty argument");
	if (o->mountpoint.len > 0) {
		rc = set(&o->source, buf_str(&o->mountpoint));
		if (rc != 0)
			return rc;
	}
	return set(&o->mountpoint, str_of(word));
}

/* Letters of one argument "-fd". */
static int take_flags(struct mount_options *o, const char *flags,
		      struct err *err)
{
	for (const char *c = flags; *c != '\0'; c++) {
		switch (*c) {
		case 'f':
			o->foreground = true;
			break;
		case 'd':
			o->debug = true;
			break;
		case 'h':
			o->help = true;
			break;
		case 'V':
			o->version = true;
			break;
		case 's': /* libfuse's "one thread": always so */
		case 'n': /* mount(8): no mtab */
		case 'v':
			break;
		default:
			return err_set(err, ERR_BAD_REQUEST,
				       "unknown option -%c", *c);
		}
	}
	return 0;
}

static int take_argument(struct mount_options *o, char **argv, int *i,
			 bool *words_only, struct err *err)
{
	const char *arg = argv[*i];

	if (*words_only || arg[0] != '-')
		return take_word(o, arg, err);
	if (strcmp(arg, "--") == 0) {
		*words_only = true;
		return 0;
	}
	if (strcmp(arg, "--help") == 0 || strcmp(arg, "--version") == 0) {
		*(arg[2] == 'h' ? &o->help : &o->version) = true;
		return 0;
	}
	if (arg[1] == 'o') {
		if (arg[2] == '\0')
			arg = argv[++*i];
		else
			arg += 2;
		if (arg == NULL)
			return err_set(err, ERR_BAD_REQUEST,
				       "-o needs options");
		return take_list(o, arg, err);
	}
	if (arg[1] == '-' || arg[1] == '\0')
		return err_set(err, ERR_BAD_REQUEST, "unknown option %s", arg);
	return take_flags(o, arg + 1, err);
}

static int default_socket(struct mount_options *o, struct err *err)
{
	int rc = paths_default_socket(&o->socket);

	if (rc == -ENOENT)
		return err_set(err, ERR_BAD_REQUEST,
			       "XDG_RUNTIME_DIR is not set: name groupd's "
			       "socket with -o socket=PATH");
	return rc;
}

int mount_options_parse(struct mount_options *out, int argc, char **argv,
			struct err *err)
{
	bool words_only = false;

	for (int i = 1; i < argc; i++) {
		int rc = take_argument(out, argv, &i, &words_only, err);

		if (rc != 0)
			return rc;
	}
	if (out->help || out->version)
		return 0;
	if (out->mountpoint.len == 0)
		return err_set(err, ERR_BAD_REQUEST, "no mountpoint is named");
	if (out->debug)
		out->foreground = true;
	if (out->socket.len == 0)
		return default_socket(out, err);
	return 0;
}

void mount_options_release(struct mount_options *o)
{
	buf_release(&o->socket);
	buf_release(&o->source);
	buf_release(&o->mountpoint);
	buf_release(&o->rest);
}
