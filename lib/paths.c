/* SPDX-License-Identifier: MIT */
#include "lib/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char system_socket[] = "/run/groupd/groupd.sock";

/* NULL also for an empty variable, as the XDG specification wants it. */
static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value == NULL || value[0] == '\0' ? NULL : value;
}

int paths_default_socket(struct buf *b)
{
	const char *named = environment("GROUPD_SOCKET");
	const char *run = environment("XDG_RUNTIME_DIR");

	if (named != NULL)
		buf_append_str(b, str_of(named));
	else if (geteuid() == 0)
		buf_append_str(b, str_of(system_socket));
	else if (run != NULL)
		buf_printf(b, "%s/groupd.sock", run);
	else
		return -ENOENT;
	return b->failed ? -ENOMEM : 0;
}

int paths_find_socket(struct buf *b)
{
	size_t start = b->len;
	int rc = paths_default_socket(b);

	if (rc == 0 && environment("GROUPD_SOCKET") == NULL &&
	    access(buf_cstr(b) + start, F_OK) < 0 &&
	    access(system_socket, F_OK) == 0) {
		buf_truncate(b, start);
		rc = -ENOENT;
	}
	if (rc != -ENOENT)
		return rc;
	buf_append_str(b, str_of(system_socket));
	return b->failed ? -ENOMEM : 0;
}
