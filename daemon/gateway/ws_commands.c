/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/ws_command.h"

#include <inttypes.h>
#include <stdlib.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/rest.h"

enum { ID_MAX = 128 };

static void run_next(struct ws_conn *c);

static void cmd_free(struct ws_command *cmd)
{
	resolve_cancel(&cmd->resolve);
	if (cmd->pending)
		client_cancel(&cmd->req);
	list_remove(&cmd->link);
	cmd->conn->ncommands--;
	json_free(cmd->json);
	buf_release(&cmd->id);
	buf_release(&cmd->after);
	free(cmd);
}

static bool is_first(const struct ws_command *cmd)
{
	return cmd->conn->starting && cmd->conn->waiting.next == &cmd->link;
}

/* Answered: the next may start if this one held it up. */
void ws_command_end(struct ws_command *cmd)
{
	struct ws_conn *c = cmd->conn;
	bool first = is_first(cmd);

	cmd_free(cmd);
	if (first)
		c->starting = false;
	ws_throttle(c);
	run_next(c);
}

static void send_item(struct ws_command *cmd);

void ws_command_fail(struct ws_command *cmd, const struct err *err)
{
	if (cmd->with_group == send_item)
		meter_refused(&cmd->conn->gw->meter, err->code);
	ws_put_error(cmd->conn, buf_str(&cmd->id), err, NULL);
	ws_command_end(cmd);
}

/* Sends the request that carries the command out; the next may start. */
void ws_command_submit(struct ws_command *cmd, enum wire_type type,
		       const void *body, client_reply_cb cb)
{
	struct ws_conn *c = cmd->conn;
	uint64_t left = gateway_time_left(c->gw, &cmd->until_ms);
	struct err err;

	cmd->req.data = cmd;
	if (left == 0 ||
	    client_submit(&c->gw->client, &cmd->req, &c->bearer->principal,
			  type, body, left, cb) < 0) {
		err_set(&err, ERR_UNAVAILABLE, NULL);
		ws_command_fail(cmd, &err);
		return;
	}
	cmd->pending = true;
	/* A further page holds up nobody, and another one may be starting. */
	if (is_first(cmd))
		c->starting = false;
	list_remove(&cmd->link);
	list_push(&c->flying, &cmd->link);
}

static void on_group(struct resolve *resolve, const struct err *err)
{
	struct ws_command *cmd = resolve->data;
	struct ws_conn *c = cmd->conn;

	if (err != NULL) {
		ws_command_fail(cmd, err);
		return;
	}
	cmd->with_group(cmd);
	run_next(c);
}

/* The "group" of j: a name, an id as text or as a number. */
int ws_command_get_group(const struct json *j, char out[WIRE_NAME_MAX + 1],
			 struct err *err)
{
	struct str text;
	struct err other;
	uint64_t id;
	int rc = json_get_u64(j, "group", INT64_MAX, &id, &other);

	if (rc == 1) {
		struct buf b = { 0 };

		buf_printf(&b, "%" PRIu64, id);
		(void)str_to_cstr(buf_str(&b), out, WIRE_NAME_MAX + 1);
		buf_release(&b);
		return 0;
	}
	rc = json_get_str(j, "group", 1024, &text, err);
	if (rc == 0)
		return err_set(err, ERR_BAD_REQUEST, "\"group\" is missing");
	if (rc == 1 && !str_to_cstr(text, out, WIRE_NAME_MAX + 1))
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	return rc < 0 ? rc : 0;
}

static void find_group(struct ws_command *cmd, const struct json *j,
		       void (*next)(struct ws_command *cmd))
{
	uint64_t left = gateway_time_left(cmd->conn->gw, &cmd->until_ms);
	char name[WIRE_NAME_MAX + 1];
	struct err err;
	int rc = ws_command_get_group(j, name, &err);

	cmd->with_group = next;
	cmd->resolve.data = cmd;
	cmd->resolve.for_whom = FIND_FOR_SOCKET;
	cmd->resolve.recall = &cmd->conn->gw->recall;
	if (rc == 0 && left == 0)
		rc = err_set(&err, ERR_UNAVAILABLE, NULL);
	if (rc == 0)
		rc = resolve_start(&cmd->resolve, &cmd->conn->gw->client,
				   &cmd->conn->bearer->principal, str_of(name),
				   left, on_group, &err);
	if (rc < 0)
		ws_command_fail(cmd, &err);
}

