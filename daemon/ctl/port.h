/* SPDX-License-Identifier: MIT */
/*
 * The lines of an export (groupctl(1), FORMAT): one JSON object each, told
 * apart by "type":
 *
 *   groupfs-export, member ..., message ..., (media, bytes ...) ..., end
 *
 * The getters are strict: what is missing, unknown or too long is refused. 0
 * or -errno and err; strs are borrowed from j, or from a buf that is given to
 * be filled. Pure functions.
 */
#ifndef GROUPFS_DAEMON_CTL_PORT_H
#define GROUPFS_DAEMON_CTL_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/wire.h"

enum {
	PORT_VERSION = 1,
	PORT_PIECE = 48 << 10 /* bytes of a file a line; a multiple of 3, so
				 that only the last one is padded */
};

enum port_type {
	PORT_LINE_HEAD,
	PORT_LINE_MEMBER,
	PORT_LINE_MESSAGE,
	PORT_LINE_MEDIA,
	PORT_LINE_BYTES,
	PORT_LINE_END
};

struct port_head {
	struct wire_port_group group;
	bool media; /* the bytes of the files are in it */
};

struct port_counts {
	uint64_t members;
	uint64_t messages;
	uint64_t media;
};

/* Each appends one line. */
void port_put_head(struct buf *b, const struct port_head *head,
		   uint64_t now_ms);
void port_put_member(struct buf *b, const struct wire_port_member *m);
void port_put_message(struct buf *b, const struct wire_message *m);
void port_put_media(struct buf *b, const struct wire_media *m);
void port_put_bytes(struct buf *b, uint64_t offset, struct str data);
void port_put_end(struct buf *b, const struct port_counts *counts,
		  const uint8_t sha256[WIRE_HASH]);

int port_get_type(const struct json *j, enum port_type *type, struct err *err);
int port_get_head(const struct json *j, struct port_head *head,
		  struct buf *settings, struct err *err);
int port_get_member(const struct json *j, struct wire_port_member *m,
		    struct err *err);
/* m->hash points to hash. */
int port_get_media(const struct json *j, struct wire_media *m,
		   uint8_t hash[WIRE_HASH], struct err *err);
int port_get_bytes(const struct json *j, uint64_t *offset, struct buf *data,
		   struct err *err);
/* *summed: there is a sha256. */
int port_get_end(const struct json *j, struct port_counts *counts,
		 uint8_t sha256[WIRE_HASH], bool *summed, struct err *err);

#endif
