/* SPDX-License-Identifier: MIT */
/*
 * The inside of the PostgreSQL back end; nothing but store/postgres*.c
 * includes it, and nothing else knows libpq.
 *
 *   postgres.c            open, connection, transactions, snapshots
 *   postgres_util.c       statements, results, round trips, errors
 *   postgres_array.c      parameters, and arrays as such
 *   postgres_schema.c     versions of what lies in the database
 *   postgres_*.sql        what that is: tables, and functions that run there
 *   postgres_room.c       partitions: room for a day's messages; clocks
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
	PG_VERSION = 1,	      /* of the schema */
	PG_SERVER_MIN = 15,   /* PostgreSQL's own */
	PG_PARAMS_MAX = 20,   /* of one statement */
	PG_DAY_MS = 86400000, /* a time bucket */
	PG_LOCK_MS = 1300,    /* how long a writer waits for a lock */
	PG_LOCKED_MAX = 16,
	PG_WRITE_MS = 1500,   /* how long a round trip may take: of a write */
	PG_READ_MS = 5000,    /* of a look */
	PG_WALK_MS = 3600000, /* of what walks over all there is */
	/* As long as it goes on, which PostgreSQL says meanwhile (NOTICE): it
	 * is given up when nothing was heard for PG_WRITE_MS; while a store is
	 * moved, when nobody else waits, for PG_MOVE_MS. */
	PG_LONG_MS = 0,
	PG_MOVE_MS = 60000
};
#define PG_LOCK_MS_SQL "1300"
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
	X(META_RAISE, PG_WRITE_MS,                                             \
	  "INSERT INTO meta(k,v) VALUES($1,$2) ON CONFLICT(k) "                \
	  "DO UPDATE SET v=excluded.v WHERE meta.v<excluded.v")                \
	/* Days that there is room for; what all nodes must know; the time. */ \
	X(LOOK, PG_WRITE_MS,                                                   \
	  "SELECT (SELECT count(*) FROM partitions WHERE lo<=$1 AND hi>$1 "    \
	  "AND parent IN ('messages','dedupe')),"                              \
	  "(SELECT count(*) FROM partitions WHERE lo<=$1+1 AND hi>$1+1 "       \
	  "AND parent IN ('messages','dedupe')),"                              \
	  "(SELECT v FROM meta WHERE k='dedupe_days'),"                        \
	  "(SELECT v FROM meta WHERE k='moved_from'),"                         \
	  "(extract(epoch FROM clock_timestamp())*1000)::bigint")              \
	X(APPEND_PLAIN, PG_WRITE_MS,                                           \
	  "SELECT append_message($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)") \
	X(APPEND, PG_LONG_MS,                                                  \
	  "SELECT append_messages($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13," \
	  "$14,$15,$16)")                                                      \
	X(APPEND_OR_NONE, PG_LONG_MS,                                          \
	  "SELECT append_or_none($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,"  \
	  "$14,$15,$16)")                                                      \
	X(APPEND_IF_FREE, PG_LONG_MS,                                          \
	  "SELECT append_if_free($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,"  \
	  "$14,$15,$16)")                                                      \
	X(LOCK_WAIT, PG_WRITE_MS,                                              \
	  "SELECT set_config('lock_timeout',$1::bigint::text,true)")           \
	X(SET_READ, PG_WRITE_MS, "SELECT * FROM set_read($1,$2,$3)")           \
	X(FLUSH_READS, PG_WRITE_MS, "SELECT flush_reads($1,$2,$3)")            \
	X(CREATE_GROUP, PG_LONG_MS,                                            \
	  "SELECT * FROM create_group($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)")        \
	X(EDIT_MEMBERS, PG_LONG_MS,                                            \
	  "SELECT * FROM edit_members($1,$2,$3,$4,$5)")                        \
	X(DELETE_GROUP, PG_LONG_MS,                                            \
	  "SELECT * FROM delete_group($1,$2,$3,$4,$5)")                        \
	X(GROUP_BY_NAME, PG_READ_MS,                                           \
	  "SELECT group_id FROM group_names WHERE name=$1")                    \
	X(GROUP, PG_READ_MS,                                                   \
	  PG_GROUP_COLUMNS "FROM groups g LEFT JOIN members m "                \
			   "ON m.group_id=g.group_id AND m.name=$2 "           \
			   "WHERE g.group_id=$1")                              \
	X(GROUPS, PG_READ_MS,                                                  \
	  PG_GROUP_COLUMNS "FROM groups g JOIN members m "                     \
			   "ON m.group_id=g.group_id AND m.name=$2 "           \
			   "WHERE g.group_id=ANY($1) ORDER BY g.name")         \
	X(MEMBERSHIPS, PG_READ_MS,                                             \
	  "SELECT group_id,group_name FROM memberships "                       \
	  "WHERE name=$1 AND group_name>$2 ORDER BY group_name LIMIT $3")      \
	X(LINE_OFFS, PG_READ_MS, "SELECT i,off FROM line_offs($1,$2,$3)")      \
	X(READ_LOG, PG_READ_MS,                                                \
	  PG_MESSAGE_COLUMNS "FROM read_log($1,$2,$3,$4)")                     \
	X(SEEK_LOG, PG_READ_MS, "SELECT o_seq,o_off FROM seek_log($1,$2,$3)")  \
	X(VERSIONS, PG_READ_MS,                                                \
	  "SELECT group_id,last_seq,member_version,info_ms,first_seq,"         \
	  "first_off,first_jsonl_off FROM groups WHERE group_id=ANY($1)")      \
	X(CHANGES, PG_READ_MS,                                                 \
	  "SELECT c.version,c.change,c.role,c.name,c.by_name,"                 \
	  "c.last_read_seq,g.name,c.group_id FROM changes c JOIN groups g "    \
	  "ON g.group_id=c.group_id WHERE c.group_id=$1 AND c.version>$2 "     \
	  "ORDER BY c.version LIMIT $3")                                       \
	X(USER_VERSIONS, PG_READ_MS,                                           \
	  "SELECT name,version FROM users WHERE name=ANY($1)")                 \
	X(USER_CHANGES, PG_READ_MS,                                            \
	  "SELECT version,change,role,name,by_name,last_read_seq,group_name,"  \
	  "group_id FROM user_changes WHERE name=$1 AND version>$2 "           \
	  "ORDER BY version LIMIT $3")                                         \
	X(ROLE, PG_READ_MS,                                                    \
	  "SELECT m.role FROM members m JOIN groups g "                        \
	  "ON g.group_id=m.group_id WHERE m.group_id=$1 AND m.name=$2")

