/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/listener.h"
#include "daemon/status.h"
#include "daemon/table.h"
#include "lib/log.h"
#include "lib/str.h"
#include "lib/text.h"

enum {
	BACKOFF_MS = 100,
	BACKOFF_MAX_MS = 5000,
	SHORT_LIFE_MS = 1000,
	TCP_BACKLOG = 4096,
	CORE_BACKLOG = 8,
	BODY_FACTOR = 6, /* a byte of content as a JSON escape */
	BODY_EXTRA = 65536
};

static const char gateway_name[] = "groupd-gateway";

static void gateway_start(struct gateway *gw);

static void core_path(const struct gateway *gw, struct buf *out)
{
	buf_printf(out, "%s/gateway-%u.sock", gw->supervisor->rundir, gw->slot);
}

static void on_timer(uv_timer_t *timer)
{
	struct gateway *gw = timer->data;

	if (!gw->supervisor->stopping)
		gateway_start(gw);
}

static void later(struct gateway *gw, uint64_t ms)
{
	gw->state = GATEWAY_WAITING;
	uv_timer_start(&gw->timer, on_timer, ms, 0);
}

static void maybe_closed(struct supervisor *s)
{
	if (!s->closing || --s->open > 0)
		return;
	free(s->gateways);
	s->gateways = NULL;
	s->on_close(s);
}

/* The process is gone: its slot starts again, later if it died young. */
static void process_gone(struct gateway *gw)
{
	uint64_t now = uv_now(gw->supervisor->options.loop);

	gw->watching = false;
	gw->pid = 0;
	if (gw->pidfd >= 0)
		close(gw->pidfd);
	gw->pidfd = -1;
	if (gw->supervisor->closing) {
		maybe_closed(gw->supervisor);
		return;
	}
	gw->restarts++;
	if (now - gw->started_ms >= SHORT_LIFE_MS)
		gw->backoff_ms = BACKOFF_MS;
	else if (gw->backoff_ms * 2 <= BACKOFF_MAX_MS)
		gw->backoff_ms *= 2;
	else
		gw->backoff_ms = BACKOFF_MAX_MS;
	later(gw, gw->backoff_ms);
}

static void on_process_closed(uv_handle_t *handle)
{
	process_gone(handle->data);
}

static void on_exit_cb(uv_process_t *process, int64_t status, int signal)
{
	const struct gateway *gw = process->data;

	log_warn("gateway exited: slot=%u pid=%d status=%d signal=%d", gw->slot,
		 (int)gw->pid, (int)status, signal);
	uv_close((uv_handle_t *)process, on_process_closed);
}

static void on_pidfd(uv_poll_t *poll, int status, int events)
{
	const struct gateway *gw = poll->data;

	(void)status;
	(void)events;
	log_warn("adopted gateway exited: slot=%u pid=%d", gw->slot,
		 (int)gw->pid);
	uv_close((uv_handle_t *)poll, on_process_closed);
}

/* Is this pid a gateway? It may be the pid of a groupd that is dead. */
static bool is_gateway(pid_t pid)
{
	struct buf path = { 0 };
	char comm[32] = { 0 };
	ssize_t n = -1;
	int fd;

	buf_printf(&path, "/proc/%d/comm", (int)pid);
	fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
	buf_release(&path);
	if (fd >= 0) {
		n = read(fd, comm, sizeof(comm) - 1);
		close(fd);
	}
	return n > 0 &&
	       strncmp(comm, gateway_name, sizeof(gateway_name) - 1) == 0;
}

/* Watches a process that is no child. Without a pidfd the lost session
 * tells. */
static void watch_adopted(struct gateway *gw, pid_t pid)
{
	if (pid <= 0 || !is_gateway(pid))
		return;
	gw->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (gw->pidfd < 0)
		return;
	/* The pid may have gone in between; the pidfd cannot. */
	if (!is_gateway(pid) || uv_poll_init(gw->supervisor->options.loop,
					     &gw->poll, gw->pidfd) < 0) {
		close(gw->pidfd);
		gw->pidfd = -1;
		return;
	}
	gw->poll.data = gw;
	gw->pid = pid;
	gw->watching = true;
	uv_poll_start(&gw->poll, UV_READABLE, on_pidfd);
}

