/* SPDX-License-Identifier: MIT */
/*
 * The inside of the SQLite back end; nothing but store/sqlite*.c includes it.
 *
 *   sqlite.c          open, close, transactions, snapshots, checkpoints
 *   sqlite_schema.c   the tables and their migrations
 *   sqlite_rewrite.c  a store without checksums is written anew, with them
 *   sqlite_checksum.h, sqlite_log.h
 *                     what is read from the disk is what was written
 *   sqlite_util.c     statements, binding, errors
 *   sqlite_append.c   append, read pointers
 *   sqlite_senders.c  what appending needs of who sent before, remembered
 *   sqlite_dedupe.c   the keys that were appended, remembered for a while
 *   sqlite_hot.h, sqlite_hot_index.c, sqlite_hot.c, sqlite_seal.c
 *                     where messages lie: the two tiers
 *   sqlite_mentions.c the mentions of a message, recorded and listed
 *   sqlite_media.c    media files and what became garbage of them
 *   sqlite_members.c  groups, their metadata and their members
 *   sqlite_users.c    users, tokens, counts
 *   sqlite_read.c     groups as users see them, messages, byte offsets
 *   sqlite_import.c   whole groups from elsewhere
 *   sqlite_import_drop.c   those of them that come to nothing
 *   sqlite_move.c     another store, moved into this one
 *   sqlite_trim.c     retention
 *   sqlite_copy.c     the store as a whole: copied, renewed, exchanged
 *   sqlite_verify.c, sqlite_verify_rows.c
 *                     the audit
 *
 * One writer connection writes and checkpoints; all others are read-only, so
 * that the WAL-reset bug of SQLite before 3.51.3 cannot be met.
 */
#ifndef GROUPFS_STORE_SQLITE_H
#define GROUPFS_STORE_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "store/backend.h"
#include "store/sqlite_checksum.h"
#include "store/sqlite_filter.h"
#include "store/sqlite_hot.h"

enum {
	SQ_USER_VERSION = 6,
	SQ_CHECKPOINT_PAGES = 500, /* bounds the WAL and the longest commit */
	SQ_BUSY_MS = 5000,
	SQ_ALIVE_STEPS = 100000, /* of its machine: some milliseconds */
	SQ_GROUP_MAX = INT32_MAX /* a group_id leaves 32 bits for seq */
};
#define SQ_SEQ_MAX UINT64_C(0xffffffff)

