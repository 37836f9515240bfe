/* SPDX-License-Identifier: MIT */
/*
 * What groupd gives a gateway together with a connection that it accepted on
 * its own socket: the proof of who is at the other end, for a gateway has no
 * such word of the kernel that groupd would take from it.
 *
 *   ticket = uid (8 hex digits), HMAC-SHA-256(key, uid, pid, start) (64)
 *
 * The key is groupd's alone, in a file of mode 0600 below its data, so that a
 * groupd that was killed and started again knows its tickets.
 *
 * How long: a ticket is good for the one process that it was given to, named
 * by its pid and the time when it started, as the kernel tells them of the
 * gateway's end of the session; so it ends with that process, and with it all
 * connections that it was given for. A time of its own it has not: a WebSocket
 * may stay open for months and has its principal opened again after each
 * restart of groupd. It is the same for all connections of a uid to one
 * gateway, which therefore share a principal, as those that show one token do.
 *
 * Any thread.
 */
#ifndef GROUPFS_DAEMON_TICKET_H
#define GROUPFS_DAEMON_TICKET_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/env.h"
#include "lib/err.h"
#include "lib/str.h"

enum {
	TICKET_KEY = 32, /* bytes */
	TICKET_LEN = 8 + 64
};

struct tickets {
	uint8_t key[TICKET_KEY];
};

/* Whose tickets: a process, told apart from a later one of the same pid. */
struct ticket_holder {
	pid_t pid;
	uint64_t start; /* clock ticks since boot, proc(5) */
};

/* Reads the key of a directory, or makes it. */
int tickets_open(struct tickets *t, const char *dir, const struct env *env,
		 struct err *err);
void tickets_close(struct tickets *t);

/* -ESRCH: no such process. */
int ticket_holder_of(pid_t pid, struct ticket_holder *out);
/* -ENOMEM */
int ticket_make(const struct tickets *t, const struct ticket_holder *holder,
		uid_t uid, char out[TICKET_LEN + 1]);
/* The uid of a ticket that we made for this holder; else `unauthenticated`. */
int ticket_check(const struct tickets *t, const struct ticket_holder *holder,
		 struct str ticket, uid_t *uid, struct err *err);

#endif
