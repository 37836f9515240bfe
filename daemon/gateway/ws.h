/* SPDX-License-Identifier: MIT */
/*
 * One WebSocket (design.md section 5).
 *
 *   front --> ws_receive -> ws_commands -> client      answers -> out queue
 *   feed  --> ws_sub (a cursor a group) -> ready list        |
 *   ws_writable / ws_pump:  out queue first, then ready subs, in turn
 *
 * Nothing is queued of messages: a connection that does not take more is left
 * alone until its socket drains, and its subs read on from their cursors. The
 * out queue is bounded: above WS_OUT_STOP nothing is read from the client,
 * above WS_OUT_MAX the connection is closed (3008) and resumes by cursor.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_WS_H
#define GROUPFS_DAEMON_GATEWAY_WS_H

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/resolve.h"
#include "lib/json.h"

struct lws;

enum {
	WS_AUTH_S = 10,
	WS_PING_S = 25,
	WS_CHECK_S = 5,
	WS_STALL_MS = 30000,
	WS_TURN_BYTES = 16 << 10,
	WS_OUT_STOP = 256 << 10,
	WS_OUT_MAX = 1 << 20,
	WS_COMMANDS_MAX = 64,
	WS_SUBS_MAX = 20000,

	WS_BYE_LEAVING = 3001,
	WS_BYE_SLOW = 3008,
	WS_BYE_SILENT = 3012,
	WS_BYE_UNAUTHENTICATED = 3500
};

/* A group that connections of this process are subscribed to. */
struct ws_group {
	struct table_node node; /* by id */
	struct list subs;
	uint64_t group_id;
	char name[WIRE_NAME_MAX + 1];
};

struct ws_sub {
	struct feed_sub feed;
	struct ws_conn *conn;
	struct ws_group *group;
	struct table_node node; /* by connection and group */
	struct list of_conn;
	struct list of_group;
	struct list ready; /* in conn->ready while there may be something */
	bool live_told;
};

struct ws_conn {
	struct gateway *gw;
	struct lws *wsi;
	struct bearer *bearer; /* NULL before authentication */
	struct bearer_user user;
	struct list of_gateway;
	struct wheel_timer timer;
	uint64_t serial;

	struct list subs;
	struct list ready;
	size_t nsubs;
	struct list out; /* of ws_frame */
	size_t out_bytes;
	struct buf in; /* a message that is not complete */

	struct list waiting; /* commands not yet at groupd, in order */
	struct list flying;
	size_t ncommands;
	bool starting; /* the first of `waiting` is under way */

	uint64_t stalled_ms; /* uv_now() since nothing was taken; 0: flows */
	uint64_t pinged_ms;
	unsigned int unanswered; /* pings */
	bool ping_due;
	bool greeted;
	bool stopped; /* we do not read */
	bool dead;    /* lws closes it soon */
	bool close_sent;
	int closing; /* the close code, once bye was said */
};

/* front.c calls these. Negative: lws is to close it now. */
struct ws_conn *ws_open(struct gateway *gw, struct lws *wsi, struct str token);
int ws_receive(struct ws_conn *c, struct str piece, bool final, bool text);
int ws_writable(struct ws_conn *c);
void ws_pong(struct ws_conn *c);
void ws_closed(struct ws_conn *c); /* frees it; takes NULL */

/* ws_conn.c */
/* A frame to be filled with one JSON object, then put or dropped. */
void ws_frame_begin(struct buf *b, const char *type, struct str id);
void ws_put(struct ws_conn *c, struct buf *frame); /* takes its bytes */
void ws_put_error(struct ws_conn *c, struct str id, const struct err *err,
		  const char *extra);
void ws_pump(struct ws_conn *c);
/* Says bye and closes; the first reason counts. */
void ws_bye(struct ws_conn *c, int code, uint64_t retry_after_ms);
int ws_use_token(struct ws_conn *c, struct str token);
void ws_use_ticket(struct ws_conn *c, struct str ticket);
/* Reads on or not, by what is under way. */
void ws_throttle(struct ws_conn *c);

/* ws_commands.c */
void ws_command(struct ws_conn *c, struct str text);
void ws_commands_cancel(struct ws_conn *c);

/* ws_feed.c */
int ws_subscribe(struct ws_conn *c, uint64_t group_id, struct str name,
		 uint64_t after_seq, struct err *err);
struct ws_sub *ws_find_sub(const struct ws_conn *c, uint64_t group_id);
void ws_unsubscribe(struct ws_sub *sub);
/* Writes up to budget bytes of messages. True: there is more. */
bool ws_write_messages(struct ws_conn *c, size_t budget);
/* Hands one frame (LWS_PRE room, then JSON) to lws. False: take a pause. */
bool ws_write(struct ws_conn *c, struct buf *frame);
void ws_on_event(struct gateway *gw, const struct wire_header *header,
		 const void *body);

#endif
