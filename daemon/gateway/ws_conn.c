/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/ws.h"

#include <assert.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <stdlib.h>

#include "daemon/gateway/tls.h"

struct ws_frame {
	struct list link;
	struct buf text;
};

void ws_frame_begin(struct buf *b, const char *type, struct str id)
{
	static const char room[LWS_PRE];

	buf_append(b, room, sizeof(room));
	buf_printf(b, "{\"type\":\"%s\"", type);
	if (id.len > 0) {
		buf_append_str(b, str_of(",\"id\":"));
		buf_append_str(b, id);
	}
}

static void kill_conn(struct ws_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

bool ws_write(struct ws_conn *c, struct buf *frame)
{
	size_t len = frame->len - LWS_PRE;

	if (lws_write(c->wsi, (uint8_t *)frame->data + LWS_PRE, len,
		      LWS_WRITE_TEXT) < 0) {
		kill_conn(c);
		return false;
	}
	if (lws_partial_buffered(c->wsi) == 0)
		return true;
	if (c->stalled_ms == 0)
		c->stalled_ms = uv_now(c->gw->loop);
	lws_callback_on_writable(c->wsi);
	return false;
}

void ws_throttle(struct ws_conn *c)
{
	bool stop =
		c->out_bytes > WS_OUT_STOP || c->ncommands >= WS_COMMANDS_MAX;

	if (stop == c->stopped || c->dead)
		return;
	/* With the last message of the record, then: it has 16 KiB. */
	if (stop && tls_is_pending(c->wsi))
		return;
	c->stopped = stop;
	lws_rx_flow_control(c->wsi, stop ? 0 : 1);
	/* What OpenSSL holds already makes no socket readable. */
	if (!stop)
		lws_callback_on_writable(c->wsi);
}

/* Takes the frame's bytes. Nothing may be missing in silence: without memory
 * he starts over. */
static void push(struct ws_conn *c, struct buf *frame)
{
	struct ws_frame *f = frame->failed ? NULL : calloc(1, sizeof(*f));

	if (f == NULL) {
		kill_conn(c);
		buf_release(frame);
		return;
	}
	f->text = *frame;
	*frame = (struct buf){ 0 };
	list_push(&c->out, &f->link);
	c->out_bytes += f->text.len;
	lws_callback_on_writable(c->wsi);
}

void ws_put(struct ws_conn *c, struct buf *frame)
{
	if (c->dead || c->closing != 0) {
		buf_release(frame);
		return;
	}
	push(c, frame);
	if (c->out_bytes > WS_OUT_MAX)
		ws_bye(c, WS_BYE_SLOW, 1000);
	ws_throttle(c);
}

void ws_put_error(struct ws_conn *c, struct str id, const struct err *err,
		  const char *extra)
{
	struct buf b = { 0 };

	ws_frame_begin(&b, "error", id);
	buf_printf(&b, ",\"code\":\"%s\",\"message\":", err_name(err->code));
	json_put_str(&b, str_of(err->text));
	if (extra != NULL)
		buf_append_str(&b, str_of(extra));
	buf_append_char(&b, '}');
	ws_put(c, &b);
}

void ws_bye(struct ws_conn *c, int code, uint64_t retry_after_ms)
{
	struct buf b = { 0 };

	if (c->closing != 0 || c->dead)
		return;
	ws_frame_begin(&b, "bye", str_of(""));
	buf_printf(&b, ",\"code\":%d,\"retry_after_ms\":%" PRIu64 "}", code,
		   retry_after_ms);
	c->closing = code;
	push(c, &b);
	/* He has so long to take it. */
	wheel_arm(&c->gw->wheel, &c->timer, 3);
}

static bool write_out(struct ws_conn *c)
{
	while (!list_empty(&c->out)) {
		struct ws_frame *f =
			container_of(c->out.next, struct ws_frame, link);
		bool more = ws_write(c, &f->text);

		list_remove(&f->link);
		c->out_bytes -= f->text.len;
		buf_release(&f->text);
		free(f);
		if (!more)
			return false;
	}
	return true;
}

static void write_ping(struct ws_conn *c)
{
	uint8_t ping[LWS_PRE + 1] = { 0 };

	c->ping_due = false;
	if (lws_write(c->wsi, ping + LWS_PRE, 0, LWS_WRITE_PING) < 0)
		kill_conn(c);
}

void ws_pump(struct ws_conn *c)
{
	if (c->dead || c->close_sent || lws_partial_buffered(c->wsi) != 0)
		return;
	if (c->ping_due)
		write_ping(c);
	if (c->dead || !write_out(c) || c->closing != 0)
		return;
	ws_throttle(c);
	if (ws_write_messages(c, WS_TURN_BYTES) && !c->dead)
		lws_callback_on_writable(c->wsi);
}

/*
 * By hand: lws sends no close frame for a -1 out of WRITEABLE. LWS_WRITE_HTTP
 * on a WebSocket writes the bytes as they are. The client's answer, or our
 * timer, ends the connection.
 */
static void write_close(struct ws_conn *c)
{
	uint8_t frame[LWS_PRE + 4] = { 0 };
	uint8_t *p = frame + LWS_PRE;

	c->close_sent = true;
	p[0] = 0x88; /* final, close */
	p[1] = 2;
	p[2] = (uint8_t)(c->closing >> 8);
	p[3] = (uint8_t)(c->closing & 0xff);
	if (lws_write(c->wsi, p, 4, LWS_WRITE_HTTP) < 0)
		kill_conn(c);
}

int ws_writable(struct ws_conn *c)
{
	if (c->dead)
		return -1;
	if (c->close_sent)
		return 0;
	c->stalled_ms = 0;
	ws_pump(c);
	if (c->closing != 0 && !c->dead && list_empty(&c->out) &&
	    lws_partial_buffered(c->wsi) == 0)
		write_close(c);
	return c->dead ? -1 : 0;
}

static void check_ping(struct ws_conn *c, uint64_t now)
{
	if (now - c->pinged_ms < WS_PING_S * UINT64_C(1000))
		return;
	if (c->unanswered >= 2) {
		ws_bye(c, WS_BYE_SILENT, 1000);
		return;
	}
	c->pinged_ms = now;
	c->unanswered++;
	c->ping_due = true;
	lws_callback_on_writable(c->wsi);
}

static void on_timer(struct wheel_timer *t)
{
	struct ws_conn *c = container_of(t, struct ws_conn, timer);
	uint64_t now = uv_now(c->gw->loop);
	struct err err;

	if (c->dead)
		return;
	if (c->closing != 0) {
		kill_conn(c);
		return;
	}
	if (c->bearer == NULL) {
		err_set(&err, ERR_UNAUTHENTICATED,
			"No token was shown within %d s", WS_AUTH_S);
		ws_put_error(c, str_of(""), &err, NULL);
		ws_bye(c, WS_BYE_UNAUTHENTICATED, 0);
		return;
	}
	if (c->stalled_ms != 0 && now - c->stalled_ms >= WS_STALL_MS)
		ws_bye(c, WS_BYE_SLOW, 1000);
	else
		check_ping(c, now);
	if (c->closing == 0)
		wheel_arm(&c->gw->wheel, &c->timer, WS_CHECK_S);
}

static void greet(struct ws_conn *c)
{
	struct buf b = { 0 };

	if (c->greeted)
		return;
	c->greeted = true;
	ws_frame_begin(&b, "hello", str_of(""));
	buf_append_str(&b, str_of(",\"user\":"));
	json_put_str(&b, str_of(c->bearer->principal.name));
	buf_printf(&b, ",\"ping_interval\":%d}", WS_PING_S);
	ws_put(c, &b);
}

static void on_principal(struct bearer_user *u, const struct err *err)
{
	struct ws_conn *c = container_of(u, struct ws_conn, user);

	if (err == NULL) {
		greet(c);
		return;
	}
	ws_put_error(c, str_of(""), err, NULL);
	ws_bye(c, WS_BYE_UNAUTHENTICATED, 0);
}

static void refuse_bearer(struct ws_conn *c, const struct err *err)
{
	ws_put_error(c, str_of(""), err, NULL);
	ws_bye(c,
	       err->code == ERR_UNAVAILABLE ? WS_BYE_LEAVING
					    : WS_BYE_UNAUTHENTICATED,
	       1000);
}

static void use_bearer(struct ws_conn *c)
{
	list_push(&c->bearer->users, &c->user.link);
	c->pinged_ms = uv_now(c->gw->loop);
	wheel_arm(&c->gw->wheel, &c->timer, WS_CHECK_S);
	if (c->bearer->principal.state == CLIENT_PRINCIPAL_READY)
		greet(c);
	else if (c->bearer->principal.state == CLIENT_PRINCIPAL_REFUSED)
		on_principal(&c->user, &c->bearer->principal.err);
}

int ws_use_token(struct ws_conn *c, struct str token)
{
	struct err err;

	assert(c->bearer == NULL);
	if (bearer_get(&c->gw->bearers, token, &c->bearer, &err) < 0) {
		refuse_bearer(c, &err);
		return -EACCES;
	}
	use_bearer(c);
	return 0;
}

void ws_use_ticket(struct ws_conn *c, struct str ticket)
{
	struct err err;

	if (c->closing != 0)
		return;
	if (bearer_get_ticket(&c->gw->bearers, ticket, &c->bearer, &err) < 0)
		refuse_bearer(c, &err);
	else
		use_bearer(c);
}

struct ws_conn *ws_open(struct gateway *gw, struct lws *wsi, struct str token)
{
	struct ws_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->gw = gw;
	c->wsi = wsi;
	c->serial = ++gw->conn_serial;
	c->user.changed = on_principal;
	list_init(&c->user.link);
	list_init(&c->subs);
	list_init(&c->ready);
	list_init(&c->out);
	list_init(&c->waiting);
	list_init(&c->flying);
	list_push(&gw->conns, &c->of_gateway);
	wheel_timer_init(&c->timer, on_timer);
	wheel_arm(&gw->wheel, &c->timer, WS_AUTH_S);
	if (gw->stopping)
		ws_bye(c, WS_BYE_LEAVING, 1000);
	else if (token.len > 0)
		(void)ws_use_token(c, token);
	return c;
}

static int close_now(struct ws_conn *c, int code, const char *why)
{
	lws_close_reason(c->wsi, (enum lws_close_status)code,
			 (unsigned char *)(uintptr_t)why, strlen(why));
	return -1;
}

int ws_receive(struct ws_conn *c, struct str piece, bool final, bool text)
{
	if (c->dead || c->closing != 0)
		return 0;
	c->unanswered = 0;
	if (!text)
		return close_now(c, 1003, "text frames only");
	if (c->in.len + piece.len > GATEWAY_WS_MAX)
		return close_now(c, 1009, "message too large");
	buf_append_str(&c->in, piece);
	if (c->in.failed)
		return -1;
	if (!final)
		return 0;
	ws_command(c, buf_str(&c->in));
	/* An idle connection keeps no buffer. */
	buf_release(&c->in);
	return 0;
}

void ws_pong(struct ws_conn *c)
{
	c->unanswered = 0;
}

void ws_closed(struct ws_conn *c)
{
	if (c == NULL)
		return;
	c->dead = true;
	ws_commands_cancel(c);
	while (!list_empty(&c->subs))
		ws_unsubscribe(
			container_of(c->subs.next, struct ws_sub, of_conn));
	while (!list_empty(&c->out)) {
		struct ws_frame *f =
			container_of(list_pop(&c->out), struct ws_frame, link);

		buf_release(&f->text);
		free(f);
	}
	wheel_disarm(&c->timer);
	list_remove(&c->user.link);
	list_remove(&c->of_gateway);
	bearer_put(c->bearer);
	buf_release(&c->in);
	free(c);
}
