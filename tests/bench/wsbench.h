/* SPDX-License-Identifier: MIT */
/*
 * wsclients: the parts of the light client of `make bench-ws`, which holds
 * many connections to one server and takes its frames apart at next to no
 * cost. It ends the process where it cannot go on. One thread.
 */
#ifndef GROUPFS_TESTS_BENCH_WSBENCH_H
#define GROUPFS_TESTS_BENCH_WSBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

enum {
	WSBENCH_CONTENT = 200, /* bytes of a message */
	WSBENCH_STAMP = 22     /* of it: "#T", when it was sent, in ns */
};

/* What a piece of a server's bytes is. */
enum wsbench_piece {
	PIECE_OTHER,
	PIECE_STEP, /* the answer to what we opened or subscribed with */
	PIECE_MESSAGE,
	PIECE_PING
};

/* One of the groups, or of a broker's subjects. */
struct wsbench_group {
	char name[32];
	uint32_t number;
	uint64_t after; /* subscribe from there; ours only */
};

/* One way to speak: a server of its own. */
struct wsbench_proto {
	const char *name;
	/* What opens the connection number i, and what subscribes it to n
	 * groups. Each is answered with one PIECE_STEP, or more. */
	void (*open)(struct buf *out, size_t i);
	void (*subscribe)(struct buf *out,
			  const struct wsbench_group *const *groups, size_t n);
	/* One message, from a connection that was opened only; NULL: it is
	 * sent over groupd's socket. */
	void (*publish)(struct buf *out, const struct wsbench_group *g,
			struct str content);
	struct str pong;
	/* The bytes of the first piece, 0 when it is not complete. */
	size_t (*parse)(const char *p, size_t n, enum wsbench_piece *piece);
};

const struct wsbench_proto *wsbench_proto(const char *name);
/* The tokens of connections 0, 1, ...: the lines of a file. Once. */
void wsbench_use_tokens(const char *path);

/* The content, with now as its stamp. */
void wsbench_content(char out[WSBENCH_CONTENT], uint64_t now_ns);
/* When the message in a piece was sent. */
uint64_t wsbench_stamp(const char *p, size_t n);

/* A process that sends over groupd's socket. */
struct wssender {
	int fd; /* write: a wsask; read: a wssent for each */
};
/* So many messages to each of the groups from first on, to a group as one
 * SEND. */
struct wsask {
	uint32_t first, ngroups, count;
};
struct wssent {
	uint64_t at_ns; /* when all was answered, bench_now_ns() */
};

/* To be started before there are other descriptors. It ends with ours. Fills
 * what groups have as `after`. */
void wssender_start(struct wssender *s, const char *socket,
		    struct wsbench_group *groups, size_t n);

/* The servers, by their pids: numbers with a blank between, those that write
 * first. What of the processors they have used. */
struct wscpu {
	uint64_t writers, all; /* ns */
};
struct wscpu wsserver_cpu(const char *pids, size_t writers);
/* How much more memory those that write have now than in base (KiB, as pids),
 * and the others of whom base says anything. */
void wsserver_grown_kib(const char *pids, const char *base, size_t writers,
			double grown[2]);
/* How often the kernel has put threads to sleep that had nothing to do: of the
 * process at that place in pids; false: there is none. */
bool wsserver_sleeps(const char *pids, size_t at, uint64_t *out);

/* Makes the group of n users (who exist) u0, u1, ... and root; prints a token
 * for each. And groups of some of them, as run_set_up() deals them out. */
int scene_main(int argc, char **argv);
/* Who has missed much: as pages, and as WebSockets. */
int pages_main(int argc, char **argv);
int resume_main(int argc, char **argv);
/* Who comes at once. */
int storm_main(int argc, char **argv);

#endif
