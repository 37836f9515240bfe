/* SPDX-License-Identifier: MIT */
/*
 * What is asked of each groupd, one call after the other, each time of all of
 * them in turn: what disturbs the machine meets them alike. "ours" is the one
 * that is given last, which has the most groups; the others are its peers.
 */
#include "tests/bench/flat.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/list.h"

/* Groups that are called one after the other lie far apart. */
#define FAR UINT64_C(7368787)
enum { SIDE_WORDS = 7 /* of its arguments */ };

struct side {
	const char *name;
	struct flat_scene scene;
	struct direct maker; /* in all groups */
	struct direct one;   /* in 19 groups */
	struct direct busy;
	struct client_request requests[FLAT_AT_ONCE];
	size_t done;
	uint64_t turn; /* calls of the present operation */
	uint64_t
		read; /* busy's first pointer, when the first operation began */
	const char *mount;
	struct bench_times times;
};

/* Of a struct side. */
struct op {
	const char *name;
	bench_step_fn step;
};

struct pair {
	const char *name;
	const char *than; /* what `small` is */
	bench_step_fn large;
	bench_step_fn small;
	bool by_groups; /* both grow with the groups of the user */
};

static uint64_t a_group(const struct side *s)
{
	return 1 + bench_random() % s->scene.groups;
}

static int send_to(struct side *s, uint64_t group_id)
{
	s->maker.group_id = group_id;
	return direct_send(&s->maker);
}

static int op_send(void *data)
{
	struct side *s = data;

	return send_to(s, a_group(s));
}

static int op_send_large(void *data)
{
	struct side *s = data;

	return send_to(s, flat_large(&s->scene));
}

static int op_send_small(void *data)
{
	struct side *s = data;

	return send_to(s, flat_small(&s->scene));
}

static void answered(struct client_request *req, const struct err *err,
		     const void *body)
{
	struct side *s = req->data;

	(void)body;
	if (err != NULL)
		bench_die(err->text, -err_errno(err->code));
	s->done++;
}

static int submit_send(struct side *s, size_t i)
{
	const struct wire_item item = { .content = str_make(bench_line(),
							    BENCH_LINE - 1) };
	uint64_t id[2] = { bench_random(), bench_now_ns() };
	struct buf items = { 0 };
	struct wire_body_send body = { .group_id = a_group(s),
				       .batch_id = str_make((const char *)id,
							    sizeof(id)) };
	int rc;

	wire_put(&items, &wire_schema_item, &item);
	body.items = buf_str(&items);
	s->requests[i].data = s;
	rc = client_submit(&s->maker.client, &s->requests[i], &s->maker.self,
			   WIRE_SEND, &body, CLIENT_TIMEOUT_MS, answered);
	buf_release(&items);
	return rc;
}

static int op_send_many(void *data)
{
	struct side *s = data;
	int rc = 0;

	s->done = 0;
	uv_update_time(&s->maker.loop);
	for (size_t i = 0; rc == 0 && i < FLAT_AT_ONCE; i++)
		rc = submit_send(s, i);
	while (rc == 0 && s->done < FLAT_AT_ONCE)
		(void)uv_run(&s->maker.loop, UV_RUN_ONCE);
	return rc;
}

/* A page must have something in it. */
static void saw_messages(struct direct *d, const void *body)
{
	const struct wire_body_messages *page = body;

	(void)d;
	if (page->messages.len == 0)
		bench_die("an empty page", -ENODATA);
}

static void saw_members(struct direct *d, const void *body)
{
	const struct wire_body_member_list *page = body;

	(void)d;
	if (page->members.len == 0)
		bench_die("no members", -ENODATA);
}

static void saw_groups(struct direct *d, const void *body)
{
	const struct wire_body_group_list *page = body;

	(void)d;
	if (page->groups.len == 0 || !page->complete)
		bench_die("not all groups", -ENODATA);
}

static int pull(struct side *s, uint64_t after, uint64_t before)
{
	const struct wire_body_pull body = { .group_id = a_group(s),
					     .after_seq = after,
					     .before_seq = before,
					     .limit = 10 };

	s->maker.seen = saw_messages;
	return direct_ask(&s->maker, WIRE_PULL, &body);
}

static int op_tail(void *data)
{
	return pull(data, 0, WIRE_U64);
}

