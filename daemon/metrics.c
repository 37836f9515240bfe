/* SPDX-License-Identifier: MIT */
#include "daemon/metrics.h"

#include <stdio.h>

#include "daemon/exposition.h"
#include "daemon/groupd.h"
#include "daemon/report.h"
#include "lib/process.h"

enum { LABELS_MAX = 96 };

/* The core. */

static void put_sends(struct buf *out, const struct handlers *h,
		      const struct sequencer_figures *f)
{
	static const char refused[] = "groupfs_sends_refused_total";
	char labels[LABELS_MAX];

	exposition_counter(out, "groupfs_messages_total",
			   "Messages that were stored.",
			   histogram_sum(&f->messages));
	exposition_family(out, refused, "counter",
			  "Requests to send that groupd refused, by the "
			  "code.");
	for (int code = ERR_NONE + 1; code < ERR_COUNT; code++) {
		snprintf(labels, sizeof(labels), "code=\"%s\"",
			 err_name((enum err_code)code));
		exposition_sample(out, refused, labels, h->sends_refused[code]);
	}
	exposition_counter(out, "groupfs_requests_total",
			   "Requests of all kinds that groupd was asked.",
			   h->requests);
	exposition_counter(out, "groupfs_requests_refused_total",
			   "Requests of all kinds that were refused.",
			   h->refused);
}

static void put_commits(struct buf *out, const struct sequencer_figures *f)
{
	exposition_counter(out, "groupfs_commits_total",
			   "Transactions that were committed.",
			   histogram_count(&f->ops));
	exposition_counter(out, "groupfs_rollbacks_total",
			   "Transactions that were rolled back.",
			   atomic_load(&f->rollbacks));
	exposition_family(out, "groupfs_commit_requests", "histogram",
			  "Requests that shared a commit.");
	exposition_histogram(out, "groupfs_commit_requests", "", &f->ops);
	exposition_family(out, "groupfs_commit_messages", "histogram",
			  "Messages of a commit.");
	exposition_histogram(out, "groupfs_commit_messages", "", &f->messages);
	exposition_family(out, "groupfs_commit_seconds", "histogram",
			  "From the begin of a transaction to the end of its "
			  "commit, as the writing thread sees it.");
	exposition_histogram(out, "groupfs_commit_seconds", "", &f->seconds);
}

static void put_queues(struct buf *out, struct groupd *g)
{
	static const char name[] = "groupfs_queued_requests";

	exposition_family(out, "groupfs_read_seconds", "histogram",
			  "How long a request took that only reads, without "
			  "its wait for a thread.");
	exposition_histogram(out, "groupfs_read_seconds", "",
			     &g->readers.seconds);
	exposition_family(out, name, "gauge",
			  "Requests that wait for their thread; of reads and "
			  "media those that run, too.");
	exposition_sample(out, name, "queue=\"writes\"",
			  sequencer_queued(&g->sequencer));
	exposition_sample(out, name, "queue=\"reads\"",
			  readers_load(&g->readers));
	exposition_sample(out, name, "queue=\"media\"",
			  readers_load(&g->movers));
}

static void put_sessions(struct buf *out, const struct groupd *g)
{
	static const char name[] = "groupfs_sessions";
	uint64_t gateways = 0, mounts = 0, others = 0, lagging = 0;

	for (const struct list *el = g->host.sessions.next;
	     el != &g->host.sessions; el = el->next) {
		const struct peer *peer =
			container_of(el, const struct peer, session.link);

		gateways += peer->gateway;
		mounts += peer->mount;
		others += !peer->gateway && !peer->mount;
		lagging += !list_empty(&peer->lagging);
	}
	exposition_family(out, name, "gauge",
			  "Connections to groupd's socket.");
	exposition_sample(out, name, "kind=\"gateway\"", gateways);
	exposition_sample(out, name, "kind=\"mount\"", mounts);
	exposition_sample(out, name, "kind=\"other\"", others);
	exposition_gauge(out, "groupfs_lagging_sessions",
			 "Connections that are owed word of new messages, "
			 "because they do not read.",
			 lagging);
}

