/* SPDX-License-Identifier: MIT */
/*
 * The commands subscribe and unsubscribe.
 */
#include <inttypes.h>

#include "daemon/gateway/convert.h"
#include "daemon/gateway/ws_command.h"
#include "lib/text.h"

static void subscribe_next(struct ws_command *cmd);

static void fail_epoch(struct ws_command *cmd, const struct err *err)
{
	struct buf extra = { 0 };

	ws_command_put_group(&extra, cmd);
	convert_put_start(&extra, cmd->resolve.group.epoch,
			  cmd->resolve.group.first_seq);
	ws_put_error(cmd->conn, buf_str(&cmd->id), err, buf_cstr(&extra));
	buf_release(&extra);
}

/* Of several groups, which one it was: as the client named it. */
static void refuse_one(struct ws_command *cmd, const struct err *err)
{
	const struct json *j = json_array_at(cmd->groups, cmd->next - 1);
	char name[WIRE_NAME_MAX + 1];
	struct buf extra = { 0 };
	struct err other;

	if (json_is_object_value(j) &&
	    ws_command_get_group(j, name, &other) == 0 &&
	    text_is_group_name(str_of(name))) {
		buf_append_str(&extra, str_of(",\"group\":"));
		json_put_str(&extra, str_of(name));
	}
	ws_put_error(cmd->conn, buf_str(&cmd->id), err,
		     extra.len > 0 ? buf_cstr(&extra) : NULL);
	buf_release(&extra);
}

/* One named group was found. */
static void subscribe_one(struct ws_command *cmd)
{
	const struct json *j = json_array_at(cmd->groups, cmd->next - 1);
	const struct wire_body_group *g = &cmd->resolve.group;
	uint64_t after = FEED_FROM_POINTER;
	struct str epoch = { 0 };
	struct buf mine = { 0 };
	struct err err;
	int rc = json_get_u64(j, "after_seq", INT64_MAX, &after, &err);

	if (rc >= 0)
		rc = json_get_str(j, "epoch", 16, &epoch, &err);
	buf_printf(&mine, "%016" PRIx64, g->epoch);
	/* One that ends before what he has of it is another one. */
	if (rc == 1 && (!str_eq(epoch, buf_str(&mine)) ||
			(after != FEED_FROM_POINTER && after > g->last_seq))) {
		err_set(&err, ERR_EPOCH_CHANGED, NULL);
		fail_epoch(cmd, &err);
	} else if (rc >= 0 && after != FEED_FROM_POINTER &&
		   convert_is_cut(after, g->first_seq, &err))
		fail_epoch(cmd, &err);
	else if (rc >= 0)
		rc = ws_subscribe(cmd->conn, g->group_id, g->name, after, &err);
	buf_release(&mine);
	if (rc < 0)
		refuse_one(cmd, &err);
	subscribe_next(cmd);
}

/* One group that is not there does not hinder the others. */
static void on_subscribe_group(struct resolve *resolve, const struct err *err)
{
	struct ws_command *cmd = resolve->data;

	if (err == NULL) {
		subscribe_one(cmd);
		return;
	}
	refuse_one(cmd, err);
	subscribe_next(cmd);
}

static void subscribe_next(struct ws_command *cmd)
{
	char name[WIRE_NAME_MAX + 1];
	struct err err;

	while (cmd->next < json_array_len(cmd->groups)) {
		const struct json *j = json_array_at(cmd->groups, cmd->next++);
		int rc = 0;

		if (!json_is_object_value(j))
			rc = err_set(&err, ERR_BAD_REQUEST,
				     "\"groups\" must hold objects");
		if (rc == 0)
			rc = ws_command_get_group(j, name, &err);
		cmd->resolve.data = cmd;
		cmd->resolve.for_whom = FIND_FOR_SOCKET;
		if (rc == 0)
			rc = resolve_start(
				&cmd->resolve, &cmd->conn->gw->client,
				&cmd->conn->bearer->principal, str_of(name),
				cmd->conn->gw->options->answer_ms,
				on_subscribe_group, &err);
		if (rc == 0)
			return;
		refuse_one(cmd, &err);
	}
	ws_command_end(cmd);
}

