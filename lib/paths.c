/* SPDX-License-Identifier: MIT */
#include "lib/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char system_socket[] = "/run/groupd/groupd.sock";

/* NULL also for an empty variable, as the XDG specification wants it. */
static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value == NULL || value[0] == '\0' ? NULL : value;
}

/* NULL unless it is an absolute path. */
static const char *directory(const char *name)
{
	const char *value = environment(name);

	return value == NULL || value[0] != '/' ? NULL : value;
}

/* As systemd sets it: NULL, too, when it names several. */
static const char *of_service(const char *name)
{
	const char *value = directory(name);

	return value == NULL || strchr(value, ':') != NULL ? NULL : value;
}

static int done(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

int paths_own_data(struct buf *b)
{
	const char *service = of_service("STATE_DIRECTORY");
	const char *state = directory("XDG_STATE_HOME");
	const char *home = directory("HOME");

	if (service != NULL)
		buf_append_str(b, str_of(service));
	else if (geteuid() == 0)
		buf_append_str(b, str_of("/var/lib/groupd"));
	else if (state != NULL)
		buf_printf(b, "%s/groupd", state);
	else if (home != NULL)
		buf_printf(b, "%s/.local/state/groupd", home);
	else
		return -ENOENT;
	return done(b);
}

/* The socket of a groupd that this user runs. */
static int put_own(struct buf *b)
{
	const char *run = environment("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		buf_append_str(b, str_of(system_socket));
	else if (run != NULL)
		buf_printf(b, "%s/groupd.sock", run);
	else
		return -ENOENT;
	return done(b);
}

int paths_own_socket(struct buf *b)
{
	const char *named = environment("GROUPD_SOCKET");
	const char *service = of_service("RUNTIME_DIRECTORY");

	if (named == NULL && service == NULL)
		return put_own(b);
	if (named != NULL)
		buf_append_str(b, str_of(named));
	else
		buf_printf(b, "%s/groupd.sock", service);
	return done(b);
}

int paths_default_socket(struct buf *b)
{
	const char *named = environment("GROUPD_SOCKET");
	size_t before = b->len;
	int rc;

	if (named != NULL) {
		buf_append_str(b, str_of(named));
		return done(b);
	}
	rc = put_own(b);
	if ((rc == -ENOENT ||
	     (rc == 0 && access(buf_cstr(b) + before, F_OK) < 0)) &&
	    access(system_socket, F_OK) == 0) {
		buf_truncate(b, before);
		buf_append_str(b, str_of(system_socket));
		rc = done(b);
	}
	return rc;
}
