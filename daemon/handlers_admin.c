/* SPDX-License-Identifier: MIT */
/* Users, tokens, status, metrics, verify. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth.h"
#include "daemon/backup.h"
#include "daemon/handlers.h"
#include "daemon/metrics.h"
#include "daemon/page.h"
#include "daemon/report.h"
#include "daemon/status.h"
#include "lib/text.h"

enum { TOKEN_KEY_MIN = 32, UNSOUND_MAX = 100 };

static int write_add_users(struct request *r, struct store *store,
			   struct list *events)
{
	struct str names = r->body.add_users.names;
	struct wire_name name;
	uint64_t count = 0;
	bool added;
	int rc;

	(void)events;
	/* Checked as a whole first: all or none. */
	while ((rc = wire_next(&names, &wire_schema_name, &name)) > 0) {
		if (!text_is_user_name(name.name))
			return err_set(&r->err, ERR_BAD_NAME,
				       text_is_utf8(name.name)
					       ? "That is no user name: %.*s"
					       : "That is no user name",
				       (int)name.name.len, name.name.data);
	}
	if (rc < 0)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "The list of names cannot be decoded");
	names = r->body.add_users.names;
	while (wire_next(&names, &wire_schema_name, &name) > 0) {
		rc = store_add_user(store, name.name, &added, &r->err);
		if (rc < 0)
			return rc;
		count += added;
	}
	return request_answer_ok(r, count);
}

static int add_name(void *data, struct str name)
{
	const struct wire_name record = { .name = name };

	return page_add(data, &wire_schema_name, &record);
}

static int read_list_users(struct request *r, struct store *store)
{
	const struct wire_body_list_users *body = &r->body.list_users;
	struct page page = { .limit = page_limit(body->limit),
			     .complete = true };
	struct wire_body_user_list answer;
	int rc = store_list_users(store, body->after, add_name, &page, &r->err);

	rc = page_error(r, &page, rc);
	answer = (struct wire_body_user_list){ .names = buf_str(&page.records),
					       .complete = page.complete };
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&page.records);
	return rc;
}

/* For oneself, or for anybody when admin; empty stands for oneself, in lists
 * of an admin for everybody. */
static int check_owner(struct request *r, struct str user)
{
	if (r->admin || str_eq(user, request_user(r)) || user.len == 0)
		return 0;
	return err_set(&r->err, ERR_NOT_ADMIN,
		       "Only root and groupd's own user may handle the tokens "
		       "of others");
}

static int begin_create_token(struct request *r)
{
	struct wire_body_create_token *body = &r->body.create_token;

	if (check_owner(r, body->user) < 0)
		return err_rc(&r->err);
	if (body->user.len == 0)
		body->user = request_user(r);
	if (body->expires_ms != 0 &&
	    body->expires_ms <= env_now_ms(r->handlers->env))
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "The token would have expired already");
	if (body->key.len > 0 && body->key.len < TOKEN_KEY_MIN)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "The key of a token has at least %d bytes",
			       TOKEN_KEY_MIN);
	return 0;
}

static int prepare_create_token(struct request *r, struct store *store)
{
	return request_prepare_user(r, store, r->body.create_token.user);
}

static int make_token(struct request *r)
{
	struct str key = r->body.create_token.key;
	int rc = 0;

	if (key.len == 0)
		auth_make_token(r->handlers->env, r->token);
	else
		rc = auth_derive_token(key, r->token);
	return rc < 0 ? request_no_memory(r)
		      : auth_hash_token(str_of(r->token), r->hash);
}

/* 1: it is there, and only the answer was lost. */
static int find_made(struct request *r, struct store *store)
{
	char user[WIRE_USER_MAX + 1];
	uint64_t expires_ms;
	int rc;

	if (r->body.create_token.key.len == 0)
		return 0;
	rc = store_find_token(store, r->hash, user, &expires_ms, &r->err);
	if (rc == 0 && str_eq(str_of(user), r->body.create_token.user))
		return 1;
	if (rc == 0)
		return err_set(&r->err, ERR_BAD_REQUEST,
			       "The key of this token is another user's");
	if (r->err.code != ERR_UNAUTHENTICATED)
		return rc;
	r->err.code = ERR_NONE;
	return 0;
}

