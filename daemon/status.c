/* SPDX-License-Identifier: MIT */
#include "daemon/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>

static void put(struct buf *out, const char *name, struct str value)
{
	struct wire_figure figure = { .name = str_of(name), .value = value };

	if (figure.value.len > 1024)
		figure.value.len = 1024;
	wire_put(out, &wire_schema_figure, &figure);
}

void status_text(struct buf *out, const char *name, const char *value)
{
	put(out, name, str_of(value));
}

void status_number(struct buf *out, const char *name, uint64_t value)
{
	struct buf text = { 0 };

	buf_printf(&text, "%" PRIu64, value);
	put(out, name, buf_str(&text));
	buf_release(&text);
}

void status_store(struct buf *out, const char *url)
{
	struct buf shown = { 0 };

	store_show(&shown, url);
	status_text(out, "store", buf_cstr(&shown));
	buf_release(&shown);
}

int status_wrap_store(const char *url, struct err *err)
{
	struct buf shown = { 0 };
	int rc;

	store_show(&shown, url);
	rc = err_wrap(err, "store %s", buf_cstr(&shown));
	buf_release(&shown);
	return rc;
}

static void ratio(struct buf *out, const char *name, uint64_t a, uint64_t b)
{
	struct buf text = { 0 };

	buf_printf(&text, "%.2f", b == 0 ? 0.0 : (double)a / (double)b);
	put(out, name, buf_str(&text));
	buf_release(&text);
}

static void milliseconds(struct buf *out, const char *prefix,
			 const struct histogram *h, unsigned percent)
{
	struct buf text = { 0 };
	char name[64];

	(void)snprintf(name, sizeof(name), "%s_p%u_ms", prefix, percent);
	buf_printf(&text, "%.3f",
		   (double)histogram_percentile(h, percent) / 1e6);
	put(out, name, buf_str(&text));
	buf_release(&text);
}

void status_times(struct buf *out, const char *prefix,
		  const struct histogram *h)
{
	milliseconds(out, prefix, h, 50);
	milliseconds(out, prefix, h, 99);
}

void status_disk(struct buf *out, const char *dir)
{
	struct statvfs st;

	if (statvfs(dir, &st) != 0)
		return;
	status_number(out, "disk_bytes", (uint64_t)st.f_blocks * st.f_frsize);
	status_number(out, "disk_free_bytes",
		      (uint64_t)st.f_bavail * st.f_frsize);
}

void status_sessions(struct buf *out, const struct session_host *host)
{
	uint64_t mounts = 0, lagging = 0;

	for (const struct list *el = host->sessions.next; el != &host->sessions;
	     el = el->next) {
		const struct peer *peer =
			container_of(el, const struct peer, session.link);

		mounts += peer->mount;
		lagging += !list_empty(&peer->lagging);
	}
	status_number(out, "sessions", host->count);
	status_number(out, "mounts", mounts);
	status_number(out, "lagging_sessions", lagging);
}

/* Its session, and not its process, is what serves. */
static const char *state_of(const struct gateway *gw)
{
	if (gw->peer != NULL)
		return gw->state == GATEWAY_LEAVING ? "leaving" : "up";
	return gw->state == GATEWAY_RUNNING ? "starting" : "down";
}

void status_gateways(struct buf *out, const struct supervisor *s)
{
	struct histogram fanout = { .kind = HISTOGRAM_DELAY };
	uint64_t websockets = 0, streams = 0, subscriptions = 0, lagging = 0;

	status_number(out, "gateways_configured", s->count);
	for (size_t i = 0; i < s->count; i++) {
		const struct peer *peer = s->gateways[i].peer;
		char name[64];

		(void)snprintf(name, sizeof(name), "gateway_%zu", i);
		status_text(out, name, state_of(&s->gateways[i]));
		if (peer == NULL || peer->report == NULL)
			continue;
		websockets += peer->report->figures.websockets;
		streams += peer->report->figures.streams;
		subscriptions += peer->report->figures.subscriptions;
		lagging += peer->report->figures.lagging;
		histogram_merge(&fanout, &peer->report->fanout);
	}
	status_number(out, "websockets", websockets);
	status_number(out, "streams", streams);
	status_number(out, "subscriptions", subscriptions);
	status_number(out, "lagging_subscribers", lagging);
	status_number(out, "deliveries_live", histogram_count(&fanout));
	status_times(out, "fanout", &fanout);
}

