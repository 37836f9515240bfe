/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/intercept.h"

#include <assert.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "daemon/gateway/head.h"
#include "daemon/gateway/hidden.h"
#include "daemon/gateway/http.h"
#include "lib/buf.h"

enum {
	DRAIN_PIECE = 16 << 10,
	DRAIN_PIECES = 32 /* of what a refused client has sent already */
};

enum phase { HEAD, BODY, HELD, FRAMES };

struct entry {
	bool added;
	enum phase phase;
	SSL *ssl; /* borrowed from lws; NULL: none */
	struct head head;
	uint64_t left; /* of the body */
	struct frames frames;
	void *conn;   /* borrowed: of a WebSocket */
	bool refused; /* the callback has run */
	bool ending;  /* our close was sent */
	bool waits;   /* lws was given nothing, whatever OpenSSL has */
};

static struct entry *entries; /* by descriptor; owned */
static size_t nentries;
static struct intercept_ops ops;

/* How a connection is read: by recvfrom(2) or through OpenSSL. */
struct source {
	int fd;
	SSL *ssl; /* NULL: none */
};

int intercept_start(size_t fds, const struct intercept_ops *o)
{
	entries = calloc(fds, sizeof(*entries));
	if (entries == NULL)
		return -ENOMEM;
	nentries = fds;
	ops = *o;
	return 0;
}

static struct entry *find(int fd)
{
	if (fd < 0 || (size_t)fd >= nentries || !entries[fd].added)
		return NULL;
	return &entries[fd];
}

void intercept_remove(int fd)
{
	struct entry *e = find(fd);

	if (e == NULL)
		return;
	head_release(&e->head);
	*e = (struct entry){ 0 };
}

void intercept_stop(void)
{
	for (size_t i = 0; i < nentries; i++)
		intercept_remove((int)i);
	free(entries);
	entries = NULL;
	nentries = 0;
}

/* lws looks for what is left in OpenSSL's buffer only where it got all that it
 * had asked for. */
static void read_on(int fd, const struct entry *e, bool next)
{
	if (e->ssl != NULL && e->phase != HELD && SSL_pending(e->ssl) > 0)
		ops.read_on(ops.data, fd, next);
}

bool intercept_add(int fd)
{
	if (fd < 0 || (size_t)fd >= nentries)
		return false;
	/* lws does not always say that one is closed. */
	intercept_remove(fd);
	entries[fd].added = true;
	return true;
}

void intercept_next(int fd)
{
	struct entry *e = find(fd);

	if (e == NULL)
		return;
	head_release(&e->head);
	e->phase = HEAD;
	read_on(fd, e, true);
}

void intercept_open_frames(int fd, void *conn)
{
	struct entry *e = find(fd);

	if (e == NULL)
		return;
	head_release(&e->head);
	e->phase = FRAMES;
	e->conn = conn;
	frames_init(&e->frames, ops.control, conn);
	read_on(fd, e, false);
}

void intercept_end_frames(int fd)
{
	struct entry *e = find(fd);

	if (e != NULL)
		e->ending = true;
}

/* Reading. What lws gets is a positive number, 0 at the end, or -1 with
 * errno. */

static ssize_t no_more_now(void)
{
	errno = EAGAIN;
	return -1;
}

/* peek: leaves it where it is. */
static ssize_t read_source(const struct source *s, void *buf, size_t len,
			   bool peek)
{
	size_t n = 0;
	int rc;

	if (s->ssl == NULL)
		return recvfrom(s->fd, buf, len, peek ? MSG_PEEK : 0, NULL,
				NULL);
	rc = peek ? SSL_peek_ex(s->ssl, buf, len, &n)
		  : SSL_read_ex(s->ssl, buf, len, &n);
	if (rc == 1)
		return (ssize_t)n;
	return SSL_want_read(s->ssl) || SSL_want_write(s->ssl) ? no_more_now()
							       : 0;
}

/* What is left unread makes the kernel send a reset, which may overtake the
 * answer. */
static void drain(int fd)
{
	char piece[DRAIN_PIECE];

	for (int i = 0; i < DRAIN_PIECES; i++) {
		if (recvfrom(fd, piece, sizeof(piece), MSG_DONTWAIT, NULL,
			     NULL) <= 0)
			return;
	}
}

