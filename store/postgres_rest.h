/* SPDX-License-Identifier: MIT */
/*
 * The other half of the PostgreSQL back end; store/postgres.h includes it.
 *
 *   postgres_users.c     users, tokens, and walks by pages
 *   postgres_info.c      a group's metadata, its members for an export
 *   postgres_media.c     media files and what became garbage of them
 *   postgres_mentions.c  what is unread and mentions a user
 *   postgres_import.c    whole groups from elsewhere
 *   postgres_move.c      another store, moved into this one
 *   postgres_trim.c      retention
 *   postgres_archive.c   old history, packed
 *   postgres_whole.c     counts, sizes, and what is refused here
 *   postgres_verify.c    the audit, with postgres_audit.h
 */
#ifndef GROUPFS_STORE_POSTGRES_REST_H
#define GROUPFS_STORE_POSTGRES_REST_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/backend.h"
#include "store/postgres_audit.h"

/* Rows that one round trip brings of what is walked over. */
#define PG_PAGE_SQL "500"
enum { PG_PAGE = 500 };

#define PG_MEDIA_COLUMNS                                                       \
	"SELECT name,media_id,group_id,seq,time_ms,size,sender,hash "          \
	"FROM media "
#define PG_TOKEN_COLUMNS                                                       \
	"SELECT token_id,name,created_ms,expires_ms FROM tokens "

/* A statement of a walk has the key to go on from as $1, and that key as its
 * first column. */
