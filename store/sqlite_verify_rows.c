/* SPDX-License-Identifier: MIT */
/*
 * What must not be there, whatever the groups say of themselves: rows that
 * belong to nothing, contradict another, or lack one. Each statement counts
 * them.
 */
#include "store/sqlite.h"

#include <inttypes.h>
#include <stdio.h>

/* Rows of t whose group neither is one nor is being imported. */
#define OF_NO_GROUP(t)                                                         \
	"SELECT count(*) FROM " t " x WHERE NOT EXISTS (SELECT 1 FROM "        \
	"groups g WHERE g.group_id=x.group_id) AND NOT EXISTS (SELECT 1 "      \
	"FROM meta WHERE k=printf('import/%010d',x.group_id))"
/* Rows of t, above the floor of their group; m and h: the message, by tier. */
#define WITH_MESSAGE(t, seq)                                                   \
	"SELECT count(*) FROM " t " x JOIN groups g ON g.group_id=x.group_id " \
	"LEFT JOIN messages m ON m.id=x.group_id<<32|" seq " "                 \
	"LEFT JOIN hot h ON h.group_id=x.group_id AND h.seq=" seq " "          \
	"WHERE " seq ">=g.first_seq AND "
#define SAYS(m, name)                                                          \
	"coalesce(instr(' '||" m ".mentions||' ',' '||" name "||' '),0)>0"
#define SAYS_ALL(m) SAYS(m, "'everyone'") " AND " m ".sender=x.sender"
/* Of keys of client_ids, which begin with an 'i'. */
#define IS_ITEM "substr(x.key,1,1)=x'69' AND "
#define HAS_ITEM(m)                                                            \
	"coalesce(" m ".sender=x.name AND " m ".client_id=substr(x.key,2),0)"
#define ITEM_OF_NONE(t)                                                        \
	WITH_MESSAGE(t, "x.last_seq")                                          \
	IS_ITEM "NOT (" HAS_ITEM("m") " OR " HAS_ITEM("h") ")"
/* Keys are forgotten oldest first: a group has none, or those of all its
 * messages from one on. */
#define ITEMS(t)                                                               \
	"SELECT group_id,last_seq FROM " t " WHERE substr(key,1,1)=x'69'"
#define LACKS_ITEM(t)                                                          \
	"NOT EXISTS (SELECT 1 FROM " t " d WHERE d.group_id=f.group_id "       \
	"AND d.name=m.sender AND d.key=CAST('i'||m.client_id AS BLOB))"
/* AUTOINCREMENT goes on from there: readers hold ids. */
#define REUSED(t, id)                                                          \
	"SELECT coalesce((SELECT max(" id ") FROM " t "),0)>coalesce("         \
	"(SELECT seq FROM sqlite_sequence WHERE name='" t "'),0)"

static const struct {
	const char *sql;
	const char *what; /* behind the number */
} rows[] = {
	{ OF_NO_GROUP("members"), "members belong to no group" },
	{ OF_NO_GROUP("mentions"), "mentions belong to no group" },
	{ OF_NO_GROUP("everyone"), "mentions of everyone belong to no group" },
	{ OF_NO_GROUP("dedupe_0"), "client or batch ids belong to no group" },
	{ OF_NO_GROUP("dedupe_1"), "client or batch ids belong to no group" },
	{ OF_NO_GROUP("media"), "media files belong to no group" },
	{ "SELECT count(*) FROM members WHERE role NOT IN (0,1)",
	  "members have a role that there is not" },
	{ "SELECT count(*) FROM tokens WHERE length(hash)<>32",
	  "tokens have a damaged hash" },
	{ WITH_MESSAGE("mentions", "x.seq") "NOT (" SAYS(
		  "m", "x.name") " OR " SAYS("h", "x.name") ")",
	  "mentions are not in their message" },
	{ WITH_MESSAGE("everyone", "x.seq") "NOT coalesce((" SAYS_ALL(
		  "m") ") OR (" SAYS_ALL("h") "),0)",
	  "mentions of everyone are not in their message" },
	{ ITEM_OF_NONE("dedupe_0"), "client ids are not of their message" },
	{ ITEM_OF_NONE("dedupe_1"), "client ids are not of their message" },
	{ "SELECT count(*) FROM (SELECT group_id,min(last_seq) AS seq FROM "
	  "(" ITEMS("dedupe_0") " UNION ALL " ITEMS(
		  "dedupe_1") ") "
			      "GROUP BY group_id) f CROSS JOIN messages m ON "
			      "m.id BETWEEN "
			      "f.group_id<<32|f.seq AND "
			      "f.group_id<<32|4294967295 "
			      "WHERE m.client_id IS NOT NULL AND " LACKS_ITEM(
				      "dedupe_0") " AND " LACKS_ITEM("dedupe_"
								     "1"),
	  "messages would be stored again: their client ids are not known" },
	{ "SELECT count(*) FROM hot WHERE id<=coalesce((SELECT v FROM meta "
	  "WHERE k='hot_deleted'),0)",
	  "messages are where those that are sealed were" },
	{ "SELECT count(*) FROM hot WHERE batch_id IS NOT NULL AND NOT "
	  "coalesce(batch_first BETWEEN 1 AND seq AND batch_off<=off,0)",
	  "batches end before they begin" },
	{ REUSED("groups", "group_id"), "group ids may be used again" },
	{ REUSED("tokens", "token_id"), "token ids may be used again" },
	{ REUSED("media", "media_id"), "ids of media files may be used again" },
	{ "SELECT count(*) FROM meta WHERE (k='dedupe_current' AND v NOT IN "
	  "(0,1)) OR (k='identity' AND v=0)",
	  "rows of meta are damaged" },
	{ "SELECT 3-count(*) FROM meta WHERE k IN "
	  "('identity','count_groups','count_users')",
	  "rows of meta are missing" },
};

static int count_rows(struct sqlite_store *s, const char *sql, int64_t *count,
		      struct err *err)
{
	*count = 0;
	return sq_pragma(s, sql, count, err);
}

int sq_verify_rows(struct sqlite_store *s, struct store_verify *v,
		   size_t *problems, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[128];
		int64_t count;

		rc = count_rows(s, rows[i].sql, &count, err);
		if (rc < 0)
			break;
		if (count == 0)
			continue;
		snprintf(text, sizeof(text), "%" PRId64 " %s", count,
			 rows[i].what);
		v->problem(v->data, text);
		++*problems;
	}
	return rc;
}
