/* SPDX-License-Identifier: MIT */
#include "daemon/gateway_process.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/listener.h"
#include "lib/log.h"
#include "lib/process.h"

enum {
	TCP_BACKLOG = 4096,
	CORE_BACKLOG = 8,
	BODY_FACTOR = 6, /* a byte of content as a JSON escape */
	BODY_EXTRA = 65536
};

static const char gateway_name[] = "groupd-gateway";

void gateway_core_path(const struct gateway *gw, struct buf *out)
{
	buf_printf(out, "%s/gateway-%u.sock", gw->supervisor->rundir, gw->slot);
}

void gateway_door_path(const struct gateway *gw, struct buf *out)
{
	buf_printf(out, "%s/gateway-%u.door", gw->supervisor->rundir, gw->slot);
}

void gateway_fds_close(struct gateway_fds *fds)
{
	const int all[] = { fds->tcp, fds->core, fds->door, fds->tls };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i] >= 0)
			close(all[i]);
	}
	*fds = (struct gateway_fds){ -1, -1, -1, -1 };
}

/* Is this pid a gateway? It may be the pid of a groupd that is dead. */
bool gateway_is(pid_t pid)
{
	struct buf path = { 0 };
	char comm[32];

	buf_printf(&path, "/proc/%d/comm", (int)pid);
	(void)process_read_file(buf_cstr(&path), comm, sizeof(comm));
	buf_release(&path);
	return strncmp(comm, gateway_name, sizeof(gateway_name) - 1) == 0;
}

/* A bound, listening TCP socket of this slot; the fd or -errno. */
int gateway_bind_tcp(struct supervisor *s, bool shared)
{
	int one = 1;
	int rc;
	int fd = socket(s->bound.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (shared &&
	     setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
	    bind(fd, (struct sockaddr *)&s->bound, s->bound_len) < 0)
		goto failed;
	if (!shared || listen(fd, TCP_BACKLOG) == 0)
		return fd;
failed:
	rc = -errno;
	close(fd);
	return rc;
}

/* A Unix socket that only we may connect to. */
static int bind_private(const struct buf *path, int type, struct err *err)
{
	int fd = listener_bind(buf_cstr(path), type, 0600, err);

	if (fd >= 0 && listen(fd, CORE_BACKLOG) < 0) {
		close(fd);
		fd = err_set(err, ERR_UNAVAILABLE, "Cannot listen: %s",
			     strerror(errno));
	}
	return fd;
}

int gateway_bind_core(struct gateway *gw, struct err *err)
{
	struct buf path = { 0 };
	int fd;

	gateway_core_path(gw, &path);
	fd = bind_private(&path, SOCK_STREAM, err);
	buf_release(&path);
	return fd;
}

int gateway_bind_door(struct gateway *gw, struct err *err)
{
	struct buf path = { 0 };
	int fd;

	gateway_door_path(gw, &path);
	fd = bind_private(&path, SOCK_SEQPACKET, err);
	buf_release(&path);
	return fd;
}

void gateway_find_binary(struct buf *out)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *slash;

	if (n > 0) {
		self[n] = '\0';
		slash = strrchr(self, '/');
		if (slash != NULL)
			buf_append(out, self, (size_t)(slash - self + 1));
		buf_printf(out, "%s", gateway_name);
		if (access(buf_cstr(out), X_OK) == 0)
			return;
	}
	buf_clear(out);
	buf_printf(out, "%s/%s", GROUPFS_LIBEXECDIR, gateway_name);
}

static void put_binary(const struct supervisor *s, struct buf *out)
{
	if (s->options.gateway_binary != NULL)
		buf_printf(out, "%s", s->options.gateway_binary);
	else
		gateway_find_binary(out);
}

/* Whom the gateway becomes first of all. Not by uv_spawn(): that user may not
 * reach the program, as below a /root that is closed to him. */
static void put_ids(const struct supervisor *s, struct buf *uid,
		    struct buf *gid)
{
	buf_printf(uid, "%u", (unsigned)s->uid);
	buf_printf(gid, "%u", (unsigned)s->gid);
}

/* The numbers under which it finds what it inherits. */
enum { FD_TCP = 3, FD_CORE, FD_DOOR, FD_TLS, FD_COUNT };

static uv_stdio_container_t inherit(int fd)
{
	uv_stdio_container_t c = { .flags = UV_IGNORE };

	if (fd >= 0) {
		c.flags = UV_INHERIT_FD;
		c.data.fd = fd;
	}
	return c;
}

enum { ARGS_FIXED = 20, ARGS_MAX = ARGS_FIXED + 6 + 2 * CONFIG_ORIGINS_MAX };

