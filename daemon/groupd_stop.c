/* SPDX-License-Identifier: MIT */
#include "daemon/groupd_private.h"

#include <assert.h>

#include "lib/log.h"

enum { BYE_RETRY_MS = 200 };

/* Taking down: one part at a time, the next when the last one is gone. */

static void closed(struct groupd *g)
{
	assert(g->closing);
	g->closing = false;
	groupd_step(g);
}

static void on_host_closed(struct session_host *h)
{
	closed(h->data);
}

static void on_listener_closed(struct listener *l)
{
	closed(l->data);
}

static void on_lobby_closed(struct lobby *l)
{
	closed(container_of(l, struct groupd, lobby));
}

static void on_sequencer_closed(struct sequencer *q)
{
	closed(container_of(q, struct groupd, sequencer));
}

static void on_pointers_closed(struct pointers *p)
{
	closed(container_of(p, struct groupd, pointers));
}

static void on_fence_closed(struct fence *f)
{
	closed(container_of(f, struct groupd, fence));
}

static void on_readers_closed(struct readers *r)
{
	closed(container_of(r, struct groupd, readers));
}

static void on_verifier_closed(struct readers *r)
{
	closed(container_of(r, struct groupd, verifier));
}

static void on_movers_closed(struct readers *r)
{
	closed(container_of(r, struct groupd, movers));
}

static void on_whole_closed(struct whole *w)
{
	closed(container_of(w, struct groupd, whole));
}

static void on_nodes_closed(struct nodes *n)
{
	closed(container_of(n, struct groupd, nodes));
}

static void on_keeper_closed(struct media_keeper *k)
{
	closed(container_of(k, struct groupd, keeper));
}

static void on_retention_closed(struct retention *r)
{
	closed(container_of(r, struct groupd, retention));
}

static void on_supervisor_closed(struct supervisor *s)
{
	closed(container_of(s, struct groupd, supervisor));
}

static void on_bus_closed(struct bus *bus)
{
	closed(container_of(bus, struct groupd, bus));
}

static void on_expiry_closed(uv_handle_t *handle)
{
	struct groupd *g = handle->data;

	if (!g->verify_abandoned)
		registry_release(&g->registry);
	import_keeper_release(&g->imports);
	pointers_release(&g->pointers);
	media_close(&g->media);
	tickets_close(&g->tickets);
	rate_release(&g->rate);
	handlers_release(&g->handlers);
	g->state = GROUPD_STOPPED;
	g->on_stopped(g);
}

static void say_bye(struct groupd *g)
{
	struct wire_body_ev_bye body = { .retry_after_ms = BYE_RETRY_MS };
	struct list *next;

	for (struct list *el = g->host.sessions.next; el != &g->host.sessions;
	     el = next) {
		struct session *s = container_of(el, struct session, link);

		next = el->next;
		if (!session_is_open(s))
			continue;
		session_send(s, WIRE_EV_BYE, 0, 0, &body);
		session_finish(s);
	}
}

/* The flag of a part that was built is cleared and its closing begins. */
static bool begin(struct groupd *g, bool *part)
{
	if (!*part)
		return false;
	*part = false;
	g->closing = true;
	return true;
}

static bool sessions_left(const struct groupd *g)
{
	for (const struct list *el = g->host.sessions.next;
	     el != &g->host.sessions; el = el->next) {
		const struct session *s =
			container_of(el, const struct session, link);

		/* One whose VERIFY was abandoned never ends. */
		if (!g->verify_abandoned || !s->handle_closed)
			return true;
	}
	return false;
}

void groupd_step(struct groupd *g)
{
	if (g->closing)
		return;
	/* Reads first: they may still hand writes on. */
	if (begin(g, &g->listening))
		listener_close(&g->listener, on_listener_closed);
	else if (begin(g, &g->receiving))
		lobby_close(&g->lobby, on_lobby_closed);
	else if (begin(g, &g->retaining))
		retention_close(&g->retention, on_retention_closed);
	else if (begin(g, &g->keeping)) {
		import_keeper_stop(&g->imports);
		media_keeper_close(&g->keeper, on_keeper_closed);
	} else if (begin(g, &g->reading))
		readers_close(&g->readers, on_readers_closed);
	else if (begin(g, &g->verifying))
		readers_close(&g->verifier, on_verifier_closed);
	else if (begin(g, &g->moving))
		readers_close(&g->movers, on_movers_closed);
	else if (begin(g, &g->copying))
		whole_close(&g->whole, on_whole_closed);
	else if (begin(g, &g->pointing))
		pointers_close(&g->pointers, on_pointers_closed);
	else if (begin(g, &g->sequencing))
		sequencer_close(&g->sequencer, on_sequencer_closed);
	else if (begin(g, &g->fencing))
		fence_close(&g->fence, on_fence_closed);
	else if (sessions_left(g))
		say_bye(g);
	else if (begin(g, &g->sharing)) {
		g->handlers.nodes = NULL;
		nodes_close(&g->nodes, on_nodes_closed);
	} else if (begin(g, &g->supervising))
		supervisor_close(&g->supervisor, on_supervisor_closed);
	else if (begin(g, &g->hinting))
		bus_close(&g->bus, on_bus_closed);
	else if (begin(g, &g->hosting))
		session_host_close(&g->host, on_host_closed);
	else if (!uv_is_closing((uv_handle_t *)&g->expiry))
		uv_close((uv_handle_t *)&g->expiry, on_expiry_closed);
}

void groupd_stop(struct groupd *g, void (*cb)(struct groupd *g))
{
	assert(g->state == GROUPD_RUNNING);
	g->state = GROUPD_STOPPING;
	g->on_stopped = cb;
	g->handlers.stopping = true;
	session_host_pause(&g->host);
	if (g->supervising)
		supervisor_stop(&g->supervisor);
	/* A walk over the whole store is not waited for. */
	g->verify_abandoned = g->verifying && readers_load(&g->verifier) > 0;
	if (g->verify_abandoned) {
		g->verifying = false;
		mailbox_unref(&g->verifier.done);
		log_warn("left a verify that was running");
	}
	if (g->copying && whole_abandon(&g->whole)) {
		g->copying = false;
		g->verify_abandoned = true;
		log_warn("left a backup or a restore that was running");
	}
	groupd_step(g);
}
