/* SPDX-License-Identifier: MIT */
/*
 * The statements of the audit (postgres_verify.c); store/postgres_rest.h
 * includes it. What one of them alone can tell is a row of PG_AUDIT_NONE: it
 * answers how many there are of what must not be, and the words that follow the
 * number.
 */
#ifndef GROUPFS_STORE_POSTGRES_AUDIT_H
#define GROUPFS_STORE_POSTGRES_AUDIT_H

enum { PG_AUDIT_MESSAGES = 200 /* in one round trip */ };

/* Rows of a table that belong to no group and to no import. */
#define PG_AUDIT_STRAY(table)                                                  \
	"SELECT count(*) FROM " table " x WHERE NOT EXISTS("                   \
	"SELECT 1 FROM groups g WHERE g.group_id=x.group_id) AND NOT EXISTS("  \
	"SELECT 1 FROM imports i WHERE i.group_id=x.group_id)"
/* What is left of a group that was deleted is not what it was. */
#define PG_AUDIT_LEFT(of)                                                      \
	"EXISTS(SELECT 1 FROM imports i WHERE i.group_id=" of ")"
/* Numbers that are not 1, 2, 3, ...; the first may be another where it lies
 * below the floor. */
#define PG_AUDIT_MISCOUNTED(table, of)                                         \
	"SELECT count(*) FROM (SELECT group_id,seq,n,lag(n) OVER ("            \
	"PARTITION BY " of " ORDER BY seq) AS p FROM " table ") x LEFT JOIN "  \
	"groups g ON g.group_id=x.group_id WHERE x.n<>coalesce(x.p+1,CASE "    \
	"WHEN x.n>0 AND x.seq<g.first_seq THEN x.n ELSE 1 END) "               \
	"AND (g.group_id IS NOT NULL OR NOT " PG_AUDIT_LEFT("x.group_id") ")"
/* Changes that are kept end with the last one, and none is left out. */
#define PG_AUDIT_CHANGES(changes, of, versions, version)                       \
	"SELECT count(*) FROM (SELECT " of ",min(version) AS lo,"              \
	"max(version) AS hi,count(*) AS n FROM " changes " GROUP BY " of       \
	") c "                                                                 \
	"LEFT JOIN " versions " v ON v." of "=c." of " WHERE v." of            \
	" IS NULL OR c.hi<>v." version " OR c.n<>c.hi-c.lo+1"

#define PG_AUDIT(X, ENUM, sql, words)                                          \
	X(ENUM, PG_WALK_MS, "SELECT n::bigint,'" words "' FROM (" sql ") q(n)")

