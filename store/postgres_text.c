/* SPDX-License-Identifier: MIT */
#include "store/schema.h"

#include <string.h>

#include "store/postgres.h"
#include "store/postgres_sql.h"

/*
 * What lies together: what belongs to a group, by its id, so that an append is
 * of one machine; what belongs to a user, by his name. The parent of a group of
 * tables comes first. What is small, and asked for by all, is everywhere.
 */
static const struct place {
	const char *table;
	const char *column; /* NULL: everywhere */
	const char *with;
} places[] = {
	{ "groups", "group_id", "none" },
	{ "infos", "group_id", "groups" },
	{ "members", "group_id", "groups" },
	{ "changes", "group_id", "groups" },
	{ "messages", "group_id", "groups" },
	{ "segments", "group_id", "groups" },
	{ "archives", "group_id", "groups" },
	{ "dedupe", "group_id", "groups" },
	{ "mentions", "group_id", "groups" },
	{ "everyone", "group_id", "groups" },
	{ "media", "group_id", "groups" },
	{ "imports", "group_id", "groups" },
	{ "users", "name", "none" },
	{ "user_changes", "name", "users" },
	{ "memberships", "name", "users" },
	{ "group_names", "name", "none" },
	{ "tokens", "hash", "none" },
	{ "garbage", "hash", "none" },
	{ "meta", NULL, NULL },
	{ "partitions", NULL, NULL },
};

/* The functions that only look at what belongs to their p_group, which run
 * where it lies. All others are everywhere, and run where they are called. */
static const char *const local[] = {
	"record_mentions", "append_messages", "append_or_none",
	"append_message",  "set_read",	      "read_log",
	"seek_log",	   "messages_of",     "import_keys",
	"import_mentions", "first_kept",      "trim_bucket",
	"seek_archive",	   "pack_log",	      "archive_group",
	"trim_archive",
};

static bool is_local(struct str name)
{
	for (size_t i = 0; i < sizeof(local) / sizeof(local[0]); i++) {
		if (str_eq(name, str_of(local[i])))
			return true;
	}
	return false;
}

static void put_places(struct buf *out)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct place *p = &places[i];

		if (p->column == NULL)
			buf_printf(out,
				   "SELECT create_reference_table('%s');\n",
				   p->table);
		else
			buf_printf(out,
				   "SELECT create_distributed_table('%s','%s',"
				   "colocate_with=>'%s');\n",
				   p->table, p->column, p->with);
	}
}

static void put_function(struct buf *out, struct str name)
{
	buf_printf(out,
		   "SELECT create_distributed_function(oid::regprocedure%s) "
		   "FROM pg_proc WHERE proname='%.*s' AND "
		   "pronamespace=current_schema()::regnamespace;\n",
		   is_local(name) ? ",'p_group',colocate_with=>'groups'" : "",
		   (int)name.len, name.data);
}

static void put_functions(struct buf *out, const char *script)
{
	static const char head[] = "\nCREATE FUNCTION ";
	const char *at = script;

	while ((at = strstr(at, head)) != NULL) {
		at += strlen(head);
		put_function(out, str_make(at, strcspn(at, "(")));
	}
}

void store_put_schema(struct buf *out, bool citus)
{
	buf_append_str(out, str_of("BEGIN;\n\n"));
	buf_append_str(out, str_of(pg_schema_1));
	/* A random number that is not 0. */
	buf_printf(out,
		   "\nINSERT INTO meta(k,v) VALUES('version',%d);\n"
		   "INSERT INTO meta(k,v) VALUES('identity',('x'||substr(md5("
		   "gen_random_uuid()::text),1,16))::bit(64)::bigint|1);\n",
		   PG_VERSION);
	if (citus) {
		buf_append_char(out, '\n');
		put_places(out);
		put_functions(out, pg_schema_1);
	}
	buf_append_str(out, str_of("\nCOMMIT;\n"));
}
