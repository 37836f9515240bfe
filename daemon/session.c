/* SPDX-License-Identifier: MIT */
#include "daemon/session.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/log.h"

enum {
	READ_BYTES = 64 << 10,
	SHARE_BYTES = 16 << 10, /* smaller frames are copied together */
	HELLO_BYTES = 1024,	/* of a frame before the hello is over */
	KEEP_BYTES = 256 << 10, /* a bigger buffer that is empty goes */
	/* When all end, nobody is waited for who takes nothing for so long. */
	LEAVE_MS = 300,
	LEAVE_SWEEP_MS = 50
};

const struct session_limits session_limits_default = {
	.requests = 1024,
	.bytes = 32 << 20,
	.output = 4 << 20,
	.output_hard = 16 << 20,
	.hello_ms = 5000,
	.stall_ms = 30000,
	.closing_ms = 2000,
	.sweep_ms = 1000,
};

/* One write in flight: bytes of its own, or a shared frame. */
struct session_write {
	uv_write_t req;
	struct session *session;
	struct buf bytes;
	struct frame *frame;
};

static void on_sweep(uv_timer_t *timer);

/* From now on somebody's time may be over. Else nothing wakes us. */
static void need_sweep(struct session_host *h)
{
	if (!uv_is_active((uv_handle_t *)&h->sweep) &&
	    !uv_is_closing((uv_handle_t *)&h->sweep))
		uv_timer_start(&h->sweep, on_sweep, h->limits.sweep_ms,
			       h->limits.sweep_ms);
}

static void session_enter(struct session *s, enum session_state to)
{
	static const bool allowed[4][4] = {
		[SESSION_HELLO] = { [SESSION_READY] = true,
				    [SESSION_CLOSING] = true,
				    [SESSION_CLOSED] = true },
		[SESSION_READY] = { [SESSION_CLOSING] = true,
				    [SESSION_CLOSED] = true },
		[SESSION_CLOSING] = { [SESSION_CLOSED] = true },
	};

	assert(allowed[s->state][to]);
	log_debug("session: uid=%u pid=%d state=%d->%d", (unsigned)s->uid,
		  (int)s->pid, (int)s->state, (int)to);
	s->state = to;
	s->since_ms = uv_now(s->host->loop);
}

static void maybe_free(struct session *s)
{
	if (!s->handle_closed || s->in_flight > 0 || s->parsing)
		return;
	list_remove(&s->link);
	s->host->count--;
	buf_release(&s->in);
	buf_release(&s->out);
	s->host->ops->on_free(s);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct session *s = handle->data;

	s->handle_closed = true;
	maybe_free(s);
}

void session_close(struct session *s)
{
	if (s->state == SESSION_CLOSED)
		return;
	session_enter(s, SESSION_CLOSED);
	list_remove(&s->dirty);
	uv_close((uv_handle_t *)&s->pipe, on_handle_closed);
	s->host->ops->on_closed(s);
}

size_t session_output(const struct session *s)
{
	if (s->state == SESSION_CLOSED)
		return 0;
	return s->out.len +
	       uv_stream_get_write_queue_size((const uv_stream_t *)&s->pipe);
}

uint64_t session_written(const struct session *s)
{
	return s->submitted + s->out.len - session_output(s);
}

bool session_is_full(struct session *s)
{
	if (session_output(s) <= s->host->limits.output)
		return false;
	s->was_full = true;
	return true;
}

static bool may_take_request(struct session *s)
{
	const struct session_limits *limits = &s->host->limits;

	if (session_is_full(s) || s->host->paused)
		return false;
	return s->in_flight == 0 || (s->in_flight < limits->requests &&
				     s->in_flight_bytes < limits->bytes);
}

static void refuse(struct session *s, uint32_t id, const char *why)
{
	struct err err;

	err_set(&err, ERR_BAD_REQUEST, "%s", why);
	session_send_error(s, id, 0, &err);
	session_finish(s);
}

/* The id field of a header that is not valid otherwise. */
static uint32_t raw_id(const char *data)
{
	uint32_t id = 0;

	for (int i = 3; i >= 0; i--)
		id = id << 8 | (uint8_t)data[8 + i];
	return id;
}

