/* SPDX-License-Identifier: MIT */
/*
 * The one client of groupd: groupfs, the gateways and groupctl all speak
 * through it.
 *
 *   client_submit --> pending --frame--> groupd
 *        cb       <--         <--answer-- groupd     events --> on_event
 *
 * It says hello, keeps the pending requests, their deadlines and the
 * principals, and reconnects by itself: after a lost connection it opens the
 * principals again and resends what was not answered. That is safe because
 * each request that writes carries a key (batch_id, key) or is idempotent, and
 * because what names something of a store never goes to another one.
 *
 * All on one loop thread. Callbacks run on the loop, never inside the call
 * that asked for them, and exactly once. libuv's contract holds for memory:
 * a request is the client's from submit to its callback; the client's own
 * memory is free only in the close callback.
 */
#ifndef GROUPFS_LIB_CLIENT_H
#define GROUPFS_LIB_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/list.h"
#include "lib/wire.h"

struct client;
struct client_request;
struct client_principal;

enum {
	CLIENT_TIMEOUT_MS = 10000,	/* what design.md calls `timeout` */
	CLIENT_HELLO_MS = 3000,		/* not greeted by then: lost */
	CLIENT_IN_FLIGHT_MAX = 64 << 20 /* bytes of requests not answered */
};

/* err is NULL on success, and then body is the decoded answer (a struct
 * wire_body_* of wire_answer_of(type)), borrowed until the callback returns.
 * The request is the caller's again when the callback begins. */
typedef void (*client_reply_cb)(struct client_request *req,
				const struct err *err, const void *body);

/* One request. The caller embeds it; zero it before the first submit. */
struct client_request {
	void *data; /* the caller's */

	/* private */
	struct list link;		    /* where it waits or was sent */
	struct list order;		    /* all pending ones */
	struct client *client;		    /* NULL: not pending */
	struct client_principal *principal; /* borrowed */
	struct client_request *next;	    /* of the same bucket */
	client_reply_cb cb;
	struct buf frame;     /* owned: header and body, for resending */
	uint64_t deadline_ms; /* uv_now() time; 0: none */
	uint32_t id;
	enum wire_type type;
	bool sent;    /* on the current connection or an earlier one */
	bool undone;  /* and what was answered last says that it is not done */
	bool unknown; /* whether it was done once */
	uint64_t again_ms; /* while it waits to be sent again */
	unsigned tries;	   /* that groupd's store did not answer */
	bool oneway;	   /* the client's own: of this connection only */
};

enum client_principal_state {
	CLIENT_PRINCIPAL_OPENING, /* its requests wait */
	CLIENT_PRINCIPAL_READY,
	CLIENT_PRINCIPAL_REFUSED /* its requests are refused with p->err */
};

/* It is READY (err NULL) or REFUSED. Called when that differs from what was
 * told last: not again for a reconnect after which it is READY as before, but
 * again when that found the token gone, or when the token was revoked. */
typedef void (*client_principal_cb)(struct client_principal *p,
				    const struct err *err);

/* Who requests act for. The caller embeds it; zero it before opening. */
struct client_principal {
	void *data;		      /* the caller's */
	char name[WIRE_USER_MAX + 1]; /* once READY */
	bool admin;		      /* root or groupd's own user */
	enum client_principal_state state;
	const struct err *err; /* owned: once REFUSED; before, why it is not
				* open yet; or NULL */

	/* private */
	struct list link;
	struct list waiting; /* its requests until it is READY */
	struct client *client;
	client_principal_cb cb;
	uint32_t id;
	uint32_t uid;
	uint32_t pending; /* its requests, waiting or sent */
	enum principal_kind kind;
	enum client_principal_state told; /* OPENING: nothing yet */
	char token[WIRE_TOKEN_MAX + 1];
	struct client_request open;
};

struct client_options {
	const char *path;  /* groupd's socket; copied. NULL: passive, the
			      connections come from client_attach() */
	const char *agent; /* "groupfs/1.0"; copied */
	/* While groupd cannot reach its store (`unavailable` with a time to
	 * come again) or does not know what became of a request
	 * (`outcome_unknown`), requests are sent again, with the keys that
	 * they have, until their deadlines. Else these are answers like any
	 * other, and so it is for what waits for a principal meanwhile. */
	bool patient;
	void *data; /* the caller's, in client->data */