static int write_create_token(struct request *r, struct store *store,
			      struct list *events)
{
	const struct wire_body_create_token *body = &r->body.create_token;
	struct wire_body_token answer = { 0 };
	int rc = request_add_users(r, store);

	(void)events;
	if (rc < 0)
		return rc;
	rc = make_token(r);
	if (rc == 0)
		rc = find_made(r, store);
	if (rc == 0)
		rc = store_create_token(store, body->user, r->hash,
					body->expires_ms, &answer.token_id,
					&r->err);
	if (rc < 0)
		return rc;
	answer.token = str_of(r->token);
	return request_answer(r, &answer);
}

static int write_revoke_token(struct request *r, struct store *store,
			      struct list *events)
{
	struct event *e;
	int rc = store_revoke_token(store, r->body.revoke_token.token_id,
				    r->admin ? str_of("") : request_user(r),
				    r->hash, &r->err);

	/* Sent before, it may have been done. */
	if (r->resent && r->err.code == ERR_BAD_REQUEST) {
		r->err.code = ERR_NONE;
		return request_answer_ok(r, 1);
	}
	if (rc < 0)
		return rc;
	e = event_add(events, EVENT_REVOKED, 0);
	if (e == NULL)
		return request_no_memory(r);
	memcpy(e->hash, r->hash, sizeof(e->hash));
	return request_answer_ok(r, 1);
}

static int add_token(void *data, const struct wire_token_info *t)
{
	return page_add(data, &wire_schema_token_info, t);
}

static int begin_list_tokens(struct request *r)
{
	struct wire_body_list_tokens *body = &r->body.list_tokens;

	if (check_owner(r, body->user) < 0)
		return err_rc(&r->err);
	if (body->user.len == 0 && !r->admin)
		body->user = request_user(r);
	return 0;
}

static int read_list_tokens(struct request *r, struct store *store)
{
	const struct wire_body_list_tokens *body = &r->body.list_tokens;
	struct page page = { .limit = page_limit(0), .complete = true };
	struct wire_body_token_list answer;
	int rc = store_list_tokens(store, body->user, body->after_id, add_token,
				   &page, &r->err);

	rc = page_error(r, &page, rc);
	answer =
		(struct wire_body_token_list){ .tokens = buf_str(&page.records),
					       .complete = page.complete };
	if (rc == 0)
		rc = request_answer(r, &answer);
	buf_release(&page.records);
	return rc;
}

/* The loop's part of the figures, taken on the loop. */
static int begin_status(struct request *r)
{
	r->handlers->figures(r->handlers->data, &r->extra);
	return r->extra.failed ? -ENOMEM : 0;
}

static int read_status(struct request *r, struct store *store)
{
	struct wire_body_status answer;
	struct store_counts counts;
	struct store_size size;
	int rc = store_count(store, &counts, &r->err);

	if (rc == 0)
		rc = store_size(store, &size, &r->err);
	if (rc < 0)
		return rc;
	status_number(&r->extra, "groups", counts.groups);
	status_number(&r->extra, "users", counts.users);
	status_number(&r->extra, "store_bytes", size.data + size.log);
	status_disk(&r->extra, r->handlers->data_dir);
	if (r->extra.failed)
		return request_no_memory(r);
	answer = (struct wire_body_status){ .figures = buf_str(&r->extra) };
	return request_answer(r, &answer);
}

/* A store of others that is away is one of the figures, and no reason to tell
 * none. */
static bool finish_status(struct request *r)
{
	struct wire_body_status answer;

	/* With a time: it is the store, and groupd has taken its figures. */
	if (r->err.code != ERR_UNAVAILABLE || r->handlers->nodes == NULL ||
	    r->err.retry_after_ms == 0 || r->extra.len == 0)
		return false;
	status_text(&r->extra, "store_away", r->err.text);
	if (r->extra.failed)
		return false;
	r->err.code = ERR_NONE;
	answer = (struct wire_body_status){ .figures = buf_str(&r->extra) };
	request_answer(r, &answer);
	return false;
}

/* By who connected: a gateway has no principal that may see figures, and
 * whoever scrapes has none at all. */
static int begin_metrics(struct request *r)
{
	const struct handlers *h = r->handlers;
	uid_t uid = r->peer->session.uid;

	if (!r->peer->gateway && uid != 0 && uid != h->own_uid)
		return err_set(&r->err, ERR_NOT_ADMIN,
			       "Only gateways, root and groupd's own user may "
			       "see the metrics");
	h->metrics(h->data, &r->extra);
	return r->extra.failed ? -ENOMEM : 0;
}