/* ,"group":"name" */
void ws_command_put_group(struct buf *b, const struct ws_command *cmd)
{
	buf_append_str(b, str_of(",\"group\":"));
	json_put_str(b, cmd->resolve.group.name);
}

/* Takes the answer of groupd; false when it was a refusal. */
bool ws_command_replied(struct ws_command *cmd, const struct err *err)
{
	cmd->pending = false;
	cmd->until_ms = 0;
	if (err != NULL)
		ws_command_fail(cmd, err);
	return err == NULL;
}

/* Before those that came behind it and wait, but for one that is under way. */
static void start_again(struct ws_command *cmd)
{
	struct ws_conn *c = cmd->conn;
	struct list *at = c->waiting.next;

	cmd->pending = false;
	list_remove(&cmd->link);
	if (c->starting)
		at = at->next;
	while (at != &c->waiting &&
	       container_of(at, struct ws_command, link)->serial < cmd->serial)
		at = at->next;
	list_push(at, &cmd->link);
	run_next(c);
}

static void on_sent(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct ws_command *cmd = req->data;
	struct buf b = { 0 };

	cmd->conn->awaits_sent = false;
	if (resolve_was_wrong(&cmd->resolve, &cmd->conn->bearer->principal,
			      err)) {
		start_again(cmd);
		return;
	}
	if (!ws_command_replied(cmd, err))
		return;
	ws_frame_begin(&b, "sent", buf_str(&cmd->id));
	ws_command_put_group(&b, cmd);
	buf_append_char(&b, ',');
	json_put_sent(&b, body);
	buf_append_char(&b, '}');
	ws_put(cmd->conn, &b);
	ws_command_end(cmd);
}

static void send_item(struct ws_command *cmd)
{
	struct wire_body_send send = { 0 };
	struct buf mentions = { 0 }, items = { 0 };
	struct wire_item item;
	struct err err;
	char key[33];
	uint64_t max = cmd->conn->gw->client.max_content;
	int rc = json_get_item(cmd->json, max == 0 ? WIRE_CONTENT_MAX : max,
			       &item, &mentions, &err);

	if (rc == 0)
		rc = gateway_may_send(cmd->conn->gw, &err);
	if (rc == 0)
		wire_put(&items, &wire_schema_item, &item);
	if (rc == 0 && items.failed)
		rc = err_set(&err, ERR_UNAVAILABLE, NULL);
	rest_random_key(key);
	send.group_id = cmd->resolve.group.group_id;
	send.batch_id = str_of(key);
	send.items = buf_str(&items);
	if (rc < 0)
		ws_command_fail(cmd, &err);
	else
		ws_command_submit(cmd, WIRE_SEND, &send, on_sent);
	buf_release(&mentions);
	buf_release(&items);
}

/* Whether a message is under way to a group that name does not mean, or may not
 * mean, any more: when it is refused it goes before those behind it. */
static bool may_come_back(const struct ws_conn *c, struct str name,
			  uint64_t group_id)
{
	for (struct list *l = c->flying.next; l != &c->flying; l = l->next) {
		struct ws_command *cmd =
			container_of(l, struct ws_command, link);

		if (resolve_may_be_wrong(&cmd->resolve, name, group_id))
			return true;
	}
	return false;
}

/* groupd checks it, so the group may be recalled. */
static void run_send(struct ws_command *cmd)
{
	struct ws_conn *c = cmd->conn;
	char name[WIRE_NAME_MAX + 1];
	bool recalled = false;
	struct err err;

	cmd->resolve.recall = &c->gw->recall;
	cmd->with_group = send_item;
	if (ws_command_get_group(cmd->json, name, &err) == 0) {
		recalled = gateway_time_left(c->gw, &cmd->until_ms) > 0 &&
			   resolve_recall(&cmd->resolve, &c->bearer->principal,
					  str_of(name));
		c->awaits_sent = may_come_back(
			c, str_of(name),
			recalled ? cmd->resolve.group.group_id : 0);
	}
	if (c->awaits_sent)
		c->starting = false;
	else if (recalled)
		send_item(cmd);
	else
		find_group(cmd, cmd->json, send_item);
}