#define PG_REST_STATEMENTS(X)                                                  \
	X(USER, PG_READ_MS, "SELECT 1 FROM users WHERE name=$1")               \
	X(INSERT_USER, PG_WRITE_MS,                                            \
	  "INSERT INTO users(name,created_ms) VALUES($1,$2) "                  \
	  "ON CONFLICT DO NOTHING RETURNING 1")                                \
	/* Of many, the places of those that are there. */                     \
	X(FIND_USERS, PG_READ_MS,                                              \
	  "SELECT k.i FROM unnest($1::text[]) WITH ORDINALITY AS k(n,i) "      \
	  "CROSS JOIN LATERAL "                                                \
	  "(SELECT 1 FROM users u WHERE u.name=k.n OFFSET 0) m")               \
	X(ADD_USERS, PG_LONG_MS,                                               \
	  "INSERT INTO users(name,created_ms) SELECT k.n,$2::bigint "          \
	  "FROM unnest($1::text[]) AS k(n) ON CONFLICT DO NOTHING "            \
	  "RETURNING 1")                                                       \
	X(USERS, PG_READ_MS,                                                   \
	  "SELECT name FROM users WHERE name>$1 ORDER BY name "                \
	  "LIMIT " PG_PAGE_SQL)                                                \
	X(INSERT_TOKEN, PG_WRITE_MS,                                           \
	  "INSERT INTO tokens(hash,token_id,name,created_ms,expires_ms) "      \
	  "VALUES($1,nextval('token_ids'),$2,$3,$4) RETURNING token_id")       \
	X(DELETE_TOKEN, PG_WRITE_MS,                                           \
	  "DELETE FROM tokens WHERE token_id=$1 "                              \
	  "AND ($2::text IS NULL OR name=$2) RETURNING hash")                  \
	X(FIND_TOKEN, PG_READ_MS,                                              \
	  "SELECT name,expires_ms FROM tokens WHERE hash=$1")                  \
	X(GOOD_TOKENS, PG_READ_MS,                                             \
	  "SELECT hash,expires_ms FROM tokens WHERE hash=ANY($1)")             \
	X(TOKENS, PG_READ_MS,                                                  \
	  PG_TOKEN_COLUMNS "WHERE token_id>$1 ORDER BY token_id "              \
			   "LIMIT " PG_PAGE_SQL)                               \
	X(TOKENS_OF, PG_READ_MS,                                               \
	  PG_TOKEN_COLUMNS "WHERE token_id>$1 AND name=$2 "                    \
			   "ORDER BY token_id LIMIT " PG_PAGE_SQL)             \
                                                                               \
	X(INFO, PG_READ_MS,                                                    \
	  "SELECT g.group_id,g.name,i.description,i.avatar_url,g.created_by,"  \
	  "g.created_ms,g.info_ms,g.max_members,g.first_off,i.settings,m."     \
	  "role "                                                              \
	  "FROM groups g LEFT JOIN infos i ON i.group_id=g.group_id "          \
	  "LEFT JOIN members m ON m.group_id=g.group_id AND m.name=$2 "        \
	  "WHERE g.group_id=$1")                                               \
	X(LOCK_GROUP, PG_WRITE_MS,                                             \
	  "SELECT member_count FROM groups WHERE group_id=$1 FOR UPDATE")      \
	X(SET_INFO_GROUP, PG_WRITE_MS,                                         \
	  "UPDATE groups SET info_ms=greatest(info_ms,$4),max_members="        \
	  "CASE WHEN $2::bigint&8<>0 THEN $3 ELSE max_members END "            \
	  "WHERE group_id=$1")                                                 \
	X(SET_INFO, PG_WRITE_MS,                                               \
	  "INSERT INTO infos(group_id,description,avatar_url,settings) "       \
	  "VALUES($1,$3,$4,$5) ON CONFLICT(group_id) DO UPDATE SET "           \
	  "description=CASE WHEN $2::bigint&1<>0 THEN excluded.description "   \
	  "ELSE infos.description END,"                                        \
	  "avatar_url=CASE WHEN $2&2<>0 THEN excluded.avatar_url "             \
	  "ELSE infos.avatar_url END,"                                         \
	  "settings=CASE WHEN $2&4<>0 THEN excluded.settings "                 \
	  "ELSE infos.settings END")                                           \
	X(EXPORT_MEMBERS, PG_READ_MS,                                          \
	  "SELECT name,role,joined_ms,joined_seq,last_read_seq FROM members "  \
	  "WHERE name>$1 AND group_id=$2 ORDER BY name LIMIT " PG_PAGE_SQL)    \
                                                                               \
	X(MEDIA_OF_SEQ, PG_READ_MS,                                            \
	  "SELECT media_id FROM media WHERE group_id=$1 AND seq=$2")           \
	X(MEDIA_BY_ID, PG_READ_MS, PG_MEDIA_COLUMNS "WHERE media_id=$1")       \
	X(MEDIA_BY_NAME, PG_READ_MS,                                           \
	  PG_MEDIA_COLUMNS "WHERE group_id=$1 AND name=$2")                    \
	X(MEDIA_OF, PG_READ_MS,                                                \
	  PG_MEDIA_COLUMNS "WHERE name>$1 AND group_id=$2 "                    \
			   "ORDER BY name LIMIT " PG_PAGE_SQL)                 \
	X(HASH_USED, PG_READ_MS, "SELECT 1 FROM media WHERE hash=$1 LIMIT 1")  \
	X(LOCK_HASH, PG_WRITE_MS,                                              \
	  "INSERT INTO garbage(hash) VALUES($1) "                              \
	  "ON CONFLICT(hash) DO UPDATE SET hash=excluded.hash")                \
	/* Whether it was there before. */                                     \
	X(HOLD_HASH, PG_WRITE_MS,                                              \
	  "INSERT INTO garbage(hash) VALUES($1) "                              \
	  "ON CONFLICT(hash) DO UPDATE SET hash=excluded.hash "                \
	  "RETURNING CASE WHEN xmax=0 THEN 0 ELSE 1 END::bigint")              \
	X(INSERT_MEDIA, PG_WRITE_MS,                                           \
	  "INSERT INTO media(group_id,name,media_id,seq,time_ms,size,hash,"    \
	  "sender) VALUES($1,$2,coalesce($8,nextval('media_ids')),"            \
	  "$3,$4,$5,$6,$7) "                                                   \
	  "RETURNING media_id")                                                \
	X(GARBAGE, PG_READ_MS,                                                 \
	  "SELECT hash FROM garbage WHERE hash>$1 ORDER BY hash LIMIT 1")      \
	X(TAKE_GARBAGE, PG_WRITE_MS,                                           \
	  "SELECT hash FROM garbage WHERE hash>$1 ORDER BY hash LIMIT 1 "      \
	  "FOR UPDATE SKIP LOCKED")                                            \
	X(DROP_GARBAGE, PG_WRITE_MS, "DELETE FROM garbage WHERE hash=$1")      \
                                                                               \
	X(MENTION_GROUPS, PG_READ_MS,                                          \
	  "SELECT group_name,group_id FROM memberships "                       \
	  "WHERE group_name>$1 AND name=$2 ORDER BY group_name "               \
	  "LIMIT " PG_PAGE_SQL)                                                \
	X(MENTION_GROUP, PG_READ_MS,                                           \
	  "SELECT group_name,group_id FROM memberships "                       \
	  "WHERE group_name=$1 AND name=$2")                                   \
	/* Which of some groups have any: their places in the list. */         \
	X(MENTIONED_IN, PG_READ_MS,                                            \
	  "SELECT "                                                            \
	  "array_position($2::bigint[],m.group_id)::bigint," PG_READ_SEQ       \
	  " FROM members m JOIN groups g "                                     \
	  "ON g.group_id=m.group_id "                                          \
	  "WHERE m.group_id=ANY($2) AND m.name=$1 AND (EXISTS("                \
	  "SELECT 1 FROM mentions x WHERE x.group_id=m.group_id "              \
	  "AND x.name=$1 AND x.seq>" PG_READ_SEQ ") OR EXISTS("                \
	  "SELECT 1 FROM everyone e WHERE e.group_id=m.group_id "              \
	  "AND e.seq>" PG_READ_SEQ " AND e.sender<>$1)) ORDER BY 1")           \
	X(MENTIONS_OF, PG_READ_MS,                                             \
	  "SELECT seq FROM mentions WHERE group_id=$1 AND name=$2 AND seq>$3 " \
	  "UNION ALL SELECT seq FROM everyone "                                \
	  "WHERE group_id=$1 AND seq>$3 AND sender<>$2 "                       \
	  "ORDER BY seq LIMIT 100")                                            \
	X(MENTIONING, PG_READ_MS,                                              \
	  PG_MESSAGE_COLUMNS "FROM messages_of($1,$2)")                        \
                                                                               \
	X(COUNT_GROUPS, PG_READ_MS, "SELECT count(*) FROM groups")             \
	X(COUNT_USERS, PG_READ_MS, "SELECT count(*) FROM users")               \
	X(COUNT_MESSAGES, PG_WALK_MS,                                          \
	  "SELECT (SELECT count(*) FROM messages)+"                            \
	  "(SELECT coalesce(sum(last_seq-first_seq+1),0) FROM archives)::"     \
	  "bigint")                                                            \
	X(COUNT_CONTENTS, PG_WALK_MS,                                          \
	  "SELECT count(*),coalesce(sum(size),0)::bigint "                     \
	  "FROM (SELECT max(size) AS size FROM media GROUP BY hash) c")        \
	X(CONTENTS, PG_WALK_MS,                                                \
	  "SELECT hash,max(size) FROM media WHERE hash>$1 "                    \
	  "GROUP BY hash ORDER BY hash LIMIT " PG_PAGE_SQL)                    \
	X(SIZE, PG_READ_MS,                                                    \
	  "SELECT pg_database_size(current_database()),"                       \
	  "(pg_current_wal_lsn()-redo_lsn)::bigint FROM "                      \
	  "pg_control_checkpoint()")                                           \
	PG_TRIM_STATEMENTS(X)                                                  \
	PG_IMPORT_STATEMENTS(X)                                                \
	PG_MOVE_STATEMENTS(X) PG_AUDIT_NONE(X) PG_AUDIT_WALKS(X)