/* X(ENUM, SQL): each is prepared once, when the handle is opened. */
#define SQ_STATEMENTS(X)                                                       \
	X(BEGIN_WRITE, "BEGIN IMMEDIATE")                                      \
	X(BEGIN_READ, "BEGIN")                                                 \
	X(COMMIT, "COMMIT")                                                    \
	X(ROLLBACK, "ROLLBACK")                                                \
	X(SAVE, "SAVEPOINT verb")                                              \
	X(UNDO, "ROLLBACK TO verb")                                            \
	X(KEEP, "RELEASE verb")                                                \
	X(TOUCH, "SELECT v FROM meta WHERE k='dedupe_current'")                \
	X(META_GET, "SELECT v FROM meta WHERE k=?1")                           \
	X(META_SET, "REPLACE INTO meta(k,v) VALUES(?1,?2)")                    \
                                                                               \
	X(MEMBER_GROUP,                                                        \
	  "SELECT m.role,m.last_read_seq,g.epoch,g.member_count,"              \
	  "g.first_seq,g.tail_seq,g.tail_off,g.tail_jsonl,g.tail_ms,"          \
	  "g.max_members,m.joined_seq "                                        \
	  "FROM members m JOIN groups g ON g.group_id=m.group_id "             \
	  "WHERE m.group_id=?1 AND m.name=?2")                                 \
	X(TAIL, "SELECT id,off+len,jsonl_off+jsonl_len,time_ms FROM messages " \
		"WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1")         \
	X(INSERT_MESSAGE,                                                      \
	  "INSERT INTO messages(id,off,len,jsonl_off,jsonl_len,rv,time_ms,"    \
	  "type,reply_to,sender,media_url,mentions,client_id,content) "        \
	  "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)")            \
	X(HOT_INSERT,                                                          \
	  "INSERT INTO hot(id,group_id,seq,off,len,jsonl_off,jsonl_len,rv,"    \
	  "time_ms,type,reply_to,sender,client_id,batch_id,batch_first,"       \
	  "batch_off,batch_warnings,warnings,media_url,mentions,content) "     \
	  "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"     \
	  "?17,?18,?19,?20,?21)")                                              \
	X(HOT_SET_BATCH, "UPDATE hot SET batch_id=?2,batch_first=?3,"          \
			 "batch_off=?4,batch_warnings=?5 WHERE id=?1")         \
	X(HOT_LIMIT, "SELECT max(id) FROM hot")                                \
	X(HOT_OLDEST, "SELECT time_ms FROM hot ORDER BY id LIMIT 1")           \
	X(HOT_ALL, "SELECT id,group_id,seq,len,sender,client_id,batch_id "     \
		   "FROM hot WHERE id>?1 ORDER BY id")                         \
	X(HOT_TAIL, "SELECT seq,off+len,jsonl_off+jsonl_len,time_ms "          \
		    "FROM hot WHERE id=?1")                                    \
	X(HOT_SENDER, "SELECT seq,sender FROM hot WHERE id=?1")                \
	X(HOT_KNOWN, SQ_KNOWN_COLUMNS "WHERE id=?1")                           \
	X(HOT_KEYS_OF, SQ_KNOWN_COLUMNS "WHERE id>=?1 ORDER BY id")            \
	X(HOT_SCAN, SQ_HOT_COLUMNS)                                            \
	X(HOT_MESSAGE, SQ_HOT_COLUMNS)                                         \
	X(HOT_LINE, SQ_LINES_OF_HOT)                                           \
	X(HOT_LINES, SQ_LINES_OF_HOT)                                          \
	X(HOT_TIME_OF, "SELECT time_ms FROM hot WHERE id>=?1 ORDER BY id")     \
	X(HOT_TRIM_ROWS,                                                       \
	  "SELECT group_id<<32|seq,off+len,jsonl_off+jsonl_len,mentions "      \
	  "FROM hot WHERE id>=?1 ORDER BY id")                                 \
	X(HOT_COUNT, SQ_COUNT_OF_HOT)                                          \
	X(HOT_FORGET, "DELETE FROM hot WHERE id<=?1")                          \
	X(SEAL_MESSAGE,                                                        \
	  "REPLACE INTO messages(id,off,len,jsonl_off,jsonl_len,rv,time_ms,"   \
	  "type,reply_to,sender,media_url,mentions,client_id,content) "        \
	  "SELECT group_id<<32|seq,off,len,jsonl_off,jsonl_len,rv,time_ms,"    \
	  "type,reply_to,sender,media_url,mentions,client_id,content "         \
	  "FROM hot WHERE id=?1")                                              \
	X(SEAL_POINTER, "UPDATE members SET last_read_seq=?3 "                 \
			"WHERE group_id=?1 AND name=?2 AND joined_seq<?3 "     \
			"AND last_read_seq<?3")                                \
	X(SEAL_TAIL, "UPDATE groups SET tail_seq=?2,tail_off=?3,"              \
		     "tail_jsonl=?4,tail_ms=?5 WHERE group_id=?1")             \
	X(INSERT_MENTION,                                                      \
	  "INSERT OR IGNORE INTO mentions(name,group_id,seq,n) "               \
	  "VALUES(?1,?2,?3,1+coalesce((" SQ_LAST_MENTION "),0))")              \
	X(INSERT_EVERYONE,                                                     \
	  "INSERT INTO everyone(group_id,seq,sender,n) "                       \
	  "VALUES(?2,?3,?1,1+coalesce((" SQ_LAST_EVERYONE "),0))")             \
	X(POINTER, "UPDATE members SET last_read_seq=?3 "                      \
		   "WHERE group_id=?1 AND name=?2")                            \
	X(DEDUPE_0_GET, "SELECT first_seq,last_seq,off,time_ms,warnings "      \
			"FROM dedupe_0 WHERE group_id=?1 AND name=?2 "         \
			"AND key=?3")                                          \
	X(DEDUPE_1_GET, "SELECT first_seq,last_seq,off,time_ms,warnings "      \
			"FROM dedupe_1 WHERE group_id=?1 AND name=?2 "         \
			"AND key=?3")                                          \
	X(DEDUPE_0_PUT,                                                        \
	  "REPLACE INTO dedupe_0 VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")             \
	X(DEDUPE_1_PUT,                                                        \
	  "REPLACE INTO dedupe_1 VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")             \
	X(DEDUPE_0_CLEAR, "DELETE FROM dedupe_0")                              \
	X(DEDUPE_1_CLEAR, "DELETE FROM dedupe_1")                              \
	X(DEDUPE_0_KEYS, "SELECT group_id,name,key FROM dedupe_0 "             \
			 "WHERE (group_id,name,key)>(?1,?2,?3) LIMIT ?4")      \
	X(DEDUPE_1_KEYS, "SELECT group_id,name,key FROM dedupe_1 "             \
			 "WHERE (group_id,name,key)>(?1,?2,?3) LIMIT ?4")      \
                                                                               \
	X(GROUP_BY_NAME, "SELECT group_id,created_by,create_key FROM groups "  \
			 "WHERE name=?1")                                      \
	X(INSERT_GROUP,                                                        \
	  "INSERT INTO groups(name,epoch,created_by,create_key,created_ms,"    \
	  "description,settings,max_members,tail_ms,info_ms,members_ms,"       \
	  "keep_ms,keep_messages,keep_bytes) "                                 \
	  "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?5,?5,?5,?9,?10,?11)")               \
	X(INFO, "SELECT g.group_id,g.name,g.description,g.avatar_url,"         \
		"g.created_by,g.created_ms,g.info_ms,g.max_members,"           \
		"g.first_off,g.settings,m.role FROM groups g "                 \
		"LEFT JOIN members m "                                         \
		"ON m.group_id=g.group_id AND m.name=?2 "                      \
		"WHERE g.group_id=?1")                                         \
	X(SET_INFO, "UPDATE groups SET "                                       \
		    "description=CASE WHEN ?2&1 THEN ?3 ELSE description END," \
		    "avatar_url=CASE WHEN ?2&2 THEN ?4 ELSE avatar_url END,"   \
		    "settings=CASE WHEN ?2&4 THEN ?5 ELSE settings END,"       \
		    "max_members=CASE WHEN ?2&8 THEN ?6 ELSE max_members END," \
		    "keep_ms=CASE WHEN ?2&4 THEN ?8 ELSE keep_ms END,"         \
		    "keep_messages=CASE WHEN ?2&4 THEN ?9 "                    \
		    "ELSE keep_messages END,"                                  \
		    "keep_bytes=CASE WHEN ?2&4 THEN ?10 ELSE keep_bytes END,"  \
		    "info_ms=max(info_ms,?7) WHERE group_id=?1")               \
	X(DELETE_GROUP, "DELETE FROM groups WHERE group_id=?1")                \
	X(DELETE_MESSAGES, "DELETE FROM messages WHERE id BETWEEN ?1 AND ?2")  \
	X(DELETE_MENTIONS,                                                     \
	  "DELETE FROM mentions WHERE group_id=?1 AND name IN "                \
	  "(SELECT name FROM members WHERE group_id=?1)")                      \
	X(DELETE_EVERYONE, "DELETE FROM everyone WHERE group_id=?1")           \
	X(DELETE_MEMBERS, "DELETE FROM members WHERE group_id=?1")             \
	X(DELETE_DEDUPE_0, "DELETE FROM dedupe_0 WHERE group_id=?1")           \
	X(DELETE_DEDUPE_1, "DELETE FROM dedupe_1 WHERE group_id=?1")           \
	X(GARBAGE_OF_GROUP,                                                    \
	  "INSERT OR IGNORE INTO garbage(hash) SELECT hash FROM "              \
	  "(SELECT DISTINCT hash FROM media WHERE group_id=?1) d "             \
	  "WHERE NOT EXISTS (SELECT 1 FROM media o "                           \
	  "WHERE o.hash=d.hash AND o.group_id<>?1)")                           \
	X(DELETE_MEDIA, "DELETE FROM media WHERE group_id=?1")                 \
                                                                               \
	X(INSERT_MEDIA,                                                        \
	  "INSERT INTO media(group_id,name,seq,time_ms,size,hash,sender,"      \
	  "media_id) VALUES(?1,?2,?3,?4,?5,?6,?7,nullif(?8,0))")               \
	X(MEDIA_OF_SEQ, "SELECT media_id FROM media "                          \
			"WHERE group_id=?1 AND seq=?2")                        \
	X(MEDIA_BY_ID, SQ_MEDIA_COLUMNS "FROM media WHERE media_id=?1")        \
	X(MEDIA_BY_NAME,                                                       \
	  SQ_MEDIA_COLUMNS "FROM media WHERE group_id=?1 AND name=?2")         \
	X(MEDIA_OF, SQ_MEDIA_COLUMNS "FROM media "                             \
				     "WHERE group_id=?1 AND name>?2 "          \
				     "ORDER BY name")                          \
	X(HASH_USED, "SELECT 1 FROM media WHERE hash=?1 LIMIT 1")              \
	X(GARBAGE, "SELECT hash FROM garbage WHERE hash>?1 "                   \
		   "ORDER BY hash LIMIT 1")                                    \
	X(DROP_GARBAGE, "DELETE FROM garbage WHERE hash=?1")                   \
                                                                               \
	X(FLOOR, SQ_FLOOR_COLUMNS "FROM groups WHERE group_id=?1")             \
	X(FLOORS, SQ_FLOOR_COLUMNS "FROM groups WHERE group_id>?1 "            \
				   "ORDER BY group_id LIMIT ?2")               \
	X(FLOORS_KEPT, SQ_FLOOR_COLUMNS                                        \
	  "FROM groups INDEXED BY groups_kept WHERE group_id>?1 "              \
	  "AND (" SQ_IS_KEPT ") ORDER BY group_id LIMIT ?2")                   \
	X(TIME_OF, "SELECT time_ms FROM messages WHERE id=?1")                 \
	X(TRIM_ROWS, "SELECT id,off+len,jsonl_off+jsonl_len,mentions "         \
		     "FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id")   \
	/* The last one stays: what is counted from it on goes on. */          \
	X(TRIM_MENTIONS,                                                       \
	  "DELETE FROM mentions WHERE name=?1 AND group_id=?2 AND seq<("       \
	  "SELECT max(seq) FROM mentions WHERE name=?1 AND group_id=?2 "       \
	  "AND seq<=?3)")                                                      \
	X(TRIM_EVERYONE,                                                       \
	  "DELETE FROM everyone WHERE group_id=?1 AND seq<(SELECT max(seq) "   \
	  "FROM everyone WHERE group_id=?1 AND seq<?2)")                       \
	X(FILE_BELOW, "SELECT media_id,hash FROM media "                       \
		      "WHERE group_id=?1 AND seq<?2 ORDER BY seq LIMIT 1")     \
	X(DELETE_FILE, "DELETE FROM media WHERE media_id=?1")                  \
	X(GARBAGE_IF_UNUSED,                                                   \
	  "INSERT OR IGNORE INTO garbage(hash) SELECT ?1 "                     \
	  "WHERE NOT EXISTS (SELECT 1 FROM media WHERE hash=?1)")              \
	X(SET_FLOOR, "UPDATE groups SET first_seq=?2,first_off=?3,"            \
		     "first_jsonl_off=?4 WHERE group_id=?1")                   \
                                                                               \
	/* An import has members, but is no group yet. */                      \
	X(ROLE, "SELECT m.role FROM members m JOIN groups g "                  \
		"ON g.group_id=m.group_id "                                    \
		"WHERE m.group_id=?1 AND m.name=?2")                           \
	X(INSERT_MEMBER,                                                       \
	  "INSERT INTO members(group_id,name,role,joined_ms,joined_seq,"       \
	  "last_read_seq) VALUES(?1,?2,?3,?4,?5,?6)")                          \
	X(SET_ROLE, "UPDATE members SET role=?3 "                              \
		    "WHERE group_id=?1 AND name=?2")                           \
	X(DELETE_MEMBER, "DELETE FROM members WHERE group_id=?1 AND name=?2")  \
	X(FORGET_MENTIONS, "DELETE FROM mentions WHERE name=?1 "               \
			   "AND group_id=?2")                                  \
	X(AN_ADMIN, "SELECT 1 FROM members WHERE group_id=?1 AND role=1 "      \
		    "LIMIT 1")                                                 \
	X(MEMBER_COUNT, "UPDATE groups SET member_count=?2,"                   \
			"members_ms=max(members_ms,?3) WHERE group_id=?1")     \
	X(MEMBERS, "SELECT name,role,joined_ms,joined_seq,last_read_seq "      \
		   "FROM members WHERE group_id=?1 AND name>?2 "               \
		   "ORDER BY name")                                            \
                                                                               \
	X(PUT_IMPORT, "INSERT INTO meta(k,v) VALUES(?1,?2)")                   \
	X(EMPTY_IMPORT, "UPDATE meta SET v=x'' WHERE k=?1 AND v!=x''")         \
	X(DELETE_META, "DELETE FROM meta WHERE k=?1")                          \
	X(NEXT_IMPORT, "SELECT k FROM meta WHERE k>?1 AND k<'import0' "        \
		       "ORDER BY k LIMIT 1")                                   \
	X(RESERVE_GROUP, "INSERT INTO groups(group_id,name,epoch,created_by,"  \
			 "created_ms,max_members,tail_ms) "                    \
			 "VALUES(nullif(?1,0),'!',0,'!',0,0,0)")               \
	X(JOINED, "SELECT joined_seq FROM members "                            \
		  "WHERE group_id=?1 AND name=?2")                             \
	X(COUNT_MEMBERS, "SELECT count(*),coalesce(sum(role=1),0) "            \
			 "FROM members WHERE group_id=?1")                     \
	X(SHOW_GROUP,                                                          \
	  "INSERT INTO groups(group_id,name,epoch,created_by,create_key,"      \
	  "created_ms,description,avatar_url,settings,max_members,"            \
	  "member_count,info_ms,members_ms,keep_ms,keep_messages,keep_bytes,"  \
	  "first_seq,first_off,first_jsonl_off,tail_seq,tail_off,tail_jsonl,"  \
	  "tail_ms) "                                                          \
	  "VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"     \
	  "?17,?18,?19,?20,?21,?22,?23)")                                      \
	X(DROP_MESSAGES,                                                       \
	  "DELETE FROM messages WHERE id IN (SELECT id FROM messages "         \
	  "WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)")                  \
	X(DROP_MENTIONS,                                                       \
	  "DELETE FROM mentions WHERE group_id=?1 AND name IN "                \
	  "(SELECT name FROM members WHERE group_id=?1 ORDER BY name "         \
	  "LIMIT ?2)")                                                         \
	X(DROP_MEMBERS,                                                        \
	  "DELETE FROM members WHERE group_id=?1 AND name IN "                 \
	  "(SELECT name FROM members WHERE group_id=?1 ORDER BY name "         \
	  "LIMIT ?2)")                                                         \
	X(COUNT_MESSAGES,                                                      \
	  "SELECT count(*) FROM messages WHERE id BETWEEN ?1 AND ?2")          \
                                                                               \
	X(USER, "SELECT 1 FROM users WHERE name=?1")                           \
	X(INSERT_USER, "INSERT INTO users(name,created_ms) VALUES(?1,?2)")     \
	X(INSERT_TOKEN, "INSERT INTO tokens(hash,name,created_ms,expires_ms) " \
			"VALUES(?1,?2,?3,?4)")                                 \
	X(TOKEN, "SELECT hash,name FROM tokens WHERE token_id=?1")             \
	X(DELETE_TOKEN, "DELETE FROM tokens WHERE token_id=?1")                \
	X(USERS, "SELECT name FROM users WHERE name>?1 ORDER BY name")         \
	X(FIND_TOKEN, "SELECT name,expires_ms FROM tokens WHERE hash=?1")      \
	X(TOKENS, "SELECT token_id,name,created_ms,expires_ms FROM tokens "    \
		  "WHERE token_id>?1 ORDER BY token_id")                       \
	X(TOKENS_OF, "SELECT token_id,name,created_ms,expires_ms FROM tokens " \
		     "WHERE name=?2 AND token_id>?1 ORDER BY token_id")        \
	X(COUNTS, "SELECT (SELECT v FROM meta WHERE k='count_groups'),"        \
		  "(SELECT v FROM meta WHERE k='count_users')")                \
	X(MISCOUNTED_ROWS, "SELECT ((SELECT count(*) FROM groups)<>"           \
			   "(SELECT v FROM meta WHERE k='count_groups'))+"     \
			   "((SELECT count(*) FROM users)<>"                   \
			   "(SELECT v FROM meta WHERE k='count_users'))")      \
                                                                               \
	X(GROUP, SQ_GROUP_COLUMNS "FROM groups g LEFT JOIN members m "         \
				  "ON m.group_id=g.group_id AND m.name=?2 "    \
				  "WHERE g.group_id=?1")                       \
	X(GROUPS_OF, SQ_GROUP_COLUMNS "FROM members m JOIN groups g "          \
				      "ON g.group_id=m.group_id "              \
				      "WHERE m.name=?1 AND g.name>?2 "         \
				      "ORDER BY g.name")                       \
	X(COUNT_MENTIONS,                                                      \
	  "SELECT coalesce((" SQ_LAST_MENTION "),0)-coalesce(("                \
	  "SELECT n FROM mentions WHERE name=?1 AND group_id=?2 "              \
	  "AND seq<=?3 ORDER BY seq DESC LIMIT 1),0)"                          \
	  "+coalesce((" SQ_LAST_EVERYONE "),0)-coalesce(("                     \
	  "SELECT n FROM everyone WHERE group_id=?2 "                          \
	  "AND seq<=?3 ORDER BY seq DESC LIMIT 1),0)"                          \
	  "-(SELECT count(*) FROM everyone WHERE group_id=?2 AND seq>?3 "      \
	  "AND seq<=(SELECT joined_seq FROM members WHERE group_id=?2 "        \
	  "AND name=?1) AND sender=?1)")                                       \
	X(MENTION_GROUPS, "SELECT g.group_id,g.name,"                          \
			  "m.last_read_seq,m.joined_seq,g.first_seq,"          \
			  "g.tail_seq "                                        \
			  "FROM members m JOIN groups g "                      \
			  "ON g.group_id=m.group_id "                          \
			  "WHERE m.name=?1 AND g.name>=?2 ORDER BY g.name")    \
	X(MENTIONS_OF,                                                         \
	  "SELECT seq FROM mentions WHERE name=?1 AND group_id=?2 AND seq>?3 " \
	  "UNION ALL SELECT seq FROM everyone "                                \
	  "WHERE group_id=?2 AND seq>?3 AND sender<>?1 ORDER BY seq")          \
	X(SCAN, SQ_MESSAGE_COLUMNS "FROM messages WHERE id BETWEEN ?1 AND ?2 " \
				   "ORDER BY id")                              \
	X(TAKE,                                                                \
	  "SELECT take(" SQ_TEXT_COLUMNS ",off,len,jsonl_off,jsonl_len,"       \
	  "mentions,client_id) FROM messages WHERE id BETWEEN ?1 AND ?2")      \
	X(TAKE_TEXT, "SELECT take(" SQ_TEXT_COLUMNS ") FROM messages "         \
		     "WHERE id BETWEEN ?1 AND ?2")                             \
	X(MESSAGE, SQ_MESSAGE_COLUMNS "FROM messages WHERE id=?1")             \
	X(LINE, SQ_LINE_COLUMNS "FROM messages WHERE id=?1")                   \
	X(LINES, SQ_LINE_COLUMNS "FROM messages WHERE id BETWEEN ?1 AND ?2 "   \
				 "ORDER BY id")                                \
	X(ALL_GROUPS,                                                          \
	  "SELECT group_id,name,first_seq,first_off,first_jsonl_off,tail_seq," \
	  "tail_off,tail_jsonl,tail_ms,member_count FROM groups "              \
	  "ORDER BY group_id")                                                 \
	X(ALL_MEMBERS, "SELECT name,role,last_read_seq,joined_seq "            \
		       "FROM members WHERE group_id=?1")                       \
	X(HAS_MENTION, "SELECT 1 FROM mentions "                               \
		       "WHERE group_id=?1 AND name=?2 AND seq=?3")             \
	X(HAS_EVERYONE, "SELECT 1 FROM everyone "                              \
			"WHERE group_id=?1 AND sender=?2 AND seq=?3")          \
	X(ALL_MESSAGES, "SELECT count(*) FROM messages")                       \
	X(ALL_MEDIA,                                                           \
	  "SELECT x.media_id,x.name,x.seq,x.time_ms,x.hash,x.sender,"          \
	  "x.group_id,g.tail_seq FROM media x "                                \
	  "LEFT JOIN groups g ON g.group_id=x.group_id")                       \
	/* The first that is held may have another number than 1 only where    \
	 * retention took those before it: then it lies below the floor. */    \
	X(MISCOUNTED,                                                          \
	  "SELECT (SELECT count(*) FROM (SELECT group_id,seq,n,lag(n) OVER "   \
	  "(PARTITION BY name,group_id ORDER BY seq) p FROM mentions) t "      \
	  "WHERE " SQ_IS_MISCOUNTED                                            \
	  ")+(SELECT count(*) FROM (SELECT group_id,seq,n,lag(n) OVER "        \
	  "(PARTITION BY group_id ORDER BY seq) p FROM everyone) t "           \
	  "WHERE " SQ_IS_MISCOUNTED ")")                                       \
	X(USED_GARBAGE, "SELECT count(*) FROM garbage g WHERE EXISTS "         \
			"(SELECT 1 FROM media m WHERE m.hash=g.hash)")         \
	X(INTEGRITY, "PRAGMA integrity_check(100)")                            \
                                                                               \
	X(COUNT_ALL,                                                           \
	  "SELECT (SELECT count(*) FROM groups),(SELECT count(*) FROM users)," \
	  "(SELECT count(*) FROM messages)+(" SQ_COUNT_OF_HOT "),"             \
	  "count(*),coalesce(sum(size),0) "                                    \
	  "FROM (SELECT max(size) AS size FROM media GROUP BY hash)")          \
	X(CONTENTS,                                                            \
	  "SELECT hash,max(size) FROM media GROUP BY hash ORDER BY hash")      \
	X(NEXT_GROUP, "SELECT min(group_id) FROM groups WHERE group_id>?1")    \
	X(NEXT_KEY, "SELECT group_id,create_key FROM groups "                  \
		    "WHERE group_id>?1 ORDER BY group_id LIMIT 1")             \
	X(LOOSE_USERS, "SELECT name,created_ms FROM users ORDER BY name")      \
	X(LOOSE_TOKENS, "SELECT name,created_ms,token_id,expires_ms,hash "     \
			"FROM tokens ORDER BY token_id")                       \
	X(LOOSE_GARBAGE, "SELECT hash FROM garbage ORDER BY hash")             \
	X(PUT_USER, "INSERT INTO users(name,created_ms) VALUES(?1,?2) "        \
		    "ON CONFLICT(name) DO UPDATE SET created_ms=?2")           \
	X(PUT_TOKEN,                                                           \
	  "REPLACE INTO tokens(name,created_ms,token_id,expires_ms,hash) "     \
	  "VALUES(?1,?2,?3,?4,?5)")                                            \
	X(PUT_GARBAGE, "INSERT OR IGNORE INTO garbage(hash) VALUES(?1)")       \
	X(KEYS_OF, "SELECT name,key,first_seq,last_seq,off,time_ms,warnings "  \
		   "FROM dedupe_0 WHERE group_id=?1 UNION ALL "                \
		   "SELECT name,key,first_seq,last_seq,off,time_ms,warnings "  \
		   "FROM dedupe_1 WHERE group_id=?1")                          \
	X(LAST_NUMBER, "SELECT seq FROM sqlite_sequence WHERE name=?1")        \
	X(FORGET_NUMBER, "DELETE FROM sqlite_sequence WHERE name=?1")          \
	X(PUT_NUMBER, "INSERT INTO sqlite_sequence(name,seq) VALUES(?1,?2)")   \
	X(SET_EPOCH, "UPDATE groups SET epoch=?2 WHERE group_id=?1")

