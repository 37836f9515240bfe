/* SPDX-License-Identifier: MIT */
/*
 * Content-Disposition: of a request, of a part of a form (RFC 6266, 7578,
 * 8187), and of an answer. Pure functions.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_DISPOSITION_H
#define GROUPFS_DAEMON_GATEWAY_DISPOSITION_H

#include <stdbool.h>

#include "lib/buf.h"
#include "lib/str.h"

/* Zeroed by the caller, who releases it in every case. */
struct disposition {
	struct buf type; /* "attachment", "form-data": lower case */
	struct buf name; /* of a form's part */
	struct buf filename;
	bool has_name;
	bool has_filename;
};

/* 0, or -EINVAL: malformed, or a parameter is there twice. filename* counts
 * before filename; it must be UTF-8, which is not checked further: neither
 * names nor file names are. Before '"' and '\' a backslash quotes; elsewhere
 * it is one, as browsers write it. */
int disposition_parse(struct str value, struct disposition *d);
void disposition_release(struct disposition *d);

/* Replaces each %22 by '"', which is how forms (not headers) quote it. */
void disposition_unquote_form(struct buf *filename);

/* "inline; filename=..." of a file name, with filename* where it needs it. */
void disposition_put(struct buf *b, bool shown, struct str filename);

#endif
