/* SPDX-License-Identifier: MIT */
/*
 * What this program defines in the place of a library (intercept.h, polls.h)
 * hides the library's own, which it needs as well.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_HIDDEN_H
#define GROUPFS_DAEMON_GATEWAY_HIDDEN_H

#include <dlfcn.h>
#include <string.h>

/* Sets *to, a pointer to a function, to the one hidden by ours; NULL: there is
 * none. Any thread. */
static inline void hidden_find(void *to, const char *name)
{
	/* ISO C has no cast from a data pointer to a function's. */
	void *symbol = dlsym(RTLD_NEXT, name);

	memcpy(to, &symbol, sizeof(symbol));
}

#endif