#define SQ_GROUP_COLUMNS                                                       \
	"SELECT g.group_id,g.name,g.epoch,g.first_seq,g.first_off,"            \
	"g.tail_seq,g.tail_off,g.tail_ms,g.member_count,g.created_ms,"         \
	"g.created_by,m.role,m.last_read_seq,g.first_jsonl_off,g.tail_jsonl,"  \
	"g.info_ms,g.members_ms,m.joined_seq "
#define SQ_IS_KEPT "keep_ms>0 OR keep_messages>0 OR keep_bytes>0"
#define SQ_FLOOR_COLUMNS                                                       \
	"SELECT group_id,first_seq,first_off,first_jsonl_off,tail_seq,"        \
	"tail_off,tail_jsonl,tail_ms,keep_ms,keep_messages,keep_bytes "
/* Of a row of mentions or everyone, with p, the n of the one before. */
#define SQ_IS_MISCOUNTED                                                       \
	"n<>coalesce(p+1,CASE WHEN n>0 AND seq<(SELECT first_seq FROM "        \
	"groups g WHERE g.group_id=t.group_id) THEN n ELSE 1 END)"
#define SQ_TEXT_COLUMNS "id,time_ms,type,reply_to,sender,media_url,content"
#define SQ_MESSAGE_COLUMNS                                                     \
	"SELECT id,off,len,jsonl_off,jsonl_len,time_ms,type,reply_to,sender,"  \
	"media_url,mentions,client_id,content,rv "