static void on_mine(struct client_request *req, const struct err *err,
		    const void *body)
{
	struct ws_command *cmd = req->data;
	const struct wire_body_group_list *page = body;
	struct wire_group g;
	struct str list;
	struct err refused;

	if (err != NULL && cmd->ours) {
		cmd->pending = false;
		ws_command_end(cmd);
		return;
	}
	if (!ws_command_replied(cmd, err))
		return;
	list = page->groups;
	while (wire_next(&list, &wire_schema_group, &g) == 1) {
		buf_clear(&cmd->after);
		buf_append_str(&cmd->after, g.name);
		if (cmd->ours && cmd->conn->all)
			ws_added(cmd->conn, g.group_id, g.name,
				 g.last_read_seq);
		else if (!cmd->ours &&
			 ws_find_sub(cmd->conn, g.group_id) == NULL &&
			 ws_subscribe(cmd->conn, g.group_id, g.name,
				      g.last_read_seq, &refused) < 0) {
			ws_command_fail(cmd, &refused);
			return;
		}
	}
	if (page->complete != 0)
		ws_command_end(cmd);
	else
		ws_list_mine(cmd);
}

void ws_list_mine(struct ws_command *cmd)
{
	struct wire_body_list_groups body = { .after = buf_str(&cmd->after),
					      .limit = WIRE_PAGE_MAX };

	ws_command_submit(cmd, WIRE_LIST_GROUPS, &body, on_mine);
}

void ws_run_subscribe(struct ws_command *cmd)
{
	struct ws_conn *c = cmd->conn;
	struct err err;
	int rc = json_get_array(cmd->json, "groups", WS_SUBS_MAX, &cmd->groups,
				&err);

	if (rc < 0)
		ws_command_fail(cmd, &err);
	else if (rc > 0)
		subscribe_next(cmd);
	else
		ws_list_mine(cmd);
	if (rc == 0)
		c->all = true;
}

static void put_unsubscribed(struct ws_command *cmd)
{
	struct buf b = { 0 };

	ws_frame_begin(&b, "unsubscribed", buf_str(&cmd->id));
	buf_append_char(&b, '}');
	ws_put(cmd->conn, &b);
	ws_command_end(cmd);
}

static void unsubscribe_name(const struct ws_conn *c, const char *name)
{
	struct ws_sub *sub = ws_find_sub_named(c, str_of(name));

	if (sub != NULL)
		ws_unsubscribe(sub);
}

/* Whether there is a "group", be it one or not. */
static bool has_group(const struct json *j)
{
	uint64_t id;
	struct err err;

	return json_get_u64(j, "group", INT64_MAX, &id, &err) != 0;
}

/* {group}, {groups:[{group}]} or, without both, all. */
void ws_run_unsubscribe(struct ws_command *cmd)
{
	struct ws_conn *c = cmd->conn;
	const struct json *groups = NULL;
	char name[WIRE_NAME_MAX + 1];
	struct err err;
	int rc =
		json_get_array(cmd->json, "groups", WS_SUBS_MAX, &groups, &err);

	c->all = false;
	for (size_t i = 0; rc == 1 && i < json_array_len(groups); i++) {
		if (ws_command_get_group(json_array_at(groups, i), name, &err) <
		    0)
			rc = err_rc(&err);
		else
			unsubscribe_name(c, name);
	}
	if (rc == 0 && has_group(cmd->json)) {
		rc = ws_command_get_group(cmd->json, name, &err);
		if (rc == 0)
			unsubscribe_name(c, name);
	} else if (rc == 0) {
		while (!list_empty(&c->subs))
			ws_unsubscribe(container_of(c->subs.next, struct ws_sub,
						    of_conn));
	}
	if (rc < 0)
		ws_command_fail(cmd, &err);
	else
		put_unsubscribed(cmd);
}