/* Its log begins, and ends, where it will. */
#define PG_IMPORT_COLUMNS                                                      \
	"INSERT INTO imports(group_id,record,last_ms,owner,first_seq,"         \
	"first_off,first_jsonl_off,last_seq,last_off,last_jsonl_off) "

/* Whose the imports are of a store that is moved. */
enum { PG_MOVER = 1 };

#define PG_MOVE_STATEMENTS(X)                                                  \
	X(PUT_MOVED, PG_WRITE_MS,                                              \
	  PG_IMPORT_COLUMNS                                                    \
	  "SELECT $7::bigint,$1::bytea,$2::bigint,$3::bigint,$4::bigint,"      \
	  "$5::bigint,$6::bigint,$4-1,$5,$6 WHERE NOT "                        \
	  "EXISTS (SELECT 1 FROM groups WHERE group_id=$7) "                   \
	  "ON CONFLICT DO NOTHING RETURNING group_id")                         \
	X(MOVED_NAME, PG_WRITE_MS,                                             \
	  "INSERT INTO group_names(name,group_id,created_by,create_key) "      \
	  "VALUES($1,$2,$3,$4) ON CONFLICT DO NOTHING RETURNING 1")            \
	X(MOVED_INFO, PG_WRITE_MS,                                             \
	  "INSERT INTO infos(group_id,description,avatar_url,settings) "       \
	  "VALUES($1,$2,$3,$4)")                                               \
	X(MOVED_GROUP, PG_WRITE_MS,                                            \
	  "INSERT INTO groups(group_id,name,created_by,created_ms,"            \
	  "max_members,epoch,info_ms,members_ms,first_seq,first_off,"          \
	  "first_jsonl_off,last_seq,last_off,last_jsonl_off,last_ms,"          \
	  "member_count,last_bucket) VALUES($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,"   \
	  "$11,$12,$13,$14,$15,$16,$17)")                                      \
	X(MOVED_MEMBERS, PG_LONG_MS,                                           \
	  "INSERT INTO memberships(name,group_name,group_id) "                 \
	  "SELECT name,$2,group_id FROM members WHERE group_id=$1")            \
	X(MOVED_DONE, PG_WRITE_MS, "DELETE FROM imports WHERE group_id=$1")    \
	X(LOOSE_USERS, PG_READ_MS,                                             \
	  "SELECT name,created_ms FROM users WHERE name>$1 ORDER BY name "     \
	  "LIMIT " PG_PAGE_SQL)                                                \
	X(LOOSE_TOKENS, PG_READ_MS,                                            \
	  "SELECT token_id,name,created_ms,expires_ms,hash FROM tokens "       \
	  "WHERE token_id>$1 ORDER BY token_id LIMIT " PG_PAGE_SQL)            \
	X(LOOSE_GARBAGE, PG_READ_MS,                                           \
	  "SELECT hash FROM garbage WHERE hash>$1 ORDER BY hash "              \
	  "LIMIT " PG_PAGE_SQL)                                                \
	X(NEXT_GROUP, PG_READ_MS,                                              \
	  "SELECT group_id,name FROM groups WHERE group_id>$1 "                \
	  "ORDER BY group_id LIMIT 1")                                         \
	X(KEYS_OF, PG_READ_MS,                                                 \
	  "SELECT name,key,first_seq,last_seq,off,time_ms,warnings "           \
	  "FROM dedupe WHERE group_id=$1 AND gen>=$2 AND (name,key)>($3,$4) "  \
	  "ORDER BY name,key LIMIT " PG_PAGE_SQL)                              \
	X(LAST_NUMBERS, PG_READ_MS,                                            \
	  "SELECT CASE WHEN g.is_called THEN g.last_value ELSE 0 END,"         \
	  "CASE WHEN m.is_called THEN m.last_value ELSE 0 END,"                \
	  "CASE WHEN t.is_called THEN t.last_value ELSE 0 END "                \
	  "FROM group_ids g,media_ids m,token_ids t")                          \
	X(PUT_NUMBERS, PG_WRITE_MS,                                            \
	  "SELECT setval('group_ids',greatest($1::bigint,1),$1::bigint>0),"    \
	  "setval('media_ids',greatest($2::bigint,1),$2::bigint>0),"           \
	  "setval('token_ids',greatest($3::bigint,1),$3::bigint>0)")           \
	X(MOVE_RESET, PG_LONG_MS,                                              \
	  "TRUNCATE users,user_changes,memberships,tokens,group_names,"        \
	  "groups,infos,members,changes,messages,segments,archives,dedupe,"    \
	  "mentions,"                                                          \
	  "everyone,media,imports,garbage")                                    \
	X(MOVE_DONE, PG_WRITE_MS, "DELETE FROM meta WHERE k='moved_from'")     \
	X(PUT_USERS, PG_LONG_MS,                                               \
	  "INSERT INTO users(name,created_ms) SELECT * FROM "                  \
	  "unnest($1::text[],$2::bigint[]) ON CONFLICT(name) "                 \
	  "DO UPDATE SET created_ms=excluded.created_ms")                      \
	X(PUT_TOKENS, PG_LONG_MS,                                              \
	  "INSERT INTO tokens(name,created_ms,token_id,expires_ms,hash) "      \
	  "SELECT * FROM unnest($1::text[],$2::bigint[],$3::bigint[],"         \
	  "$4::bigint[],$5::bytea[]) ON CONFLICT(hash) DO UPDATE SET "         \
	  "token_id=excluded.token_id,name=excluded.name,"                     \
	  "created_ms=excluded.created_ms,expires_ms=excluded.expires_ms")     \
	X(PUT_GARBAGE, PG_LONG_MS,                                             \
	  "INSERT INTO garbage(hash) SELECT * FROM unnest($1::bytea[]) "       \
	  "ON CONFLICT DO NOTHING")                                            \
	X(MOVE_KEYS, PG_LONG_MS,                                               \
	  "INSERT INTO dedupe(group_id,gen,first_seq,last_seq,off,time_ms,"    \
	  "warnings,name,key) SELECT $1,$2::bigint,k.* FROM "                  \
	  "unnest($3::bigint[],$4::bigint[],$5::bigint[],$6::bigint[],"        \
	  "$7::bigint[],$8::text[],$9::bytea[]) k "                            \
	  "ON CONFLICT DO NOTHING RETURNING 1")