static void on_page(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct ws_command *cmd = req->data;
	struct convert_page asked = { .after_seq = cmd->after_seq };
	const struct wire_body_messages *page = body;
	struct buf b = { 0 };
	struct err cut;

	if (!ws_command_replied(cmd, err))
		return;
	if (convert_is_cut(cmd->after_seq, page->first_seq, &cut)) {
		ws_command_put_group(&b, cmd);
		convert_put_start(&b, page->epoch, page->first_seq);
		ws_put_error(cmd->conn, buf_str(&cmd->id), &cut, buf_cstr(&b));
		buf_release(&b);
		ws_command_end(cmd);
		return;
	}
	ws_frame_begin(&b, "messages", buf_str(&cmd->id));
	ws_command_put_group(&b, cmd);
	buf_append_char(&b, ',');
	if (convert_put_page(&b, &asked, page) < 0)
		b.failed = true;
	buf_append_char(&b, '}');
	ws_put(cmd->conn, &b);
	ws_command_end(cmd);
}

static void pull(struct ws_command *cmd)
{
	struct wire_body_pull body = {
		.group_id = cmd->resolve.group.group_id,
		.after_seq = cmd->after_seq,
		.limit = cmd->number,
		.max_bytes = WS_OUT_STOP / 2,
	};

	ws_command_submit(cmd, WIRE_PULL, &body, on_page);
}

static void run_pull(struct ws_command *cmd)
{
	struct err err;
	int rc;

	cmd->number = 50;
	rc = json_get_u64(cmd->json, "after_seq", INT64_MAX, &cmd->after_seq,
			  &err);
	if (rc >= 0)
		rc = json_get_u64(cmd->json, "limit", WIRE_PAGE_MAX,
				  &cmd->number, &err);
	if (rc >= 0 && cmd->number == 0)
		rc = err_set(&err, ERR_BAD_REQUEST, "\"limit\" must be 1 to %d",
			     WIRE_PAGE_MAX);
	if (rc < 0)
		ws_command_fail(cmd, &err);
	else
		find_group(cmd, cmd->json, pull);
}

/* To him with his id; his other connections are told by EV_READ. */
static void on_read_set(struct client_request *req, const struct err *err,
			const void *body)
{
	struct ws_command *cmd = req->data;
	const struct wire_body_ok *ok = body;
	struct buf b = { 0 };

	if (!ws_command_replied(cmd, err))
		return;
	ws_frame_begin(&b, "read", buf_str(&cmd->id));
	ws_command_put_group(&b, cmd);
	buf_printf(&b, ",\"last_read_seq\":%" PRIu64 "}", ok->value);
	ws_put(cmd->conn, &b);
	ws_command_end(cmd);
}

static void set_read(struct ws_command *cmd)
{
	struct wire_body_set_read body = { .group_id =
						   cmd->resolve.group.group_id,
					   .seq = cmd->number };

	ws_command_submit(cmd, WIRE_SET_READ, &body, on_read_set);
}

static void run_read(struct ws_command *cmd)
{
	struct err err;
	int rc = json_get_u64(cmd->json, "last_read_seq", INT64_MAX,
			      &cmd->number, &err);

	if (rc == 0)
		rc = err_set(&err, ERR_BAD_REQUEST,
			     "\"last_read_seq\" is missing");
	if (rc < 0)
		ws_command_fail(cmd, &err);
	else
		find_group(cmd, cmd->json, set_read);
}

static void run_ping(struct ws_command *cmd)
{
	struct buf b = { 0 };

	ws_frame_begin(&b, "pong", buf_str(&cmd->id));
	buf_append_char(&b, '}');
	ws_put(cmd->conn, &b);
	ws_command_end(cmd);
}