/* A pointer below the floor stands for the one before it. */
#define PG_READ_SEQ "greatest(m.last_read_seq,g.first_seq-1)"
/* What struct wire_group needs. The last: the bucket of the first unread
 * message. How many mentions are unread comes from the numbers of the last one
 * and of the last one read, whatever lies between; what he said to everyone
 * himself counts only for one who left and came back, as his own messages are
 * read when they are sent. */
#define PG_GROUP_COLUMNS                                                       \
	"SELECT g.group_id,g.name,g.epoch,g.first_seq,g.last_seq,g.first_off," \
	"g.last_off,g.first_jsonl_off,g.last_jsonl_off,g.last_ms,g.info_ms,"   \
	"g.members_ms,g.member_count,g.created_ms,g.created_by,m."             \
	"role," PG_READ_SEQ ",CASE WHEN " PG_READ_SEQ "<g.last_seq THEN "      \
	"coalesce((SELECT n FROM mentions x WHERE x.group_id=g.group_id AND "  \
	"x.name=m.name ORDER BY seq DESC LIMIT 1),0)"                          \
	"-coalesce((SELECT n FROM mentions x WHERE x.group_id=g.group_id AND " \
	"x.name=m.name AND seq<=" PG_READ_SEQ " ORDER BY seq DESC LIMIT 1),0)" \
	"+coalesce((SELECT n FROM everyone x WHERE x.group_id=g.group_id "     \
	"ORDER BY seq DESC LIMIT 1),0)"                                        \
	"-coalesce((SELECT n FROM everyone x WHERE x.group_id=g.group_id "     \
	"AND seq<=" PG_READ_SEQ " ORDER BY seq DESC LIMIT 1),0)"               \
	"-(SELECT count(*) FROM everyone x WHERE x.group_id=g.group_id AND "   \
	"seq>" PG_READ_SEQ " AND seq<=m.joined_seq AND x.sender=m.name) "      \
	"ELSE 0 END,CASE WHEN " PG_READ_SEQ "<g.last_seq THEN "                \
	"(SELECT bucket FROM segments x WHERE x.group_id=g.group_id AND "      \
	"x.first_seq<=" PG_READ_SEQ "+1 ORDER BY bucket DESC LIMIT 1) END "