/* Of some groups, whether there is something to take: 1. A segment says when
 * its first message came, and the first segment's is the group's. */
#define PG_OVERDUE_COLUMNS                                                     \
	"SELECT g.group_id,CASE WHEN "                                         \
	"g.last_seq-g.first_seq+1>stricter($4,g.keep_messages) OR "            \
	"g.last_off-g.first_off>stricter($5,g.keep_bytes) OR "                 \
	"(SELECT x.first_ms FROM segments x WHERE x.group_id=g.group_id "      \
	"ORDER BY x.bucket LIMIT 1)<$6-stricter($3,g.keep_ms) "                \
	"THEN 1::bigint ELSE 0 END FROM groups g WHERE g.group_id>$1 "

#define PG_TRIM_STATEMENTS(X)                                                  \
	X(TRIM, PG_READ_MS, "SELECT * FROM trim_log($1,$2,$3,$4,$5,$6,$7)")    \
	X(SET_KEEP, PG_WRITE_MS,                                               \
	  "UPDATE groups SET keep_ms=$2,keep_messages=$3,keep_bytes=$4 "       \
	  "WHERE group_id=$1")                                                 \
	X(OLD_PARTITION, PG_READ_MS,                                           \
	  "SELECT lo,hi FROM partitions WHERE parent='messages' AND lo>=$1 "   \
	  "AND hi<=$2 ORDER BY lo LIMIT 1")                                    \
	X(ARCHIVE, PG_READ_MS, "SELECT * FROM archive_some($1,$2,$3,$4,$5)")   \
	X(OVERDUE, PG_READ_MS,                                                 \
	  PG_OVERDUE_COLUMNS "ORDER BY g.group_id LIMIT $2")                   \
	X(OVERDUE_KEPT, PG_READ_MS,                                            \
	  PG_OVERDUE_COLUMNS                                                   \
	  "AND (g.keep_ms>0 OR g.keep_messages>0 OR g.keep_bytes>0) "          \
	  "ORDER BY g.group_id LIMIT $2")