/* The same of hot, as all that begin at a row; the walk goes by the index. */
#define SQ_HOT_COLUMNS                                                         \
	"SELECT group_id<<32|seq,off,len,jsonl_off,jsonl_len,time_ms,type,"    \
	"reply_to,sender,media_url,mentions,client_id,content,rv "             \
	"FROM hot WHERE id>=?1 ORDER BY id"
#define SQ_LINES_OF_HOT                                                        \
	"SELECT group_id<<32|seq,off,len,jsonl_off,jsonl_len "                 \
	"FROM hot WHERE id>=?1 ORDER BY id"
/* What a row is known by; the first column is the message's. */
#define SQ_KNOWN_COLUMNS                                                       \
	"SELECT group_id<<32|seq,off,off+len,jsonl_off+jsonl_len,time_ms,"     \
	"warnings,sender,client_id,batch_id,batch_first,batch_off,"            \
	"batch_warnings,len FROM hot "
/* Those that are messages of a log, and not sealed. */
#define SQ_COUNT_OF_HOT                                                        \
	"SELECT count(*) FROM hot h JOIN groups g ON g.group_id=h.group_id "   \
	"WHERE h.seq>g.tail_seq AND h.seq>=g.first_seq"
/* How many there are: of ?1 in group ?2, of everyone there. */
#define SQ_LAST_MENTION                                                        \
	"SELECT n FROM mentions WHERE name=?1 AND group_id=?2 "                \
	"ORDER BY seq DESC LIMIT 1"
