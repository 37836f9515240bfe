/* SPDX-License-Identifier: MIT */
/*
 * One WebSocket (design.md section 5).
 *
 *   front --> ws_receive -> ws_commands -> client      answers -> out queue
 *   feed  --> ws_sub (a cursor a group) -> ready list        |
 *   ws_writable / ws_pump:  out queue first, then ready subs, in turn
 *   ws_write_run:  what is new, to a connection that waits for nothing else
 *
 * Nothing is queued of messages: a connection that does not take more is left
 * alone until its socket drains, and its subs read on from their cursors.
 * Notes of who came and went (ws_notes.h) lie between the messages. The out
 * queue is bounded: above WS_OUT_STOP nothing is read from the client, above
 * WS_OUT_MAX the connection is closed (3008) and resumes by cursor.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_WS_H
#define GROUPFS_DAEMON_GATEWAY_WS_H

#include "daemon/gateway/frames.h"
#include "daemon/gateway/gateway.h"
#include "daemon/gateway/resolve.h"
#include "daemon/gateway/ws_notes.h"
#include "daemon/gateway/ws_users.h"
#include "lib/json.h"

struct lws;

enum {
	WS_AUTH_S = 10,
	WS_PING_S = 25,
	WS_CHECK_S = 5,
	WS_STALL_MS = 30000,
	WS_SLICE_BYTES = 16 << 10, /* of messages, one write */
	WS_TURN_SLICES = 4,
	WS_OUT_STOP = 256 << 10,
	WS_OUT_MAX = 1 << 20,
	WS_COMMANDS_MAX = 64,
	WS_SUBS_MAX = 20000,
	WS_RETRY_SPREAD_MS = 5000, /* so that not all come back at once */

	/* groupd-api(7) names them. */
	WS_BYE_LEAVING = 3001,
	WS_BYE_SLOW = 3008,
	WS_BYE_TOO_MANY = 3009, /* connections of this user */
	WS_BYE_SILENT = 3012,
	WS_BYE_FINAL = 3500, /* from here on he is not invited back */
	WS_BYE_UNAUTHENTICATED = 3500,

	/* RFC 6455 7.4.1 */
	WS_CLOSE_PROTOCOL = 1002,
	WS_CLOSE_NOT_TEXT = 1003,
	WS_CLOSE_NO_CODE = 1005, /* as if: the frame has none */
	WS_CLOSE_BAD_UTF8 = 1007,
	WS_CLOSE_TOO_LARGE = 1009
};

/* A group that connections of this process are subscribed to. */
struct ws_group {
	struct table_node node; /* by id */
	struct table_node by_name;
	struct list subs;
	struct ws_notes notes;
	struct buf head; /* what its message frames begin with; owned */
	uint64_t group_id;
	char name[WIRE_NAME_MAX + 1];
};

struct ws_sub {
	struct ws_conn *conn;
	struct ws_group *group;
	struct list ready;    /* in conn->ready while there may be something */
	struct ws_note *note; /* of the group's, the next to be told */
	bool live_told;
	struct feed_sub feed;
	struct table_node node; /* by connection and group */
	struct list of_conn;
	struct list of_group;
};

struct ws_conn {
	struct gateway *gw;
	struct lws *wsi;

	/* What each new message looks at, in one line of the cache. */
	struct list ready;
	struct list out; /* of ws_frame */
	int closing;	 /* the close code, once bye was said */
	int fd;		 /* borrowed from lws; -1: TLS, write through lws */
	bool held;	 /* lws has bytes that the socket did not take */
	bool dead;	 /* lws closes it soon */
	bool close_sent;
	bool ping_due;
	bool pong_due; /* to the last ping; others before it need none */

	struct bearer *bearer; /* NULL before authentication */
	struct bearer_user user;
	struct seat seat;
	struct list of_gateway;
	struct list gathered;	 /* in gw->gathered: to be flushed this turn */
	struct ws_user *account; /* NULL before he is greeted */
	struct list of_account;
	struct wheel_timer timer;
	uint64_t serial;

	struct list subs;
	size_t nsubs;
	size_t out_bytes;
	struct buf in; /* a message that is not complete */

	struct list waiting; /* commands not yet at groupd, in order */
	struct list flying;
	uint64_t nserials; /* commands until now */
	size_t ncommands;
	bool starting;	  /* the first of `waiting` is under way */
	bool awaits_sent; /* it starts behind one of `flying` */