#define PG_IMPORT_STATEMENTS(X)                                                \
	X(PUT_IMPORT, PG_WRITE_MS,                                             \
	  PG_IMPORT_COLUMNS "VALUES(nextval('group_ids'),$1,$2,$3,$4,$5,$6,"   \
			    "$4::bigint-1,$5,$6) RETURNING group_id")          \
	/* Locks it, and says that somebody is at it. */                       \
	X(TOUCH_IMPORT, PG_WRITE_MS,                                           \
	  "UPDATE imports SET used=clock_timestamp() "                         \
	  "WHERE group_id=$1 AND record<>'' RETURNING record,last_seq,"        \
	  "last_off,last_jsonl_off,last_ms,last_bucket")                       \
	X(IMPORT_MEMBERS, PG_LONG_MS,                                          \
	  "SELECT o_i,o_double FROM import_members($1,$2,$3,$4,$5,$6)")        \
	X(IMPORT_KEYS, PG_LONG_MS,                                             \
	  "SELECT o_i,o_seq FROM import_keys($1,$2,$3,$4,$5,$6,$7,$8)")        \
	X(IMPORT_MENTIONS, PG_LONG_MS, "SELECT import_mentions($1,$2,$3,$4)")  \
	X(IMPORT_MESSAGES, PG_LONG_MS,                                         \
	  "INSERT INTO messages(group_id,rv,bucket,seq,off,len,jsonl_off,"     \
	  "jsonl_len,time_ms,reply_to,type,sender,media_url,mentions,"         \
	  "client_id,content) SELECT $1,$2::bigint,m.* FROM unnest("           \
	  "$3::bigint[],$4::bigint[],$5::bigint[],$6::bigint[],"               \
	  "$7::bigint[],$8::bigint[],$9::bigint[],$10::bigint[],"              \
	  "$11::bigint[],$12::text[],$13::text[],$14::text[],$15::bytea[],"    \
	  "$16::bytea[]) m")                                                   \
	X(IMPORT_SEGMENTS, PG_LONG_MS,                                         \
	  "INSERT INTO segments(group_id,bucket,first_seq,first_off,"          \
	  "first_jsonl_off,first_ms) SELECT $1,x.* FROM unnest($2::bigint[],"  \
	  "$3::bigint[],$4::bigint[],$5::bigint[],$6::bigint[]) x")            \
	X(IMPORT_TAIL, PG_WRITE_MS,                                            \
	  "UPDATE imports SET last_seq=$2,last_off=$3,last_jsonl_off=$4,"      \
	  "last_ms=$5,last_bucket=$6 WHERE group_id=$1")                       \
	X(CREATED_AS, PG_READ_MS,                                              \
	  "SELECT group_id,create_key FROM group_names WHERE name=$1")         \
	X(COUNT_MEMBERS, PG_READ_MS,                                           \
	  "SELECT count(*),count(*) FILTER (WHERE role=1) FROM members "       \
	  "WHERE group_id=$1")                                                 \
	X(SHOW_IMPORT, PG_LONG_MS,                                             \
	  "SELECT show_import($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)")            \
	X(DROP_IMPORT, PG_LONG_MS, "SELECT drop_import($1,$2,$3)")             \
	/* Its own, or one that nobody has been at for an hour. */             \
	X(NEXT_IMPORT, PG_READ_MS,                                             \
	  "SELECT group_id FROM imports WHERE group_id>$1 AND (owner=$2 "      \
	  "OR used<clock_timestamp()-interval '1 hour') "                      \
	  "ORDER BY group_id LIMIT 1")

