/* SPDX-License-Identifier: MIT */
/*
 * The commands of a WebSocket's client. FILES: daemon/gateway/ws_commands.c
 * daemon/gateway/ws_subscribe.c
 *
 * Input: six bytes that decide what groupd answers, then texts, a line each.
 * Each answer is one JSON object; each text has at most one, or, of several
 * groups, one a group; none is left over in the end.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/gateway/rest.h"
#include "daemon/gateway/ws_command.h"

/* The world around it: groupd, and the connection. */
struct world {
	struct gateway gw;
	struct gateway_options options;
	struct bearer bearer;
	struct ws_conn conn;
	struct ws_sub subs[4];
	struct ws_group groups[4];
	struct list asked; /* client_request, by link */
	uint32_t seed;
	size_t answers;
	struct resolve *finding;
	resolve_cb found;
};

static struct world *world_of(struct client *c)
{
	struct gateway *gw = container_of(c, struct gateway, client);

	return container_of(gw, struct world, gw);
}

static uint32_t draw(struct world *w, uint32_t below)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return (w->seed >> 16) % below;
}

/* In the place of ws_conn.c, ws_feed.c, gateway.c, rest.c. */

uint64_t gateway_time_left(const struct gateway *gw, uint64_t *until_ms)
{
	struct world *w = world_of((struct client *)(uintptr_t)&gw->client);

	*until_ms = 1;
	return draw(w, 32) == 0 ? 0 : 1000;
}

int gateway_may_send(const struct gateway *gw, struct err *err)
{
	struct world *w = world_of((struct client *)(uintptr_t)&gw->client);

	return draw(w, 32) == 0 ? err_set(err, ERR_UNAVAILABLE, NULL) : 0;
}

void rest_random_key(char out[33])
{
	memset(out, 'k', 32);
	out[32] = '\0';
}

void ws_frame_begin(struct buf *b, const char *type, struct str id)
{
	buf_printf(b, "{\"type\":\"%s\"", type);
	if (id.len > 0) {
		buf_append_str(b, str_of(",\"id\":"));
		buf_append_str(b, id);
	}
}

static void check_frame(struct ws_conn *c, struct buf *frame)
{
	struct world *w = world_of(&c->gw->client);
	struct json *j;
	struct err err;

	/* The real one closes the connection then. */
	if (frame->failed) {
		buf_release(frame);
		return;
	}
	assert(json_parse(&j, buf_str(frame), SIZE_MAX, &err) == 0);
	json_free(j);
	w->answers++;
	buf_release(frame);
}

void ws_put(struct ws_conn *c, struct buf *frame)
{
	check_frame(c, frame);
}

void ws_put_error(struct ws_conn *c, struct str id, const struct err *err,
		  const char *extra)
{
	struct buf b = { 0 };

	assert(err->code != ERR_NONE && err->code < ERR_COUNT);
	ws_frame_begin(&b, "error", id);
	buf_printf(&b, ",\"code\":\"%s\",\"text\":", err_name(err->code));
	json_put_str(&b, str_of(err->text));
	if (extra != NULL)
		buf_append_str(&b, str_of(extra));
	buf_append_char(&b, '}');
	check_frame(c, &b);
}

void ws_throttle(struct ws_conn *c)
{
	assert(c->ncommands < 1000);
}

void ws_bye(struct ws_conn *c, int code, uint64_t retry_after_ms)
{
	assert(code == WS_BYE_UNAUTHENTICATED && retry_after_ms == 0);
	c->closing = code;
}

int ws_use_token(struct ws_conn *c, struct str token)
{
	struct world *w = world_of(&c->gw->client);

	assert(token.len <= 1024);
	c->bearer = &w->bearer;
	return 0;
}

int ws_subscribe(struct ws_conn *c, uint64_t group_id, struct str name,
		 uint64_t after_seq, struct err *err)
{
	struct world *w = world_of(&c->gw->client);

	(void)group_id;
	(void)name;
	(void)after_seq;
	return draw(w, 8) == 0 ? err_set(err, ERR_UNAVAILABLE, NULL) : 0;
}

