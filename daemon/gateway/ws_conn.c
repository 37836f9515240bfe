/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/ws.h"

#include <assert.h>
#include <inttypes.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "daemon/gateway/hangup.h"
#include "daemon/gateway/intercept.h"
#include "daemon/gateway/tls.h"
#include "lib/text.h"
#include "lib/env.h"

struct ws_frame {
	struct list link;
	struct buf text;
};

static void kill_conn(struct ws_conn *c)
{
	if (c->dead)
		return;
	c->dead = true;
	/* lws alone would say close once more and wait 26 s for its answer. */
	shutdown(lws_get_socket_fd(c->wsi), SHUT_RDWR);
	lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

/*
 * LWS_WRITE_HTTP on a WebSocket writes the bytes as they are: lws neither
 * changes nor copies them, but for the end that the socket does not take. That
 * end goes out before anything else (a pong of lws' own, too). We add nothing
 * while there is one, since lws would keep it without bound; and WRITEABLE says
 * when it is gone, so that nobody has to ask lws for each message.
 */
static bool write_by_lws(struct ws_conn *c, struct str bytes)
{
	assert(lws_partial_buffered(c->wsi) == 0);
	if (lws_write(c->wsi, (uint8_t *)(uintptr_t)bytes.data, bytes.len,
		      LWS_WRITE_HTTP) < 0) {
		kill_conn(c);
		return false;
	}
	c->held = lws_partial_buffered(c->wsi) != 0;
	if (!c->held)
		return true;
	if (c->stalled_ms == 0)
		c->stalled_ms = uv_now(c->gw->loop);
	lws_callback_on_writable(c->wsi);
	return false;
}

/* Where there is no TLS most of it needs no lws: that is four lines of the
 * cache less for each of ten thousand connections. */
bool ws_write_bytes(struct ws_conn *c, struct str bytes)
{
	ssize_t n = 0;

	assert(!c->held);
	c->gw->meter.written += bytes.len;
	if (c->fd >= 0)
		n = send(c->fd, bytes.data, bytes.len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n == (ssize_t)bytes.len)
		return true;
	/* An error is for lws to meet, too. */
	if (n < 0)
		n = 0;
	return write_by_lws(c, str_make(bytes.data + n, bytes.len - (size_t)n));
}

bool ws_write(struct ws_conn *c, struct buf *frame)
{
	return ws_write_bytes(c, ws_frame_bytes(frame));
}

bool ws_may_write(const struct ws_conn *c)
{
	return !c->dead && !c->held && c->closing == 0 && !c->ping_due &&
	       !c->pong_due && list_empty(&c->out);
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

/* Takes the frame's bytes, to go out before `before`. Nothing may be missing in
 * silence: without memory he starts over. */
static void push(struct ws_conn *c, struct list *before, struct buf *frame)
{
	struct ws_frame *f = frame->failed ? NULL : calloc(1, sizeof(*f));

	if (f == NULL) {
		kill_conn(c);
		buf_release(frame);
		return;
	}
	f->text = *frame;
	*frame = (struct buf){ 0 };
	list_push(before, &f->link);
	c->out_bytes += f->text.len;
	lws_callback_on_writable(c->wsi);
}

void ws_put(struct ws_conn *c, struct buf *frame)
{
	if (c->dead || c->closing != 0) {
		buf_release(frame);
		return;
	}
	push(c, &c->out, frame);
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
	if (err->retry_after_ms > 0)
		buf_printf(&b, ",\"retry_after_ms\":%" PRIu64,
			   err->retry_after_ms);
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
	meter_closed(&c->gw->meter, code);
	retry_after_ms = code >= WS_BYE_FINAL
				 ? 0
				 : env_spread(env_system(), retry_after_ms,
					      WS_RETRY_SPREAD_MS);
	ws_frame_begin(&b, "bye", str_of(""));
	buf_printf(&b, ",\"code\":%d,\"retry_after_ms\":%" PRIu64 "}", code,
		   retry_after_ms);
	c->closing = code;
	push(c, &c->out, &b);
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

/* False: take a pause. */
static bool write_control(struct ws_conn *c, enum frame_opcode opcode,
			  const uint8_t *payload, uint8_t len)
{
	char frame[2 + FRAMES_CONTROL];

	frame[0] = (char)(0x80 | opcode); /* final */
	frame[1] = (char)len;
	memcpy(frame + 2, payload, len);
	return ws_write_bytes(c, str_make(frame, 2 + (size_t)len));
}

static bool write_ping(struct ws_conn *c)
{
	c->ping_due = false;
	return write_control(c, FRAME_PING, c->pong, 0);
}

static bool write_pong(struct ws_conn *c)
{
	c->pong_due = false;
	return write_control(c, FRAME_PONG, c->pong, c->pong_len);
}

void ws_pump(struct ws_conn *c)
{
	bool more = true;

	if (c->dead || c->close_sent || c->held)
		return;
	if (c->ping_due && !write_ping(c))
		return;
	if (c->pong_due && !write_pong(c))
		return;
	if (!write_out(c) || c->closing != 0)
		return;
	ws_throttle(c);
	/* Then others have their turn. */
	for (int i = 0; more && i < WS_TURN_SLICES; i++)
		more = ws_write_messages(c, WS_SLICE_BYTES);
	if (more)
		lws_callback_on_writable(c->wsi);
}

/* By hand: lws sends no close frame for a -1 out of WRITEABLE. The client's
 * answer, or our timer, ends the connection. */
static void write_close(struct ws_conn *c)
{
	uint8_t code[2] = { (uint8_t)(c->closing >> 8),
			    (uint8_t)(c->closing & 0xff) };

	c->close_sent = true;
	intercept_end_frames(lws_get_socket_fd(c->wsi));
	(void)write_control(c, FRAME_CLOSE, code,
			    c->closing == WS_CLOSE_NO_CODE ? 0 : sizeof(code));
}

int ws_writable(struct ws_conn *c)
{
	if (c->dead)
		return -1;
	c->held = lws_partial_buffered(c->wsi) != 0;
	if (c->close_sent)
		return c->close_got ? -1 : 0;
	c->stalled_ms = 0;
	ws_pump(c);
	if (c->closing != 0 && !c->dead && !c->held && list_empty(&c->out))
		write_close(c);
	/* When all is out, lws may end it. */
	if (c->close_sent && c->close_got)
		lws_callback_on_writable(c->wsi);
	return c->dead ? -1 : 0;
}

static void check_ping(struct ws_conn *c, uint64_t now)
{
	/* A ping is under way. */
	if (c->unanswered > 0 && hangup_vanished(lws_get_socket_fd(c->wsi))) {
		ws_bye(c, WS_BYE_SILENT, 1000);
		return;
	}
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
	struct str name = str_of(c->bearer->principal.name);
	struct buf b = { 0 };

	c->greeted = true;
	c->account = ws_users_join(&c->gw->users, name, &c->of_account);
	if (c->account == NULL) {
		ws_bye(c, WS_BYE_LEAVING, 1000);
		return;
	}
	ws_frame_begin(&b, "hello", str_of(""));
	buf_append_str(&b, str_of(",\"user\":"));
	json_put_str(&b, name);
	buf_printf(&b, ",\"ping_interval\":%d}", WS_PING_S);
	ws_put(c, &b);
	ws_commands_run(c);
}

static void on_seat(struct seat *seat, const struct err *err)
{
	struct ws_conn *c = container_of(seat, struct ws_conn, seat);
	uint64_t wait = err == NULL || err->retry_after_ms == 0
				? 1000
				: err->retry_after_ms;

	if (err == NULL) {
		greet(c);
		return;
	}
	ws_put_error(c, str_of(""), err, NULL);
	if (err->code == ERR_RATE_LIMITED)
		ws_bye(c, WS_BYE_TOO_MANY, wait);
	else if (err->code == ERR_UNAUTHENTICATED)
		ws_bye(c, WS_BYE_UNAUTHENTICATED, 0);
	else
		ws_bye(c, WS_BYE_LEAVING, wait);
}

/* He is known: may he have one more connection? */
static void take_seat(struct ws_conn *c)
{
	struct err err;

	if (c->seat.all != NULL || c->closing != 0 || c->dead)
		return;
	if (seat_take(&c->gw->seats, &c->seat, c->bearer, on_seat) == 0)
		return;
	err_set(&err, ERR_UNAVAILABLE, NULL);
	on_seat(&c->seat, &err);
}

static void on_principal(struct bearer_user *u, const struct err *err)
{
	struct ws_conn *c = container_of(u, struct ws_conn, user);

	if (err == NULL) {
		take_seat(c);
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
		take_seat(c);
	else if (c->bearer->principal.state == CLIENT_PRINCIPAL_REFUSED)
		on_principal(&c->user, c->bearer->principal.err);
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
	c->fd = lws_is_ssl(wsi) ? -1 : lws_get_socket_fd(wsi);
	c->held = lws_partial_buffered(wsi) != 0; /* the answer's head */
	c->serial = ++gw->conn_serial;
	c->user.changed = on_principal;
	list_init(&c->user.link);
	list_init(&c->of_account);
	list_init(&c->gathered);
	list_init(&c->subs);
	list_init(&c->ready);
	list_init(&c->out);
	list_init(&c->waiting);
	list_init(&c->flying);
	list_push(&gw->conns, &c->of_gateway);
	gw->meter.websockets++;
	meter_request(&gw->meter, false, 101);
	wheel_timer_init(&c->timer, on_timer);
	wheel_arm(&gw->wheel, &c->timer, WS_AUTH_S);
	if (gw->stopping)
		ws_bye(c, WS_BYE_LEAVING, 1000);
	else if (token.len > 0)
		(void)ws_use_token(c, token);
	return c;
}

static int refused(struct ws_conn *c, int code)
{
	ws_refuse(c, code);
	buf_release(&c->in);
	return 0;
}

int ws_receive(struct ws_conn *c, struct str piece, bool final, bool text)
{
	if (c->dead || c->closing != 0)
		return 0;
	c->unanswered = 0;
	if (!text)
		return refused(c, WS_CLOSE_NOT_TEXT);
	if (c->in.len + piece.len > GATEWAY_WS_MAX)
		return refused(c, WS_CLOSE_TOO_LARGE);
	buf_append_str(&c->in, piece);
	if (c->in.failed)
		return -1;
	if (!final)
		return 0;
	if (!text_is_utf8(buf_str(&c->in)))
		return refused(c, WS_CLOSE_BAD_UTF8);
	ws_command(c, buf_str(&c->in));
	/* An idle connection keeps no buffer. */
	buf_release(&c->in);
	return 0;
}

void ws_refuse(struct ws_conn *c, int code)
{
	if (c->closing != 0 || c->dead)
		return;
	c->closing = code;
	lws_callback_on_writable(c->wsi);
	wheel_arm(&c->gw->wheel, &c->timer, 3);
}

static bool is_close_code(unsigned int code)
{
	return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
		code != 1006) ||
	       (code >= 3000 && code <= 4999);
}

/* What to answer it with: the same code, or why it is none. */
static int answer_close(struct str payload)
{
	const uint8_t *p = (const uint8_t *)payload.data;

	if (payload.len == 0)
		return WS_CLOSE_NO_CODE;
	if (payload.len == 1 || !is_close_code((unsigned)p[0] << 8 | p[1]))
		return WS_CLOSE_PROTOCOL;
	if (!text_is_utf8(str_make(payload.data + 2, payload.len - 2)))
		return WS_CLOSE_BAD_UTF8;
	return p[0] << 8 | p[1];
}

void ws_control(struct ws_conn *c, enum frame_opcode opcode, struct str payload)
{
	c->unanswered = 0;
	if (opcode == FRAME_CLOSE) {
		c->close_got = true;
		ws_refuse(c, answer_close(payload));
	} else if (opcode == FRAME_PING) {
		memcpy(c->pong, payload.data, payload.len);
		c->pong_len = (uint8_t)payload.len;
		c->pong_due = true;
		lws_callback_on_writable(c->wsi);
	}
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
	ws_users_leave(&c->gw->users, c->account, &c->of_account);
	list_remove(&c->of_gateway);
	list_remove(&c->gathered);
	c->gw->meter.websockets--;
	seat_leave(&c->seat);
	bearer_put(c->bearer);
	buf_release(&c->in);
	free(c);
}