struct postgres_store;
struct pg_call;

/* postgres_users.c: walks over the rows of a call whose first parameter, and
 * whose first column, is the key to go on from: PG_PAGE at a time. fn: 0 goes
 * on, 1 ends it, a negative errno ends it and is returned. */
typedef int (*pg_row_fn)(void *data, const PGresult *r, int row);
int pg_walk(struct postgres_store *s, struct pg_call *c, pg_row_fn fn,
	    void *data, struct err *err);

/* postgres_info.c: locks the group's row until the transaction ends; how many
 * members it has. `no_such_group`. */
int pg_lock_group(struct postgres_store *s, uint64_t group_id,
		  uint64_t *member_count, struct err *err);

/* postgres_trim.c: what the group's settings say of its log is noted by it. */
int pg_set_keep(struct postgres_store *s, uint64_t group_id,
		struct str settings, struct err *err);

/* postgres_media.c: adds the file of a message that is there, and takes its
 * hash out of the garbage; fills op->media_id. The group, or the import, is
 * locked; `file_exists` when it has a file of this name. */
int pg_check_media_name(struct postgres_store *s, const struct store_media *op,
			struct err *err);
int pg_insert_media(struct postgres_store *s, struct store_media *op,
		    uint64_t seq, uint64_t time_ms, struct err *err);