static int op_page(void *data)
{
	struct side *s = data;

	return pull(s, bench_random() % (s->scene.messages - 1), 0);
}

static int op_seek(void *data)
{
	struct side *s = data;
	const struct wire_body_read_text body = { .group_id = a_group(s),
						  .offset = bench_random() %
							    (s->scene.messages *
							     (BENCH_LINE + 25)),
						  .size = 1024 };

	return direct_ask(&s->maker, WIRE_READ_TEXT, &body);
}

static int op_find(void *data)
{
	struct side *s = data;
	const struct wire_body_find_group body = { .group_id = a_group(s) };

	return direct_ask(&s->maker, WIRE_FIND_GROUP, &body);
}

static int op_find_name(void *data)
{
	struct side *s = data;
	char name[FLAT_NAME];
	struct wire_body_find_group body = { 0 };

	flat_group_name(name, a_group(s));
	body.name = str_of(name);
	return direct_ask(&s->maker, WIRE_FIND_GROUP, &body);
}

static int members(struct side *s, uint64_t group_id, const char *after,
		   uint64_t limit)
{
	const struct wire_body_list_members body = { .group_id = group_id,
						     .after = str_of(after),
						     .limit = limit };

	s->maker.seen = saw_members;
	return direct_ask(&s->maker, WIRE_LIST_MEMBERS, &body);
}

static int op_members(void *data)
{
	struct side *s = data;

	return members(s, a_group(s), "", FLAT_MEMBERS);
}

static int op_members_small(void *data)
{
	struct side *s = data;

	return members(s, flat_small(&s->scene), "", FLAT_MEMBERS);
}

static int op_members_large(void *data)
{
	struct side *s = data;
	char after[FLAT_NAME];

	flat_user_name(after, s->scene.groups +
				      bench_random() % (s->scene.members / 2));
	return members(s, flat_large(&s->scene), after, FLAT_MEMBERS);
}

static int list(struct direct *d)
{
	const struct wire_body_list_groups body = { .limit = WIRE_GROUPS_MAX };

	d->seen = saw_groups;
	return direct_ask(d, WIRE_LIST_GROUPS, &body);
}

static int op_list(void *data)
{
	struct side *s = data;

	return list(&s->one);
}

static int op_list_busy(void *data)
{
	struct side *s = data;

	return list(&s->busy);
}

static int mentions(struct direct *d)
{
	const struct wire_body_list_mentions body = { .limit = 100 };

	return direct_ask(d, WIRE_LIST_MENTIONS, &body);
}

static int op_mentions(void *data)
{
	struct side *s = data;

	return mentions(&s->one);
}

static int op_mentions_busy(void *data)
{
	struct side *s = data;

	return mentions(&s->busy);
}

/* Each call moves one: the pointers of who sends are at the end. */
static int op_read(void *data)
{
	struct side *s = data;
	const struct wire_body_set_read body = {
		.group_id = flat_busy(&s->scene, s->turn),
		.seq = 1 +
		       (s->read + s->turn / s->scene.busy) % s->scene.messages
	};

	return direct_ask(&s->busy, WIRE_SET_READ, &body);
}

static void put_edit(struct buf *b, enum edit_op op, const char *name)
{
	const struct wire_edit edit = { .op = (uint64_t)op,
					.name = str_of(name) };

	wire_put(b, &wire_schema_edit, &edit);
}

static int op_create(void *data)
{
	struct side *s = data;
	struct buf name = { 0 };
	struct buf edits = { 0 };
	struct wire_body_create_group body = { 0 };
	char user[FLAT_NAME];
	int rc;

	buf_printf(&name, "n%016" PRIx64, bench_random());
	for (uint64_t k = 1; k < FLAT_MEMBERS; k++) {
		flat_user_name(user, (s->turn * FAR + k) % s->scene.groups);
		put_edit(&edits, EDIT_ADD, user);
	}
	body.name = buf_str(&name);
	body.members = buf_str(&edits);
	rc = direct_ask(&s->maker, WIRE_CREATE_GROUP, &body);
	buf_release(&name);
	buf_release(&edits);
	return rc;
}

