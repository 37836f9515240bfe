/* SPDX-License-Identifier: MIT */
/*
 * A whole groupd in this process, on a thread of its own, and connections on
 * which a test speaks frames to it. Helpers that fail end the test. A test
 * file includes cmocka.h itself.
 */
#ifndef GROUPFS_TESTS_SUPPORT_GROUPD_FIXTURE_H
#define GROUPFS_TESTS_SUPPORT_GROUPD_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/groupd.h"
#include "lib/buf.h"
#include "lib/wire.h"

enum {
	ANSWER_MS = 10000,
	QUIET_MS = 150,
	UID_DAEMON = 1, /* "daemon" and "bin" are in every Debian passwd */
	UID_BIN = 2,
	P_ROOT = 1,
	P_DAEMON = 2,
	P_BIN = 3
};

/* A clock that stands still but for what a test adds to it, in milliseconds. */
extern atomic_uint_fast64_t fixture_now;
extern const struct env fixture_still;

struct fixture {
	struct buf dir;
	struct config config;
	const struct env *env; /* the system's, unless changed before */
	struct groupd groupd;
	/* May be NULL. Before its thread runs; on the thread, before it ends.
	 */
	void (*on_started)(struct fixture *f);
	void (*on_ending)(struct fixture *f);
	void *data; /* theirs */
	uv_loop_t loop;
	uv_async_t quit;
	pthread_t thread;
	char root[WIRE_USER_MAX + 1]; /* the name of P_ROOT */
};

struct conn {
	int fd;
	uint32_t id;
	struct buf frame; /* the body of the last one read */
	struct wire_header header;
	union wire_body body;
};

/* A groupd of its own, on sqlite or in memory, with no gateway. */
int set_up(void **state);
int set_up_memory(void **state);
/* The same, once it was changed. */
int set_up_changed(void **state, bool memory,
		   void (*change)(struct fixture *f));
/* One for the directory of a groupd that another process runs or ran, and
 * its start. */
struct fixture *fixture_of(const struct config *config);
void start_fixture(struct fixture *f);
int tear_down(void **state);
/* The rest of tear_down(), once the thread has ended. */
int remove_fixture(struct fixture *f);
/* Connects; says nothing. */
void dial(struct conn *c, const struct fixture *f);
void hang_up(struct conn *c);
/* Whether there is something to read within ms. */
bool readable(const struct conn *c, int ms);
/* The next frame; false at the end of the connection. */
bool next_frame(struct conn *c);
void write_frame(struct conn *c, enum wire_type type, uint32_t principal,
		 const void *body);
/* Sends and reads the answer, skipping events; its code. */
enum err_code ask(struct conn *c, enum wire_type type, uint32_t principal,
		  const void *body);
/* The same, as what was sent over another connection before. */
enum err_code ask_again(struct conn *c, enum wire_type type, uint32_t principal,
			const void *body);
void open_uid(struct conn *c, uint32_t principal, uint32_t uid);
/* Connects, says hello, opens P_ROOT, P_DAEMON, P_BIN. */
void greet(struct conn *c, struct fixture *f);
/* "team", a group of P_ROOT with "daemon" in it. */
uint64_t create_group(struct conn *c);
enum err_code say(struct conn *c, uint32_t principal, uint64_t group_id,
		  const char *text);
enum err_code edit(struct conn *c, uint32_t principal, uint64_t group_id,
		   enum edit_op op, const char *name);
enum err_code read_at(struct conn *c, uint32_t principal, uint64_t group_id,
		      uint64_t off, uint64_t size);
enum err_code watch(struct conn *c, uint32_t principal, uint64_t group_id);

#endif