/* postgres_import.c: says of an import whose it is. */
uint64_t pg_owner(struct postgres_store *s);
/* One verb on an import under way. */
struct pg_importing {
	struct postgres_store *s;
	const struct store_import *op;
	struct buf record; /* group's strs point into it */
	struct wire_port_group group;
	uint64_t now_ms;
	/* Where its log ends. */
	uint64_t last_seq;
	uint64_t last_off;
	uint64_t last_jsonl_off;
	uint64_t last_ms;
	uint64_t last_bucket;
};
/* Runs it as one step: all of it, or nothing. */
int pg_run_import(struct store *base, const struct store_import *op,
		  int (*verb)(struct pg_importing *i, struct err *err),
		  struct err *err);

/* The operations. */
int pg_add_user(struct store *base, struct str name, bool *added,
		struct err *err);
int pg_find_user(struct store *base, struct str name, bool *found,
		 struct err *err);
int pg_find_users(struct store *base, const struct str *names, size_t count,
		  bool *found, struct err *err);
int pg_add_users(struct store *base, const struct str *names, size_t count,
		 uint64_t *added, struct err *err);
int pg_list_users(struct store *base, struct str after, store_name_fn fn,
		  void *data, struct err *err);
int pg_create_token(struct store *base, struct str user,
		    const uint8_t hash[STORE_TOKEN_HASH], uint64_t expires_ms,
		    uint64_t *token_id, struct err *err);
int pg_revoke_token(struct store *base, uint64_t token_id, struct str owner,
		    uint8_t hash_out[STORE_TOKEN_HASH], struct err *err);
int pg_find_token(struct store *base, const uint8_t hash[STORE_TOKEN_HASH],
		  char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
		  struct err *err);
int pg_list_gone_tokens(struct store *base,
			const uint8_t (*hashes)[STORE_TOKEN_HASH], size_t count,
			store_gone_fn fn, void *data, struct err *err);
