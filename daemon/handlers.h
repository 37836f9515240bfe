/* SPDX-License-Identifier: MIT */
/*
 * One function per request type, through one table.
 *
 *   session --frame--> handlers_frame: decode, find the principal, then
 *     here      answered on the loop (hello, principals, unwatch)
 *     read      on a reader thread, in one snapshot
 *     write     on the group's lane; names that only passwd knows are
 *               looked up on a reader first
 *   answer <-- request_finish (loop) <-- done
 *
 * Membership is checked where the data is: in the reader's snapshot, in the
 * lane's transaction. A struct request holds all that one request needs; its
 * worker encodes the answer, so the loop only passes bytes on.
 */
#ifndef GROUPFS_DAEMON_HANDLERS_H
#define GROUPFS_DAEMON_HANDLERS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/bus.h"
#include "daemon/group.h"
#include "daemon/import_keeper.h"
#include "daemon/media.h"
#include "daemon/nodes.h"
#include "daemon/peer.h"
#include "daemon/pointers.h"
#include "daemon/rate.h"
#include "daemon/readers.h"
#include "daemon/sequencer.h"
#include "lib/env.h"
#include "store/store.h"

struct request;
struct whole;

/* What the handlers work with; borrowed parts of struct groupd. */
struct handlers {
	struct registry *registry;
	struct readers *readers;
	struct readers *verifier; /* a pool of one thread, for VERIFY */
	struct readers *movers;	  /* those of the media files' bytes */
	struct whole *whole;	  /* backup and restore */
	struct media *media;
	struct import_keeper *imports;
	struct sequencer *sequencer;
	struct nodes *nodes;	   /* NULL: the store is not shared */
	struct pointers *pointers; /* NULL: the store is not shared */
	struct bus *bus;
	const struct tickets *tickets;
	struct rate *rate;
	const struct env *env;
	const char *data_dir;
	uint64_t instance;
	uint64_t store;		  /* its identity */
	uint64_t max_content;	  /* may change at SIGHUP */
	uint64_t max_connections; /* of a user; 0: no limit; at SIGHUP too */
	uid_t own_uid;
	bool (*trusts)(void *data, uid_t uid);
	/* A session said HELLO; may close it. May be NULL. */
	void (*greeted)(void *data, struct peer *peer, struct str agent);
	/* The loop's figures, as wire records. */
	void (*figures)(void *data, struct buf *out);
	/* Something happened that no lane does: as sequencer_options.on_event.
	 */
	void (*event)(void *data, struct event *e);
	/* The same of /metrics, as text. */
	void (*metrics)(void *data, struct buf *out);
	void *data;
	bool stopping;	   /* a refusal may be only ours: the next groupd
			      answers */
	uint64_t requests; /* counted */
	uint64_t refused;
	uint64_t sends_refused[ERR_COUNT];
	/* private: structs of requests that have ended, for those to come */
	struct list spare;
	size_t spares;
};

struct handler {
	enum wire_type type;
	/* Exactly one of the three. here: the answer is sent or the request
	 * refused (r->err) when it returns. */
	void (*here)(struct request *r);
	/* Reader: fills the answer or refuses. */
	int (*read)(struct request *r, struct store *store);
	/* Lane: the same, inside the transaction. Of SEND: after its append,
	 * with its refusal in r->err (sequencer.h). */
	int (*write)(struct request *r, struct store *store,
		     struct list *events);
	/* Reader, in place of write where the store is shared. */
	int (*buffered)(struct request *r, struct store *store);
	/* Reader, before write: may block; refuses by an errno. */
	int (*prepare)(struct request *r, struct store *store);
	/* Loop, before it is submitted. */
	int (*begin)(struct request *r);
	/* Loop, before the answer goes out. True: it was submitted again. */
	bool (*finish)(struct request *r);
	bool no_principal; /* needs none */
	bool admin_only;
	/* admin_only: without a principal, it counts who has connected, so that
	 * the store need not be asked who that is. */
	bool by_socket;
	bool verifier; /* runs on that pool */
	bool mover;    /* on this one: it waits for the disk */
	bool whole;    /* on that of backup and restore, without a snapshot */
};

/* What SEND_MEDIA, or an import, knows of the file. */
struct request_media {
	bool found; /* the upload */
	uint8_t hash[STORE_HASH];
	uint64_t size;
	bool forgotten; /* committed, so the upload is not needed */
};

/* SET_READ on a shared store. */
struct request_pointer {
	bool buffered; /* a reader has checked it */
	uint64_t seq;
	uint64_t stored; /* what the store has */
	char group[WIRE_NAME_MAX + 1];
};

/* One request, from its frame to its answer. */
struct request {
	const struct handler *handler;
	struct handlers *handlers; /* borrowed */
	struct peer *peer;	   /* borrowed: stays while in flight */
	uint32_t id;
	uint32_t principal_id;
	uint64_t principal_serial; /* 0: none */
	bool resent;		   /* over another connection before */
	size_t weight;
	struct buf frame; /* owned; body points into it */
	union wire_body body;
	char user[WIRE_USER_MAX + 1];
	bool admin;
	uint64_t max_content;

	/* What the workers leave. */
	struct err err;
	struct buf answer; /* owned: the frame, when err is ERR_NONE */
	uint64_t group_id; /* whose membership was checked; 0: none */
	bool group_exists; /* no_such_group, to the daemon it exists */