static void put_registry(struct buf *out, const struct registry *r)
{
	exposition_gauge(out, "groupfs_principals",
			 "Users on whose behalf connections act, once for each "
			 "connection.",
			 r->principals);
	exposition_gauge(out, "groupfs_watches",
			 "Groups that are watched, once for each principal "
			 "that does.",
			 r->watches);
	exposition_gauge(out, "groupfs_live_groups",
			 "Groups that somebody watches.",
			 r->groups.by_id.count);
}

static void put_bus(struct buf *out, const struct bus *bus)
{
	static const char name[] = "groupfs_bus_hints_total";
	const struct bus_figures *f = &bus->figures;

	exposition_gauge(out, "groupfs_bus_up",
			 "Whether Redis is there; 0 also where there is no "
			 "bus.",
			 f->state == BUS_UP);
	exposition_family(out, name, "counter",
			  "Hints between nodes: published, received, dropped "
			  "because Redis was not there or slow, and what came "
			  "and was none.");
	exposition_sample(out, name, "what=\"published\"", f->published);
	exposition_sample(out, name, "what=\"received\"", f->received);
	exposition_sample(out, name, "what=\"dropped\"", f->dropped);
	exposition_sample(out, name, "what=\"rubbish\"", f->rubbish);
	exposition_counter(out, "groupfs_bus_refused_total",
			   "Commands that Redis answered with an error.",
			   f->refused);
	exposition_counter(out, "groupfs_bus_connects_total",
			   "How often Redis was there again.", f->connects);
	exposition_gauge(out, "groupfs_bus_subscriptions",
			 "Groups and users whose hints come.",
			 f->subscriptions);
	exposition_gauge(out, "groupfs_nodes",
			 "Nodes that were heard of lately, this one too.",
			 f->nodes);
}

/* Families of a node that is alone say 0. */
static void put_nodes(struct buf *out, const struct nodes *n)
{
	static const struct nodes_figures none = {
		.seconds.kind = HISTOGRAM_DURATION, .lag.kind = HISTOGRAM_DELAY
	};
	const struct nodes_figures *f = n == NULL ? &none : &n->figures;

	exposition_gauge(out, "groupfs_store_silent",
			 "Whether a store that nodes share has not answered "
			 "for so long that nobody knows who is a member.",
			 n != NULL && n->doubtful);
	exposition_counter(out, "groupfs_remote_messages_total",
			   "Messages of other nodes that were told here.",
			   f->messages);
	exposition_counter(out, "groupfs_remote_changes_total",
			   "Changes of members by other nodes that were told "
			   "here.",
			   f->changes);
	exposition_family(out, "groupfs_remote_lag_seconds", "histogram",
			  "From the time of a message of another node to when "
			  "it was told here.");
	exposition_histogram(out, "groupfs_remote_lag_seconds", "", &f->lag);
	exposition_family(out, "groupfs_sweep_seconds", "histogram",
			  "How long it took to look at all groups and users "
			  "that are watched and connected here.");
	exposition_histogram(out, "groupfs_sweep_seconds", "", &f->seconds);
	exposition_counter(out, "groupfs_sweep_failures_total",
			   "Looks into the shared store that it did not "
			   "answer.",
			   f->failures);
}

/* The gateways. */

/* One sample a gateway of what field() says of its report. */
static void put_each(struct buf *out, const struct supervisor *s,
		     const char *name, unsigned decimals,
		     uint64_t (*field)(const struct report *r))
{
	char labels[LABELS_MAX];

	for (size_t i = 0; i < s->count; i++) {
		const struct peer *peer = s->gateways[i].peer;

		if (peer == NULL || peer->report == NULL)
			continue;
		snprintf(labels, sizeof(labels), "gateway=\"%zu\"", i);
		exposition_scaled(out, name, labels, field(peer->report),
				  decimals);
	}
}

