/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/gateway_address.h"
#include "daemon/gateway_process.h"
#include "daemon/handover.h"
#include "daemon/listener.h"
#include "daemon/renewal.h"
#include "daemon/status.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lib/str.h"
#include "lib/text.h"

enum {
	BACKOFF_MS = 100, /* for one that died young; doubles */
	BACKOFF_MAX_MS = 5000,
	SHORT_LIFE_MS = 1000,
	GRACE_MS = 3000 /* from SIGTERM to SIGKILL */
};

static void gateway_start(struct gateway *gw);

static bool is_watched(const struct gateway *gw)
{
	const uv_handle_t *watch = gw->adopted
					   ? (const uv_handle_t *)&gw->poll
					   : (const uv_handle_t *)&gw->process;

	return gw->watching && !uv_is_closing(watch);
}

static void on_grace_over(uv_timer_t *timer)
{
	const struct gateway *gw = timer->data;

	if (!is_watched(gw))
		return;
	log_warn("gateway ignores SIGTERM and is killed: slot=%u pid=%d",
		 gw->slot, (int)gw->pid);
	gateway_signal(gw, SIGKILL);
}

/* SIGTERM, and SIGKILL if that does not help. Its end is seen as ever. */
static void end_process(struct gateway *gw)
{
	if (!is_watched(gw))
		return;
	gateway_signal(gw, SIGTERM);
	uv_timer_start(&gw->timer, on_grace_over, GRACE_MS, 0);
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

static void unlink_files(struct supervisor *s)
{
	struct buf path = { 0 };

	for (size_t i = 0; i < s->count; i++) {
		buf_clear(&path);
		gateway_core_path(&s->gateways[i], &path);
		unlink(buf_cstr(&path));
		buf_clear(&path);
		gateway_door_path(&s->gateways[i], &path);
		unlink(buf_cstr(&path));
	}
	buf_release(&path);
	gateway_address_forget(s);
}

static void maybe_closed(struct supervisor *s)
{
	if (!s->closing || --s->open > 0)
		return;
	/* Not earlier: a socket without its file cannot be found again. */
	if (s->count > 0)
		unlink_files(s);
	free(s->gateways);
	s->gateways = NULL;
	certificate_release(&s->certificate);
	s->on_close(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
	const struct gateway *gw = handle->data;

	maybe_closed(gw->supervisor);
}

/* The process is gone: its slot starts again, at once or, if it died young,
 * later. */
static void process_gone(struct gateway *gw)
{
	uint64_t now = uv_now(gw->supervisor->options.loop);

	gw->watching = false;
	gw->pid = 0;
	if (gw->pidfd >= 0)
		close(gw->pidfd);
	gw->pidfd = -1;
	if (gw->supervisor->closing) {
		uv_close((uv_handle_t *)&gw->timer, on_timer_closed);
		return;
	}
	gw->restarts++;
	if (now - gw->started_ms >= SHORT_LIFE_MS)
		gw->backoff_ms = 0;
	else if (gw->backoff_ms == 0)
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

	if (status == 0 && signal == 0)
		log_info("gateway exited: slot=%u pid=%d", gw->slot,
			 (int)gw->pid);
	else
		log_warn("gateway exited: slot=%u pid=%d status=%d signal=%d",
			 gw->slot, (int)gw->pid, (int)status, signal);
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

/* Watches a process that is no child. Without a pidfd the lost session
 * tells. */
static void watch_adopted(struct gateway *gw, pid_t pid)
{
	if (pid <= 0 || !gateway_is(pid))
		return;
	gw->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (gw->pidfd < 0)
		return;
	/* The pid may have gone in between; the pidfd cannot. */
	if (!gateway_is(pid) || uv_poll_init(gw->supervisor->options.loop,
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

	gateway_core_path(gw, &path);
	fd = listener_connect(buf_cstr(&path), SOCK_STREAM);
	buf_release(&path);
	if (fd < 0)
		return false;
	gw->peer = s->options.on_connected(s->options.data, fd);
	if (gw->peer == NULL)
		return false;
	/* The kernel names who listened: that was us, until the child does. */
	if (gw->pid > 0)
		gw->peer->session.pid = gw->pid;
	gw->state = GATEWAY_RUNNING;
	gw->greeted = false;
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

/* All that it inherits; what came before a failure is closed. */
static int open_fds(struct gateway *gw, struct gateway_fds *fds,
		    struct err *err)
{
	struct supervisor *s = gw->supervisor;

	*fds = (struct gateway_fds){ gw->tcp, -1, -1, -1 };
	gw->tcp = -1;
	if (fds->tcp < 0 && s->bound_len > 0)
		fds->tcp = gateway_bind_tcp(s, true);
	if (fds->tcp < 0 && s->bound_len > 0) {
		err_set(err, ERR_UNAVAILABLE, "Cannot listen on %s: %s",
			s->address, strerror(-fds->tcp));
		goto failed;
	}
	fds->core = gateway_bind_core(gw, err);
	fds->door = fds->core < 0 ? -1 : gateway_bind_door(gw, err);
	if (fds->door < 0)
		goto failed;
	if (!certificate_is_there(&s->certificate) || s->bound_len == 0)
		return 0;
	fds->tls = renewal_open(s);
	if (fds->tls >= 0)
		return 0;
	err_set(err, ERR_UNAVAILABLE, "Cannot hand on the certificate: %s",
		strerror(-fds->tls));
failed:
	gateway_fds_close(fds);
	return err_rc(err);
}

static void spawn(struct gateway *gw)
{
	struct supervisor *s = gw->supervisor;
	struct gateway_fds fds;
	struct err err;

	gw->process.data = gw;
	gw->adopted = false;
	gw->stale = false;
	gw->started_ms = uv_now(s->options.loop);
	if (open_fds(gw, &fds, &err) < 0) {
		log_error("cannot start gateway: slot=%u why=\"%s\"", gw->slot,
			  err.text);
		later(gw, BACKOFF_MAX_MS);
		return;
	}
	if (gateway_spawn(gw, &fds, on_exit_cb) < 0) {
		/* The handle is initialised even so. */
		gw->watching = true;
		uv_close((uv_handle_t *)&gw->process, on_process_closed);
		gw->backoff_ms = BACKOFF_MAX_MS;
		goto close_fds;
	}
	gw->pid = gw->process.pid;
	gw->watching = true;
	log_info("started gateway: slot=%u pid=%d listen=%s tls=%s", gw->slot,
		 (int)gw->pid, s->bound_len == 0 ? "none" : s->address,
		 fds.tls >= 0 ? "yes" : "no");
	/* The socket listens: this waits in its backlog. */
	if (!connect_gateway(gw))
		later(gw, BACKOFF_MS);
close_fds:
	gateway_fds_close(&fds);
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

void supervisor_dismiss(struct gateway *gw)
{
	struct wire_body_ev_bye body = { .retry_after_ms = 0 };
	struct supervisor *s = gw->supervisor;

	log_info("gateway of another configuration told to go: slot=%u pid=%d",
		 gw->slot, (int)gw->pid);
	/* Before its own socket closes. A failure only costs this. */
	if (gw->tcp < 0 && s->bound_len > 0)
		gw->tcp = gateway_bind_tcp(s, true);
	gw->state = GATEWAY_LEAVING;
	gw->stale = false;
	handover_shut(gw);
	/* Its session ends with it: it still answers who has asked. */
	end_process(gw);
	if (gw->peer == NULL || is_watched(gw))
		return;
	session_send(&gw->peer->session, WIRE_EV_BYE, 0, 0, &body);
	session_finish(&gw->peer->session);
}

void supervisor_greeted(struct supervisor *s, struct peer *peer,
			struct str agent)
{
	struct gateway *gw = gateway_of(s, peer);
	struct buf expected = { 0 };

	if (gw == NULL)
		return;
	gw->greeted = true;
	buf_printf(&expected, "groupd-gateway/%s", s->tag);
	if (!str_eq(agent, buf_str(&expected)) && gw->adopted)
		supervisor_dismiss(gw);
	else
		handover_open(gw);
	buf_release(&expected);
	renewal_next(s);
}

void supervisor_lost(struct supervisor *s, const struct peer *peer)
{
	struct gateway *gw = gateway_of(s, peer);

	if (gw == NULL)
		return;
	gw->peer = NULL;
	handover_shut(gw);
	if (s->closing)
		return;
	if (!s->stopping && !gw->greeted && is_watched(gw)) {
		/* It lives, and says nothing: of no use. */
		gw->state = GATEWAY_LEAVING;
		end_process(gw);
	}
	/* While the process is watched, its end starts the next. */
	if (gw->state != GATEWAY_LEAVING || !gw->watching)
		later(gw, BACKOFF_MS);
}

uint64_t supervisor_connected(const struct supervisor *s)
{
	uint64_t connected = 0;

	for (size_t i = 0; i < s->count; i++)
		connected += s->gateways[i].peer != NULL;
	return connected;
}

uint64_t supervisor_restarts(const struct supervisor *s)
{
	uint64_t restarts = 0;

	for (size_t i = 0; i < s->count; i++)
		restarts += s->gateways[i].restarts;
	return restarts;
}

void supervisor_figures(const struct supervisor *s, struct buf *out)
{
	status_text(out, "listen", s->bound_len == 0 ? "none" : s->address);
	status_text(out, "tls",
		    certificate_is_there(&s->certificate) && s->bound_len > 0
			    ? "yes"
			    : "no");
	status_number(out, "gateways", supervisor_connected(s));
	status_number(out, "gateway_restarts", supervisor_restarts(s));
}

/* Starting. */

/* Once, at start: passwd may block, and may be gone when a gateway dies. */
static int find_user(struct supervisor *s, struct err *err)
{
	const char *name = s->options.config->gateway_user;
	const struct passwd *pw;

	s->uid = geteuid();
	s->gid = getegid();
	if (!process_may(CAP_SETUID) || !process_may(CAP_SETGID))
		return 0;
	pw = getpwnam(name[0] != '\0' ? name : "groupd-gateway");
	if (pw == NULL && name[0] == '\0')
		pw = getpwnam("nobody");
	if (pw == NULL)
		return err_set(err, ERR_UNAVAILABLE,
			       "gateway_user: no such local user: %s",
			       name[0] != '\0' ? name : "nobody");
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
	gw->tcp = -1;
	gw->door = -1;
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
	if (c->gateways == 0)
		return 0;
	rc = find_user(s, err);
	if (rc == 0)
		rc = renewal_certificate(s, c, err);
	if (rc < 0)
		return rc;
	renewal_tag(s);
	s->gateways = calloc((size_t)c->gateways, sizeof(*s->gateways));
	if (s->gateways == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	s->count = (size_t)c->gateways;
	for (unsigned i = 0; i < s->count; i++)
		init_gateway(s, i);
	for (size_t i = 0; i < s->count; i++)
		adopted = adopt(&s->gateways[i]) || adopted;
	rc = gateway_address_find(s, adopted, err);
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

void supervisor_close(struct supervisor *s, void (*cb)(struct supervisor *s))
{
	s->stopping = true;
	s->closing = true;
	s->on_close = cb;
	s->open = 1;
	for (size_t i = 0; i < s->count; i++) {
		struct gateway *gw = &s->gateways[i];

		gw->state = GATEWAY_GONE;
		handover_shut(gw);
		if (gw->tcp >= 0)
			close(gw->tcp);
		gw->tcp = -1;
		s->open++;
		uv_timer_stop(&gw->timer);
		end_process(gw);
		/* Else process_gone() closes the timer. */
		if (!gw->watching)
			uv_close((uv_handle_t *)&gw->timer, on_timer_closed);
	}
	maybe_closed(s);
}
