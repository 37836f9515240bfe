/* SPDX-License-Identifier: MIT */
#include "daemon/systemd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/text.h"

enum { FIRST_FD = 3, FDS_MAX = 1024 };

/* An empty variable is none. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value == NULL || value[0] == '\0' ? NULL : value;
}

static bool number_of(const char *name, uint64_t *out)
{
	const char *value = variable(name);

	return value != NULL && text_parse_u64(str_of(value), out);
}

bool systemd_is_there(void)
{
	return variable("NOTIFY_SOCKET") != NULL;
}

static int send_to(const char *path, struct str text)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    strlen(path));
	int rc = 0;
	int fd;

	if (!str_to_cstr(str_of(path), address.sun_path,
			 sizeof(address.sun_path)))
		return -ENAMETOOLONG;
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* Who does not read is not waited for. */
	if (sendto(fd, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT,
		   (struct sockaddr *)&address, len) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int systemd_notify(struct str text)
{
	const char *path = variable("NOTIFY_SOCKET");

	return path == NULL ? 0 : send_to(path, text);
}

uint64_t systemd_watchdog_us(void)
{
	uint64_t pid;
	uint64_t us;

	if (!number_of("WATCHDOG_USEC", &us))
		return 0;
	if (variable("WATCHDOG_PID") != NULL &&
	    (!number_of("WATCHDOG_PID", &pid) || pid != (uint64_t)getpid()))
		return 0;
	return us;
}

static bool has_option(int fd, int option, int wanted)
{
	socklen_t len;
	int value;

	len = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 &&
	       value == wanted;
}

/* The path of a Unix socket that listens, else empty. */
static void path_of(int fd, struct buf *out)
{
	struct sockaddr_un address = { 0 };
	socklen_t len = sizeof(address);

	if (has_option(fd, SO_TYPE, SOCK_STREAM) &&
	    has_option(fd, SO_ACCEPTCONN, 1) &&
	    getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
	    address.sun_family == AF_UNIX)
		buf_append(out, address.sun_path,
			   strnlen(address.sun_path, sizeof(address.sun_path)));
}

/* The nth of names with colons between. */
static struct str name_of(size_t n)
{
	const char *names = variable("LISTEN_FDNAMES");

	while (names != NULL && n-- > 0) {
		names = strchr(names, ':');
		names = names == NULL ? NULL : names + 1;
	}
	if (names == NULL)
		return str_of("unknown");
	return str_make(names, strcspn(names, ":"));
}

/* 0: it is the socket of this path. */
static int check(int fd, const char *path, struct err *err)
{
	struct str name = name_of((size_t)(fd - FIRST_FD));
	struct buf its = { 0 };
	int rc = 0;

	path_of(fd, &its);
	if (its.len == 0)
		rc = err_set(
			err, ERR_UNAVAILABLE,
			"systemd passes what groupd cannot use: descriptor "
			"%d (%.*s) is no Unix socket that listens",
			fd, (int)name.len, name.data);
	else if (!str_eq(buf_str(&its), str_of(path)))
		rc = err_set(err, ERR_UNAVAILABLE,
			     "systemd passes the socket %s (%.*s), and groupd "
			     "is to listen on %s: ListenStream and \"socket\" "
			     "must be the same",
			     buf_cstr(&its), (int)name.len, name.data, path);
	else if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
		 fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		rc = err_set(err, ERR_UNAVAILABLE,
			     "Cannot use descriptor %d of systemd: %s", fd,
			     strerror(errno));
	buf_release(&its);
	return rc;
}

/* How many descriptors are passed to this process. */
static uint64_t count_passed(void)
{
	uint64_t count;
	uint64_t pid;

	if (!number_of("LISTEN_PID", &pid) || pid != (uint64_t)getpid() ||
	    !number_of("LISTEN_FDS", &count))
		return 0;
	return count > FDS_MAX ? FDS_MAX : count;
}

int systemd_take_socket(const char *path, struct err *err)
{
	static const char *const variables[] = { "LISTEN_PID", "LISTEN_FDS",
						 "LISTEN_FDNAMES" };
	uint64_t count = count_passed();
	int rc = 0;

	if (count > 1)
		rc = err_set(err, ERR_UNAVAILABLE,
			     "systemd passes %d descriptors, and groupd uses "
			     "one: that of %s",
			     (int)count, path);
	else if (count == 1)
		rc = check(FIRST_FD, path, err);
	for (int i = 0; rc < 0 && i < (int)count; i++)
		close(FIRST_FD + i);
	for (size_t i = 0; i < 3; i++)
		unsetenv(variables[i]);
	if (rc < 0)
		return rc;
	return count == 1 ? FIRST_FD : 0;
}

void systemd_pass_socket(int fd)
{
	struct buf pid = { 0 };

	if (fd == 0)
		return;
	assert(fd == FIRST_FD);
	buf_printf(&pid, "%d", (int)getpid());
	/* What fails here is said when it is taken. */
	(void)fcntl(fd, F_SETFD, 0);
	(void)setenv("LISTEN_PID", buf_cstr(&pid), 1);
	(void)setenv("LISTEN_FDS", "1", 1);
	buf_release(&pid);
}