#define FIELD(name)                                                            \
	static uint64_t name(const struct report *r)                           \
	{                                                                      \
		return r->figures.name;                                        \
	}
FIELD(subscriptions)
FIELD(lagging)
FIELD(deliveries)
FIELD(written)
FIELD(resident)
FIELD(cpu_us)
FIELD(started_ms)
#undef FIELD

struct gateway_family {
	const char *name;
	const char *type;
	const char *help;
	uint64_t (*field)(const struct report *r);
	unsigned decimals;
};

static const struct gateway_family gateway_families[] = {
	{ "groupfs_gateway_subscriptions", "gauge",
	  "Groups that WebSockets are subscribed to, once for each.",
	  subscriptions, 0 },
	{ "groupfs_gateway_lagging_subscribers", "gauge",
	  "Subscriptions and streams that are behind, because their client "
	  "does not read or the log is read for them again.",
	  lagging, 0 },
	{ "groupfs_gateway_deliveries_total", "counter",
	  "Messages that were handed to the sockets of subscribers.",
	  deliveries, 0 },
	{ "groupfs_gateway_written_bytes_total", "counter",
	  "Bytes of WebSocket frames and HTTP answers.", written, 0 },
	{ "groupfs_gateway_resident_memory_bytes", "gauge",
	  "Memory of the gateway.", resident, 0 },
	{ "groupfs_gateway_cpu_seconds_total", "counter",
	  "Processor time of the gateway.", cpu_us, 6 },
	{ "groupfs_gateway_start_time_seconds", "gauge",
	  "When the gateway started, in seconds since 1970.", started_ms, 3 },
};

static void put_requests(struct buf *out, const char *name, size_t slot,
			 const struct report *r)
{
	static const char *const methods[] = { "read", "write" };
	char labels[LABELS_MAX];

	for (size_t m = 0; m < 2; m++) {
		for (unsigned status = 1; status <= REPORT_STATUSES; status++) {
			snprintf(labels, sizeof(labels),
				 "gateway=\"%zu\",method=\"%s\","
				 "status=\"%uxx\"",
				 slot, methods[m], status);
			exposition_sample(out, name, labels,
					  r->requests[m][status - 1]);
		}
	}
}

/* Two kinds of the same thing of one gateway. */
static void put_pair(struct buf *out, const char *name, const char *label,
		     size_t slot, const char *const kinds[2],
		     const uint64_t values[2])
{
	char labels[LABELS_MAX];

	for (size_t i = 0; i < 2; i++) {
		snprintf(labels, sizeof(labels), "gateway=\"%zu\",%s=\"%s\"",
			 slot, label, kinds[i]);
		exposition_sample(out, name, labels, values[i]);
	}
}

static void put_connections(struct buf *out, const char *name, size_t slot,
			    const struct report *r)
{
	static const char *const kinds[2] = { "websocket", "stream" };
	const uint64_t values[2] = { r->figures.websockets,
				     r->figures.streams };

	put_pair(out, name, "kind", slot, kinds, values);
}

static void put_closed(struct buf *out, const char *name, size_t slot,
		       const struct report *r)
{
	static const char *const codes[2] = { "3008", "3012" };
	const uint64_t values[2] = { r->figures.slow, r->figures.silent };

	put_pair(out, name, "code", slot, codes, values);
}

static void put_refused(struct buf *out, const char *name, size_t slot,
			const struct report *r)
{
	char labels[LABELS_MAX];

	for (int code = ERR_NONE + 1; code < ERR_COUNT; code++) {
		snprintf(labels, sizeof(labels), "gateway=\"%zu\",code=\"%s\"",
			 slot, err_name((enum err_code)code));
		exposition_sample(out, name, labels, r->refused[code]);
	}
}

static void put_fanout(struct buf *out, const char *name, size_t slot,
		       const struct report *r)
{
	char labels[LABELS_MAX];

	snprintf(labels, sizeof(labels), "gateway=\"%zu\"", slot);
	exposition_histogram(out, name, labels, &r->fanout);
}