	uint64_t stalled_ms; /* uv_now() since nothing was taken; 0: flows */
	uint64_t pinged_ms;
	unsigned int unanswered; /* pings */
	uint8_t pong[FRAMES_CONTROL];
	uint8_t pong_len;
	bool greeted;
	bool all;     /* subscribed to all his groups, so to new ones, too */
	bool stopped; /* we do not read */
	bool close_got;
};

/* front.c calls these. Negative: lws is to close it now. */
struct ws_conn *ws_open(struct gateway *gw, struct lws *wsi, struct str token);
int ws_receive(struct ws_conn *c, struct str piece, bool final, bool text);
int ws_writable(struct ws_conn *c);
/* Both say what is to be done, and free nothing. */
void ws_control(struct ws_conn *c, enum frame_opcode opcode,
		struct str payload);
/* It sent what no client may: closes with this code. */
void ws_refuse(struct ws_conn *c, int code);
void ws_closed(struct ws_conn *c); /* frees it; takes NULL */

/* ws_frame.c */
/* A frame to be filled with one JSON object, then put or dropped. */
void ws_frame_begin(struct buf *b, const char *type, struct str id);
/* What its object begins with. */
void ws_frame_type(struct buf *b, const char *type);
/* Room for what lws and ws_frame_bytes() put before a frame. */
void ws_frame_room(struct buf *b);
/* A frame as it goes out, with its header. Borrowed from it. */
struct str ws_frame_bytes(struct buf *frame);
/* Frames one behind the other, as they go out: what is appended to out between
 * the two is one; start is what begin returned. */
size_t ws_batch_begin(struct buf *out);
void ws_batch_end(struct buf *out, size_t start);

/* ws_conn.c */
void ws_put(struct ws_conn *c, struct buf *frame); /* takes its bytes */
void ws_put_error(struct ws_conn *c, struct str id, const struct err *err,
		  const char *extra);
void ws_pump(struct ws_conn *c);
/* Says bye and closes; the first reason counts. He is to wait for
 * retry_after_ms and a random part of WS_RETRY_SPREAD_MS before he comes back;
 * with a code from WS_BYE_FINAL on he is told 0. */
void ws_bye(struct ws_conn *c, int code, uint64_t retry_after_ms);
int ws_use_token(struct ws_conn *c, struct str token);
void ws_use_ticket(struct ws_conn *c, struct str ticket);
/* Reads on or not, by what is under way. */
void ws_throttle(struct ws_conn *c);
/* Writes whole frames; nothing may be buffered. False: take a pause. */
bool ws_write_bytes(struct ws_conn *c, struct str bytes);
bool ws_write(struct ws_conn *c, struct buf *frame);
/* Nothing is to go out before a message. */
bool ws_may_write(const struct ws_conn *c);

/* ws_commands.c */
/* groupd is there again: who is subscribed to all is told of what he was added
 * to in the meantime. */
void ws_on_online(struct gateway *gw);
void ws_command(struct ws_conn *c, struct str text);
/* Once it is greeted: what has come before. */
void ws_commands_run(struct ws_conn *c);
void ws_commands_cancel(struct ws_conn *c);
/* Whether a command of c waits for the answer to this request. */
bool ws_awaits(const struct ws_conn *c, uint64_t request);

/* ws_feed.c */
/* He is a member now: told and subscribed, unless he is subscribed. */
void ws_added(struct ws_conn *c, uint64_t group_id, struct str name,
	      uint64_t last_read_seq);
int ws_subscribe(struct ws_conn *c, uint64_t group_id, struct str name,
		 uint64_t after_seq, struct err *err);
struct ws_sub *ws_find_sub(const struct ws_conn *c, uint64_t group_id);
/* By the group's name, or its id as text. */
struct ws_sub *ws_find_sub_named(const struct ws_conn *c, struct str name);
void ws_unsubscribe(struct ws_sub *sub);
/* Writes up to budget bytes of messages, and the last of them whole. True:
 * there is more, and the socket may take it. */
bool ws_write_messages(struct ws_conn *c, size_t budget);
/* ws_run.c */
/* Appends the message's frame for this sub: made once for all, or its own. */
void ws_append_message(struct buf *out, struct ws_sub *sub,
		       struct feed_message *m);
/* Writes all new messages at once to a sub that had read all before. False:
 * that is not all, or was not possible: read it. */
bool ws_write_run(struct ws_sub *sub);
/* Has what is new of several groups written at once, at the end of this turn:
 * false where there is only one. */
bool ws_gather(struct ws_sub *sub);
void ws_flush(struct feed *f);

void ws_on_event(struct gateway *gw, const struct wire_header *header,
		 const void *body);

#endif
