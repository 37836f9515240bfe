/* SPDX-License-Identifier: MIT */
/*
 * sendbench: the parts of what `make bench-send` measures with. It ends the
 * process where it cannot go on.
 *
 * A sender has one message under way: when that is answered, it sends the next.
 * The time of an answer is from when the request was made until its answer was
 * taken apart, with the time that both waited in this process.
 */
#ifndef GROUPFS_TESTS_BENCH_SENDBENCH_H
#define GROUPFS_TESTS_BENCH_SENDBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

enum {
	SENDBENCH_CONTENT = 200, /* bytes of a message */
	SENDBENCH_RECORD = 240,	 /* of one in a bare file */
	SENDBENCH_SENDERS = 1536
};

/* Not the same in each run: a batch_id that was used before would find what it
 * sent stored already. */
uint64_t sendbench_random(void);

/* The content of all messages. */
struct str sendbench_content(void);

/* What is measured of some senders, by one thread. Times are counted from
 * BENCH_WARM_MS (50) on, for BENCH_SLICE_MS (200). */
struct sendtimes {
	uint64_t begin_ns, end_ns; /* of what counts */
	uint32_t *took;		   /* owned; units of 100 ns */
	size_t n, cap;
};
void sendtimes_start(struct sendtimes *t);
/* Notes an answer to what was sent at since_ns. False: the time is over. */
bool sendtimes_note(struct sendtimes *t, uint64_t since_ns, uint64_t now_ns);
/* Adds those of another, which is empty then. */
void sendtimes_merge(struct sendtimes *t, struct sendtimes *other);
/* Prints samples of the metric: messages a second, p50, p99, p99.9. */
void sendtimes_report(struct sendtimes *t, const char *metric,
		      const char *side);

/* What a server's bytes are. */
struct sendpiece {
	enum {
		SENDPIECE_OTHER,
		SENDPIECE_OPEN,	  /* the answer to what it began with */
		SENDPIECE_NEXT,	  /* to the first message not answered yet */
		SENDPIECE_ANSWER, /* to that of the tag */
	} kind;
	uint32_t tag;
};

/* One way to send: the protocol of a server. */
struct sendproto {
	const char *name;
	/* What a connection begins with, and how many answers to that. */
	void (*open)(struct buf *out, uint32_t number);
	unsigned opens;
	/* One message. tag: which of the connection's senders sends it. */
	void (*put)(struct buf *out, uint32_t tag, uint64_t group);
	/* The bytes of the first piece, 0 when it is not complete. A refusal
	 * ends the process. */
	size_t (*parse)(const char *p, size_t n, struct sendpiece *piece);
};
const struct sendproto *sendproto_of(const char *name);
/* Of the environment: who sends, over HTTP. */
const char *sendbench_token(void);

/* The commands. */
int load_main(int argc, char **argv);
int file_main(int argc, char **argv);
int fdatasync_main(int argc, char **argv);
int server_main(int argc, char **argv);
int mount_main(int argc, char **argv);
int end_main(int argc, char **argv);
int scene_main(int argc, char **argv);
int wal_main(int argc, char **argv);

#endif
