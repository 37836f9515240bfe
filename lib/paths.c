/* SPDX-License-Identifier: MIT */
#include "lib/paths.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

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
		buf_append_str(b, str_of("/run/groupd/groupd.sock"));
	else if (run != NULL)
		buf_printf(b, "%s/groupd.sock", run);
	else
		return -ENOENT;
	return b->failed ? -ENOMEM : 0;
}
