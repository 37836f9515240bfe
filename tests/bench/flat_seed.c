/* SPDX-License-Identifier: MIT */
/*
 * Makes a store of very many groups. Groups and messages come by the store's
 * own verbs; the rest of the members, which each would cost a search for the
 * user and one in an index that is larger than the cache, are put into its
 * tables, where the index is made in the end. `groupctl verify` finds nothing.
 */
#include "tests/bench/flat.h"

#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "lib/env.h"
#include "store/sqlite_checksum.h"

enum { COMMIT_MESSAGES = 200000, COMMIT_GROUPS = 20000 };

void flat_scene_of(struct flat_scene *s, uint64_t groups, bool large)
{
	*s = (struct flat_scene){
		.groups = groups,
		.messages = bench_env("BENCH_LOG", 20),
		.members = large ? bench_env("BENCH_MEMBERS", 100000) : 0,
		.busy = bench_env("BENCH_BUSY", 10000),
	};
	if (s->busy > groups)
		s->busy = groups;
	if (groups < FLAT_MEMBERS || s->messages < 2 || s->busy == 0)
		bench_die("BENCH_GROUPS", -EINVAL);
}

void flat_group_name(char name[FLAT_NAME], uint64_t group_id)
{
	(void)snprintf(name, FLAT_NAME, "g%08" PRIu64, group_id);
}

void flat_user_name(char name[FLAT_NAME], uint64_t user)
{
	if (user == UINT64_MAX)
		(void)snprintf(name, FLAT_NAME, "%s", FLAT_BUSY);
	else
		(void)snprintf(name, FLAT_NAME, "u%08" PRIu64, user);
}

uint64_t flat_member(const struct flat_scene *s, uint64_t group_id, uint64_t k)
{
	if (group_id == flat_large(s))
		return s->groups + k;
	if (k == FLAT_MEMBERS - 1 && group_id <= flat_busy(s, s->busy - 1) &&
	    group_id % flat_busy(s, 0) == 0)
		return UINT64_MAX;
	return (group_id * 31 + k * (s->groups / FLAT_MEMBERS)) % s->groups;
}

static void check(int rc, const struct err *err)
{
	if (rc < 0)
		bench_die(err->text, rc);
}

static void append(struct store *s, const struct flat_scene *scene,
		   uint64_t group_id)
{
	const struct wire_item item = { .content = str_make(bench_line(),
							    BENCH_LINE - 1) };
	static struct buf items;
	struct store_append op = { .group_id = group_id,
				   .user = str_of(bench_user()) };
	struct err err = { 0 };

	if (items.len == 0) {
		for (uint64_t i = 0; i < scene->messages; i++)
			wire_put(&items, &wire_schema_item, &item);
	}
	op.items = buf_str(&items);
	check(store_append(s, &op, &err), &err);
}

static void make_groups(struct store *s, const struct flat_scene *scene)
{
	uint64_t last = scene->members > 0 ? flat_small(scene) : scene->groups;
	uint64_t at_once = COMMIT_MESSAGES / scene->messages;
	struct err err = { 0 };
	bool added;

	if (at_once > COMMIT_GROUPS)
		at_once = COMMIT_GROUPS;
	check(store_begin(s, &err), &err);
	check(store_add_user(s, str_of(bench_user()), &added, &err), &err);
	for (uint64_t id = 1; id <= last; id++) {
		char name[FLAT_NAME];
		struct store_create create = { .creator =
						       str_of(bench_user()) };

		flat_group_name(name, id);
		create.name = str_of(name);
		check(store_create_group(s, &create, &err), &err);
		if (create.group_id != id)
			bench_die("the ids are others", -EINVAL);
		append(s, scene, id);
		if (id % at_once != 0)
			continue;
		check(store_commit(s, &err), &err);
		check(store_begin(s, &err), &err);
	}
	check(store_commit(s, &err), &err);
}

static struct store *open_store(const char *path)
{
	const struct store_options options = { .env = env_system() };
	struct buf url = { 0 };
	struct err err = { 0 };
	struct store *s;

	buf_printf(&url, "sqlite:%s", path);
	check(store_open(&s, buf_cstr(&url), &options, &err), &err);
	buf_release(&url);
	return s;
}

static void make_store(const char *path, const struct flat_scene *scene)
{
	struct store *s = open_store(path);

	if (scene != NULL)
		make_groups(s, scene);
	store_close(s);
}

