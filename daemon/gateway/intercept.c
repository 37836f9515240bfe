/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/intercept.h"

#include <errno.h>
#include <libwebsockets.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "daemon/gateway/http.h"
#include "lib/buf.h"

enum {
	DRAIN_PIECE = 16 << 10,
	DRAIN_PIECES = 32 /* of what a refused client has sent already */
};

struct entry {
	struct tap tap;
	void *conn; /* borrowed: of a WebSocket */
	bool added;
};

static struct entry *entries; /* by descriptor; owned */
static size_t nentries;
static intercept_cb on_frame_refused;

/*
 * lws takes the colon behind a name that another name begins with, as "X" or
 * "Con", for a letter of it, and so the lines behind it, too: 4.1.6,
 * lib/roles/http/parsers.c, WSI_TOKEN_NAME_PART. The rows of its own table
 * end with a colon.
 */
static bool is_swallowed(struct str name)
{
	const unsigned char *known;
	bool begins = false;

	for (int i = 0; name.len > 0; i++) {
		known = lws_token_to_string((enum lws_token_indexes)i);
		if (known == NULL)
			break;
		if (strncmp((const char *)known, name.data, name.len) != 0)
			continue;
		if (strcmp((const char *)known + name.len, ":") == 0)
			return false;
		begins = true;
	}
	return begins;
}

int intercept_start(size_t fds, intercept_cb frame_refused)
{
	entries = calloc(fds, sizeof(*entries));
	if (entries == NULL)
		return -ENOMEM;
	nentries = fds;
	on_frame_refused = frame_refused;
	tap_set_refused_names(is_swallowed);
	return 0;
}

void intercept_stop(void)
{
	free(entries);
	entries = NULL;
	nentries = 0;
}

static struct entry *find(int fd)
{
	if (fd < 0 || (size_t)fd >= nentries || !entries[fd].added)
		return NULL;
	return &entries[fd];
}

bool intercept_add(int fd)
{
	if (fd < 0 || (size_t)fd >= nentries)
		return false;
	entries[fd] = (struct entry){ .added = true };
	tap_next(&entries[fd].tap);
	return true;
}

void intercept_next(int fd)
{
	struct entry *e = find(fd);

	if (e != NULL)
		tap_next(&e->tap);
}

void intercept_open_frames(int fd, void *conn)
{
	struct entry *e = find(fd);

	if (e == NULL)
		return;
	tap_open_frames(&e->tap);
	e->conn = conn;
}

void intercept_remove(int fd)
{
	struct entry *e = find(fd);

	if (e != NULL)
		*e = (struct entry){ 0 };
}