	/* Each for the type that needs it. */
	struct buf extra; /* new users (names), figures, or metrics */
	bool want;	  /* SEND: somebody watches */
	uint64_t known;	  /* SEND, EDIT_MEMBERS: the next seq, or the version
			     that was told here, when it came; 0: nobody
			     watches */
	struct store_append append; /* SEND */
	struct wire_body_sent sent;
	uint64_t charged; /* SEND: messages that the user's rate gave */
	struct err over;  /* SEND: it gave none, so only what was stored
			     before is answered */
	uint8_t hash[STORE_TOKEN_HASH];
	char token[WIRE_TOKEN_MAX + 1];
	uint64_t expires_ms;
	uint64_t revocations;	      /* OPEN_PRINCIPAL: when it was read */
	uint64_t user_version;	      /* OPEN_PRINCIPAL */
	struct group_pending pending; /* WATCH */
	bool baseline;		      /* WATCH: reads the next one, too */
	struct store_version version;
	struct wire_body_watching watching;
	struct request_media media;
	struct request_pointer pointer;
	/* GET_INFO: how many are online, and whether all nodes were asked. */
	struct bus_online online;
	bool asked;

	/* private: handlers.c */
	struct readers_job job;
	struct sequencer_op op;
};

/* Before the first frame, when the rest is filled; and when no request is
 * left. */
void handlers_init(struct handlers *h);
void handlers_release(struct handlers *h);
/* session_ops.on_frame of all peers. */
void handlers_frame(struct handlers *h, struct peer *peer,
		    const struct wire_header *header, struct str body);

/* For the handlers. */

/* Encodes the answer of the request's type; body is its struct. */
int request_answer(struct request *r, const void *body);
int request_answer_ok(struct request *r, uint64_t value);
static inline struct str request_user(const struct request *r)
{
	return str_of(r->user);
}
/* Its principal, if that is still open. Loop. */
struct principal *request_principal(const struct request *r);
/* Finds the group as the user sees it, noting whose membership it was. */
int request_find_group(struct request *r, struct store *store, uint64_t id,
		       struct str name, struct wire_group *out);
/* After a verb that refused: whether the group exists for others. */
void request_note_refusal(struct request *r, struct store *store,
			  uint64_t group_id);
int request_no_memory(struct request *r);
/* Loop: charges the user n messages. known: they may be stored already, so
 * that it is the store which refuses them. */
int request_charge(struct request *r, uint64_t n, bool known);
/* After the store was asked: refuses what is over the limit and new. */
int request_check_over(struct request *r);
/* Loop: the answer SENT, with what the user may still send; and the same into
 * the session's output, so that there is nothing to answer any more. */
int request_answer_sent(struct request *r);
void request_put_sent(struct request *r);
/* Reader: the group that request_find_group() found, with the pointer that is
 * not stored yet. */
int request_see_pointer(struct request *r, struct store *store,
			struct wire_group *g);
/* To the group's lane. -EBUSY */
int request_write(struct request *r);
/* What finish() said it waits for has come: finish() again, on the loop. */
void request_go_on(struct request *r);
/* Once more to the readers. -EBUSY */
int request_read_again(struct request *r);
/* From finish(): work that blocks first, then finish() again. -EBUSY */
int request_work(struct request *r,
		 void (*run)(struct readers_job *job, struct store *store));
static inline struct request *request_of_job(struct readers_job *job)
{
	return container_of(job, struct request, job);
}

/* Reader: names of users, asked for together: found[i] is of names[i]. */
struct request_names {
	struct str *names; /* borrowed from the request */
	bool *found;
	size_t count;
};
/* Has room for so many. -ENOMEM, and r->err. */
int request_names_init(struct request *r, struct request_names *n, size_t max);
int request_names_find(struct request *r, struct store *store,
		       struct request_names *n);
void request_names_release(struct request_names *n);
/* Reader: notes a user who has a local account but is not stored yet. */
int request_prepare_user(struct request *r, struct store *store,
			 struct str user);
/* The same of all whom a list of `edit` adds. */
int request_prepare_edits(struct request *r, struct store *store,
			  struct str edits);
/* Lane: stores the noted ones, before the verb that needs them. */
int request_add_users(struct request *r, struct store *store);
/* Lane: an event of that kind about the group, by r's user; what is particular
 * to its kind is still to be filled. NULL: r->err says why. */
struct event *request_members_event(struct request *r, struct store *store,
				    struct list *events, enum event_kind kind,
				    uint64_t group_id);
/* Lane: after the verb has refused it (r->err). An edit that was sent before
 * may be done: *done edits are, op says what the rest changed. Or refuses. */
int request_edit_again(struct request *r, struct store *store,
		       struct store_edit *op, uint64_t *done);
/* Lane: the event of what was sent to r's group. */
int request_tell_sent(struct request *r, struct list *events,
		      const struct wire_body_sent *sent, bool mentions);

extern const struct handler handlers_session[];
extern const struct handler handlers_reading[];
extern const struct handler handlers_writing[];
extern const struct handler handlers_admin[];
extern const struct handler handlers_media[];
extern const struct handler handlers_port[];
extern const struct handler handlers_whole[];

#endif