#define SQ_LAST_EVERYONE                                                       \
	"SELECT n FROM everyone WHERE group_id=?2 ORDER BY seq DESC LIMIT 1"
/* A search reads one of the two pairs. */
#define SQ_LINE_COLUMNS "SELECT id,off,len,jsonl_off,jsonl_len "
#define SQ_MEDIA_COLUMNS                                                       \
	"SELECT media_id,group_id,seq,time_ms,size,name,sender,hash "

enum sq_statement {
#define SQ_ENUM(ENUM, sql) SQ_##ENUM,
	SQ_STATEMENTS(SQ_ENUM)
#undef SQ_ENUM
		SQ_COUNT
};

/* A round of sealing: the rows (from, to] of hot. */
struct sq_seal {
	struct hot_place *places; /* owned, sorted; NULL: no round */
	uint64_t from;
	uint64_t to;
	size_t at;    /* places that are done */
	size_t begin; /* what `at` was when the transaction began */
};

/* The keys in a table of the dedupe, as the writer learns them. */
struct sq_learned {
	struct sq_filter filter; /* up to the key below, and what came since */
	bool whole;		 /* all that the table has */
	bool blind;		 /* it cannot be read */
	uint64_t group_id;
	struct buf name;
	struct buf key;
};

/* A walk over sealed messages that is under way. */
struct sq_scan {
	store_message_fn fn;
	void *data; /* borrowed */
	uint64_t last;
	int rc; /* what fn returned last */
};

struct sqlite_store {
	struct store base;
	sqlite3 *db;
	sqlite3_stmt *statements[SQ_COUNT];
	struct buf path;
	int lock_fd;	  /* of the writer: PATH.lock; else -1 */
	bool cold;	  /* of the file nothing is in memory */
	int wal_pages;	  /* what the last commit left in the WAL */
	unsigned views;	  /* nested sq_view_enter()s that began a view */
	struct buf names; /* scratch: the mentions of one message */
	struct buf held;  /* what the strs point to that a verb handed out */
	struct sq_scan *scan; /* the innermost; NULL: none */
	/* The writer's; NULL: a reader. */
	struct sq_senders *senders;
	bool changes[SQ_COUNT]; /* what is remembered there */

	/* The hot tier: see sqlite_hot.h. */
	struct hot_index *hot;
	struct hot_view hot_view; /* a reader's, while a view is open */
	bool hot_shared;	  /* a reader's: it is a writer's */
	uint64_t hot_limit;	  /* the last row that is seen */
	dev_t dev;		  /* of the file, as ino */
	ino_t ino;
	/* The writer's: where the transaction, and a verb in it, began. */
	uint64_t hot_begin;
	uint64_t hot_begin_bytes;
	uint64_t hot_save;
	uint64_t hot_forget; /* rows up to this are deleted in it */
	struct sq_seal seal;

	/* The writer's copy of meta, read again after a rollback. */
	bool dedupe_known;
	unsigned dedupe_current; /* 0 or 1 */
	uint64_t dedupe_start_ms;
	uint64_t dedupe_hot; /* its first row of hot; of the one before it */
	uint64_t dedupe_hot_before;
	bool dedupe_turned; /* in this transaction */
	struct sq_learned dedupe_keys[2];

	/* What struct wire_group of find_group points to. */
	char group_name[WIRE_NAME_MAX + 1];
	char group_creator[WIRE_USER_MAX + 1];
};

static inline struct sqlite_store *sq_of(struct store *s)
{
	return (struct sqlite_store *)(void *)s;
}

/* sqlite_util.c */

/* The key of a message, and the keys that bound a group's. */
static inline uint64_t sq_id(uint64_t group_id, uint64_t seq)
{
	return group_id << 32 | seq;
}
static inline uint64_t sq_seq(uint64_t id)
{
	return id & SQ_SEQ_MAX;
}