#define PG_AUDIT_NONE(X)                                                       \
	PG_AUDIT(X, OTHER_DAY,                                                 \
		 "SELECT count(*) FROM messages WHERE "                        \
		 "bucket<>time_ms/86400000",                                   \
		 "messages lie in the partition of another day")               \
	PG_AUDIT(X, ARCHIVED_OTHER_DAY,                                        \
		 "SELECT count(*) FROM archives a,unnest(a.lines) l WHERE "    \
		 "(a.first_ms+l.ms)/86400000<>a.bucket",                       \
		 "messages lie in the archive of another day")                 \
	PG_AUDIT(X, ARCHIVED_OTHERS,                                           \
		 "SELECT count(*) FROM archives WHERE "                        \
		 "cardinality(lines)<>last_seq-first_seq+1 OR "                \
		 "(lines[1]).seq<>0",                                          \
		 "rows of archives have other messages than they say")         \
	PG_AUDIT(X, MEMBERS_UNLISTED,                                          \
		 "SELECT count(*) FROM members m JOIN groups g "               \
		 "ON g.group_id=m.group_id LEFT JOIN memberships x ON "        \
		 "x.name=m.name "                                              \
		 "AND x.group_name=g.name AND x.group_id=m.group_id "          \
		 "WHERE x.name IS NULL",                                       \
		 "members do not find the group in their list")                \
	PG_AUDIT(X, NO_MEMBERS_LISTED,                                         \
		 "SELECT count(*) FROM memberships x LEFT JOIN members m "     \
		 "ON m.group_id=x.group_id AND m.name=x.name LEFT JOIN "       \
		 "groups g "                                                   \
		 "ON g.group_id=x.group_id AND g.name=x.group_name "           \
		 "WHERE m.name IS NULL OR (g.name IS NULL "                    \
		 "AND NOT " PG_AUDIT_LEFT("x.group_id") ")",                   \
		 "users find a group in their list that they are no members "  \
		 "of")                                                         \
	PG_AUDIT(X, UNNAMED,                                                   \
		 "SELECT count(*) FROM groups g LEFT JOIN group_names n "      \
		 "ON n.name=g.name AND n.group_id=g.group_id WHERE n.name IS " \
		 "NULL",                                                       \
		 "groups are not found by their name")                         \
	PG_AUDIT(X, NAMES_OF_NONE,                                             \
		 "SELECT count(*) FROM group_names n LEFT JOIN groups g "      \
		 "ON n.name=g.name AND n.group_id=g.group_id WHERE g.name IS " \
		 "NULL",                                                       \
		 "names lead to no group")                                     \
	PG_AUDIT(X, CHANGES_LOST,                                              \
		 PG_AUDIT_CHANGES("changes WHERE "                             \
				  "NOT " PG_AUDIT_LEFT("changes.group_id"),    \
				  "group_id", "groups", "member_version"),     \
		 "groups have lost a change of their members")                 \
	PG_AUDIT(X, USER_CHANGES_LOST,                                         \
		 PG_AUDIT_CHANGES("user_changes", "name", "users", "version"), \
		 "users have lost a change of their groups")                   \
	PG_AUDIT(X, STRAY_INFOS, PG_AUDIT_STRAY("infos"),                      \
		 "descriptions belong to no group")                            \
	PG_AUDIT(X, STRAY_MEMBERS, PG_AUDIT_STRAY("members"),                  \
		 "members belong to no group")                                 \
	PG_AUDIT(X, STRAY_CHANGES, PG_AUDIT_STRAY("changes"),                  \
		 "changes of members belong to no group")                      \
	PG_AUDIT(X, STRAY_SEGMENTS, PG_AUDIT_STRAY("segments"),                \
		 "segments belong to no group")                                \
	PG_AUDIT(X, STRAY_MENTIONS, PG_AUDIT_STRAY("mentions"),                \
		 "mentions belong to no group")                                \
	PG_AUDIT(X, STRAY_EVERYONE, PG_AUDIT_STRAY("everyone"),                \
		 "mentions of everyone belong to no group")                    \
	PG_AUDIT(X, STRAY_MEDIA, PG_AUDIT_STRAY("media"),                      \
		 "media files belong to no group")                             \
	PG_AUDIT(X, MISCOUNTED,                                                \
		 PG_AUDIT_MISCOUNTED("mentions", "group_id,name"),             \
		 "mentions are miscounted")                                    \
	PG_AUDIT(X, EVERYONE_MISCOUNTED,                                       \
		 PG_AUDIT_MISCOUNTED("everyone", "group_id"),                  \
		 "mentions of everyone are miscounted")                        \
	PG_AUDIT(X, MEDIA_TWINS,                                               \
		 "SELECT count(*)-count(DISTINCT media_id) FROM media",        \
		 "media files have the number of another")                     \
	/* What is used must never be thrown away. */                          \
	PG_AUDIT(X, USED_GARBAGE,                                              \
		 "SELECT count(*) FROM garbage g WHERE EXISTS("                \
		 "SELECT 1 FROM media m WHERE m.hash=g.hash)",                 \
		 "media files are used and garbage")                           \
	PG_AUDIT(X, PARTITIONS_LOST,                                           \
		 "SELECT count(*) FROM partitions p "                          \
		 "WHERE to_regclass(quote_ident(p.name)) IS NULL",             \
		 "partitions are not there")                                   \
	PG_AUDIT(X, PARTITIONS_UNKNOWN,                                        \
		 "SELECT count(*) FROM pg_inherits i JOIN pg_class c "         \
		 "ON c.oid=i.inhrelid WHERE i.inhparent IN "                   \
		 "('messages'::regclass,'dedupe'::regclass,"                   \
		 "'archives'::regclass) AND NOT EXISTS("                       \
		 "SELECT 1 FROM partitions p WHERE p.name=c.relname)",         \
		 "partitions are not known")                                   \
	PG_AUDIT(X, CHECKSUMS,                                                 \
		 "SELECT coalesce(checksum_failures,0) FROM pg_stat_database " \
		 "WHERE datname=current_database()",                           \
		 "pages have failed their checksums")

#define PG_AUDIT_WALKS(X)                                                      \
	X(ALL_GROUPS, PG_WALK_MS,                                              \
	  "SELECT group_id,name,first_seq,first_off,first_jsonl_off,last_seq," \
	  "last_off,last_jsonl_off,last_ms,last_bucket,member_count "          \
	  "FROM groups WHERE group_id>$1 ORDER BY group_id "                   \
	  "LIMIT " PG_PAGE_SQL)                                                \
	X(SEGMENTS, PG_WALK_MS,                                                \
	  "SELECT bucket,first_seq,first_off,first_jsonl_off,first_ms "        \
	  "FROM segments WHERE group_id=$1 ORDER BY bucket")                   \
	X(ALL_MEDIA, PG_WALK_MS,                                               \
	  "SELECT x.media_id,x.name,x.seq,x.time_ms,x.hash,x.sender,m.type,"   \
	  "m.media_url,m.time_ms,m.sender FROM media x LEFT JOIN LATERAL "     \
	  "messages_of(x.group_id,ARRAY[x.seq]) m ON true "                    \
	  "WHERE x.media_id>$1 ORDER BY x.media_id "                           \
	  "LIMIT " PG_PAGE_SQL)                                                \
	X(COUNT_IMPORTED, PG_WALK_MS,                                          \
	  "SELECT (SELECT count(*) FROM messages "                             \
	  "WHERE group_id IN (SELECT group_id FROM imports))+"                 \
	  "(SELECT coalesce(sum(last_seq-first_seq+1),0) FROM archives "       \
	  "WHERE group_id IN (SELECT group_id FROM imports))::bigint")

#endif
