/* SPDX-License-Identifier: MIT */
/*
 * What the files of the client share. Private to them.
 *
 *   client.c            the connection: made, greeted, lost, closed
 *   client_request.c    submit -> waiting -> queue -> sent -> finish
 *   client_principal.c  opened, refused, opened again
 *
 * Callbacks of the caller may submit, cancel, open and close principals, and
 * close the client. So whoever may run one (it says so below) walks no list
 * meanwhile: what is to be called back is moved to a list of its own first
 * and popped from there. The struct itself lives until the handles' close
 * callbacks, which never run inside one of these.
 */
#ifndef GROUPFS_LIB_CLIENT_PRIVATE_H
#define GROUPFS_LIB_CLIENT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lib/client.h"
#include "lib/client_conn.h"
#include "lib/client_pending.h"

struct client_private {
	struct client *c;
	uv_loop_t *loop;
	struct client_options options; /* path and agent are ours */
	char *path;
	char *agent;
	struct client_conn *conn; /* NULL: none now */
	struct pending pending;
	struct list principals;
	struct list reopen; /* principals' open requests to be sent again */
	/* Without a connection: to the next attempt. With one that is not
	 * greeted yet: how long the greeting may take. */
	uv_timer_t wait;
	uv_timer_t tick;
	uv_idle_t turn; /* runs in the next turn: what must not run at once */
	uint64_t backoff_ms;
	unsigned handles; /* not closed yet: ours and connections */
	uint32_t last_principal;
	bool principals_wrapped;
	bool hello_done;	/* WELCOME came on this connection */
	bool told, told_online; /* what on_state said last */
	bool closing;
	client_close_cb close_cb;
};

/* client.c */

/* Has client_requests_fail() and client_requests_flush() run in the next loop
 * turn. */
void client_next_turn(struct client_private *p);
/* Gives the connection up, for why: what was sent waits again, and the next
 * connection is on its way. Runs no callback. */
void client_lose(struct client_private *p, const char *why);

/* client_request.c */

/* Submits one of the client's own, which has no meaning on another
 * connection; client_submit() with the rest of req zeroed. 0, -ENOMEM,
 * -EMSGSIZE. Never -EBUSY: a client that is full must still be able to open
 * its principals, or it could not get rid of what it is full of. */
int client_request_submit_oneway(struct client_private *p,
				 struct client_request *req,
				 uint32_t principal_id, enum wire_type type,
				 const void *body, client_reply_cb cb);
/* Takes it back; its callback will not run. Takes one that is not pending. */
void client_request_drop(struct client_private *p, struct client_request *req);
/* Gives it back to the caller and runs its callback. */
void client_request_finish(struct client_request *req, const struct err *err,
			   const void *body);

/* The answer to one of them came. Runs its callback. False: it does not fit,
 * and nothing happened. */
bool client_requests_answer(struct client_private *p,
			    const struct wire_header *h,
			    const union wire_body *body);
/* Writes what is queued, as far as there is room. */
void client_requests_flush(struct client_private *p);
/* The connection is gone: all wait again, in their order. */
void client_requests_take_back(struct client_private *p);
/* groupd has another store: those that name something of the one before are
 * called back. */
void client_requests_restored(struct client_private *p);
/* Connected: those without a principal may be written. */
void client_requests_release(struct client_private *p);
/* What is `failing` gets its principal's err or, where there is none,
 * `unavailable` with the text (NULL: the usual). Runs callbacks. */
void client_requests_fail(struct client_private *p, const char *text);
/* All that wait are failing. */
void client_requests_give_up(struct client_private *p);
/* The timer that looks for deadlines, and asks again for principals. */
void client_requests_need_tick(struct client_private *p);
/* Fills err with what an ERROR frame or an event says. */
void client_request_err(struct err *err, uint64_t code, struct str text);

/* client_principal.c */

/* Asks for all of them on this connection. False: no memory. */
bool client_principals_open(struct client_private *p);
/* None is open without a connection. */
void client_principals_lost(struct client_private *p);
/* EV_PRINCIPAL: groupd does not know that one any more. Runs callbacks. */
void client_principals_revoked(struct client_private *p, uint32_t id,
			       uint64_t code);
/* The client ends: closing one later is no error. */
void client_principals_forget(struct client_private *p);

#endif
