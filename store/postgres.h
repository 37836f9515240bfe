/* SPDX-License-Identifier: MIT */
/*
 * The inside of the PostgreSQL back end; nothing but store/postgres*.c
 * includes it, and nothing else knows libpq.
 *
 *   postgres.c            open, connection, transactions, snapshots
 *   postgres_util.c       statements, parameters, results, round trips, errors
 *   postgres_schema.c     the tables and their versions
 *   postgres_functions.c  what runs inside of PostgreSQL
 *   postgres_room.c       partitions: room for a day's messages
 *   postgres_append.c     messages in, read pointers
 *   postgres_groups.c     groups made, deleted, their members edited
 *   postgres_read.c       groups as users see them, messages, byte offsets
 *   postgres_changes.c    what other machines did, by number
 *
 * Of postgres_rest.h: users, tokens, metadata, media, mentions, imports, the
 * audit and the verbs on the whole.
 *
 * A handle is one connection. Each verb is a round trip or two; what needs
 * several statements under a lock is a function in the database. Where two
 * rows are locked, all lock the group's row in `groups` first, then what
 * belongs to the group, then users by their names.
 *
 * A connection that was lost is made anew when the handle is used next; but
 * what was open on it (a transaction, a snapshot) is refused until its end.
 */
#ifndef GROUPFS_STORE_POSTGRES_H
#define GROUPFS_STORE_POSTGRES_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "store/backend.h"
#include "store/postgres_rest.h"

enum {
	PG_VERSION = 1,	       /* of the schema */
	PG_SERVER_MIN = 15,    /* PostgreSQL's own */
	PG_PARAMS_MAX = 20,    /* of one statement */
	PG_DAY_MS = 86400000,  /* a time bucket */
	PG_WRITE_MS = 1500,    /* how long a round trip may take: of a write */
	PG_READ_MS = 5000,     /* of a look */
	PG_LONG_MS = INT32_MAX /* of what walks over all there is */
};
/* PostgreSQL's numbers are signed. */
#define PG_NUMBER_MAX UINT64_C(0x7fffffffffffffff)

/* X(ENUM, milliseconds, SQL): each is prepared when it is first used on a
 * connection. Numbers are bigint, or what a cast says. */
#define PG_CORE_STATEMENTS(X)                                                  \
	X(BEGIN_WRITE, PG_WRITE_MS, "BEGIN ISOLATION LEVEL READ COMMITTED")    \
	X(BEGIN_VIEW, PG_READ_MS,                                              \
	  "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")                   \
	X(COMMIT, PG_WRITE_MS, "COMMIT")                                       \
	X(ROLLBACK, PG_WRITE_MS, "ROLLBACK")                                   \
	X(SAVE, PG_WRITE_MS, "SAVEPOINT verb")                                 \
	X(UNDO, PG_WRITE_MS, "ROLLBACK TO verb")                               \
	X(KEEP, PG_WRITE_MS, "RELEASE verb")                                   \
	X(META_GET, PG_READ_MS, "SELECT v FROM meta WHERE k=$1")               \
	X(META_SET, PG_WRITE_MS,                                               \
	  "INSERT INTO meta(k,v) VALUES($1,$2) "                               \
	  "ON CONFLICT(k) DO UPDATE SET v=excluded.v")                         \
	X(ROLE, PG_READ_MS,                                                    \
	  "SELECT m.role FROM members m JOIN groups g "                        \
	  "ON g.group_id=m.group_id WHERE m.group_id=$1 AND m.name=$2")

#define PG_STATEMENTS(X) PG_CORE_STATEMENTS(X) PG_REST_STATEMENTS(X)

enum pg_statement {
#define PG_ENUM(ENUM, ms, sql) PG_##ENUM,
	PG_STATEMENTS(PG_ENUM)
#undef PG_ENUM
		PG_COUNT
};

struct postgres_store {
	struct store base;
	struct buf url;
	PGconn *conn; /* NULL: none, or lost */
	bool prepared[PG_COUNT];
	/* PostgreSQL has warned since the last question was asked. */
	bool warned;
	struct buf held; /* what the strs point to that a verb handed out */

	/* What struct wire_group of find_group points to. */
	char group_name[WIRE_NAME_MAX + 1];
	char group_creator[WIRE_USER_MAX + 1];
};

static inline struct postgres_store *pg_of(struct store *s)
{
	return (struct postgres_store *)(void *)s;
}

/* postgres.c */

/* Makes the connection that is not there; `unavailable`. */
int pg_connect(struct postgres_store *s, struct err *err);
/* Another connection to the same place, set up and checked: PQfinish(). */
PGconn *pg_connect_another(const struct postgres_store *s, struct err *err);
/* Gives the connection up: what was open on it is broken. */
void pg_drop(struct postgres_store *s);

/* postgres_util.c */