int sq_prepare_all(struct sqlite_store *s, struct err *err);
/* The statement, ready to be bound; not one that changes what is remembered of
 * senders and their groups. */
sqlite3_stmt *sq_use(struct sqlite_store *s, enum sq_statement which);
/* The same, of any; what is remembered of the group is so no more. 0: it is a
 * new one. */
sqlite3_stmt *sq_change(struct sqlite_store *s, enum sq_statement which,
			uint64_t group_id);
/* Binding never fails: indices are ours, sizes bounded, bytes borrowed until
 * the statement is done. An empty str is NULL, or with sq_blob() empty. */
void sq_bind(sqlite3_stmt *st, int i, uint64_t value);
void sq_bind_text(sqlite3_stmt *st, int i, struct str s);
void sq_bind_blob(sqlite3_stmt *st, int i, struct str s);
void sq_bind_bytes(sqlite3_stmt *st, int i, struct str s);
/* Never NULL, for what names are compared with. */
void sq_bind_after(sqlite3_stmt *st, int i, struct str name);
void sq_bind_hash(sqlite3_stmt *st, int i, const uint8_t hash[STORE_HASH]);
uint64_t sq_column(sqlite3_stmt *st, int i);
/* Borrowed until the statement steps on. */
struct str sq_column_str(sqlite3_stmt *st, int i);
/* Moves the strs from their row into s->held, where they stay until the next
 * call. */
int sq_hold(struct sqlite_store *s, struct str *const *strs, size_t count,
	    struct err *err);

/* 1: a row. 0: done, the statement is reset. Else -errno, reset too; within a
 * transaction the handle is broken. */
int sq_step(struct sqlite_store *s, sqlite3_stmt *st, struct err *err);
/* For what gives no rows: 0 or -errno. */
int sq_run(struct sqlite_store *s, sqlite3_stmt *st, struct err *err);
/* Turns a result of SQLite into a refusal. */
int sq_fail(struct sqlite_store *s, int result, struct err *err);
int sq_no_memory(struct sqlite_store *s, struct err *err);

/* Makes all that a verb writes one step: undone with it, or kept. */
int sq_save(struct sqlite_store *s, struct err *err);
/* rc: how the verb went; returned, unless ending the step fails. */
int sq_end_save(struct sqlite_store *s, int rc, struct err *err);

/* A number in the table `meta`; 0: it is not there. */
int sq_get_meta(struct sqlite_store *s, const char *name, uint64_t *value,
		struct err *err);
int sq_set_meta(struct sqlite_store *s, const char *name, uint64_t value,
		struct err *err);

/* Gives a reading verb one consistent view where none is open. */
int sq_view_enter(struct sqlite_store *s, struct err *err);
void sq_view_leave(struct sqlite_store *s);

/* sqlite_schema.c */

/* Makes or migrates the store (writer), checks that it is one of ours. */
int sq_schema_check(struct sqlite_store *s, struct err *err);
int sq_schema_apply(struct sqlite_store *s, struct err *err);
/* One PRAGMA or script; its value goes to *out where that is not NULL. */
int sq_exec(struct sqlite_store *s, const char *sql, struct err *err);
int sq_pragma(struct sqlite_store *s, const char *sql, int64_t *out,
	      struct err *err);

/* sqlite_append.c */

/* What the end of a group's log is. */
struct sq_tail {
	uint64_t seq;
	uint64_t off;
	uint64_t jsonl_off;
	uint64_t time_ms;
};
/* *tail is what groups.tail_* says, which becomes the last message. */
int sq_tail(struct sqlite_store *s, uint64_t group_id, struct sq_tail *tail,
	    struct err *err);

/* A member, and what sending and editing need of his group. */
struct sq_member {
	enum role role;
	uint64_t stored_read_seq; /* see sq_pointer() */
	uint64_t joined_seq;
	uint64_t sealed;
	uint64_t epoch;
	uint64_t member_count;
	uint64_t max_members;
	uint64_t first_seq;
	struct sq_tail tail;
};
/* `no_such_group` when he is no member. */
int sq_find_member(struct sqlite_store *s, uint64_t group_id, struct str user,
		   struct sq_member *out, struct err *err);
/* ROLE_NONE for one who is no member. */
int sq_role(struct sqlite_store *s, uint64_t group_id, struct str user,
	    enum role *role, struct err *err);

/* sqlite_senders.c: what appending needs of a member and his group, remembered
 * by the writer in bounded memory. What is put is what the transaction sees,
 * outside of a savepoint. */
struct sq_sender {
	enum role role;
	uint64_t epoch;
	uint64_t member_count;
	uint64_t first_seq;
	struct sq_tail tail;
};
/* NULL without memory; free() takes NULL. */
struct sq_senders *sq_senders_new(void);
void sq_senders_free(struct sq_senders *c);
bool sq_senders_find(struct sq_senders *c, uint64_t group_id, struct str user,
		     struct sq_sender *out);
void sq_senders_put(struct sq_senders *c, uint64_t group_id, struct str user,
		    const struct sq_sender *in);
/* The group's log ends there now. */
void sq_senders_grow(struct sq_senders *c, uint64_t group_id,
		     const struct sq_tail *tail);
void sq_senders_drop(struct sq_senders *c, uint64_t group_id);
void sq_senders_clear(struct sq_senders *c);

/* Stores m as it is, offsets and lengths too. */
int sq_insert_message(struct sqlite_store *s, uint64_t group_id,
		      const struct wire_message *m, struct err *err);

/* sqlite_hot.c: messages, in whichever tier. `sealed` is the tail_seq of the
 * group's row, in the same view. */

/* Where meta has the last row of hot that was deleted. */
extern const char sq_hot_deleted[];
/* Brings hot's pages from the disk into memory, in their order there. What it
 * cannot read is left for who needs it. */
void sq_read_ahead(struct sqlite_store *s);
/* The writer's index, at open. */
int sq_hot_open(struct sqlite_store *s, struct err *err);
void sq_hot_close(struct sqlite_store *s);
/* A reader's: the view that has just begun, which this reads first. */
int sq_hot_enter(struct sqlite_store *s, struct err *err);
void sq_hot_leave(struct sqlite_store *s);

/* What was sent, at the end of hot. batch: NULL, or what its batch_id is known
 * by. */
struct sq_known;
struct sq_hot_row {
	uint64_t group_id;
	const struct wire_message *m;
	uint64_t warnings;
	struct str batch_id;
	const struct sq_known *batch;
};
int sq_hot_insert(struct sqlite_store *s, const struct sq_hot_row *row,
		  struct err *err);
/* The row that was inserted last ends its batch. */
int sq_hot_set_batch(struct sqlite_store *s, const struct sq_hot_row *row,
		     struct err *err);

/* Messages from..to of a group, in order; statements of the same columns, of
 * which the first is the message's id. */
