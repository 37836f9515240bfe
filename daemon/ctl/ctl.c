/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/ctl.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"

enum { TICK_MS = 100 };

void ctl_complain(const char *fmt, ...)
{
	char text[1024];
	struct buf line = { 0 };
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(&line, "groupctl: ");
	ctl_put_line(&line, str_of(text));
	(void)fputs(line.failed ? "groupctl: out of memory\n" : buf_cstr(&line),
		    stderr);
	buf_release(&line);
}

enum ctl_exit ctl_cannot(const char *what, const char *path)
{
	ctl_complain("cannot %s %s: %s", what, path, strerror(errno));
	return CTL_REFUSED;
}

void ctl_put_line(struct buf *out, struct str s)
{
	text_escape(out, s);
	buf_append_char(out, '\n');
}

enum ctl_exit ctl_print(const struct buf *out)
{
	if (out->failed) {
		ctl_complain("out of memory");
		return CTL_REFUSED;
	}
	if (fwrite(buf_cstr(out), 1, out->len, stdout) != out->len ||
	    fflush(stdout) != 0) {
		if (errno == EPIPE)
			return CTL_CLOSED;
		ctl_complain("cannot write the output: %s", strerror(errno));
		return CTL_REFUSED;
	}
	return CTL_OK;
}

bool ctl_is_user_name(const char *name)
{
	if (text_is_user_name(str_of(name)))
		return true;
	ctl_complain("'%s' cannot be a user's name: it takes up to 32 of a-z, "
		     "0-9, _ . - and begins with a letter, digit or _",
		     name);
	return false;
}

bool ctl_is_group_name(const char *name)
{
	if (text_is_group_name(str_of(name)))
		return true;
	ctl_complain("'%s' cannot be a group's name: it takes up to 64 of "
		     "a-z, 0-9, _ . - and begins with a letter or digit",
		     name);
	return false;
}

static void on_event(struct client *c, const struct wire_header *header,
		     const void *body)
{
	const struct ctl *ctl = c->data;

	if (ctl->watcher != NULL)
		ctl->watcher->on_event(ctl->watcher->data, header, body);
}

static void on_state(struct client *c, bool online, const char *why)
{
	struct ctl *ctl = c->data;

	ctl->seen_ms = uv_now(&ctl->loop);
	if (online)
		ctl->greeted = true;
	if (ctl->watcher != NULL)
		ctl->watcher->on_state(ctl->watcher->data, online, why);
}

static void on_restored(struct client *c)
{
	const struct ctl *ctl = c->data;

	if (ctl->watcher != NULL)
		ctl->watcher->on_restored(ctl->watcher->data);
}

static void tick_cb(uv_timer_t *timer)
{
	struct ctl *ctl = timer->data;
	uint64_t wait = ctl->greeted ? CTL_LOST_MS : CTL_CONNECT_MS;

	if (ctl->client.online)
		ctl->seen_ms = uv_now(&ctl->loop);
	else if (uv_now(&ctl->loop) - ctl->seen_ms >= wait)
		ctl->lost = true;
	progress_tick(ctl->progress);
}

/* The client's reason names the socket already. */
static enum ctl_exit unreachable(struct ctl *ctl)
{
	if (ctl->client.why[0] != '\0')
		(void)err_set(&ctl->err, ERR_UNAVAILABLE, "%s",
			      ctl->client.why);
	else
		(void)err_set(&ctl->err, ERR_UNAVAILABLE,
			      "groupd does not answer at %s", ctl->path);
	return CTL_UNREACHABLE;
}

static enum ctl_exit complain(const struct ctl *ctl, enum ctl_exit rc)
{
	if (rc != CTL_OK)
		ctl_complain("%s", ctl->err.text);
	return rc;
}

static void opened_cb(struct client_principal *p, const struct err *err)
{
	struct ctl *ctl = p->data;

	ctl->done = true;
	if (err != NULL)
		ctl->err = *err;
}

/* A groupd that does not reach its store is asked once more and once more. */
static bool is_late(const struct ctl *ctl)
{
	return uv_now(&ctl->loop) - ctl->opening_ms >= CLIENT_TIMEOUT_MS;
}

static int open_principal(struct ctl *ctl)
{
	ctl->opening_ms = uv_now(&ctl->loop);
	return ctl->unnamed ? 0
			    : client_open_principal(&ctl->client, &ctl->self,
						    PRINCIPAL_SELF, 0, NULL,
						    opened_cb);
}

static bool is_open(const struct ctl *ctl)
{
	return ctl->unnamed ? ctl->client.online : ctl->done;
}

static enum ctl_exit await_principal(struct ctl *ctl)
{
	while (!is_open(ctl) && !ctl->lost && !is_late(ctl))
		(void)uv_run(&ctl->loop, UV_RUN_ONCE);
	if (!is_open(ctl) && ctl->client.online)
		(void)err_set(&ctl->err, ERR_UNAVAILABLE,
			      "groupd did not reach its store in time");
	else if (!is_open(ctl))
		return complain(ctl, unreachable(ctl));
	return complain(ctl, ctl->err.code == ERR_NONE ? CTL_OK : CTL_REFUSED);
}

enum ctl_exit ctl_open(struct ctl *ctl, const char *path, bool unnamed)
{
	const struct client_options options = {
		.path = path,
		.agent = "groupctl/" GROUPFS_VERSION,
		.data = ctl,
		.patient = true,
		.on_event = on_event,
		.on_state = on_state,
		.on_restored = on_restored,
	};

