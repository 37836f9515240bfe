/* SPDX-License-Identifier: MIT */
/*
 * One connection: frames in, frames out, back-pressure both ways. What the
 * frames ask for is the business of whoever embeds the session.
 *
 *   HELLO --hello()--> READY --finish()--> CLOSING --(drained)--> CLOSED
 *     |                  |                    |                      ^
 *     +------------------+---- close() -------+----------------------+
 *
 * Bounds (struct session_limits). In: a session with too many requests or
 * request bytes in flight, or with too much output waiting, is not read any
 * further; one bigger request always passes when nothing else is in flight.
 * Out: answers are always queued, they are bounded by what was read; who
 * sends events asks session_is_full() first. No progress on the output for
 * stall_ms, or no hello within hello_ms, closes.
 *
 * Memory: free in on_free, which runs after the handle is closed and the
 * last request has ended. All on the loop.
 */
#ifndef GROUPFS_DAEMON_SESSION_H
#define GROUPFS_DAEMON_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/frame.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "lib/list.h"
#include "lib/wire.h"

enum session_state {
	SESSION_HELLO,
	SESSION_READY,
	SESSION_CLOSING, /* its last bytes are being written */
	SESSION_CLOSED
};

struct session_limits {
	size_t requests;    /* in flight */
	size_t bytes;	    /* in flight */
	size_t output;	    /* waiting to be written: full */
	size_t output_hard; /* events that must not be lost: above, close */
	uint64_t hello_ms;
	uint64_t stall_ms;
	uint64_t closing_ms; /* for the last bytes */
	uint64_t sweep_ms;   /* how often the times are looked at */
};

extern const struct session_limits session_limits_default;

struct session;
struct session_ops {
	/* A frame in SESSION_HELLO or READY; body is borrowed until it
	 * returns. */
	void (*on_frame)(struct session *s, const struct wire_header *header,
			 struct str body);
	/* Room for output again. */
	void (*on_drained)(struct session *s);
	/* CLOSED: nothing can be sent any more. */
	void (*on_closed)(struct session *s);
	void (*on_free)(struct session *s);
};

/* What all sessions of a loop share. */
struct session_host {
	uv_loop_t *loop;
	const struct session_ops *ops;
	struct session_limits limits;
	struct list sessions;
	size_t count;
	uint64_t serial;   /* of the last session */
	struct list dirty; /* have output that waits for the turn's end */
	uv_prepare_t flush;
	uv_timer_t sweep;
	bool paused; /* no request is taken any more */
	int closing; /* handles still open */
	void (*on_close)(struct session_host *h);
	void *data; /* the caller's */
};

struct session {
	enum session_state state;
	struct session_host *host; /* borrowed */
	struct list link;	   /* in host->sessions until on_free */
	struct list dirty;
	uv_pipe_t pipe;
	uint64_t serial; /* never used again */
	uid_t uid;	 /* SO_PEERCRED */
	pid_t pid;
	struct buf in;
	struct buf out; /* small frames, gathered until the turn's end */
	size_t in_flight;
	size_t in_flight_bytes;
	uint64_t submitted; /* bytes ever given to the pipe */
	uint64_t progress;  /* bytes seen written at progress_ms */
	uint64_t progress_ms;
	uint64_t since_ms; /* of the state */
	bool parsing;
	bool reading;
	bool was_full; /* on_drained is owed */
	bool handle_closed;
};

int session_host_start(struct session_host *h, uv_loop_t *loop,
		       const struct session_ops *ops,
		       const struct session_limits *limits);
/* Takes no more requests; those in flight are answered. From then on a session
 * that is finished closes, too, when its peer takes nothing for a moment. */
void session_host_pause(struct session_host *h);
/* No session may be left, but those that are never freed. */
void session_host_close(struct session_host *h,
			void (*cb)(struct session_host *h));

/* Gives what is gathered to the kernel now, as far as it takes it. */
void session_host_flush(struct session_host *h);

/* Takes a zeroed session whose pipe is initialised and connected; starts
 * reading. On failure the caller closes the pipe. */
int session_start(struct session *s, struct session_host *h);

/* HELLO -> READY. */
void session_hello(struct session *s);
/* Writes what is queued, then closes. */
void session_finish(struct session *s);
/* Closes at once. */
void session_close(struct session *s);

/* A request of that weight begins and ends. session_end() may free s. */
void session_begin(struct session *s, size_t weight);
void session_end(struct session *s, size_t weight);

/* Takes the bytes of whole frames; b is empty afterwards. Nothing happens
 * when the session is closing. */
void session_put(struct session *s, struct buf *b);
/* Shares a frame. */
void session_put_frame(struct session *s, struct frame *f);
/* Encodes and sends a frame. */
void session_send(struct session *s, enum wire_type type, uint32_t id,
		  uint32_t principal, const void *body);
void session_send_error(struct session *s, uint32_t id, uint32_t principal,
			const struct err *err);

/* Bytes not yet written. */
size_t session_output(const struct session *s);
/* Bytes ever written, that is, taken by the kernel. */
uint64_t session_written(const struct session *s);
/* Output is above its bound; on_drained will tell. */
bool session_is_full(struct session *s);
/* Open for requests and events. */
static inline bool session_is_open(const struct session *s)
{
	return s->state <= SESSION_READY;
}

#endif