/* "1:20 2:3 4:0 ...": commits with at most so many requests. */
static void sizes(struct buf *out, const struct histogram *ops)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < histogram_bounds(ops); i++)
		buf_printf(&text, "%s%s:%" PRIu64, i == 0 ? "" : " ",
			   histogram_bound(ops, i), histogram_bucket(ops, i));
	put(out, "requests_per_commit_histogram", buf_str(&text));
	buf_release(&text);
}

void status_sequencer(struct buf *out, struct sequencer *q)
{
	const struct sequencer_figures *f = &q->figures;
	uint64_t commits = histogram_count(&f->ops);
	uint64_t messages = histogram_sum(&f->messages);
	uint64_t ops = histogram_sum(&f->ops);

	status_number(out, "lanes", q->lanes);
	status_number(out, "commits", commits);
	status_number(out, "writes", ops);
	status_number(out, "messages", messages);
	ratio(out, "writes_per_commit", ops, commits);
	ratio(out, "messages_per_commit", messages, commits);
	ratio(out, "commits_per_message", commits, messages);
	status_number(out, "largest_commit", atomic_load(&f->largest));
	sizes(out, &f->ops);
	status_times(out, "commit", &f->seconds);
	status_number(out, "writes_refused", atomic_load(&f->refused));
	status_number(out, "rollbacks", atomic_load(&f->rollbacks));
	status_number(out, "writes_unknown", atomic_load(&f->unknown));
	status_number(out, "writes_queued", sequencer_queued(q));
}

void status_bus(struct buf *out, const struct bus *bus)
{
	const struct bus_figures *f = &bus->figures;
	struct buf text = { 0 };

	bus_describe(bus, &text);
	status_text(out, "bus", buf_cstr(&text));
	buf_release(&text);
	if (!bus_is_on(bus))
		return;
	status_text(out, "bus_redis", bus_shown_url(bus));
	status_number(out, "nodes", f->nodes);
	status_number(out, "hints_published", f->published);
	status_number(out, "hints_dropped", f->dropped);
	status_number(out, "hints_received", f->received);
	status_number(out, "hints_rubbish", f->rubbish);
	status_number(out, "bus_refused", f->refused);
	status_number(out, "bus_connects", f->connects);
	status_number(out, "bus_subscriptions", f->subscriptions);
	status_number(out, "users_present", f->present);
}

void status_nodes(struct buf *out, const struct nodes *n)
{
	const struct nodes_figures *f;

	status_text(out, "store_shared", n == NULL ? "no" : "yes");
	if (n == NULL)
		return;
	f = &n->figures;
	status_text(out, "store_silent", n->doubtful ? "yes" : "no");
	status_number(out, "hints_heeded", f->news);
	status_number(out, "hints_passed_over", f->dropped);
	status_number(out, "remote_messages", f->messages);
	status_number(out, "remote_changes", f->changes);
	status_times(out, "remote_lag", &f->lag);
	status_number(out, "sweeps", f->sweeps);
	status_number(out, "sweep_failures", f->failures);
	status_times(out, "sweep", &f->seconds);
}

void status_registry(struct buf *out, const struct registry *r)
{
	status_number(out, "principals", r->principals);
	status_number(out, "users_connected", r->people);
	status_number(out, "watches", r->watches);
	status_number(out, "connections", r->connections.count);
	status_number(out, "live_groups", r->groups.by_id.count);
}