int flat_rest_main(int argc, char **argv)
{
	struct store_tend op = { .all = true };
	struct err err = { 0 };
	struct store *s;
	int more;

	if (argc != 2)
		bench_die("rest", -EINVAL);
	s = open_store(argv[1]);
	do {
		more = store_tend(s, &op, &err);
		check(more, &err);
	} while (more > 0);
	store_close(s);
	return 0;
}

static void run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		bench_die(sqlite3_errmsg(db), -EIO);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		bench_die(sqlite3_errmsg(db), -EIO);
	return st;
}

static void put(sqlite3 *db, sqlite3_stmt *st, uint64_t id, const char *name)
{
	if (id != 0)
		(void)sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
	(void)sqlite3_bind_text(st, 2, name, -1, SQLITE_STATIC);
	if (sqlite3_step(st) != SQLITE_DONE)
		bench_die(sqlite3_errmsg(db), -EIO);
	(void)sqlite3_reset(st);
}

static void put_users(sqlite3 *db, const struct flat_scene *scene)
{
	sqlite3_stmt *st =
		prepare(db, "INSERT INTO users(name,created_ms) VALUES(?2,1)");
	char name[FLAT_NAME];

	put(db, st, 0, FLAT_BUSY);
	for (uint64_t i = 0; i <= scene->groups + scene->members; i++) {
		flat_user_name(name, i);
		put(db, st, 0, name);
	}
	(void)sqlite3_finalize(st);
}

static void put_members(sqlite3 *db, const struct flat_scene *scene)
{
	sqlite3_stmt *st =
		prepare(db, "INSERT INTO members(group_id,name,role,joined_ms,"
			    "joined_seq,last_read_seq) VALUES(?1,?2,0,1,0,0)");
	uint64_t last = scene->members > 0 ? flat_small(scene) : scene->groups;
	char name[FLAT_NAME];

	for (uint64_t id = 1; id <= last; id++) {
		uint64_t count = scene->members > 0 && id == flat_large(scene)
					 ? scene->members
					 : FLAT_MEMBERS;

		for (uint64_t k = 1; k < count; k++) {
			flat_user_name(name, flat_member(scene, id, k));
			put(db, st, id, name);
		}
	}
	(void)sqlite3_finalize(st);
}

/* The pages are written once, in order: a crash may lose them all. */
static void open_file(sqlite3 **db, const char *path)
{
	if (sqlite3_open_v2(path, db, SQLITE_OPEN_READWRITE,
			    sq_checksum_vfs()) != SQLITE_OK)
		bench_die(path, -EIO);
	run(*db, "PRAGMA synchronous=OFF; PRAGMA cache_size=-262144;"
		 "PRAGMA temp_store=FILE; PRAGMA locking_mode=EXCLUSIVE");
}

static void fill(const char *path, const struct flat_scene *scene,
		 const char *index)
{
	struct buf count = { 0 };
	sqlite3 *db;

	open_file(&db, path);
	buf_printf(&count,
		   "UPDATE groups SET member_count=CASE group_id WHEN %" PRIu64
		   " THEN %" PRIu64 " ELSE %d END;"
		   "UPDATE members SET last_read_seq=0",
		   scene->members > 0 ? flat_large(scene) : 0, scene->members,
		   FLAT_MEMBERS);
	run(db, "PRAGMA journal_mode=OFF; BEGIN");
	put_users(db, scene);
	run(db, buf_cstr(&count));
	put_members(db, scene);
	run(db, index);
	run(db, "COMMIT; PRAGMA journal_mode=WAL");
	(void)sqlite3_close(db);
	buf_release(&count);
}

int flat_seed_main(int argc, char **argv)
{
	struct flat_scene scene;
	struct buf index = { 0 };
	sqlite3_stmt *st;
	sqlite3 *db;

	if (argc != 4)
		bench_die("seed", -EINVAL);
	flat_scene_of(&scene, bench_number(argv[2]), bench_number(argv[3]) > 0);
	make_store(argv[1], NULL);
	open_file(&db, argv[1]);
	st = prepare(db,
		     "SELECT sql FROM sqlite_schema WHERE name='members_of'");
	if (sqlite3_step(st) != SQLITE_ROW)
		bench_die("no index of members", -EINVAL);
	buf_printf(&index, "%s", (const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	run(db, "DROP INDEX members_of");
	(void)sqlite3_close(db);
	make_store(argv[1], &scene);
	fill(argv[1], &scene, buf_cstr(&index));
	buf_release(&index);
	return 0;
}