/* The arguments that not every gateway has. */
static void put_options(const struct config *c, const struct gateway_fds *fds,
			const struct buf *answer, char **args)
{
	size_t n = 0;

	if (fds->tcp >= 0) {
		args[n++] = (char *)(uintptr_t) "--listen-fd";
		args[n++] = (char *)(uintptr_t) "3";
	}
	if (fds->tls >= 0) {
		args[n++] = (char *)(uintptr_t) "--tls-fd";
		args[n++] = (char *)(uintptr_t) "6";
	}
	if (answer->len > 0) {
		args[n++] = (char *)(uintptr_t) "--answer-within";
		args[n++] = (char *)(uintptr_t)buf_cstr(answer);
	}
	for (size_t i = 0; i < c->norigins; i++) {
		args[n++] = (char *)(uintptr_t) "--origin";
		args[n++] = (char *)(uintptr_t)c->origins[i];
	}
}

int gateway_spawn(struct gateway *gw, const struct gateway_fds *fds,
		  uv_exit_cb on_exit)
{
	struct supervisor *s = gw->supervisor;
	const struct config *c = s->options.config;
	struct buf binary = { 0 };
	struct buf slot = { 0 };
	struct buf body = { 0 };
	struct buf address = { 0 };
	struct buf core = { 0 };
	struct buf uid = { 0 };
	struct buf gid = { 0 };
	struct buf answer = { 0 };
	char *args[ARGS_MAX + 1] = { 0 };
	int rc;

	put_binary(s, &binary);
	put_ids(s, &uid, &gid);
	buf_printf(&slot, "%u", gw->slot);
	buf_printf(&body, "%" PRIu64,
		   c->max_message_bytes * BODY_FACTOR + BODY_EXTRA);
	buf_printf(&address, "%" PRIu64, c->max_connections_per_address);
	buf_printf(&core, "%u", (unsigned)geteuid());
	const char *const fixed[ARGS_FIXED - 1] = {
		buf_cstr(&binary),
		"--door-fd",
		"5",
		"--core-fd",
		"4",
		"--slot",
		buf_cstr(&slot),
		"--max-body",
		buf_cstr(&body),
		"--tag",
		s->tag,
		"--uid",
		buf_cstr(&uid),
		"--gid",
		buf_cstr(&gid),
		"--max-per-address",
		buf_cstr(&address),
		"--core-uid",
		buf_cstr(&core),
	};
	memcpy(args, fixed, sizeof(fixed));
	if (s->options.answer_ms > 0)
		buf_printf(&answer, "%" PRIu64, s->options.answer_ms);
	put_options(c, fds, &answer, args + ARGS_FIXED - 1);
	uv_stdio_container_t stdio[FD_COUNT] = {
		[0] = inherit(-1),
		[1] = inherit(2),
		[2] = inherit(2),
		[FD_TCP] = inherit(fds->tcp),
		[FD_CORE] = inherit(fds->core),
		[FD_DOOR] = inherit(fds->door),
		[FD_TLS] = inherit(fds->tls),
	};
	uv_process_options_t options = {
		.exit_cb = on_exit,
		.file = args[0],
		.args = args,
		/* A terminal's Ctrl-C is for groupd, which tells it. */
		.flags = UV_PROCESS_DETACHED,
		.stdio_count = FD_COUNT,
		.stdio = stdio,
	};
	rc = uv_spawn(s->options.loop, &gw->process, &options);
	if (rc < 0)
		log_error(
			"cannot start gateway: slot=%u file=\"%s\" why=\"%s\"",
			gw->slot, args[0], uv_strerror(rc));
	buf_release(&binary);
	buf_release(&slot);
	buf_release(&body);
	buf_release(&address);
	buf_release(&core);
	buf_release(&uid);
	buf_release(&gid);
	buf_release(&answer);
	return rc;
}

/* Only who has the user of a process may signal it, if he has no right to
 * signal all processes of the machine: a child becomes that user. It shares our
 * memory with no thread and makes system calls only. */
static void signal_as(uid_t uid, pid_t pid, int number)
{
	pid_t child = fork();

	if (child == 0) {
		if (syscall(SYS_setresuid, uid, uid, uid) == 0)
			kill(pid, number);
		_exit(0);
	}
	if (child > 0)
		waitpid(child, NULL, 0);
}

void gateway_signal(const struct gateway *gw, int number)
{
	if (kill(gw->pid, number) < 0 && errno == EPERM)
		signal_as(gw->supervisor->uid, gw->pid, number);
}