	*ctl = (struct ctl){ .path = path, .unnamed = unnamed };
	/* These fail only where a process cannot even have a descriptor. */
	if (uv_loop_init(&ctl->loop) != 0 ||
	    uv_timer_init(&ctl->loop, &ctl->tick) != 0)
		goto no_loop;
	ctl->tick.data = ctl;
	ctl->self.data = ctl;
	ctl->seen_ms = uv_now(&ctl->loop);
	if (client_start(&ctl->client, &ctl->loop, &options) != 0)
		goto no_loop;
	ctl->running = true;
	if (uv_timer_start(&ctl->tick, tick_cb, TICK_MS, TICK_MS) != 0 ||
	    open_principal(ctl) != 0)
		goto no_loop;
	return await_principal(ctl);
no_loop:
	ctl_complain("out of memory or descriptors");
	return CTL_UNREACHABLE;
}

static void closed_cb(struct client *c)
{
	struct ctl *ctl = c->data;

	uv_close((uv_handle_t *)&ctl->tick, NULL);
}

void ctl_close(struct ctl *ctl)
{
	if (ctl->running) {
		client_close(&ctl->client, closed_cb);
		(void)uv_run(&ctl->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&ctl->loop);
	}
	buf_release(&ctl->answer);
}

/* The answer is kept encoded: its strs go with the callback. */
static void answered_cb(struct client_request *req, const struct err *err,
			const void *body)
{
	struct ctl *ctl = req->data;

	ctl->done = true;
	if (err != NULL)
		ctl->err = *err;
	else
		wire_put(&ctl->answer,
			 wire_schema_of(wire_answer_of(ctl->type)), body);
}

enum ctl_exit ctl_ask(struct ctl *ctl, enum wire_type type, const void *body,
		      uint64_t timeout_ms, void *answer)
{
	int rc;

	ctl->type = type;
	ctl->done = false;
	ctl->err = (struct err){ 0 };
	buf_clear(&ctl->answer);
	ctl->request = (struct client_request){ .data = ctl };
	rc = client_submit(&ctl->client, &ctl->request,
			   ctl->unnamed ? NULL : &ctl->self, type, body,
			   timeout_ms, answered_cb);
	if (rc != 0) {
		progress_clear(ctl->progress);
		(void)err_set(&ctl->err, ERR_UNAVAILABLE, "Cannot send: %s",
			      strerror(-rc));
		return CTL_REFUSED;
	}
	while (!ctl->done && !ctl->lost)
		(void)uv_run(&ctl->loop, UV_RUN_ONCE);
	if (!ctl->done || ctl->err.code != ERR_NONE || ctl->answer.failed)
		progress_clear(ctl->progress);
	if (!ctl->done) {
		bool sent = ctl->request.sent;

		client_cancel(&ctl->request);
		(void)unreachable(ctl);
		if (sent)
			ctl->err.code = ERR_OUTCOME_UNKNOWN;
		return CTL_UNREACHABLE;
	}
	if (ctl->err.code == ERR_OUTCOME_UNKNOWN)
		return CTL_UNREACHABLE;
	if (ctl->err.code != ERR_NONE && !ctl->client.online)
		return unreachable(ctl);
	if (ctl->err.code == ERR_NONE && ctl->answer.failed)
		(void)err_set(&ctl->err, ERR_UNAVAILABLE, "Out of memory");
	if (ctl->err.code != ERR_NONE)
		return CTL_REFUSED;
	rc = wire_get(buf_str(&ctl->answer),
		      wire_schema_of(wire_answer_of(type)), answer);
	assert(rc == 0);
	return CTL_OK;
}

enum ctl_exit ctl_call(struct ctl *ctl, enum wire_type type, const void *body,
		       void *answer)
{
	return complain(ctl,
			ctl_ask(ctl, type, body, CLIENT_TIMEOUT_MS, answer));
}

enum ctl_exit ctl_call_long(struct ctl *ctl, enum wire_type type,
			    const void *body, void *answer)
{
	return complain(ctl, ctl_ask(ctl, type, body, 0, answer));
}

enum ctl_exit ctl_find_group(struct ctl *ctl, const char *name,
			     struct wire_body_group *group)
{
	const struct wire_body_find_group find = { .name = str_of(name) };
	enum ctl_exit rc;

	if (!ctl_is_group_name(name))
		return CTL_REFUSED;
	rc = ctl_ask(ctl, WIRE_FIND_GROUP, &find, CLIENT_TIMEOUT_MS, group);
	if (rc == CTL_REFUSED && ctl->err.code == ERR_NO_SUCH_GROUP)
		ctl_complain("you are in no group '%s'", name);
	else
		(void)complain(ctl, rc);
	return rc;
}

void ctl_wait(struct ctl *ctl, uint64_t ms)
{
	uint64_t end = uv_now(&ctl->loop) + ms;

	/* The tick turns the loop. */
	while (uv_now(&ctl->loop) < end && !ctl->lost)
		(void)uv_run(&ctl->loop, UV_RUN_ONCE);
}

enum ctl_exit ctl_await_restart(struct ctl *ctl, uint64_t instance)
{
	while (!ctl->lost &&
	       (!ctl->client.online || ctl->client.instance == instance))
		(void)uv_run(&ctl->loop, UV_RUN_ONCE);
	if (!ctl->lost)
		return CTL_OK;
	progress_clear(ctl->progress);
	return complain(ctl, unreachable(ctl));
}