#define PG_MESSAGE_COLUMNS                                                     \
	"SELECT seq,off,len,jsonl_off,jsonl_len,time_ms,type,reply_to,sender," \
	"media_url,mentions,client_id,content,rv "

#define PG_STATEMENTS(X) PG_CORE_STATEMENTS(X) PG_REST_STATEMENTS(X)

enum pg_statement {
#define PG_ENUM(ENUM, ms, sql) PG_##ENUM,
	PG_STATEMENTS(PG_ENUM)
#undef PG_ENUM
		PG_COUNT
};

/* What the functions in the database answer. */
enum pg_status {
	PG_OK = 0,
	PG_NO_GROUP = 1,
	PG_NO_MESSAGE = 2, /* to reply to, or to have read */
	PG_NOT_ADMIN = 3,
	PG_NO_USER = 4,
	PG_NO_MEMBER = 5,
	PG_FULL = 6,
	PG_LAST_ADMIN = 7,
	PG_EXISTS = 8,
	PG_LOCKED = 9
};

/* Days from lo on, before hi. */
struct pg_days {
	uint64_t lo;
	uint64_t hi;
};

/* The parameters of one append that are arrays. */
enum { PG_ITEM_ARRAYS = 9 };

/* Arrays as parameters, in PostgreSQL's binary form. */
enum pg_type { PG_TYPE_BYTEA = 17, PG_TYPE_BIGINT = 20, PG_TYPE_TEXT = 25 };
struct pg_array {
	struct buf buf; /* pg_add_array() borrows it */
	size_t count;
};

struct postgres_store {
	struct store base;
	struct buf url;
	PGconn *conn; /* NULL: none, or lost */
	bool prepared[PG_COUNT];
	/* PostgreSQL has warned since the last question was asked. */
	bool warned;
	bool opening;  /* nobody waits for an answer yet: it may take long */
	bool reaching; /* store_reach(): what it says is for the log */
	bool ending;   /* the end of a view was sent, and not answered yet */
	/* And that this connection ends, while nothing was asked. */
	bool ended;
	struct buf held; /* what the strs point to that a verb handed out */
	struct pg_array items[PG_ITEM_ARRAYS]; /* scratch of an append */
	struct buf names;		       /* who one item may mention */
	struct pg_days room_now; /* what now may be, and there is room */
	struct pg_days room_old; /* and where an import was last, */
	uint64_t room_old_ms;	 /* since then (pg_clock_ms()) */
	struct pg_days room_archive;
	uint64_t room_archive_ms;
	uint64_t look_ms; /* when to look at it again: pg_clock_ms() */
	uint64_t days;	  /* for which ids are known: of all nodes the most */
	bool clock_told;  /* that the clocks differ */
	/* Appends waited for these groups in vain, the last PG_LOCKED_MAX of
	 * them; until when the next do not (pg_clock_ms()). */
	struct {
		uint64_t group_id;
		uint64_t until_ms;
	} locked[PG_LOCKED_MAX];
	size_t nlocked; /* that were noted, ever */