void ws_added(struct ws_conn *c, uint64_t group_id, struct str name,
	      uint64_t last_read_seq)
{
	struct err err;

	(void)ws_subscribe(c, group_id, name, last_read_seq, &err);
}

struct ws_sub *ws_find_sub(const struct ws_conn *c, uint64_t group_id)
{
	(void)c;
	(void)group_id;
	return NULL;
}

struct ws_sub *ws_find_sub_named(const struct ws_conn *c, struct str name)
{
	struct list *l = c->subs.next;

	return name.len == 3 && l != &c->subs
		       ? container_of(l, struct ws_sub, of_conn)
		       : NULL;
}

void ws_unsubscribe(struct ws_sub *sub)
{
	list_remove(&sub->of_conn);
}

/* In the place of resolve.c: a group is found, or not. */

int resolve_start(struct resolve *r, struct client *c,
		  struct client_principal *p, struct str group,
		  uint64_t timeout_ms, resolve_cb cb, struct err *err)
{
	struct world *w = world_of(c);

	(void)p;
	(void)timeout_ms;
	if (group.len == 0 || draw(w, 16) == 0)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	(void)str_to_cstr(group, r->name, sizeof(r->name));
	r->recalled = false;
	assert(w->finding == NULL);
	w->finding = r;
	w->found = cb;
	return 0;
}

static struct world *world_of_resolve(struct resolve *r)
{
	return world_of(
		&container_of(r, struct ws_command, resolve)->conn->gw->client);
}

/* Sometimes it is another group of that name. */
bool resolve_recall(struct resolve *r, const struct client_principal *p,
		    struct str group)
{
	(void)p;
	(void)str_to_cstr(group, r->name, sizeof(r->name));
	r->recalled = group.len % 2 == 1;
	r->group = (struct wire_body_group){
		.group_id = draw(world_of_resolve(r), 8) == 0 ? 8 : 7,
		.name = str_of(r->name)
	};
	return r->recalled;
}

bool resolve_was_wrong(struct resolve *r, const struct client_principal *p,
		       const struct err *err)
{
	bool wrong =
		r->recalled && err != NULL && err->code == ERR_NO_SUCH_GROUP;

	(void)p;
	r->recalled = r->recalled && !wrong;
	return wrong;
}

void resolve_cancel(struct resolve *r)
{
	struct world *w = world_of_resolve(r);

	if (w->finding == r)
		w->finding = NULL;
}

/* In the place of lib/client. */

int client_submit(struct client *c, struct client_request *req,
		  struct client_principal *p, enum wire_type type,
		  const void *body, uint64_t timeout_ms, client_reply_cb cb)
{
	struct world *w = world_of(c);
	struct buf frame = { 0 };

	(void)p;
	assert(timeout_ms > 0);
	if (draw(w, 16) == 0)
		return -ENOMEM;
	wire_put_frame(&frame, type, 1, 1, body); /* its bounds are kept */
	buf_release(&frame);
	req->client = c;
	req->cb = cb;
	req->type = type;
	req->id = 1 + draw(w, 100);
	list_push(&w->asked, &req->link);
	return 0;
}

void client_cancel(struct client_request *req)
{
	req->client = NULL;
	list_remove(&req->link);
}

/* What groupd says. */

static void put_messages(struct world *w, struct buf *out)
{
	for (uint32_t i = draw(w, 4); i > 0; i--) {
		const struct wire_message m = {
			.seq = 10 - i,
			.time_ms = i,
			.sender = str_of("bob"),
			.content = str_of("hi \"there\""),
		};

		wire_put(out, &wire_schema_message, &m);
	}
}

static void put_groups(struct world *w, struct buf *out)
{
	for (uint32_t i = draw(w, 4); i > 0; i--) {
		const struct wire_group g = { .group_id = i,
					      .name = str_of("dev"),
					      .last_seq = i };

		wire_put(out, &wire_schema_group, &g);
	}
}