struct sq_walk {
	struct sqlite_store *s;
	enum sq_statement cold;
	enum sq_statement hot;
	uint64_t group_id;
	uint64_t sealed;
	uint64_t seq; /* the next */
	uint64_t to;
	sqlite3_stmt *st; /* the row */
	uint64_t id;	  /* of the row; 0: it is not of hot */
};
/* 1: w->st is at a row; 0: the end. */
int sq_walk_next(struct sq_walk *w, struct err *err);
void sq_walk_end(struct sq_walk *w);
/* One message: 1: *st is at it, to be reset; 0: it is not there. */
struct sq_at {
	uint64_t group_id;
	uint64_t sealed;
	uint64_t seq;
};
int sq_row(struct sqlite_store *s, enum sq_statement cold,
	   enum sq_statement hot, const struct sq_at *at, sqlite3_stmt **st,
	   struct err *err);

/* *seq is what members.last_read_seq says; what he has sent since he joined
 * counts too. */
int sq_pointer(struct sqlite_store *s, uint64_t group_id, struct str user,
	       uint64_t joined_seq, uint64_t *seq, struct err *err);

/* sqlite_seal.c */

/* A step of a round inside of the transaction, of about so many rows, or bytes
 * of lines; begins one where none is. 1: there is more of it. */
int sq_seal_step(struct sqlite_store *s, uint64_t rows, uint64_t bytes,
		 struct err *err);
/* All there is, at once; all there is of a group. */
int sq_seal_all(struct sqlite_store *s, struct err *err);
int sq_seal_group(struct sqlite_store *s, uint64_t group_id, struct err *err);
/* The group's messages are in `messages`, up to this. */
int sq_set_sealed(struct sqlite_store *s, uint64_t group_id,
		  const struct sq_tail *tail, struct err *err);
/* With each commit, before it: what has to be. */
int sq_seal_some(struct sqlite_store *s, struct err *err);
/* After it, or after a rollback. */
void sq_seal_kept(struct sqlite_store *s);
void sq_seal_undone(struct sqlite_store *s);

/* sqlite_dedupe.c */

/* What a client_id or batch_id is remembered with. */
struct sq_known {
	uint64_t first_seq;
	uint64_t last_seq;
	uint64_t off;
	uint64_t time_ms;
	uint64_t warnings;
};
/* Whose key. */
struct sq_key {
	uint64_t group_id;
	struct str user;
	enum hot_key kind; /* HOT_ITEM, HOT_BATCH */
	struct str id;	   /* not empty */
};
enum {
	/* Keys that are learned with a commit, and when nothing else is to be
	 * done: some milliseconds. */
	SQ_LEARN_COMMIT = 64,
	SQ_LEARN_IDLE = 4096
};
/* The writer's, not in a transaction: so many more keys of each table. True:
 * there are more. */
bool sq_learn_known(struct sqlite_store *s, unsigned limit);
/* Something was undone in which the generations may have been turned. */
void sq_known_undone(struct sqlite_store *s);
void sq_known_close(struct sqlite_store *s);
/* 1: found. 0: not. */
int sq_find_known(struct sqlite_store *s, const struct sq_key *key,
		  struct sq_known *out, struct err *err);
int sq_put_known(struct sqlite_store *s, const struct sq_key *key,
		 const struct sq_known *known, uint64_t now_ms,
		 struct err *err);
/* Before a row with a key is inserted: begins a generation, when it is time. */
int sq_turn_known(struct sqlite_store *s, uint64_t now_ms, struct err *err);
/* A key that row id of hot has. */
int sq_seal_known(struct sqlite_store *s, uint64_t id, const struct sq_key *key,
		  const struct sq_known *known, struct err *err);
/* The first row of hot whose keys are not forgotten. */
int sq_known_from(struct sqlite_store *s, uint64_t *id, struct err *err);
/* Of a row of SQ_KNOWN_COLUMNS. */
void sq_read_known(sqlite3_stmt *st, enum hot_key kind, struct sq_known *out);
enum {
	SQ_KNOWN_END = 2,
	SQ_KNOWN_JSONL_END = 3,
	SQ_KNOWN_MS = 4,
	SQ_KNOWN_SENDER = 6,
	SQ_KNOWN_ITEM = 7,
	SQ_KNOWN_BATCH = 8,
	SQ_KNOWN_LEN = 12
};
/* Remembers a key of an imported group, from now on for a window; refuses one
 * that is known. */
int sq_remember(struct sqlite_store *s, uint64_t group_id,
		const struct store_key *k, struct err *err);

/* sqlite_trim.c */

/* Where what is held of a group's log begins, where it ends, and what its
 * settings say of how much is kept. 1; 0: there is no such group. */
struct sq_floor {
	uint64_t group_id;
	uint64_t seq;
	uint64_t off;
	uint64_t jsonl_off;
	uint64_t sealed;
	struct sq_tail tail;
	struct store_keep keep;
};
int sq_floor(struct sqlite_store *s, uint64_t group_id, struct sq_floor *out,
	     struct err *err);
/* Binds what settings say of it to three parameters from i on. */
void sq_bind_keep(sqlite3_stmt *st, int i, struct str settings);

/* sqlite_mentions.c */

/* Records the mentions of an imported message, for those who were members
 * since. */
int sq_import_mentions(struct sqlite_store *s, uint64_t group_id,
		       const struct wire_message *m, struct err *err);

/* Records who is mentioned in message seq of the group, and leaves the names
 * in s->names. *warnings gains WARN_MENTION_DROPPED where some are left out. */
int sq_record_mentions(struct sqlite_store *s, const struct store_append *op,
		       const struct sq_sender *sender, uint64_t seq,
		       const struct wire_item *item, uint64_t *warnings,
		       struct err *err);

/* sqlite_media.c */

/* `file_exists` when the group has a file of this name. */
int sq_check_media_name(struct sqlite_store *s, const struct store_media *op,
			struct err *err);
/* The file of the message that was just appended, or was with this batch_id
 * before: fills op->media_id. */
int sq_insert_media(struct sqlite_store *s, struct store_media *op,
		    const struct wire_body_sent *sent, struct err *err);
int sq_find_sent_media(struct sqlite_store *s, struct store_media *op,
		       const struct wire_body_sent *sent, struct err *err);

/* The operations. */
int sq_append(struct store *base, struct store_append *op, size_t count,
	      struct err *err);
int sq_add_media(struct store *base, struct store_media *op,
		 struct store_append *message, struct err *err);
int sq_trim(struct store *base, struct store_trim *op, struct err *err);
int sq_list_overdue(struct store *base, const struct store_keep *keep,
		    size_t count, uint64_t *after_id, store_overdue_fn fn,
		    void *data, struct err *err);
int sq_set_read(struct store *base, uint64_t group_id, struct str user,
		uint64_t seq, uint64_t *stored, struct err *err);
int sq_create_group(struct store *base, struct store_create *op,
		    struct err *err);
int sq_delete_group(struct store *base, uint64_t group_id, struct str by,
		    struct err *err);
int sq_edit_members(struct store *base, struct store_edit *op, struct err *err);
int sq_get_info(struct store *base, uint64_t group_id, struct str user,
		struct wire_info *out, struct err *err);
int sq_set_info(struct store *base, const struct store_set_info *op,
		struct err *err);
int sq_find_media(struct store *base, uint64_t media_id, uint64_t group_id,
		  struct str name, struct str user, struct wire_media *out,
		  struct err *err);
