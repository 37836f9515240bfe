/* SPDX-License-Identifier: MIT */
/*
 * Which handler a method and a path belong to. A pattern is a path whose
 * segments are literal or "*", which takes one segment that is not empty,
 * percent-decoded once. Pure functions; a match owns its segments.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_ROUTE_H
#define GROUPFS_DAEMON_GATEWAY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/str.h"

enum { ROUTE_PARTS = 2 };

enum http_method {
	HTTP_GET = 1,
	HTTP_POST = 2,
	HTTP_PUT = 4,
	HTTP_PATCH = 8,
	HTTP_DELETE = 16,
	HTTP_HEAD = 32,	   /* of each path that knows GET */
	HTTP_OPTIONS = 64, /* of each path */
	HTTP_ANY = 127
};

struct http_request;

struct route {
	enum http_method method;
	const char *pattern; /* "*" is one segment */
	/* Answers, now or later. NULL ends the table. */
	void (*handle)(struct http_request *r);
	bool open; /* needs no token */
};

struct route_match {
	const struct route *route;
	struct buf part[ROUTE_PARTS]; /* owned: what "*" took */
	unsigned int allowed;	      /* methods that the path knows, as bits */
};

/* Fills m (zeroed). 0; -ENOENT: no such path; -ENOTSUP: not with this method,
 * see m->allowed. Release it in every case. */
int route_find(const struct route *table, unsigned int method, struct str path,
	       struct route_match *m);
void route_match_release(struct route_match *m);

/* The methods of a path as a table has them, and those that follow from
 * them: "GET, PUT, HEAD, OPTIONS". */
void route_put_allowed(struct buf *b, unsigned int methods);

#endif