/* A family whose samples have labels of their own. */
static void put_family(struct buf *out, const struct supervisor *s,
		       const char *name, const char *type, const char *help,
		       void (*put)(struct buf *out, const char *name,
				   size_t slot, const struct report *r))
{
	exposition_family(out, name, type, help);
	for (size_t i = 0; i < s->count; i++) {
		const struct peer *peer = s->gateways[i].peer;

		if (peer != NULL && peer->report != NULL)
			put(out, name, i, peer->report);
	}
}

static void put_gateways(struct buf *out, const struct supervisor *s)
{
	exposition_gauge(out, "groupfs_gateways",
			 "Gateways that are connected.",
			 supervisor_connected(s));
	exposition_counter(out, "groupfs_gateway_restarts_total",
			   "Gateways that were started again.",
			   supervisor_restarts(s));
	put_family(out, s, "groupfs_gateway_connections", "gauge",
		   "Open WebSockets, and HTTP answers that go on.",
		   put_connections);
	put_family(out, s, "groupfs_gateway_closed_total", "counter",
		   "WebSockets that were closed because their client was slow "
		   "(3008) or silent (3012).",
		   put_closed);
	put_family(out, s, "groupfs_http_requests_total", "counter",
		   "HTTP requests that were answered, by what the method does "
		   "and by the status; a WebSocket's is 1xx.",
		   put_requests);
	put_family(out, s, "groupfs_gateway_sends_refused_total", "counter",
		   "Requests to send that were answered with an error, by the "
		   "code: the gateway's refusals and those of groupd.",
		   put_refused);
	put_family(out, s, "groupfs_fanout_seconds", "histogram",
		   "From a message's time to its hand-over to a subscriber's "
		   "socket, in whole milliseconds; replays do not count.",
		   put_fanout);
	for (size_t i = 0;
	     i < sizeof(gateway_families) / sizeof(gateway_families[0]); i++) {
		const struct gateway_family *f = &gateway_families[i];

		exposition_family(out, f->name, f->type, f->help);
		put_each(out, s, f->name, f->decimals, f->field);
	}
}

static void put_started(struct buf *out, uint64_t ms)
{
	static const char name[] = "process_start_time_seconds";

	exposition_family(out, name, "gauge",
			  "When groupd started, in seconds since 1970.");
	exposition_scaled(out, name, "", ms, 3);
}

void metrics_put_loop(struct buf *out, struct groupd *g)
{
	const struct sequencer_figures *f = &g->sequencer.figures;

	exposition_family(out, "groupfs_build_info", "gauge",
			  "The version of groupd; always 1.");
	exposition_sample(out, "groupfs_build_info",
			  "version=\"" GROUPFS_VERSION "\"", 1);
	put_sends(out, &g->handlers, f);
	put_commits(out, f);
	put_queues(out, g);
	put_sessions(out, g);
	put_registry(out, &g->registry);
	put_bus(out, &g->bus);
	put_nodes(out, g->handlers.nodes);
	put_gateways(out, &g->supervisor);
	put_started(out, g->started_ms);
}

void metrics_put_store(struct buf *out, const struct store_size *size)
{
	static const char name[] = "groupfs_store_bytes";

	exposition_family(out, name, "gauge",
			  "Size of the database, and of its log of what was "
			  "written last.");
	exposition_sample(out, name, "file=\"database\"", size->data);
	exposition_sample(out, name, "file=\"wal\"", size->log);
}

void metrics_put_process(struct buf *out)
{
	exposition_gauge(out, "process_resident_memory_bytes",
			 "Memory of groupd.", process_resident_bytes());
	exposition_gauge(out, "process_open_fds", "File descriptors of groupd.",
			 process_open_fds());
	exposition_family(out, "process_cpu_seconds_total", "counter",
			  "Processor time of groupd.");
	exposition_scaled(out, "process_cpu_seconds_total", "",
			  process_cpu_us(), 6);
}