static int edit(struct side *s, uint64_t group_id, uint64_t k, bool add)
{
	struct buf edits = { 0 };
	struct wire_body_edit_members body = { .group_id = group_id };
	char user[FLAT_NAME];
	int rc;

	flat_user_name(user, flat_member(&s->scene, group_id, k));
	put_edit(&edits, add ? EDIT_ADD : EDIT_REMOVE, user);
	body.edits = buf_str(&edits);
	rc = direct_ask(&s->maker, WIRE_EDIT_MEMBERS, &body);
	buf_release(&edits);
	return rc;
}

/* Takes one out of a group, and puts him back. */
static int edit_twice(struct side *s, uint64_t group_id, uint64_t k)
{
	int rc = edit(s, group_id, k, false);

	return rc < 0 ? rc : edit(s, group_id, k, true);
}

static int op_edit(void *data)
{
	struct side *s = data;

	return edit_twice(s, a_group(s), 3);
}

static int op_edit_small(void *data)
{
	struct side *s = data;

	return edit_twice(s, flat_small(&s->scene), 3);
}

static int op_edit_large(void *data)
{
	struct side *s = data;

	return edit_twice(s, flat_large(&s->scene),
			  1 + bench_random() % (s->scene.members - 1));
}

/* In use in each mount are as many as the store of the fewest has. */
static const char *file_of(const struct side *s, uint64_t i)
{
	static char path[PATH_MAX];
	char name[FLAT_NAME];

	flat_group_name(name,
			1 + i % FLAT_IN_USE * (s->scene.groups / FLAT_IN_USE));
	if (snprintf(path, sizeof(path), "%s/%s/messages", s->mount, name) >=
	    (int)sizeof(path))
		bench_die(s->mount, -ENAMETOOLONG);
	return path;
}

static int stat_file(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return -errno;
	return st.st_size > 0 ? 0 : -ENODATA;
}

static int op_first_stat(void *data)
{
	struct side *s = data;

	return stat_file(file_of(s, s->turn));
}

static int op_stat(void *data)
{
	return stat_file(file_of(data, bench_random()));
}

static int op_open(void *data)
{
	int fd = open(file_of(data, bench_random()), O_RDONLY | O_CLOEXEC);

	return fd >= 0 && close(fd) == 0 ? 0 : -errno;
}

static int op_read_file(void *data)
{
	char page[FLAT_READ];
	int fd = open(file_of(data, bench_random()), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, page, sizeof(page));

	if (fd < 0 || n <= 0 || close(fd) != 0)
		return errno == 0 ? -ENODATA : -errno;
	return 0;
}

static void report(struct bench_times *t, const char *metric, const char *side,
		   double by)
{
	static const unsigned percents[] = { 50, 99 };
	char name[96];

	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		(void)snprintf(name, sizeof(name), "%s, p%u", metric,
			       percents[i]);
		bench_sample(name, side, "us",
			     bench_percentile(t, percents[i]) / by);
	}
}

/* BENCH_OP: only those in whose name it is. */
static bool is_wanted(const char *name)
{
	const char *part = getenv("BENCH_OP");

	return part == NULL || strstr(name, part) != NULL;
}

static uint64_t slice_end(size_t sides)
{
	return bench_now_ns() +
	       bench_env("BENCH_SLICE_MS", 120) * 1000000 * sides;
}

/* One call of each. */
static void call_all(struct side *sides, size_t count, const struct op *op)
{
	for (size_t i = 0; i < count; i++) {
		bench_time(&sides[i].times, op->name, op->step, &sides[i]);
		sides[i].turn++;
	}
}

static void report_all(struct side *sides, size_t count, const struct op *op)
{
	for (size_t i = 0; i < count; i++) {
		report(&sides[i].times, op->name,
		       i + 1 == count ? "ours" : sides[i].name, 1);
		sides[i].times.count = 0;
	}
}

static void run_op(struct side *sides, size_t count, const struct op *op)
{
	uint64_t end;

	if (!is_wanted(op->name))
		return;
	for (size_t i = 0; i < count; i++)
		sides[i].turn = sides[i].times.count = 0;
	for (uint64_t n = bench_env("BENCH_ROUNDS", 5); n > 0; n--) {
		end = slice_end(count);
		while (bench_now_ns() < end)
			call_all(sides, count, op);
		report_all(sides, count, op);
	}
}