/* A session to whoever serves the slot's socket. */
static bool connect_gateway(struct gateway *gw)
{
	struct supervisor *s = gw->supervisor;
	struct buf path = { 0 };
	int fd;

	core_path(gw, &path);
	fd = listener_connect(buf_cstr(&path));
	buf_release(&path);
	if (fd < 0)
		return false;
	gw->peer = s->options.on_connected(s->options.data, fd);
	if (gw->peer == NULL)
		return false;
	gw->state = GATEWAY_RUNNING;
	return true;
}

static bool adopt(struct gateway *gw)
{
	if (!connect_gateway(gw))
		return false;
	gw->adopted = true;
	gw->started_ms = uv_now(gw->supervisor->options.loop);
	watch_adopted(gw, gw->peer->session.pid);
	log_info("adopted gateway: slot=%u pid=%d", gw->slot, (int)gw->pid);
	return true;
}

/* A bound, listening TCP socket of this slot; the fd or -errno. */
static int bind_tcp(struct supervisor *s, bool shared)
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

/* The Unix socket on which the gateway accepts us. */
static int bind_core(struct gateway *gw, struct err *err)
{
	struct buf path = { 0 };
	int fd;

	core_path(gw, &path);
	fd = listener_bind(buf_cstr(&path), 0600, err);
	buf_release(&path);
	if (fd >= 0 && listen(fd, CORE_BACKLOG) < 0) {
		close(fd);
		fd = err_set(err, ERR_UNAVAILABLE, "Cannot listen: %s",
			     strerror(errno));
	}
	return fd;
}

/* Beside our own executable, else where `make install` puts it. */
static void find_binary(struct buf *out)
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

/* Whom the gateway becomes first of all. Not by uv_spawn(): that user may not
 * reach the program, as below a /root that is closed to him. */
static void put_ids(const struct supervisor *s, struct buf *uid,
		    struct buf *gid)
{
	buf_printf(uid, "%u", (unsigned)s->uid);
	buf_printf(gid, "%u", (unsigned)s->gid);
}

enum { ARGS_FIXED = 16, ARGS_MAX = ARGS_FIXED + 2 * CONFIG_ORIGINS_MAX };

static int spawn_with(struct gateway *gw, int tcp, int core)
{
	struct supervisor *s = gw->supervisor;
	const struct config *c = s->options.config;
	struct buf binary = { 0 };
	struct buf slot = { 0 };
	struct buf body = { 0 };
	struct buf uid = { 0 };
	struct buf gid = { 0 };
	char *args[ARGS_MAX + 1] = { 0 };
	size_t n = ARGS_FIXED - 1;
	int rc;

	find_binary(&binary);
	put_ids(s, &uid, &gid);
	buf_printf(&slot, "%u", gw->slot);
	buf_printf(&body, "%" PRIu64,
		   c->max_message_bytes * BODY_FACTOR + BODY_EXTRA);
	const char *const fixed[ARGS_FIXED - 1] = {
		buf_cstr(&binary), "--listen-fd", "3",
		"--core-fd",	   "4",		  "--slot",
		buf_cstr(&slot),   "--max-body",  buf_cstr(&body),
		"--tag",	   s->tag,	  "--uid",
		buf_cstr(&uid),	   "--gid",	  buf_cstr(&gid),
	};
	memcpy(args, fixed, sizeof(fixed));
	for (size_t i = 0; i < c->norigins; i++) {
		args[n++] = (char *)(uintptr_t) "--origin";
		args[n++] = (char *)(uintptr_t)c->origins[i];
	}
	uv_stdio_container_t stdio[5] = {
		[0] = { .flags = UV_IGNORE },
		[1] = { .flags = UV_INHERIT_FD, .data.fd = 2 },
		[2] = { .flags = UV_INHERIT_FD, .data.fd = 2 },
		[3] = { .flags = UV_INHERIT_FD, .data.fd = tcp },
		[4] = { .flags = UV_INHERIT_FD, .data.fd = core },
	};
	uv_process_options_t options = {
		.exit_cb = on_exit_cb,
		.file = args[0],
		.args = args,
		/* A terminal's Ctrl-C is for groupd, which tells it. */
		.flags = UV_PROCESS_DETACHED,
		.stdio_count = 5,
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
	buf_release(&uid);
	buf_release(&gid);
	return rc;
}

static void spawn(struct gateway *gw)
{
	struct supervisor *s = gw->supervisor;
	struct err err;
	int tcp = bind_tcp(s, true);
	int core;

	gw->process.data = gw;
	gw->adopted = false;
	gw->started_ms = uv_now(s->options.loop);
	if (tcp < 0) {
		log_error("cannot listen on %s: %s", s->address,
			  strerror(-tcp));
		later(gw, BACKOFF_MAX_MS);
		return;
	}
	core = bind_core(gw, &err);
	if (core < 0) {
		log_error("cannot start gateway: slot=%u why=\"%s\"", gw->slot,
			  err.text);
		close(tcp);
		later(gw, BACKOFF_MAX_MS);
		return;
	}
	if (spawn_with(gw, tcp, core) < 0) {
		/* The handle is initialised even so. */
		uv_close((uv_handle_t *)&gw->process, on_process_closed);
		gw->backoff_ms = BACKOFF_MAX_MS;
		goto close_fds;
	}
	gw->pid = gw->process.pid;
	gw->watching = true;
	log_info("started gateway: slot=%u pid=%d listen=%s", gw->slot,
		 (int)gw->pid, s->address);
	/* The socket listens: this waits in its backlog. */
	if (!connect_gateway(gw))
		later(gw, BACKOFF_MS);
close_fds:
	close(tcp);
	close(core);
}

static void gateway_start(struct gateway *gw)
{
	if (gw->watching) {
		/* Alive, but the session was lost. */
		if (!connect_gateway(gw))
			later(gw, BACKOFF_MAX_MS);
		return;
	}
	if (!adopt(gw))
		spawn(gw);
}

static struct gateway *gateway_of(const struct supervisor *s,
				  const struct peer *peer)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->gateways[i].peer == peer)
			return &s->gateways[i];
	}
	return NULL;
}