	/* An event of groupd: body is a struct wire_body_ev_*, borrowed until
	 * it returns. EV_PRINCIPAL is handled by the client itself. Required.
	 */
	void (*on_event)(struct client *c, const struct wire_header *header,
			 const void *body);
	/* Connected and greeted (why is NULL), or away (a sentence): at each
	 * change, and when the first attempt fails. After true, watches must
	 * be made again: feed does. May be NULL. */
	void (*on_state)(struct client *c, bool online, const char *why);
	/* groupd has another store: a backup was restored. No group_id, seq,
	 * offset or media_id of before means what it did, so the requests that
	 * name one are called back next, with `epoch_changed`, and are not
	 * sent again. Before on_state says that it is there. May be NULL. */
	void (*on_restored)(struct client *c);
};

struct client {
	void *data;
	bool online;
	uint64_t instance;	/* of the groupd that greeted last */
	uint64_t store;		/* which store it has; 0 before */
	uint64_t max_content;	/* bytes a message may have; 0 before */
	uint64_t since_ms;	/* wall clock of the last change of online */
	char why[ERR_TEXT_MAX]; /* while offline: the reason, in words */

	/* private: client.c */
	struct client_private *p;
};

typedef void (*client_close_cb)(struct client *c);

/* Starts connecting; a groupd that is away is no error. The process must
 * ignore SIGPIPE. 0, -ENOMEM, or -ENAMETOOLONG for a path that no socket can
 * have. */
int client_start(struct client *c, uv_loop_t *loop,
		 const struct client_options *options);

/* Passive clients: takes over a connected stream socket (closes it in the
 * end), in place of the connection there was. 0 or -errno (fd is closed):
 * -ECANCELED after client_close(). */
int client_attach(struct client *c, int fd);

/* For whoever finds that what groupd said makes no sense: gives up the
 * connection, for why (a sentence), and goes on with the next one, where what
 * was not answered is sent again. Takes a client that has none. Allowed in
 * all callbacks. */
void client_drop(struct client *c, const char *why);

/* Stops: pending requests are called back with `unavailable`, then cb. */
void client_close(struct client *c, client_close_cb cb);

/*
 * Encodes body (a struct wire_body_* of type) and sends it as soon as there
 * is a connection and the principal (may be NULL) is open. timeout_ms 0: no
 * deadline. At the deadline the callback says `outcome_unknown` if a request
 * that writes was sent, else `unavailable`. 0, or: -ENOMEM, -EBUSY above
 * CLIENT_IN_FLIGHT_MAX, -EMSGSIZE above WIRE_FRAME_MAX, -ECANCELED after
 * client_close(); then the callback will not run.
 */
int client_submit(struct client *c, struct client_request *req,
		  struct client_principal *p, enum wire_type type,
		  const void *body, uint64_t timeout_ms, client_reply_cb cb);

/* Forgets a submitted request: its callback will not run, its memory is the
 * caller's at once. groupd may still carry it out. */
void client_cancel(struct client_request *req);

/* By what an event of groupd names a request that is pending, its id; 0: it is
 * not pending. */
static inline uint32_t client_request_id(const struct client_request *req)
{
	return req->client == NULL ? 0 : req->id;
}

/* Whether all that groupd has sent was read. groupd writes events before the
 * answers to those who caused them, so whoever knows of such an answer and
 * asks us later finds us knowing the event, or not settled. This is strict for
 * changes of members (daemon/fence.h); of a message, one who reads more than
 * the socket holds may know a moment later. */
bool client_is_settled(const struct client *c);

/* Messages to store that are not answered yet, those too that are not yet
 * sent: requests of WIRE_SEND. */
size_t client_sends_pending(const struct client *c);

/* Sends a request whose answer is of no interest, on this connection only:
 * dropped when there is none, when p (may be NULL) is not READY, or when there
 * is no memory. It does not count as one of p's. */
void client_tell(struct client *c, struct client_principal *p,
		 enum wire_type type, const void *body);

/* Opens a principal; cb (may be NULL) tells how it went. Requests may be
 * submitted at once. token: for PRINCIPAL_TOKEN, copied. 0, -EINVAL for a
 * token that is too long, -ENOMEM, -ECANCELED after client_close(). */
int client_open_principal(struct client *c, struct client_principal *p,
			  enum principal_kind kind, uint32_t uid,
			  const char *token, client_principal_cb cb);

/* Closes it: its memory is the caller's at once. None of its requests may be
 * pending. */
void client_close_principal(struct client_principal *p);

#endif
