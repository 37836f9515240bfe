/* SPDX-License-Identifier: MIT */
/*
 * The {g} of a request -> a group: by name, and where no group of that name
 * is visible and it is a number, by id.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_RESOLVE_H
#define GROUPFS_DAEMON_GATEWAY_RESOLVE_H

#include "daemon/gateway/recall.h"
#include "lib/client.h"

struct resolve;
/* err NULL: r->group. Runs once, never inside resolve_start(). */
typedef void (*resolve_cb)(struct resolve *r, const struct err *err);

/* The caller embeds it, zeroed, and sets the first two. */
struct resolve {
	void *data; /* the caller's */
	enum find_for for_whom;
	struct recall *recall; /* borrowed; notes what is found. NULL: no */
	/* Its strs point into r. */
	struct wire_body_group group;

	/* private */
	struct client *client;
	struct client_principal *principal;
	struct client_request req;
	resolve_cb cb;
	uint64_t id;
	uint64_t timeout_ms;
	bool pending;
	bool by_name;
	bool recalled;
	char name[WIRE_NAME_MAX + 1];
	char created_by[WIRE_USER_MAX + 1];
};

/* 0, or a negative errno and err: the callback will not run. timeout_ms: of
 * each of the two questions, as in client_submit(). */
int resolve_start(struct resolve *r, struct client *c,
		  struct client_principal *p, struct str group,
		  uint64_t timeout_ms, resolve_cb cb, struct err *err);
/* Fills r->group with the id and the name alone, when they can be recalled. */
bool resolve_recall(struct resolve *r, const struct client_principal *p,
		    struct str group);
/* Whether r was recalled by the name group as one other than group_id. */
static inline bool resolve_may_be_wrong(const struct resolve *r,
					struct str group, uint64_t group_id)
{
	return r->recalled && r->group.group_id != group_id &&
	       str_eq(r->group.name, group);
}
/* Whether groupd has refused what was recalled, which is forgotten then:
 * resolve_start() finds out. */
bool resolve_was_wrong(struct resolve *r, const struct client_principal *p,
		       const struct err *err);
/* Forgets it; also when it is not under way. */
void resolve_cancel(struct resolve *r);

#endif
