/* SPDX-License-Identifier: MIT */
/*
 * One command of a WebSocket's client: what ws_commands.c, which runs them,
 * and ws_subscribe.c share.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_WS_COMMAND_H
#define GROUPFS_DAEMON_GATEWAY_WS_COMMAND_H

#include "daemon/gateway/ws.h"

/*
 * One command. `waiting` is worked on one at a time, up to the request that
 * carries it out: so sends reach groupd in the order they were made.
 */
struct ws_command {
	struct list link;
	struct ws_conn *conn;
	struct json *json; /* owned; NULL where it is ours */
	struct buf id;	   /* as JSON text */
	void (*with_group)(struct ws_command *cmd);
	const struct json *groups; /* of subscribe */
	size_t next;		   /* the group that is due */
	struct buf after;	   /* of subscribe to all */
	struct resolve resolve;
	struct client_request req;
	uint64_t until_ms; /* groupd has to answer; 0: nothing is asked */
	uint64_t serial;   /* the order in which they came */
	uint64_t number;   /* limit, last_read_seq */
	uint64_t after_seq;
	bool pending;
	bool ours; /* ws_on_online(): nothing of it is answered */
};

/* Answered: frees it, and the next may start if this one held it up. */
void ws_command_end(struct ws_command *cmd);
/* Answers with an error, then ends it. */
void ws_command_fail(struct ws_command *cmd, const struct err *err);
/* Sends the request that carries the command out; the next may start. */
void ws_command_submit(struct ws_command *cmd, enum wire_type type,
		       const void *body, client_reply_cb cb);
/* Takes the answer of groupd; false when it was a refusal: cmd is gone. */
bool ws_command_replied(struct ws_command *cmd, const struct err *err);

/* The "group" of j: a name, an id as text or as a number. */
int ws_command_get_group(const struct json *j, char out[WIRE_NAME_MAX + 1],
			 struct err *err);
/* Appends ,"group":"name" of the group that was found. */
void ws_command_put_group(struct buf *b, const struct ws_command *cmd);

/* ws_subscribe.c */
void ws_run_subscribe(struct ws_command *cmd);
void ws_run_unsubscribe(struct ws_command *cmd);
/* Subscribes to all his groups, from cmd->after on. */
void ws_list_mine(struct ws_command *cmd);
/* Goes on with one that waited for the client to take its answers. */
void ws_resume_subscribe(struct ws_command *cmd);

#endif