/* Answers what lws would drop without a word. Then it is the end for lws. */
static void refuse_request(const struct source *s, const struct head *h)
{
	struct buf out = { 0 };

	http_put_refusal(&out, h->status, h->why, !h->of_head);
	if (!out.failed && s->ssl != NULL)
		(void)SSL_write(s->ssl, out.data, (int)out.len);
	else if (!out.failed)
		(void)send(s->fd, out.data, out.len,
			   MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_release(&out);
	drain(s->fd);
}

/* The head in its other form, at once: lws has room for it. */
static ssize_t give_head(struct entry *e, char *buf, size_t len)
{
	size_t n = e->head.out.len;

	assert(n <= len);
	memcpy(buf, e->head.out.data, n);
	e->left = e->head.length;
	e->phase = e->left > 0 ? BODY : HELD;
	head_release(&e->head);
	return (ssize_t)n;
}

static ssize_t read_head(const struct source *s, struct entry *e, char *buf,
			 size_t len)
{
	ssize_t n = read_source(s, buf, len < HEAD_MAX ? len : HEAD_MAX, true);

	if (n <= 0)
		return n;
	n = (ssize_t)head_take(&e->head, buf, (size_t)n);
	if (e->head.state == HEAD_REFUSED) {
		refuse_request(s, &e->head);
		return 0;
	}
	n = read_source(s, buf, (size_t)n, false);
	if (n <= 0)
		return n;
	return e->head.state == HEAD_DONE ? give_head(e, buf, len)
					  : no_more_now();
}

static ssize_t read_body(const struct source *s, struct entry *e, char *buf,
			 size_t len)
{
	ssize_t n = read_source(s, buf, e->left < len ? (size_t)e->left : len,
				false);

	if (n > 0)
		e->left -= (uint64_t)n;
	if (n > 0 && e->left == 0)
		e->phase = HELD;
	return n;
}

/* What is refused is for the connection to close, with its code. After that,
 * and after a close, only the end counts. */
static ssize_t read_frames(const struct source *s, struct entry *e, char *buf,
			   size_t len)
{
	bool cut = frames_is_cut(&e->frames);
	ssize_t n;

	assert(len > FRAMES_HEADER);
	n = read_source(s, buf + FRAMES_HEADER, len - FRAMES_HEADER, false);
	if (n <= 0)
		return n;
	n = (ssize_t)frames_take(&e->frames, buf, (size_t)n);
	if (e->frames.refusal != 0 && !e->refused) {
		e->refused = true;
		ops.refused(e->conn, e->frames.refusal);
	}
	if (e->ending && (cut || e->frames.closed || e->frames.refusal != 0))
		return 0;
	return n > 0 && !e->ending ? n : no_more_now();
}

static ssize_t read_entry(const struct source *s, struct entry *e, char *buf,
			  size_t len)
{
	switch (e->phase) {
	case HEAD:
		return read_head(s, e, buf, len);
	case BODY:
		return read_body(s, e, buf, len);
	case HELD:
		/* Who sends behind a request that is not answered waits. */
		return no_more_now();
	case FRAMES:
		return read_frames(s, e, buf, len);
	}
	return 0;
}

/* The names that lws calls. */
ssize_t intercept_recv(int fd, void *buf, size_t len,
		       int flags) __asm__("recv");
int intercept_ssl_read(SSL *ssl, void *buf, int len) __asm__("SSL_read");
int intercept_ssl_pending(const SSL *ssl) __asm__("SSL_pending");
int intercept_ssl_error(const SSL *ssl, int rc) __asm__("SSL_get_error");
int intercept_ssl_want(const SSL *ssl) __asm__("SSL_want");

ssize_t intercept_recv(int fd, void *buf, size_t len, int flags)
{
	const struct source s = { .fd = fd };
	struct entry *e = find(fd);

	if (e == NULL || flags != 0)
		return recvfrom(fd, buf, len, flags, NULL, NULL);
	return read_entry(&s, e, buf, len);
}

/*
 * What SSL_get_error(3) then says is of the last call here: "try again" when
 * there is no more now, and never so at the end. Where a request is held there
 * was no call.
 */
int intercept_ssl_read(SSL *ssl, void *buf, int len)
{
	const struct source s = { .fd = SSL_get_fd(ssl), .ssl = ssl };
	struct entry *e = find(s.fd);
	size_t n = 0;
	ssize_t got;
	char byte;

	if (len <= 0)
		return 0;
	if (e == NULL)
		return SSL_read_ex(ssl, buf, (size_t)len, &n) == 0 ? 0 : (int)n;
	e->ssl = ssl;
	e->waits = false;
	do
		got = read_entry(&s, e, buf, (size_t)len);
	while (got < 0 && e->phase != HELD &&
	       SSL_peek_ex(ssl, &byte, 1, &n) == 1);
	e->waits = got < 0 && e->phase == HELD;
	if (got == 0)
		SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
	if (got > 0)
		read_on(s.fd, e, false);
	return got > 0 ? (int)got : 0;
}

/* When a read gave nothing, lws asks both, in this order. */
int intercept_ssl_error(const SSL *ssl, int rc)
{
	static int (*error)(const SSL *ssl, int rc);
	const struct entry *e = find(SSL_get_fd(ssl));

	if (e != NULL && e->waits)
		return SSL_ERROR_WANT_READ;
	if (error == NULL)
		hidden_find(&error, "SSL_get_error");
	return error == NULL ? SSL_ERROR_SSL : error(ssl, rc);
}

int intercept_ssl_want(const SSL *ssl)
{
	static int (*want)(const SSL *ssl);
	struct entry *e = find(SSL_get_fd(ssl));

	if (e != NULL && e->waits) {
		e->waits = false;
		return SSL_READING;
	}
	if (want == NULL)
		hidden_find(&want, "SSL_want");
	return want == NULL ? SSL_NOTHING : want(ssl);
}

/*
 * Of a WebSocket lws asks for no more than this says, and a frame may come out
 * longer than it went in: so there is room for that, too. What waits is nothing
 * to lws, which would look at it all the time; intercept_next() comes back.
 */
int intercept_ssl_pending(const SSL *ssl)
{
	static int (*pending)(const SSL *ssl);
	const struct entry *e = find(SSL_get_fd(ssl));
	int n;

	if (e != NULL && e->phase == HELD)
		return 0;
	if (pending == NULL)
		hidden_find(&pending, "SSL_pending");
	n = pending == NULL ? 0 : pending(ssl);
	return n > 0 ? n + FRAMES_HEADER : n;
}