static int read_metrics(struct request *r, struct store *store)
{
	struct wire_body_metrics answer;
	struct store_size size;
	bool found;
	int rc = store_size(store, &size, &r->err);

	/* For /readyz: whether it answers. */
	if (rc == 0 && store_is_shared(store))
		rc = store_find_user(store, str_of("root"), &found, &r->err);
	if (rc < 0)
		return rc;
	metrics_put_store(&r->extra, &size);
	metrics_put_process(&r->extra);
	if (r->extra.failed)
		return request_no_memory(r);
	answer = (struct wire_body_metrics){ .text = buf_str(&r->extra) };
	return request_answer(r, &answer);
}

static void do_report(struct request *r)
{
	if (!r->peer->gateway)
		err_set(&r->err, ERR_NOT_ADMIN, "Only a gateway reports");
	else if (report_take(&r->peer->report, &r->body.report, &r->err) == 0)
		request_answer_ok(r, 0);
}

/* What was found unsound: it may have gone, with its group, meanwhile. */
struct unsound {
	struct request *r;
	size_t count;
	struct {
		uint8_t hash[STORE_HASH];
		struct err why;
	} content[UNSOUND_MAX];
};

static int verify_content(void *data, const uint8_t hash[STORE_HASH],
			  uint64_t size)
{
	struct unsound *u = data;

	if (u->count < UNSOUND_MAX &&
	    !media_is_sound(u->r->handlers->media, hash, size,
			    &u->content[u->count].why)) {
		memcpy(u->content[u->count].hash, hash, STORE_HASH);
		u->count++;
	}
	return 0;
}

/* Each content that a file of a group has. */
static int verify_contents(struct request *r, struct store *store)
{
	struct unsound *u = calloc(1, sizeof(*u));
	int rc;

	if (u == NULL)
		return request_no_memory(r);
	u->r = r;
	rc = store_list_contents(store, verify_content, u, &r->err);
	for (size_t i = 0; rc == 0 && i < u->count; i++) {
		struct wire_problem problem = {
			.text = str_of(u->content[i].why.text)
		};
		bool used;

		rc = store_hash_used(store, u->content[i].hash, &used, &r->err);
		if (rc == 0 && used)
			wire_put(&r->extra, &wire_schema_problem, &problem);
	}
	free(u);
	return rc == 0 && r->extra.failed ? request_no_memory(r) : rc;
}

static int read_verify(struct request *r, struct store *store)
{
	struct store_verify verify = { 0 };
	struct wire_body_verified answer;
	int rc = backup_audit(store, &r->extra, &verify, &r->err);

	if (rc == 0)
		rc = verify_contents(r, store);
	if (rc < 0)
		return rc;
	answer = (struct wire_body_verified){
		.groups = verify.groups,
		.messages = verify.messages,
		.problems = buf_str(&r->extra),
	};
	return request_answer(r, &answer);
}

const struct handler handlers_admin[] = {
	{ .type = WIRE_ADD_USERS,
	  .write = write_add_users,
	  .admin_only = true },
	{ .type = WIRE_LIST_USERS,
	  .read = read_list_users,
	  .admin_only = true },
	{ .type = WIRE_CREATE_TOKEN,
	  .begin = begin_create_token,
	  .prepare = prepare_create_token,
	  .write = write_create_token },
	{ .type = WIRE_LIST_TOKENS,
	  .begin = begin_list_tokens,
	  .read = read_list_tokens },
	{ .type = WIRE_REVOKE_TOKEN, .write = write_revoke_token },
	{ .type = WIRE_GET_STATUS,
	  .begin = begin_status,
	  .read = read_status,
	  .finish = finish_status,
	  .admin_only = true,
	  .by_socket = true },
	{ .type = WIRE_GET_METRICS,
	  .begin = begin_metrics,
	  .read = read_metrics,
	  .no_principal = true },
	{ .type = WIRE_REPORT, .here = do_report, .no_principal = true },
	{ .type = WIRE_VERIFY,
	  .read = read_verify,
	  .admin_only = true,
	  .verifier = true },
	{ .type = WIRE_NONE },
};