static void tell_to_go(struct gateway *gw)
{
	struct wire_body_ev_bye body = { .retry_after_ms = 0 };
	struct session *session = &gw->peer->session;

	log_info("gateway of another configuration told to go: slot=%u pid=%d",
		 gw->slot, (int)gw->pid);
	gw->state = GATEWAY_LEAVING;
	session_send(session, WIRE_EV_BYE, 0, 0, &body);
	if (gw->pid > 0)
		kill(gw->pid, SIGTERM);
	session_finish(session);
}

void supervisor_greeted(struct supervisor *s, struct peer *peer,
			struct str agent)
{
	struct gateway *gw = gateway_of(s, peer);
	struct buf expected = { 0 };

	if (gw == NULL)
		return;
	buf_printf(&expected, "groupd-gateway/%s", s->tag);
	if (!str_eq(agent, buf_str(&expected)) && gw->adopted)
		tell_to_go(gw);
	buf_release(&expected);
}

void supervisor_lost(struct supervisor *s, const struct peer *peer)
{
	struct gateway *gw = gateway_of(s, peer);

	if (gw == NULL)
		return;
	gw->peer = NULL;
	if (s->closing)
		return;
	/* While the process is watched, its end starts the next. */
	if (gw->state != GATEWAY_LEAVING || !gw->watching)
		later(gw, BACKOFF_MS);
}

void supervisor_figures(const struct supervisor *s, struct buf *out)
{
	uint64_t restarts = 0;
	uint64_t connected = 0;

	for (size_t i = 0; i < s->count; i++) {
		restarts += s->gateways[i].restarts;
		connected += s->gateways[i].peer != NULL;
	}
	status_text(out, "listen", s->count == 0 ? "none" : s->address);
	status_number(out, "gateways", connected);
	status_number(out, "gateway_restarts", restarts);
}

/* Starting. */

static void make_tag(struct supervisor *s)
{
	const struct config *c = s->options.config;
	struct buf all = { 0 };
	struct buf hex = { 0 };

	buf_printf(&all, "%s %s %" PRIu64 " %" PRIu64 " %s", GROUPFS_VERSION,
		   c->listen_host, c->listen_port, c->max_message_bytes,
		   c->gateway_user);
	for (size_t i = 0; i < c->norigins; i++)
		buf_printf(&all, " %s", c->origins[i]);
	buf_printf(&hex, "%016" PRIx64, table_hash_bytes(buf_str(&all)));
	str_to_cstr(buf_str(&hex), s->tag, sizeof(s->tag));
	buf_release(&all);
	buf_release(&hex);
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

static void listen_path(const struct supervisor *s, struct buf *out)
{
	buf_printf(out, "%s/listen", s->rundir);
}

/* The address that a living gateway is bound to, when the port was 0. */
static bool read_bound_port(const struct supervisor *s, struct buf *port)
{
	struct buf path = { 0 };
	char text[320];
	const char *colon;
	ssize_t n = -1;
	int fd;

	listen_path(s, &path);
	fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC);
	buf_release(&path);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0)
		return false;
	text[n] = '\0';
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
	if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len)
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
	int fd = bind_tcp(s, false);

	if (fd < 0)
		return err_set(err, ERR_UNAVAILABLE, "Cannot listen on %s: %s",
			       s->address, strerror(-fd));
	s->bound_len = sizeof(s->bound);
	if (getsockname(fd, (struct sockaddr *)&s->bound, &s->bound_len) == 0)
		describe(s);
	close(fd);
	return 0;
}

