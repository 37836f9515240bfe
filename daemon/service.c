/* SPDX-License-Identifier: MIT */
#include "daemon/service.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "daemon/systemd.h"
#include "lib/log.h"

/* Takes the text. */
static void say(struct service *s, struct buf *text)
{
	int rc = text->failed ? -ENOMEM : systemd_notify(buf_str(text));

	/* A full queue has room again, before the next time. */
	if (rc < 0 && rc != -EAGAIN && !s->failed) {
		log_warn("cannot tell systemd: why=\"%s\"", strerror(-rc));
		s->failed = true;
	}
	buf_release(text);
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void describe(const struct service *s, struct buf *out)
{
	const struct groupd *g = s->groupd;
	uint64_t groups = g->registry.groups.by_id.count;
	uint64_t clients = g->host.count - supervisor_connected(&g->supervisor);
	uint64_t sockets = g->registry.connections.count;

	if (s->stalled) {
		buf_printf(out, "the store does not get on with a commit");
		return;
	}
	buf_printf(out, "serving on ");
	if (g->supervisor.bound_len > 0)
		buf_printf(out, "%s and ", g->supervisor.address);
	buf_printf(out,
		   "%s: %" PRIu64 " group%s in use, %" PRIu64
		   " client%s, %" PRIu64 " WebSocket%s and streams",
		   g->config->socket, groups, plural(groups), clients,
		   plural(clients), sockets, plural(sockets));
	if (s->complaint.len > 0)
		buf_printf(out, "; kept the old configuration: %s",
			   buf_cstr(&s->complaint));
}

/* Appends STATUS=, where it is another than systemd has. */
static void put_status(struct service *s, struct buf *out)
{
	struct buf now = { 0 };

	describe(s, &now);
	if (!str_eq(buf_str(&now), buf_str(&s->said)))
		buf_printf(out, "STATUS=%s\n", buf_cstr(&now));
	buf_release(&s->said);
	s->said = now;
}

static void on_status(uv_timer_t *timer)
{
	struct service *s = timer->data;
	struct buf text = { 0 };

	put_status(s, &text);
	if (text.len > 0)
		say(s, &text);
}

static bool store_is_alive(struct service *s)
{
	uint64_t ns = sequencer_stalled_ns(&s->groupd->sequencer);
	bool alive = ns / 1000 < s->watchdog_us * SERVICE_STALL;

	if (!alive && !s->stalled)
		log_error("the store does not get on with a commit, the "
			  "watchdog is left to bark: seconds=%" PRIu64,
			  ns / 1000000000);
	if (alive && s->stalled)
		log_info("the store gets on again");
	s->stalled = !alive;
	return alive;
}

static void on_watchdog(uv_timer_t *timer)
{
	struct service *s = timer->data;
	bool stalled = s->stalled;
	struct buf text = { 0 };

	if (store_is_alive(s))
		buf_printf(&text, "WATCHDOG=1\n");
	if (s->stalled != stalled)
		put_status(s, &text);
	if (text.len > 0)
		say(s, &text);
}

void service_start(struct service *s, uv_loop_t *loop, struct groupd *groupd)
{
	struct buf text = { 0 };
	uint64_t half_ms;

	*s = (struct service){ .groupd = groupd };
	if (!systemd_is_there())
		return;
	s->started = true;
	s->watchdog_us = systemd_watchdog_us();
	uv_timer_init(loop, &s->watchdog);
	uv_timer_init(loop, &s->status);
	s->watchdog.data = s;
	s->status.data = s;
	half_ms = s->watchdog_us / 2000;
	if (s->watchdog_us > 0)
		uv_timer_start(&s->watchdog, on_watchdog, 0,
			       half_ms > 0 ? half_ms : 1);
	uv_timer_start(&s->status, on_status, SERVICE_STATUS_MS,
		       SERVICE_STATUS_MS);
	buf_printf(&text, "READY=1\n");
	/* It may have been put off, by service_restarting(). */
	if (s->watchdog_us > 0)
		buf_printf(&text, "WATCHDOG_USEC=%" PRIu64 "\n",
			   s->watchdog_us);
	put_status(s, &text);
	say(s, &text);
}

static void put_reloading(struct buf *out)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	buf_printf(out, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
		   (uint64_t)now.tv_sec * 1000000 +
			   (uint64_t)now.tv_nsec / 1000);
}

void service_reloading(struct service *s)
{
	struct buf text = { 0 };

	if (!s->started)
		return;
	put_reloading(&text);
	buf_printf(&text, "STATUS=reading the configuration again\n");
	buf_release(&s->said);
	say(s, &text);
}

void service_reloaded(struct service *s, const struct err *err)
{
	struct buf text = { 0 };

	if (!s->started)
		return;
	buf_clear(&s->complaint);
	if (err != NULL)
		buf_printf(&s->complaint, "%s", err->text);
	buf_printf(&text, "READY=1\n");
	put_status(s, &text);
	say(s, &text);
}

void service_stopping(struct service *s)
{
	struct buf text = { 0 };

	buf_printf(&text, "STOPPING=1\nSTATUS=answering what is in flight\n");
	if (s->started)
		uv_timer_stop(&s->status);
	if (systemd_is_there())
		say(s, &text);
	else
		buf_release(&text);
}

void service_restarting(struct service *s)
{
	struct buf text = { 0 };

	if (!s->started)
		return;
	uv_timer_stop(&s->status);
	uv_timer_stop(&s->watchdog);
	put_reloading(&text);
	buf_printf(&text, "WATCHDOG_USEC=0\nSTATUS=starting anew\n");
	say(s, &text);
}

void service_close(struct service *s)
{
	if (s->started) {
		uv_close((uv_handle_t *)&s->watchdog, NULL);
		uv_close((uv_handle_t *)&s->status, NULL);
	}
	buf_release(&s->said);
	buf_release(&s->complaint);
}
