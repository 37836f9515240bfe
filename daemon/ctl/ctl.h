/* SPDX-License-Identifier: MIT */
/*
 * groupctl's one connection, used one call at a time: each ctl_call() runs
 * the loop until its answer is there. Acts for the caller's own uid.
 *
 * Functions return what groupctl exits with (enum ctl_exit) and have then
 * said why on stderr. One thread.
 */
#ifndef GROUPFS_DAEMON_CTL_CTL_H
#define GROUPFS_DAEMON_CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/ctl/progress.h"
#include "lib/buf.h"
#include "lib/client.h"
#include "lib/wire.h"

enum ctl_exit {
	CTL_OK = 0,
	CTL_REFUSED = 1,     /* by groupd; or verify found problems */
	CTL_USAGE = 2,	     /* the command line is wrong */
	CTL_UNREACHABLE = 3, /* groupd does not answer */
	CTL_CLOSED = 141     /* who reads stdout has gone: as by SIGPIPE */
};

enum {
	/* How long a groupd that is not there, or just restarting, is waited
	 * for: at first, and in the middle of the work. */
	CTL_CONNECT_MS = 2000,
	CTL_LOST_MS = 10000
};

/* For a command that stays: hears what groupd says unasked, and when it goes
 * and comes back (as client.h has it). */
struct ctl_watcher {
	void *data;
	void (*on_event)(void *data, const struct wire_header *header,
			 const void *body);
	void (*on_state)(void *data, bool online, const char *why);
	void (*on_restored)(void *data);
};

struct ctl {
	const char *path;		   /* groupd's socket; borrowed */
	const struct ctl_watcher *watcher; /* borrowed; NULL: nobody */
	/* Drawn while a call lasts, taken away when one fails; borrowed.
	 * NULL: none. */
	struct progress *progress;

	/* private */
	uv_loop_t loop;
	uv_timer_t tick;
	struct client client;
	struct client_principal self;
	struct client_request request;
	enum wire_type type; /* of the call in progress */
	uint64_t seen_ms;    /* loop time when last online */
	uint64_t opening_ms; /* loop time since when the principal is; or 0 */
	bool running;	     /* client_start() succeeded */
	bool unnamed;
	bool greeted;	   /* groupd was reached once */
	bool done;	   /* the callback ran */
	bool lost;	   /* given up */
	struct err err;	   /* of the last call; ERR_NONE: answered */
	struct buf answer; /* encoded: outlives the callback */
};

/* Connects and opens the principal. unnamed: without one, so that groupd need
 * not reach its store. Whatever it returns, ctl_close(). */
enum ctl_exit ctl_open(struct ctl *ctl, const char *path, bool unnamed);
void ctl_close(struct ctl *ctl);

/*
 * One request. *answer is a struct wire_body_* of the type that answers it;
 * its strs are borrowed until the next call.
 */
enum ctl_exit ctl_call(struct ctl *ctl, enum wire_type type, const void *body,
		       void *answer);
/* The same, but says nothing: why is in ctl->err. timeout_ms 0: no deadline. */
enum ctl_exit ctl_ask(struct ctl *ctl, enum wire_type type, const void *body,
		      uint64_t timeout_ms, void *answer);
/* The same as ctl_call() without a deadline. */
enum ctl_exit ctl_call_long(struct ctl *ctl, enum wire_type type,
			    const void *body, void *answer);

/* Waits for a groupd that starts anew: another one than `instance`. */
enum ctl_exit ctl_await_restart(struct ctl *ctl, uint64_t instance);

/* "groupctl: " and the text on stderr, control characters escaped. */
void ctl_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The same for what was to be done with a file, and errno. CTL_REFUSED */
enum ctl_exit ctl_cannot(const char *what, const char *path);

/* Appends s escaped and a line's end to out, for a terminal. */
void ctl_put_line(struct buf *out, struct str s);
/* Writes all of out to stdout, and waits for it. CTL_CLOSED without a word
 * where nobody reads on. */
enum ctl_exit ctl_print(const struct buf *out);

/* Lets time go by; the connection goes on. */
void ctl_wait(struct ctl *ctl, uint64_t ms);
/* The group of that name that the caller is a member of. Its strs are borrowed
 * until the next call. */
enum ctl_exit ctl_find_group(struct ctl *ctl, const char *name,
			     struct wire_body_group *group);

/* Complains about a user's name that groupd could not take. */
bool ctl_is_user_name(const char *name);
bool ctl_is_group_name(const char *name);

#endif