	uint64_t owner; /* of the imports that it begins; 0: none yet */

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
/* Another connection to the same place, set up and checked: PQfinish(). Where
 * there is a deadline it is made by then; else libpq gives each of the URL's
 * hosts its connect_timeout. */
PGconn *pg_connect_another(const struct postgres_store *s, struct err *err);
/* Gives the connection up: what was open on it is broken. */
void pg_drop(struct postgres_store *s);

/* CLOCK_MONOTONIC, as deadlines are. */
uint64_t pg_clock_ms(void);
/* Until when to wait for what may take so long. */
uint64_t pg_end_of(const struct postgres_store *s, int ms);
/* Before something is asked: not what nobody would wait for. `unavailable` */
int pg_check_time(struct postgres_store *s, int ms, struct err *err);

/* postgres_array.c */

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
/* Valid UTF-8 without NUL: what comes from elsewhere is checked before. */
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
/* Asks, and leaves the answer to the next use of the handle: what was read is
 * not held up by the end of its view. */
void pg_end_view(struct postgres_store *s);
/* Takes that answer, if there is one to come. */
void pg_take_end(struct postgres_store *s);
/* A statement without parameters and rows. */
int pg_do(struct postgres_store *s, enum pg_statement which, struct err *err);
/* Runs one that takes effect by itself, or with COMMIT: as pg_run(), but
 * -EINPROGRESS when nobody knows whether it did. */
int pg_run_commit(struct postgres_store *s, const struct pg_call *c,
		  PGresult **out, bool *again, struct err *err);

/* Several in one transaction and one round trip: BEGIN, the calls, COMMIT.
 * add(i) fills call i, to be used at once. *out are their n results, which the
 * caller frees by pg_free_all(). As pg_run_commit(). */
typedef int (*pg_call_fn)(void *data, size_t i, struct pg_call *c,
			  struct err *err);
struct pg_calls {
	pg_call_fn add;
	void *data;
	size_t n;
	uint64_t lock_ms; /* how long they wait for a lock; 0: PG_LOCK_MS */
};
/* Why nothing of it is stored. */
struct pg_failure {
	bool again;    /* for no fault of its own: it may be tried once more */
	size_t locked; /* the call that waited for a lock in vain; n: none */
};
int pg_run_all(struct postgres_store *s, const struct pg_calls *calls,
	       PGresult **out, struct pg_failure *failure, struct err *err);
void pg_free_all(PGresult **results, size_t n);

/* Columns; a NULL is 0 or empty. Strs are borrowed until PQclear(). */
uint64_t pg_column(const PGresult *r, int row, int column);
struct str pg_column_str(const PGresult *r, int row, int column);
bool pg_is_null(const PGresult *r, int row, int column);
/* Moves the strs from their row into s->held, where they stay until the next
 * call. */
int pg_hold(struct postgres_store *s, struct str *const *strs, size_t count,
	    struct err *err);

/* Arrays as parameters. */

/* A zeroed one becomes an empty array of that type. */
void pg_array_begin(struct pg_array *a, enum pg_type type);
void pg_array_add(struct pg_array *a, uint64_t value);
/* An empty str is NULL; with pg_array_add_blob() it is not. */
void pg_array_add_str(struct pg_array *a, struct str s);
void pg_array_add_blob(struct pg_array *a, struct str s);
void pg_array_release(struct pg_array *a);
/* Completes it. Its memory may have failed: a.buf.failed. */
void pg_add_array(struct pg_call *c, struct pg_array *a);
/* The value i, from 0, of a bigint[] without NULLs that is a result; 0 where it
 * is shorter. */
uint64_t pg_array_get(struct str array, size_t i);

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

/* postgres_schema.c: makes or migrates the store (writer), checks that it is
 * one of ours. */
int pg_schema_check(struct postgres_store *s, struct err *err);
/* A number in the table `meta`; 0: it is not there. */
int pg_get_meta(struct postgres_store *s, const char *name, uint64_t *value,
		struct err *err);
int pg_set_meta(struct postgres_store *s, const char *name, uint64_t value,
		struct err *err);

/* postgres_room.c */

/* Of a handle that is opened. A writer says for how many days it has to know
 * ids, and looks what the others say; `unavailable` where it may not write. */
int pg_look_first(struct postgres_store *s, struct err *err);
/* Has there be partitions for what is stored now: messages, dedupe keys. To be
 * called before a transaction's lock is taken or waited for; within one, too:
 * it makes them over another connection. Costs a look behind each connect, and
 * one a minute. */
int pg_need_room(struct postgres_store *s, struct err *err);
/* The same for messages of another time, of an import. */
int pg_need_room_at(struct postgres_store *s, uint64_t time_ms,
		    struct err *err);
/* And for what is archived of a day. */
int pg_need_archive(struct postgres_store *s, uint64_t day, struct err *err);
/* The generation of a dedupe key of now, which is its day; those before `from`
 * are forgotten. */
uint64_t pg_generation(const struct postgres_store *s, uint64_t now_ms,
		       uint64_t *from);

/* postgres_read.c: fills m from a row of PG_MESSAGE_COLUMNS, and the column
 * that follows these; its strs are the row's. */
void pg_read_message(const PGresult *r, int row, struct wire_message *m);
enum { PG_MESSAGE_RV = 13 };
/* The messages after a seq, at most limit, and from where `end` is an offset
 * in the log on none: *out as of pg_run(). */
int pg_read_log(struct postgres_store *s, uint64_t group_id, uint64_t after_seq,
		uint64_t limit, uint64_t end, PGresult **out, struct err *err);

/* postgres_groups.c: the refusal of a status (not 0), of the user named. */
int pg_refuse(enum pg_status status, struct str name, struct err *err);

/* The operations. */
int pg_append(struct store *base, struct store_append *op, size_t count,
	      struct err *err);
int pg_append_all(struct store *base, struct store_append *const *ops,
		  const size_t *counts, struct err *errs, size_t n,
		  struct err *err);
int pg_add_media(struct store *base, struct store_media *op,
		 struct store_append *message, struct err *err);
int pg_set_read(struct store *base, uint64_t group_id, struct str user,
		uint64_t seq, uint64_t *stored, struct err *err);
int pg_flush_reads(struct store *base, const struct store_pointer *pointers,
		   size_t count, struct err *err);
int pg_create_group(struct store *base, struct store_create *op,
		    struct err *err);
int pg_delete_group(struct store *base, uint64_t group_id, struct str by,
		    struct err *err);
int pg_edit_members(struct store *base, struct store_edit *op, struct err *err);
int pg_find_group(struct store *base, uint64_t group_id, struct str name,
		  struct str user, struct wire_group *out, struct err *err);
int pg_list_groups(struct store *base, struct str user, struct str after,
		   store_group_fn fn, void *data, struct err *err);
int pg_scan(struct store *base, uint64_t group_id, uint64_t after_seq,
	    store_message_fn fn, void *data, struct err *err);
int pg_seek(struct store *base, uint64_t group_id, enum log_format format,
	    uint64_t off, uint64_t *seq, uint64_t *line_off, struct err *err);
/* ROLE_NONE for one who is no member. */
int pg_role(struct store *base, uint64_t group_id, struct str user,
	    enum role *role, struct err *err);
int pg_list_versions(struct store *base, const uint64_t *group_ids,
		     size_t count, store_version_fn fn, void *data,
		     struct err *err);
int pg_list_changes(struct store *base, uint64_t group_id,
		    uint64_t after_version, store_member_change_fn fn,
		    void *data, struct err *err);
int pg_list_user_versions(struct store *base, const struct str *users,
			  size_t count, store_user_version_fn fn, void *data,
			  struct err *err);
int pg_list_user_changes(struct store *base, struct str user,
			 uint64_t after_version, store_member_change_fn fn,
			 void *data, struct err *err);
int pg_identity(struct store *base, uint64_t *identity, struct err *err);

#endif
