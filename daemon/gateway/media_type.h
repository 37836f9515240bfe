/* SPDX-License-Identifier: MIT */
/*
 * How a file in media/ is given to a browser. What it holds is a stranger's,
 * so the name alone decides, and what could run as a page is never shown as
 * one. Pure functions.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_MEDIA_TYPE_H
#define GROUPFS_DAEMON_GATEWAY_MEDIA_TYPE_H

#include <stdbool.h>

#include "lib/str.h"

struct media_type {
	const char *extension; /* without the dot, lower case */
	const char *type;      /* the Content-Type */
	bool shown;	       /* inline, else as an attachment */
};

/* By the extension, in any case; application/octet-stream for any other. */
const struct media_type *media_type_of(struct str name);

#endif