/* One statement and its parameters. Bytes are borrowed until it has run. */
struct pg_call {
	enum pg_statement which;
	int count;
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX];
	uint64_t numbers[PG_PARAMS_MAX]; /* as they are sent */
};
void pg_use(struct pg_call *c, enum pg_statement which);
/* The next parameter. A number is a bigint; an empty str is NULL, or with
 * pg_add_bytes() too; pg_add_blob() never is. */
void pg_add(struct pg_call *c, uint64_t value);
void pg_add_null(struct pg_call *c);
void pg_add_bool(struct pg_call *c, bool value);
void pg_add_text(struct pg_call *c, struct str s);
void pg_add_bytes(struct pg_call *c, struct str s);
void pg_add_blob(struct pg_call *c, struct str s);
void pg_add_hash(struct pg_call *c, const uint8_t hash[STORE_HASH]);
/* A name to go on from, never NULL. Any bytes: PostgreSQL's text knows no NUL
 * and no broken UTF-8, and names of groups and users are ASCII, so what is
 * neither is replaced by what has the same place among them. room: that many
 * bytes or more, borrowed like s. */
enum { PG_AFTER_MAX = 72 };
void pg_add_after(struct pg_call *c, struct str s, char room[PG_AFTER_MAX]);

/*
 * Runs it: how many rows there are, and *out, which is PQclear()ed by the
 * caller; or -errno, and *out is NULL. Within a transaction an error breaks
 * the handle. out may be NULL where the rows do not matter.
 */
int pg_run(struct postgres_store *s, const struct pg_call *c, PGresult **out,
	   struct err *err);
/* A statement without parameters and rows. */
int pg_do(struct postgres_store *s, enum pg_statement which, struct err *err);
/* Runs one that takes effect by itself, or with COMMIT: as pg_run(), but
 * -EINPROGRESS when nobody knows whether it did. */
int pg_run_commit(struct postgres_store *s, const struct pg_call *c,
		  PGresult **out, struct err *err);

/* Columns; a NULL is 0 or empty. Strs are borrowed until PQclear(). */
uint64_t pg_column(const PGresult *r, int row, int column);
struct str pg_column_str(const PGresult *r, int row, int column);
bool pg_is_null(const PGresult *r, int row, int column);
/* Moves the strs from their row into s->held, where they stay until the next
 * call. */
int pg_hold(struct postgres_store *s, struct str *const *strs, size_t count,
	    struct err *err);

/* Arrays as parameters, in PostgreSQL's binary form. */
enum pg_type { PG_TYPE_BYTEA = 17, PG_TYPE_BIGINT = 20, PG_TYPE_TEXT = 25 };
struct pg_array {
	struct buf buf; /* pg_add_array() borrows it */
	size_t count;
};
/* A zeroed one becomes an empty array of that type. */
void pg_array_begin(struct pg_array *a, enum pg_type type);
void pg_array_add(struct pg_array *a, uint64_t value);
/* An empty str is NULL; with pg_array_add_blob() it is not. */
void pg_array_add_str(struct pg_array *a, struct str s);
void pg_array_add_blob(struct pg_array *a, struct str s);
void pg_array_release(struct pg_array *a);
/* Completes it. Its memory may have failed: a.buf.failed. */
void pg_add_array(struct pg_call *c, struct pg_array *a);

/* Puts a refusal of PostgreSQL's into words; r may be NULL: the connection is
 * lost. -EIO, or -ENOSPC. */
int pg_fail(struct postgres_store *s, const PGresult *r, struct err *err);
/* What is stored is not what must be there. */
int pg_corrupt(struct postgres_store *s, const char *what, struct err *err);
int pg_no_memory(struct postgres_store *s, struct err *err);

/* One question on a connection, within ms: its last result, or NULL when the
 * connection is lost or too late. The question was sent. */
PGresult *pg_answer(const struct postgres_store *s, PGconn *conn, int ms);
/* A script, with text results, on a connection that is not the handle's own
 * or not in use yet. */
PGresult *pg_script(const struct postgres_store *s, PGconn *conn, int ms,
		    const char *sql);

/* Makes all that a verb writes one step: undone with it, or kept. */
int pg_save(struct postgres_store *s, struct err *err);
/* rc: how the verb went; returned, unless ending the step fails. */
int pg_end_save(struct postgres_store *s, int rc, struct err *err);

/* A number in the table `meta`; 0: it is not there. */
int pg_get_meta(struct postgres_store *s, const char *name, uint64_t *value,
		struct err *err);
int pg_set_meta(struct postgres_store *s, const char *name, uint64_t value,
		struct err *err);

/* postgres_schema.c: makes or migrates the store (writer), checks that it is
 * one of ours. */
int pg_schema_check(struct postgres_store *s, struct err *err);

/* postgres_read.c: ROLE_NONE for one who is no member. */
int pg_role(struct store *base, uint64_t group_id, struct str user,
	    enum role *role, struct err *err);
int pg_identity(struct store *base, uint64_t *identity, struct err *err);

#endif