static void answer(struct world *w, struct client_request *req)
{
	static const enum err_code codes[] = { ERR_NO_SUCH_GROUP,
					       ERR_NOT_MEMBER,
					       ERR_EPOCH_CHANGED,
					       ERR_OUTCOME_UNKNOWN };
	struct buf list = { 0 };
	union wire_body body = { 0 };
	struct err err;

	client_cancel(req);
	if (draw(w, 4) == 0) {
		err_set(&err, codes[draw(w, 4)], NULL);
		req->cb(req, &err, NULL);
		return;
	}
	if (req->type == WIRE_PULL) {
		put_messages(w, &list);
		body.messages =
			(struct wire_body_messages){ .epoch = 1,
						     .first_seq = draw(w, 4),
						     .last_seq = 9,
						     .messages =
							     buf_str(&list) };
		/* One that is damaged. */
		if (draw(w, 8) == 0)
			body.messages.messages = str_of("\xff");
	} else if (req->type == WIRE_LIST_GROUPS) {
		put_groups(w, &list);
		body.group_list = (struct wire_body_group_list){
			.groups = buf_str(&list), .complete = draw(w, 3) > 0
		};
	} else if (req->type == WIRE_SEND) {
		body.sent = (struct wire_body_sent){ .first_seq = 5,
						     .last_seq = 5,
						     .warnings = draw(w, 2) };
	}
	req->cb(req, NULL, &body);
	buf_release(&list);
}

static void find(struct world *w)
{
	struct resolve *r = w->finding;
	struct err err;

	w->finding = NULL;
	err_set(&err, ERR_NOT_MEMBER, NULL);
	r->group = (struct wire_body_group){ .group_id = 7,
					     .name = str_of(r->name),
					     .epoch = 1,
					     .first_seq = draw(w, 3),
					     .last_seq = 5 };
	w->found(r, draw(w, 4) == 0 ? &err : NULL);
}

/* One of the things that may come next; false: nothing is under way. */
static bool step(struct world *w)
{
	if (w->finding != NULL && (list_empty(&w->asked) || draw(w, 2) == 0)) {
		find(w);
		return true;
	}
	if (list_empty(&w->asked))
		return false;
	answer(w, container_of(w->asked.next, struct client_request, link));
	return true;
}

static void init(struct world *w, uint32_t seed, uint8_t how)
{
	struct ws_conn *c = &w->conn;

	w->seed = seed;
	w->options.answer_ms = 1000;
	w->gw.options = &w->options;
	list_init(&w->gw.conns);
	list_init(&w->asked);
	c->gw = &w->gw;
	c->greeted = (how & 1) != 0;
	c->bearer = how & 2 ? &w->bearer : NULL;
	list_init(&c->waiting);
	list_init(&c->flying);
	list_init(&c->subs);
	list_push(&w->gw.conns, &c->of_gateway);
	for (size_t i = 0; i < 4; i++) {
		w->subs[i].conn = c;
		w->subs[i].group = &w->groups[i];
		list_push(&c->subs, &w->subs[i].of_conn);
	}
}

static void take(struct world *w, struct str text)
{
	char *copy = fuzz_copy(text);

	ws_command(&w->conn, str_make(copy, text.len));
	free(copy);
	for (uint32_t i = draw(w, 3); i > 0 && step(w); i--)
		;
	if (draw(w, 16) == 0)
		ws_on_online(&w->gw);
	(void)ws_awaits(&w->conn, 1 + draw(w, 100));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world *w = calloc(1, sizeof(*w));
	struct str in = str_make((const char *)data, size);
	uint32_t seed = 0;
	uint8_t how;
	size_t steps = 0;

	assert(w != NULL);
	for (int i = 0; i < 5; i++)
		seed = seed << 7 ^ fuzz_byte(&in);
	how = fuzz_byte(&in);
	init(w, seed, how);
	while (in.len > 0 && w->conn.closing == 0 && w->conn.ncommands < 64)
		take(w, fuzz_until(&in, '\n'));
	w->conn.greeted = true;
	ws_commands_run(&w->conn);
	/* Some are closed in the middle of it. */
	while (how < 0xf0 && step(w))
		assert(++steps < 100000);
	if (how < 0xf0)
		assert(w->conn.ncommands == 0 && !w->conn.starting);
	ws_commands_cancel(&w->conn);
	assert(w->conn.ncommands == 0 && list_empty(&w->asked));
	free(w);
	return 0;
}
