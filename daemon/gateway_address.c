/* SPDX-License-Identifier: MIT */
#include "daemon/gateway_address.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/gateway_process.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lib/str.h"

static void listen_path(const struct supervisor *s, struct buf *out)
{
	buf_printf(out, "%s/listen", s->rundir);
}

static void describe(struct supervisor *s)
{
	char host[128];
	char port[16];
	struct buf text = { 0 };

	if (getnameinfo((struct sockaddr *)&s->bound, s->bound_len, host,
			sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return;
	buf_printf(&text, s->bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
		   host, port);
	str_to_cstr(buf_str(&text), s->address, sizeof(s->address));
	buf_release(&text);
}

static int resolve(struct supervisor *s, const char *host, const char *port,
		   struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_PASSIVE };
	struct addrinfo *found = NULL;
	int rc = getaddrinfo(host, port, &hints, &found);

	if (rc != 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "Cannot listen on %s:%s: %s", host, port,
			       gai_strerror(rc));
	memcpy(&s->bound, found->ai_addr, found->ai_addrlen);
	s->bound_len = found->ai_addrlen;
	freeaddrinfo(found);
	describe(s);
	return 0;
}

/* The address that a living gateway is bound to, when the port was 0. */
static bool read_bound_port(const struct supervisor *s, struct buf *port)
{
	struct buf path = { 0 };
	char text[320];
	const char *colon;

	listen_path(s, &path);
	(void)process_read_file(buf_cstr(&path), text, sizeof(text));
	buf_release(&path);
	colon = strrchr(text, ':');
	if (colon == NULL)
		return false;
	buf_append(port, colon + 1, strcspn(colon + 1, "\n"));
	return true;
}

/* For tests and people: what is served where. */
static void write_bound(const struct supervisor *s)
{
	struct buf path = { 0 };
	struct buf text = { 0 };
	int fd;

	listen_path(s, &path);
	buf_printf(&text, "%s\n", s->address);
	fd = open(buf_cstr(&path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		  0644);
	/* All may know, whatever the umask is. */
	if (fd < 0 || fchmod(fd, 0644) < 0 ||
	    write(fd, text.data, text.len) != (ssize_t)text.len)
		log_warn("cannot write %s: %s", buf_cstr(&path),
			 strerror(errno));
	if (fd >= 0)
		close(fd);
	buf_release(&path);
	buf_release(&text);
}

/* Nobody else may serve the address: SO_REUSEPORT alone would share it
 * silently with another process of this user. Settles port 0. */
static int probe(struct supervisor *s, struct err *err)
{
	int fd = gateway_bind_tcp(s, false);

	if (fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "Cannot listen on %s: %s",
			       s->address, strerror(-fd));
	s->bound_len = sizeof(s->bound);
	if (getsockname(fd, (struct sockaddr *)&s->bound, &s->bound_len) == 0)
		describe(s);
	close(fd);
	return 0;
}

int gateway_address_find(struct supervisor *s, bool adopted, struct err *err)
{
	const struct config *c = s->options.config;
	struct buf port = { 0 };
	int rc;

	if (c->listen_host[0] == '\0')
		return 0;
	buf_printf(&port, "%" PRIu64, c->listen_port);
	if (adopted && c->listen_port == 0) {
		struct buf known = { 0 };

		if (read_bound_port(s, &known)) {
			buf_clear(&port);
			buf_append_str(&port, buf_str(&known));
		}
		buf_release(&known);
	}
	rc = resolve(s, c->listen_host, buf_cstr(&port), err);
	buf_release(&port);
	if (rc == 0 && !adopted)
		rc = probe(s, err);
	if (rc == 0)
		write_bound(s);
	return rc;
}

void gateway_address_forget(const struct supervisor *s)
{
	struct buf path = { 0 };

	listen_path(s, &path);
	unlink(buf_cstr(&path));
	buf_release(&path);
}