int pg_list_tokens(struct store *base, struct str user, uint64_t after_id,
		   store_token_fn fn, void *data, struct err *err);
int pg_get_info(struct store *base, uint64_t group_id, struct str user,
		struct wire_info *out, struct err *err);
int pg_set_info(struct store *base, const struct store_set_info *op,
		struct err *err);
int pg_export_members(struct store *base, uint64_t group_id, struct str after,
		      store_port_member_fn fn, void *data, struct err *err);
int pg_add_media(struct store *base, struct store_media *op,
		 struct store_append *message, struct err *err);
int pg_trim(struct store *base, struct store_trim *op, struct err *err);
int pg_list_overdue(struct store *base, const struct store_keep *keep,
		    size_t count, uint64_t *after_id, store_overdue_fn fn,
		    void *data, struct err *err);
int pg_archive(struct store *base, struct store_archive *op, struct err *err);
int pg_find_media(struct store *base, uint64_t media_id, uint64_t group_id,
		  struct str name, struct str user, struct wire_media *out,
		  struct err *err);
int pg_list_media(struct store *base, uint64_t group_id, struct str after,
		  store_media_fn fn, void *data, struct err *err);
int pg_hash_used(struct store *base, const uint8_t hash[STORE_HASH], bool *used,
		 struct err *err);
int pg_next_garbage(struct store *base, const uint8_t *after,
		    uint8_t hash[STORE_HASH], struct err *err);
int pg_drop_garbage(struct store *base, const uint8_t hash[STORE_HASH],
		    struct err *err);
int pg_list_mentions(struct store *base, struct str user,
		     struct str after_group, uint64_t after_seq,
		     store_mention_fn fn, void *data, struct err *err);
int pg_import_begin(struct store *base, const struct wire_port_group *group,
		    uint64_t *import_id, struct err *err);
int pg_import_members(struct store *base, const struct store_import *op,
		      struct err *err);
int pg_import_messages(struct store *base, const struct store_import *op,
		       struct err *err);
int pg_import_media(struct store *base, const struct store_import *op,
		    const struct wire_media *media, struct err *err);
int pg_import_end(struct store *base, struct store_import_end *op,
		  struct err *err);
int pg_import_drop(struct store *base, uint64_t import_id, struct err *err);
int pg_next_import(struct store *base, uint64_t after_id, uint64_t *import_id,
		   struct err *err);
int pg_count(struct store *base, struct store_counts *out, struct err *err);
int pg_size(struct store *base, struct store_size *out, struct err *err);
int pg_count_all(struct store *base, struct store_totals *out, struct err *err);
int pg_list_contents(struct store *base, store_content_fn fn, void *data,
		     struct err *err);
int pg_copy(struct store *base, const struct store_copy *copy, struct err *err);
int pg_renew(struct store *base, struct err *err);
int pg_verify(struct store *base, struct store_verify *v, struct err *err);

int pg_list_loose(struct store *base, enum store_loose_kind kind,
		  store_loose_fn fn, void *data, struct err *err);
int pg_next_group(struct store *base, uint64_t after_id, uint64_t *group_id,
		  struct str *key, struct err *err);
int pg_list_keys(struct store *base, uint64_t group_id, store_key_fn fn,
		 void *data, struct err *err);
int pg_get_numbers(struct store *base, struct store_numbers *out,
		   struct err *err);
int pg_moved_from(struct store *base, uint64_t *identity, struct err *err);
int pg_move_begin(struct store *base, uint64_t identity, struct err *err);
int pg_move_reset(struct store *base, struct err *err);
int pg_move_loose(struct store *base, const struct store_loose *rows,
		  size_t count, struct err *err);
int pg_move_keys(struct store *base, uint64_t import_id,
		 const struct store_key *keys, size_t count, struct err *err);
int pg_move_end(struct store *base, const struct store_numbers *numbers,
		struct err *err);

#endif
