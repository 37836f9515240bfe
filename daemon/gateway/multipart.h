/* SPDX-License-Identifier: MIT */
/*
 * multipart/form-data (RFC 7578), as it comes: pieces of any size in, parts
 * out. Strict: what is not exactly a form is refused. (Of libwebsockets' own
 * parser, lws_spa, 4.1.6: it ends the request under us at the last boundary,
 * cuts long names, takes no quoted boundary, and no error can be told.)
 *
 *   multipart_start -> multipart_feed ... -> multipart_complete
 *                        part, data..., part, data..., ...
 *
 * Holds one header line of a part, no data. Pure functions: one caller.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_MULTIPART_H
#define GROUPFS_DAEMON_GATEWAY_MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/gateway/disposition.h"
#include "lib/buf.h"
#include "lib/str.h"

enum {
	MULTIPART_BOUNDARY_MAX = 70, /* bytes (RFC 2046) */
	MULTIPART_HEADERS_MAX = 8192 /* bytes of one part's headers */
};

struct multipart_ops {
	/* A part begins; its name is there, its filename may be. 0, or a
	 * negative errno, which multipart_feed() returns. */
	int (*part)(void *data, struct disposition *d);
	/* Bytes of the part that began last. The same. */
	int (*data)(void *data, struct str bytes);
};

enum multipart_state {
	MULTIPART_PREAMBLE,
	MULTIPART_DATA,
	MULTIPART_BEHIND,  /* a boundary: its line ends, or it was the last */
	MULTIPART_HEADERS, /* of a part */
	MULTIPART_END
};

struct multipart {
	const struct multipart_ops *ops; /* borrowed, as data */
	void *data;
	enum multipart_state state;
	char delimiter[4 + MULTIPART_BOUNDARY_MAX]; /* CR LF "--" boundary */
	size_t delimiter_len;
	size_t matched;	  /* bytes of it that were just seen */
	size_t held;	  /* those of them that an earlier call brought */
	struct buf line;  /* a header, or what stands behind a boundary */
	size_t headers;	  /* bytes of this part's so far */
	bool has_headers; /* a Content-Disposition among them */
	struct disposition disposition;
};

/* The value of a Content-Type header. -EINVAL: no form, or no boundary. */
int multipart_start(struct multipart *m, struct str content_type,
		    const struct multipart_ops *ops, void *data);
/* 0; -EINVAL: no form; -ENOMEM; what an op returned. Then no more may be fed.
 */
int multipart_feed(struct multipart *m, struct str bytes);
/* The last boundary was seen. */
bool multipart_complete(const struct multipart *m);
/* Takes a zeroed one. */
void multipart_release(struct multipart *m);

#endif