static const struct {
	const char *type;
	void (*run)(struct ws_command *cmd);
} commands[] = {
	{ "send", run_send },
	{ "subscribe", ws_run_subscribe },
	{ "unsubscribe", ws_run_unsubscribe },
	{ "pull", run_pull },
	{ "read", run_read },
	{ "ping", run_ping },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void run(struct ws_command *cmd)
{
	struct str type = { 0 };
	struct err err;
	int rc;

	if (cmd->ours) {
		ws_list_mine(cmd);
		return;
	}
	rc = json_get_str(cmd->json, "type", 32, &type, &err);
	for (size_t i = 0; rc == 1 && i < COMMANDS; i++) {
		if (str_eq(type, str_of(commands[i].type))) {
			commands[i].run(cmd);
			return;
		}
	}
	if (rc >= 0)
		err_set(&err, ERR_BAD_REQUEST,
			rc == 0 ? "\"type\" is missing"
				: "This \"type\" is not known");
	ws_command_fail(cmd, &err);
}

/* Nothing before it is certain that he may stay. */
static void run_next(struct ws_conn *c)
{
	while (c->greeted && !c->starting && !c->awaits_sent &&
	       !list_empty(&c->waiting)) {
		c->starting = true;
		run(container_of(c->waiting.next, struct ws_command, link));
	}
}

/* The "id" of the command, to be echoed: a string or a number. */
static int get_id(struct ws_command *cmd, struct err *err)
{
	struct str text;
	uint64_t number;
	int rc = json_get_u64(cmd->json, "id", INT64_MAX, &number, err);

	if (rc == 1)
		buf_printf(&cmd->id, "%" PRIu64, number);
	if (rc >= 0)
		return 0;
	rc = json_get_str(cmd->json, "id", ID_MAX, &text, err);
	if (rc < 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "\"id\" must be a string of at most %d bytes, "
			       "or a whole number, 0 or above",
			       ID_MAX);
	json_put_str(&cmd->id, text);
	return 0;
}

/* The first frame of one who has shown no token in the headers. */
static void authenticate(struct ws_conn *c, const struct json *j)
{
	struct str type = { 0 }, token = { 0 };
	struct err err;

	if (json_get_str(j, "type", 32, &type, &err) == 1 &&
	    str_eq(type, str_of("auth")) &&
	    json_get_str(j, "token", 1024, &token, &err) == 1) {
		(void)ws_use_token(c, token);
		return;
	}
	err_set(&err, ERR_UNAUTHENTICATED, NULL);
	ws_put_error(c, str_of(""), &err, NULL);
	ws_bye(c, WS_BYE_UNAUTHENTICATED, 0);
}

/* Takes json. NULL: no memory. */
static struct ws_command *command_new(struct ws_conn *c, struct json *json)
{
	struct ws_command *cmd = calloc(1, sizeof(*cmd));

	if (cmd == NULL) {
		json_free(json);
		return NULL;
	}
	cmd->conn = c;
	cmd->json = json;
	cmd->serial = ++c->nserials;
	list_push(&c->waiting, &cmd->link);
	c->ncommands++;
	return cmd;
}

static void list_again(struct ws_conn *c)
{
	struct ws_command *cmd;

	if (!c->all || c->dead || c->closing != 0)
		return;
	cmd = command_new(c, NULL);
	if (cmd == NULL)
		return;
	cmd->ours = true;
	run_next(c);
}

void ws_on_online(struct gateway *gw)
{
	for (struct list *l = gw->conns.next; l != &gw->conns; l = l->next)
		list_again(container_of(l, struct ws_conn, of_gateway));
}

void ws_command(struct ws_conn *c, struct str text)
{
	struct ws_command *cmd;
	struct json *json;
	struct err err;

	if (json_parse(&json, text, GATEWAY_WS_MAX, &err) < 0) {
		ws_put_error(c, str_of(""), &err, NULL);
		return;
	}
	if (c->bearer == NULL) {
		authenticate(c, json);
		json_free(json);
		return;
	}
	cmd = command_new(c, json);
	if (cmd == NULL) {
		err_set(&err, ERR_UNAVAILABLE, NULL);
		ws_put_error(c, str_of(""), &err, NULL);
		return;
	}
	if (get_id(cmd, &err) < 0) {
		ws_command_fail(cmd, &err);
		return;
	}
	ws_throttle(c);
	run_next(c);
}

void ws_commands_run(struct ws_conn *c)
{
	run_next(c);
}

void ws_commands_cancel(struct ws_conn *c)
{
	while (!list_empty(&c->waiting))
		cmd_free(
			container_of(c->waiting.next, struct ws_command, link));
	while (!list_empty(&c->flying))
		cmd_free(container_of(c->flying.next, struct ws_command, link));
}

bool ws_awaits(const struct ws_conn *c, uint64_t request)
{
	for (struct list *l = c->flying.next; l != &c->flying; l = l->next) {
		struct ws_command *cmd =
			container_of(l, struct ws_command, link);

		if (cmd->pending && client_request_id(&cmd->req) == request)
			return true;
	}
	return false;
}