static int find_address(struct supervisor *s, bool adopted, struct err *err)
{
	const struct config *c = s->options.config;
	struct buf port = { 0 };
	int rc;

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

/* Once, at start: passwd may block, and may be gone when a gateway dies. */
static int find_user(struct supervisor *s, struct err *err)
{
	const char *name = s->options.config->gateway_user;
	const struct passwd *pw;

	s->uid = geteuid();
	s->gid = getegid();
	if (s->uid != 0)
		return 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return err_set(err, ERR_UNAVAILABLE,
			       "gateway_user: no such local user: %s", name);
	s->uid = pw->pw_uid;
	s->gid = pw->pw_gid;
	return 0;
}

static void init_gateway(struct supervisor *s, unsigned slot)
{
	struct gateway *gw = &s->gateways[slot];

	gw->supervisor = s;
	gw->slot = slot;
	gw->pidfd = -1;
	gw->backoff_ms = BACKOFF_MS;
	uv_timer_init(s->options.loop, &gw->timer);
	gw->timer.data = gw;
}

int supervisor_start(struct supervisor *s,
		     const struct supervisor_options *options, struct err *err)
{
	const struct config *c = options->config;
	bool adopted = false;
	int rc;

	*s = (struct supervisor){ .options = *options };
	str_to_cstr(str_of(options->rundir), s->rundir, sizeof(s->rundir));
	s->options.rundir = s->rundir;
	if (c->gateways == 0 || c->listen_host[0] == '\0')
		return 0;
	rc = find_user(s, err);
	if (rc < 0)
		return rc;
	make_tag(s);
	s->gateways = calloc((size_t)c->gateways, sizeof(*s->gateways));
	if (s->gateways == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	s->count = (size_t)c->gateways;
	for (unsigned i = 0; i < s->count; i++)
		init_gateway(s, i);
	for (size_t i = 0; i < s->count; i++)
		adopted = adopt(&s->gateways[i]) || adopted;
	rc = find_address(s, adopted, err);
	for (size_t i = 0; i < s->count && rc == 0; i++) {
		if (s->gateways[i].peer == NULL)
			spawn(&s->gateways[i]);
	}
	return rc;
}

/* Stopping. */

void supervisor_stop(struct supervisor *s)
{
	s->stopping = true;
}

static void on_timer_closed(uv_handle_t *handle)
{
	const struct gateway *gw = handle->data;

	maybe_closed(gw->supervisor);
}

static void unlink_files(struct supervisor *s)
{
	struct buf path = { 0 };

	for (size_t i = 0; i < s->count; i++) {
		buf_clear(&path);
		core_path(&s->gateways[i], &path);
		unlink(buf_cstr(&path));
	}
	buf_clear(&path);
	listen_path(s, &path);
	unlink(buf_cstr(&path));
	buf_release(&path);
}

void supervisor_close(struct supervisor *s, void (*cb)(struct supervisor *s))
{
	s->stopping = true;
	s->closing = true;
	s->on_close = cb;
	s->open = 1;
	if (s->count > 0)
		unlink_files(s);
	for (size_t i = 0; i < s->count; i++) {
		struct gateway *gw = &s->gateways[i];
		uv_handle_t *watch = gw->adopted ? (uv_handle_t *)&gw->poll
						 : (uv_handle_t *)&gw->process;

		gw->state = GATEWAY_GONE;
		s->open++;
		uv_close((uv_handle_t *)&gw->timer, on_timer_closed);
		if (!gw->watching)
			continue;
		kill(gw->pid, SIGTERM);
		s->open++;
		if (!uv_is_closing(watch))
			uv_close(watch, on_process_closed);
	}
	maybe_closed(s);
}