int sq_list_media(struct store *base, uint64_t group_id, struct str after,
		  store_media_fn fn, void *data, struct err *err);
int sq_hash_used(struct store *base, const uint8_t hash[STORE_HASH], bool *used,
		 struct err *err);
int sq_next_garbage(struct store *base, const uint8_t *after,
		    uint8_t hash[STORE_HASH], struct err *err);
int sq_drop_garbage(struct store *base, const uint8_t hash[STORE_HASH],
		    struct err *err);
int sq_list_mentions(struct store *base, struct str user,
		     struct str after_group, uint64_t after_seq,
		     store_mention_fn fn, void *data, struct err *err);
int sq_role_op(struct store *base, uint64_t group_id, struct str user,
	       enum role *role, struct err *err);
int sq_export_members(struct store *base, uint64_t group_id, struct str after,
		      store_port_member_fn fn, void *data, struct err *err);
int sq_import_begin(struct store *base, const struct wire_port_group *group,
		    uint64_t *import_id, struct err *err);
int sq_import_members(struct store *base, const struct store_import *op,
		      struct err *err);
int sq_import_messages(struct store *base, const struct store_import *op,
		       struct err *err);
int sq_import_media(struct store *base, const struct store_import *op,
		    const struct wire_media *media, struct err *err);
int sq_import_end(struct store *base, struct store_import_end *op,
		  struct err *err);
int sq_import_drop(struct store *base, uint64_t import_id, struct err *err);
int sq_next_import(struct store *base, uint64_t after_id, uint64_t *import_id,
		   struct err *err);
int sq_add_user(struct store *base, struct str name, bool *added,
		struct err *err);
int sq_find_user(struct store *base, struct str name, bool *found,
		 struct err *err);
int sq_create_token(struct store *base, struct str user,
		    const uint8_t hash[STORE_TOKEN_HASH], uint64_t expires_ms,
		    uint64_t *token_id, struct err *err);
int sq_revoke_token(struct store *base, uint64_t token_id, struct str owner,
		    uint8_t hash_out[STORE_TOKEN_HASH], struct err *err);
int sq_find_token(struct store *base, const uint8_t hash[STORE_TOKEN_HASH],
		  char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
		  struct err *err);
int sq_list_users(struct store *base, struct str after, store_name_fn fn,
		  void *data, struct err *err);
int sq_list_tokens(struct store *base, struct str user, uint64_t after_id,
		   store_token_fn fn, void *data, struct err *err);
int sq_count(struct store *base, struct store_counts *out, struct err *err);
int sq_size(struct store *base, struct store_size *out, struct err *err);
int sq_find_group(struct store *base, uint64_t group_id, struct str name,
		  struct str user, struct wire_group *out, struct err *err);
int sq_list_groups(struct store *base, struct str user, struct str after,
		   store_group_fn fn, void *data, struct err *err);
int sq_scan(struct store *base, uint64_t group_id, uint64_t after_seq,
	    store_message_fn fn, void *data, struct err *err);
int sq_scan_text(struct store *base, uint64_t group_id, uint64_t after_seq,
		 store_message_fn fn, void *data, struct err *err);
int sq_seek(struct store *base, uint64_t group_id, enum log_format format,
	    uint64_t off, uint64_t *seq, uint64_t *line_off, struct err *err);
int sq_verify(struct store *base, struct store_verify *v, struct err *err);
int sq_count_all(struct store *base, struct store_totals *out, struct err *err);
int sq_list_contents(struct store *base, store_content_fn fn, void *data,
		     struct err *err);
int sq_identity(struct store *base, uint64_t *identity, struct err *err);
int sq_list_loose(struct store *base, enum store_loose_kind kind,
		  store_loose_fn fn, void *data, struct err *err);
int sq_next_group(struct store *base, uint64_t after_id, uint64_t *group_id,
		  struct str *key, struct err *err);
int sq_list_keys(struct store *base, uint64_t group_id, store_key_fn fn,
		 void *data, struct err *err);
int sq_get_numbers(struct store *base, struct store_numbers *out,
		   struct err *err);
int sq_moved_from(struct store *base, uint64_t *identity, struct err *err);
int sq_move_begin(struct store *base, uint64_t identity, struct err *err);
int sq_move_reset(struct store *base, struct err *err);
int sq_move_loose(struct store *base, const struct store_loose *rows,
		  size_t count, struct err *err);
int sq_move_keys(struct store *base, uint64_t import_id,
		 const struct store_key *keys, size_t count, struct err *err);
int sq_move_end(struct store *base, const struct store_numbers *numbers,
		struct err *err);
int sq_copy(struct store *base, const struct store_copy *copy, struct err *err);
int sq_renew(struct store *base, struct err *err);
int sq_tend(struct store *base, struct store_tend *op, struct err *err);

/* sqlite_import.c: `bad_request` where no such import was begun. */
int sq_check_import(struct sqlite_store *s, uint64_t import_id,
		    struct err *err);
/* Where meta has it: ten digits, so that they are in the numbers' order. */
struct sq_import_key {
	char text[32];
};
struct sq_import_key sq_import_key(uint64_t import_id);
/* It is none any more. */
int sq_delete_import(struct sqlite_store *s, uint64_t import_id,
		     struct err *err);
/* sqlite_verify_rows.c: counts what must not be there, a problem a kind. */
int sq_verify_rows(struct sqlite_store *s, struct store_verify *v,
		   size_t *problems, struct err *err);
/* sqlite_copy.c: 1: there is a group behind *group_id, which becomes that. */
int sq_next_group_id(struct sqlite_store *s, uint64_t *group_id,
		     struct err *err);
/* sqlite_copy.c: gives a store an identity that has none. Writer, at open. */
int sq_make_identity(struct sqlite_store *s, struct err *err);
int sq_set_identity(struct sqlite_store *s, uint64_t identity, struct err *err);
/* sqlite.c: the writer's connection: opened, and set up. */
int sq_connect(struct sqlite_store *s, struct err *err);
/* sqlite_rewrite.c: writes the store anew, with room for checksums, and
 * connects to what took its place. Writer, before statements are prepared. */
int sq_rewrite(struct sqlite_store *s, struct err *err);
/* sqlite.c: takes PATH.lock: -EBUSY when another has it. */
int sq_take_lock(struct sqlite_store *s, struct err *err);
/* Has what was renamed or made in the folder of a path survive a crash. */
int sq_sync_folder(const char *path, struct err *err);

/* sqlite_read.c: fills m from a row of SQ_MESSAGE_COLUMNS, and the column that
 * follows these. */
void sq_read_message(sqlite3_stmt *st, struct wire_message *m);

/* sqlite_scan.c: before statements are prepared; an SQLite code. */
int sq_scan_set_up(struct sqlite_store *s);
/* Hands on the messages from..to of a group, which are all in `messages`: as
 * store_scan(), or with SQ_TAKE_TEXT as store_scan_text(); but 1 where fn ended
 * it. */
int sq_scan_sealed(struct sqlite_store *s, enum sq_statement which,
		   uint64_t group_id, uint64_t from, uint64_t to,
		   struct sq_scan *scan, struct err *err);

enum { SQ_MESSAGE_RV = 13 };

#endif