/* What comes first comes once: one round. */
static void run_first(struct side *sides, size_t count)
{
	static const struct op first = { "mount: first stat", op_first_stat };

	for (size_t i = 0; i < count; i++)
		sides[i].turn = sides[i].times.count = 0;
	for (size_t calls = 0; calls < FLAT_IN_USE; calls++)
		call_all(sides, count, &first);
	report_all(sides, count, &first);
}

/* The same of the same groupd, for what is large and for what is not. */
static void run_pair(struct side *s, const struct pair *p)
{
	static struct bench_times large;
	double many = p->by_groups ? (double)s->scene.busy : 1;
	double few = p->by_groups ? FLAT_MEMBERS - 1 : 1;
	uint64_t end;

	if (!is_wanted(p->name))
		return;
	for (uint64_t n = bench_env("BENCH_ROUNDS", 5); n > 0; n--) {
		large.count = s->times.count = 0;
		end = slice_end(2);
		while (bench_now_ns() < end) {
			bench_time(&large, p->name, p->large, s);
			bench_time(&s->times, p->name, p->small, s);
		}
		report(&large, p->name, "ours", many);
		report(&s->times, p->name, p->than, few);
	}
}

static const struct op asked[] = {
	{ "send", op_send },
	{ "send, 64 at once", op_send_many },
	{ "last 10 messages", op_tail },
	{ "10 messages at random", op_page },
	{ "text at an offset", op_seek },
	{ "membership", op_find },
	{ "membership, by name", op_find_name },
	{ "20 members", op_members },
	{ "list of 19 groups, unread", op_list },
	{ "mentions in 19 groups", op_mentions },
	{ "read pointer", op_read },
	{ "new group of 20", op_create },
	{ "member removed and added", op_edit },
};
static const struct op mounted[] = {
	{ "mount: stat", op_stat },
	{ "mount: open, close", op_open },
	{ "mount: open, read, close", op_read_file },
};
static const struct pair pairs[] = {
	{ "send to one group", "20 members", op_send_large, op_send_small,
	  false },
	{ "20 members of one group", "20 members", op_members_large,
	  op_members_small, false },
	{ "one group's members edited", "20 members", op_edit_large,
	  op_edit_small, false },
	{ "list of groups, each", "19 groups", op_list_busy, op_list, true },
	{ "mentions, each group", "19 groups", op_mentions_busy, op_mentions,
	  true },
};

static void saw_pointer(struct direct *d, const void *body)
{
	const struct wire_body_group *g = body;

	container_of(d, struct side, busy)->read = g->last_read_seq;
}

static void open_side(struct side *s, char **arg)
{
	struct wire_body_find_group body = { 0 };

	s->name = arg[0];
	flat_scene_of(&s->scene, bench_number(arg[1]),
		      bench_number(arg[2]) > 0);
	direct_open_as(&s->maker, arg[3], NULL, NULL);
	direct_open_as(&s->one, arg[3], NULL, arg[4]);
	direct_open_as(&s->busy, arg[3], NULL, arg[5]);
	s->mount = arg[6];
	body.group_id = flat_busy(&s->scene, 0);
	s->busy.seen = saw_pointer;
	if (direct_ask(&s->busy, WIRE_FIND_GROUP, &body) < 0)
		bench_die("busy is no member", -ENOENT);
}

int flat_ask_main(int argc, char **argv)
{
	static struct side sides[FLAT_SIDES];
	size_t count = (size_t)(argc - 1) / SIDE_WORDS;

	if (count == 0 || count > FLAT_SIDES || argc % SIDE_WORDS != 1)
		bench_die("ask", -EINVAL);
	for (size_t i = 0; i < count; i++)
		open_side(&sides[i], argv + 1 + i * SIDE_WORDS);
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++)
		run_op(sides, count, &asked[i]);
	run_first(sides, count);
	for (size_t i = 0; i < sizeof(mounted) / sizeof(mounted[0]); i++)
		run_op(sides, count, &mounted[i]);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		run_pair(&sides[count - 1], &pairs[i]);
	for (size_t i = 0; i < count; i++) {
		direct_close(&sides[i].maker);
		direct_close(&sides[i].one);
		direct_close(&sides[i].busy);
	}
	return 0;
}