static const char *why_refused(unsigned int status)
{
	switch (status) {
	case 413:
		return "The body is too large";
	case 431:
		return "The request line and the headers are too large";
	case 501:
		return "This method is not known";
	default:
		return "The request is not well-formed HTTP/1.1";
	}
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
static void refuse_request(int fd, SSL *ssl, unsigned int status)
{
	struct buf out = { 0 };

	http_put_refusal(&out, (int)status, why_refused(status));
	if (!out.failed && ssl != NULL)
		(void)SSL_write(ssl, out.data, (int)out.len);
	else if (!out.failed)
		(void)send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	buf_release(&out);
	drain(fd);
}

static ssize_t no_more_now(void)
{
	errno = EAGAIN;
	return -1;
}

/* These frames were read. What is refused is for the connection to close, with
 * its code; then all that comes is dropped. */
static ssize_t give_frames(struct entry *e, const char *data, size_t len)
{
	size_t n = tap_take(&e->tap, data, len);

	if (e->tap.phase == TAP_REFUSED)
		on_frame_refused(e->conn, e->tap.refusal);
	return n == 0 ? no_more_now() : (ssize_t)n;
}

/* Up to the end of the request: what is behind it stays with the kernel. */
static ssize_t read_request(int fd, struct entry *e, void *buf, size_t len)
{
	ssize_t n = recvfrom(fd, buf, len, MSG_PEEK, NULL, NULL);

	if (n <= 0)
		return n;
	n = (ssize_t)tap_take(&e->tap, buf, (size_t)n);
	if (e->tap.phase != TAP_REFUSED)
		return recvfrom(fd, buf, (size_t)n, 0, NULL, NULL);
	refuse_request(fd, NULL, e->tap.refusal);
	return 0;
}

static ssize_t tapped_recv(int fd, struct entry *e, void *buf, size_t len)
{
	ssize_t n;

	switch (e->tap.phase) {
	case TAP_HEAD:
	case TAP_BODY:
		return read_request(fd, e, buf, len);
	case TAP_HELD:
		return no_more_now();
	case TAP_FRAMES:
		n = recvfrom(fd, buf, len, 0, NULL, NULL);
		return n <= 0 ? n : give_frames(e, buf, (size_t)n);
	case TAP_REFUSED:
		break;
	}
	n = recvfrom(fd, buf, len, 0, NULL, NULL);
	return n <= 0 ? n : no_more_now();
}

/* The names that lws calls. */
ssize_t intercept_recv(int fd, void *buf, size_t len,
		       int flags) __asm__("recv");
int intercept_ssl_read(SSL *ssl, void *buf, int len) __asm__("SSL_read");

ssize_t intercept_recv(int fd, void *buf, size_t len, int flags)
{
	struct entry *e = find(fd);

	if (e == NULL || flags != 0)
		return recvfrom(fd, buf, len, flags, NULL, NULL);
	return tapped_recv(fd, e, buf, len);
}

/* SSL_get_error(3) will say that the connection is lost. */
static int end_ssl(SSL *ssl)
{
	SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
	return 0;
}

/* Who sends requests behind one that is not answered loses the connection
 * here: they would stay in OpenSSL's buffer, where no poll(2) sees them. */
static int hold_ssl(SSL *ssl)
{
	char byte;
	size_t n;

	return SSL_peek_ex(ssl, &byte, 1, &n) == 0 ? 0 : end_ssl(ssl);
}

/* Until there is no more now, which is what SSL_get_error(3) then says. */
static int drop_ssl(SSL *ssl)
{
	char piece[DRAIN_PIECE];
	size_t n;

	for (int i = 0; i < DRAIN_PIECES; i++) {
		if (SSL_read_ex(ssl, piece, sizeof(piece), &n) == 0)
			return 0;
	}
	return end_ssl(ssl);
}

static int read_ssl_request(SSL *ssl, struct entry *e, void *buf, size_t len)
{
	size_t n;

	if (SSL_peek_ex(ssl, buf, len, &n) == 0)
		return 0;
	n = tap_take(&e->tap, buf, n);
	if (e->tap.phase != TAP_REFUSED)
		return SSL_read_ex(ssl, buf, n, &n) == 0 ? 0 : (int)n;
	refuse_request(SSL_get_fd(ssl), ssl, e->tap.refusal);
	return end_ssl(ssl);
}

static int tapped_ssl_read(SSL *ssl, struct entry *e, void *buf, size_t len)
{
	ssize_t given;
	size_t n;

	switch (e->tap.phase) {
	case TAP_HEAD:
	case TAP_BODY:
		return read_ssl_request(ssl, e, buf, len);
	case TAP_HELD:
		return hold_ssl(ssl);
	case TAP_FRAMES:
		if (SSL_read_ex(ssl, buf, len, &n) == 0)
			return 0;
		given = give_frames(e, buf, n);
		return given > 0 ? (int)given : drop_ssl(ssl);
	case TAP_REFUSED:
		break;
	}
	return drop_ssl(ssl);
}

int intercept_ssl_read(SSL *ssl, void *buf, int len)
{
	struct entry *e = find(SSL_get_fd(ssl));
	size_t n;

	if (len <= 0)
		return 0;
	if (e == NULL)
		return SSL_read_ex(ssl, buf, (size_t)len, &n) == 0 ? 0 : (int)n;
	return tapped_ssl_read(ssl, e, buf, (size_t)len);
}