/* Handles the whole frames that are there, as far as the bounds allow. */
static void parse(struct session *s)
{
	size_t at = 0;

	if (s->parsing)
		return;
	s->parsing = true;
	while (session_is_open(s) && may_take_request(s) &&
	       s->in.len - at >= WIRE_HEADER) {
		struct wire_header header;
		const char *data = s->in.data + at;

		if (wire_get_header(data, &header) < 0) {
			refuse(s, raw_id(data), "That is no frame");
			break;
		}
		if (s->state == SESSION_HELLO && header.len > HELLO_BYTES) {
			refuse(s, header.id, "HELLO comes first, and once");
			break;
		}
		if (s->in.len - at - WIRE_HEADER < header.len)
			break;
		s->host->ops->on_frame(
			s, &header, str_make(data + WIRE_HEADER, header.len));
		at += WIRE_HEADER + header.len;
	}
	s->parsing = false;
	buf_consume(&s->in, at);
	if (!session_is_open(s) || (s->in.len == 0 && s->in.cap > KEEP_BYTES))
		buf_release(&s->in);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
	struct session *s = handle->data;

	(void)size;
	*out = uv_buf_init(NULL, 0);
	if (!buf_reserve(&s->in, READ_BYTES))
		return;
	*out = uv_buf_init(s->in.data + s->in.len, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void update_reading(struct session *s)
{
	uv_stream_t *stream = (uv_stream_t *)&s->pipe;
	bool want = session_is_open(s) && may_take_request(s);

	if (want == s->reading || s->state == SESSION_CLOSED)
		return;
	s->reading = want;
	if (!want)
		uv_read_stop(stream);
	else if (uv_read_start(stream, on_alloc, on_read) < 0)
		session_close(s);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct session *s = stream->data;

	(void)buf;
	if (n < 0) {
		session_close(s);
		return;
	}
	s->in.len += (size_t)n;
	parse(s);
	update_reading(s);
	if (s->state == SESSION_CLOSED)
		maybe_free(s);
}

static void resume(struct session *s)
{
	parse(s);
	update_reading(s);
}

static void on_written(uv_write_t *req, int status)
{
	struct session_write *w = container_of(req, struct session_write, req);
	struct session *s = w->session;

	buf_release(&w->bytes);
	frame_unref(w->frame);
	free(w);
	if (s->state == SESSION_CLOSED)
		return;
	if (status < 0) {
		session_close(s);
		return;
	}
	if (s->state == SESSION_CLOSING) {
		if (session_output(s) == 0)
			session_close(s);
		return;
	}
	if (s->was_full && session_output(s) <= s->host->limits.output / 2) {
		s->was_full = false;
		s->host->ops->on_drained(s);
	}
	if (session_is_open(s) && !s->reading)
		resume(s);
}

/* Gives bytes (taken) or a frame (shared) to the pipe. */
static void submit(struct session *s, struct buf *bytes, struct frame *frame)
{
	struct session_write *w = calloc(1, sizeof(*w));
	uv_buf_t part;
	int rc;

	if (w == NULL) {
		session_close(s);
		return;
	}
	w->session = s;
	if (frame != NULL) {
		w->frame = frame_ref(frame);
		part = uv_buf_init(frame->bytes.data,
				   (unsigned)frame->bytes.len);
	} else {
		w->bytes = *bytes;
		*bytes = (struct buf){ 0 };
		part = uv_buf_init(w->bytes.data, (unsigned)w->bytes.len);
	}
	if (session_output(s) - s->out.len == 0)
		s->progress_ms = uv_now(s->host->loop);
	s->submitted += part.len;
	rc = uv_write(&w->req, (uv_stream_t *)&s->pipe, &part, 1, on_written);
	if (rc == 0 && session_output(s) - s->out.len > 0)
		need_sweep(s->host);
	if (rc == 0)
		return;
	buf_release(&w->bytes);
	frame_unref(w->frame);
	free(w);
	session_close(s);
}

static void flush(struct session *s)
{
	list_remove(&s->dirty);
	if (s->state == SESSION_CLOSED || s->out.len == 0)
		return;
	submit(s, &s->out, NULL);
}

/* What the socket takes at once needs no request, and no turn of the loop in
 * which that ends; and its memory is used again. But where somebody waits for
 * it to be written, on_written() goes on. */
static void write_now(struct session *s)
{
	uv_buf_t part = uv_buf_init(s->out.data, (unsigned)s->out.len);
	int n;

	if (s->out.len == 0 || !s->reading || s->was_full)
		return;
	n = uv_try_write((uv_stream_t *)&s->pipe, &part, 1);
	if (n <= 0)
		return;
	s->submitted += (uint64_t)n;
	buf_consume(&s->out, (size_t)n);
	if (s->out.len == 0 && s->out.cap > KEEP_BYTES)
		buf_release(&s->out);
}

void session_host_flush(struct session_host *h)
{
	struct list *el;

	while ((el = list_pop(&h->dirty)) != NULL) {
		struct session *s = container_of(el, struct session, dirty);

		if (s->state != SESSION_CLOSED)
			write_now(s);
		flush(s);
	}
}

static void on_prepare(uv_prepare_t *prepare)
{
	session_host_flush(prepare->data);
}

/* It is in s->out, or there was no memory. */
static void gathered(struct session *s)
{
	if (s->out.failed) {
		session_close(s);
		return;
	}
	list_remove(&s->dirty);
	list_push(&s->host->dirty, &s->dirty);
}

static void gather(struct session *s, struct str bytes)
{
	buf_append_str(&s->out, bytes);
	gathered(s);
}

void session_put(struct session *s, struct buf *b)
{
	if (!session_is_open(s)) {
		buf_release(b);
		return;
	}
	if (b->len < SHARE_BYTES) {
		gather(s, buf_str(b));
		buf_release(b);
		return;
	}
	flush(s);
	if (s->state != SESSION_CLOSED)
		submit(s, b, NULL);
	buf_release(b);
}

void session_put_frame(struct session *s, struct frame *f)
{
	if (!session_is_open(s))
		return;
	if (f->bytes.len < SHARE_BYTES) {
		gather(s, buf_str(&f->bytes));
		return;
	}
	flush(s);
	if (s->state != SESSION_CLOSED)
		submit(s, NULL, f);
}

void session_send(struct session *s, enum wire_type type, uint32_t id,
		  uint32_t principal, const void *body)
{
	if (!session_is_open(s))
		return;
	wire_put_frame(&s->out, type, id, principal, body);
	gathered(s);
}

void session_send_error(struct session *s, uint32_t id, uint32_t principal,
			const struct err *err)
{
	struct wire_body_error body = { .code = (uint64_t)err->code,
					.text = str_of(err->text),
					.retry_after_ms = err->retry_after_ms,
					.rate_limit = err->rate_limit,
					.rate_reset_ms = err->rate_reset_ms };

	session_send(s, WIRE_ERROR, id, principal, &body);
}

void session_hello(struct session *s)
{
	session_enter(s, SESSION_READY);
}

void session_finish(struct session *s)
{
	if (!session_is_open(s))
		return;
	flush(s);
	if (s->state == SESSION_CLOSED)
		return;
	session_enter(s, SESSION_CLOSING);
	need_sweep(s->host);
	if (s->reading)
		uv_read_stop((uv_stream_t *)&s->pipe);
	s->reading = false;
	if (session_output(s) == 0)
		session_close(s);
}

void session_begin(struct session *s, size_t weight)
{
	s->in_flight++;
	s->in_flight_bytes += weight;
}

void session_end(struct session *s, size_t weight)
{
	assert(s->in_flight > 0 && s->in_flight_bytes >= weight);
	s->in_flight--;
	s->in_flight_bytes -= weight;
	if (s->state == SESSION_CLOSED)
		maybe_free(s);
	else if (session_is_open(s) && !s->reading)
		resume(s);
}

/* Its last bytes had their time. */
static bool is_left(const struct session *s, uint64_t now)
{
	uint64_t moved_ms =
		s->progress_ms > s->since_ms ? s->progress_ms : s->since_ms;

	return now - s->since_ms >= s->host->limits.closing_ms ||
	       (s->host->paused && now - moved_ms >= LEAVE_MS);
}

static void sweep_session(struct session *s, uint64_t now)
{
	const struct session_limits *limits = &s->host->limits;
	size_t queued =
		uv_stream_get_write_queue_size((const uv_stream_t *)&s->pipe);

	if (s->submitted - queued != s->progress || queued == 0) {
		s->progress = s->submitted - queued;
		s->progress_ms = now;
	}
	if (s->state == SESSION_HELLO && now - s->since_ms >= limits->hello_ms)
		refuse(s, 0, "No hello in time");
	else if (s->state == SESSION_CLOSING && is_left(s, now))
		session_close(s);
	else if (queued > 0 && now - s->progress_ms >= limits->stall_ms) {
		log_info("closed a stalled session: uid=%u pid=%d queued=%zu",
			 (unsigned)s->uid, (int)s->pid, queued);
		session_close(s);
	}
}

static bool is_timed(const struct session *s)
{
	return s->state == SESSION_HELLO || s->state == SESSION_CLOSING ||
	       (s->state == SESSION_READY && session_output(s) > 0);
}

static void on_sweep(uv_timer_t *timer)
{
	struct session_host *h = timer->data;
	struct list *next;
	bool any = false;

	for (struct list *el = h->sessions.next; el != &h->sessions;
	     el = next) {
		struct session *s = container_of(el, struct session, link);

		next = el->next;
		if (s->state != SESSION_CLOSED)
			sweep_session(s, uv_now(h->loop));
		any = any || is_timed(s);
	}
	if (!any)
		uv_timer_stop(timer);
}

static void read_credentials(struct session *s)
{
	struct ucred cred = { .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	socklen_t len = sizeof(cred);
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&s->pipe, &fd) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		s->uid = cred.uid;
		s->pid = cred.pid;
		return;
	}
	s->uid = (uid_t)-1;
	s->pid = 0;
}

int session_start(struct session *s, struct session_host *h)
{
	int rc = uv_read_start((uv_stream_t *)&s->pipe, on_alloc, on_read);

	if (rc < 0)
		return rc;
	s->host = h;
	s->pipe.data = s;
	s->serial = ++h->serial;
	s->state = SESSION_HELLO;
	s->reading = true;
	s->since_ms = uv_now(h->loop);
	s->progress_ms = s->since_ms;
	list_init(&s->dirty);
	read_credentials(s);
	list_push(&h->sessions, &s->link);
	h->count++;
	need_sweep(h);
	return 0;
}

int session_host_start(struct session_host *h, uv_loop_t *loop,
		       const struct session_ops *ops,
		       const struct session_limits *limits)
{
	*h = (struct session_host){ .loop = loop,
				    .ops = ops,
				    .limits = *limits };
	list_init(&h->sessions);
	list_init(&h->dirty);
	uv_prepare_init(loop, &h->flush);
	uv_timer_init(loop, &h->sweep);
	h->flush.data = h;
	h->sweep.data = h;
	return uv_prepare_start(&h->flush, on_prepare);
}

void session_host_pause(struct session_host *h)
{
	h->paused = true;
	if (h->limits.sweep_ms > LEAVE_SWEEP_MS)
		h->limits.sweep_ms = LEAVE_SWEEP_MS;
	uv_timer_stop(&h->sweep);
	need_sweep(h);
	for (struct list *el = h->sessions.next; el != &h->sessions;
	     el = el->next)
		update_reading(container_of(el, struct session, link));
}

static void on_host_handle_closed(uv_handle_t *handle)
{
	struct session_host *h = handle->data;

	if (--h->closing == 0)
		h->on_close(h);
}

void session_host_close(struct session_host *h,
			void (*cb)(struct session_host *h))
{
	h->on_close = cb;
	h->closing = 2;
	uv_close((uv_handle_t *)&h->flush, on_host_handle_closed);
	uv_close((uv_handle_t *)&h->sweep, on_host_handle_closed);
}
