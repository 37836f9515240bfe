/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/reporter.h"

#include "daemon/gateway/http.h"
#include "daemon/gateway/ws.h"
#include "lib/process.h"

enum { REPORT_S = 1 };

/*
 * Subs that were woken and have not read all since: their socket takes no more
 * now, or their turn has not come. Not by what lws has buffered: a socket may
 * be full to the byte. One that pulls is counted by the feed.
 */
static uint64_t subs_behind(const struct ws_conn *c)
{
	uint64_t count = 0;

	for (const struct list *l = c->ready.next; l != &c->ready;
	     l = l->next) {
		const struct feed_sub *sub =
			&container_of(l, const struct ws_sub, ready)->feed;

		count += feed_is_behind(sub) && !feed_is_pulling(sub);
	}
	return count;
}

static uint64_t lagging(const struct gateway *gw)
{
	uint64_t count = feed_pulling(&gw->feed) + http_streams_behind(gw);

	for (const struct list *l = gw->conns.next; l != &gw->conns;
	     l = l->next)
		count += subs_behind(
			container_of(l, const struct ws_conn, of_gateway));
	return count;
}

void reporter_tell(struct gateway *gw)
{
	struct wire_body_report body;
	struct buf lists = { 0 };

	if (gw->client.online) {
		meter_report(&gw->meter, &body, &lists);
		body.resident = process_resident_bytes();
		body.cpu_us = process_cpu_us();
		body.subscriptions = gw->subs.count;
		body.lagging = lagging(gw);
		/* Without memory the last report has to do. */
		if (!lists.failed)
			client_tell(&gw->client, NULL, WIRE_REPORT, &body);
	}
	buf_release(&lists);
}

static void on_second(struct wheel_timer *t)
{
	struct gateway *gw = container_of(t, struct gateway, report);

	reporter_tell(gw);
	wheel_arm(&gw->wheel, t, REPORT_S);
}

void reporter_start(struct gateway *gw)
{
	wheel_timer_init(&gw->report, on_second);
	wheel_arm(&gw->wheel, &gw->report, REPORT_S);
}
