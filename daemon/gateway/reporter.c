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

/* Whether anything has happened since the last time. The figures of the process
 * itself do not count: they never stand still. */
static bool is_news(struct gateway *gw, const struct wire_body_report *body)
{
	struct buf now = { 0 };
	bool news;

	wire_put_frame(&now, WIRE_REPORT, 0, 0, body);
	news = now.failed || !str_eq(buf_str(&now), buf_str(&gw->reported));
	buf_release(&gw->reported);
	gw->reported = now;
	return news;
}

/* Tells what there is, or only what is new. False: nothing was told. */
static bool tell(struct gateway *gw, bool anyhow)
{
	struct wire_body_report body;
	struct buf lists = { 0 };
	bool told = false;

	if (!gw->client.online)
		return false;
	meter_report(&gw->meter, &body, &lists);
	body.subscriptions = gw->subs.count;
	body.lagging = lagging(gw);
	/* Without memory the last report has to do. */
	if (!lists.failed && (is_news(gw, &body) || anyhow)) {
		body.resident = process_resident_bytes();
		body.cpu_us = process_cpu_us();
		client_tell(&gw->client, NULL, WIRE_REPORT, &body);
		told = true;
	}
	buf_release(&lists);
	return told;
}

void reporter_tell(struct gateway *gw)
{
	(void)tell(gw, true);
}

static void on_second(struct wheel_timer *t)
{
	struct gateway *gw = container_of(t, struct gateway, report);

	if (tell(gw, false))
		wheel_arm(&gw->wheel, t, REPORT_S);
	else
		gw->quiet = true;
}

/* The loop goes to sleep, for the first time since it was woken: so something
 * may have happened, unless it was only we. */
static void on_turn(uv_prepare_t *turn)
{
	struct gateway *gw = container_of(turn, struct gateway, turn);

	if (!gw->quiet && list_empty(&gw->report.link))
		wheel_arm(&gw->wheel, &gw->report, REPORT_S);
	gw->quiet = false;
}

int reporter_start(struct gateway *gw)
{
	int rc = uv_prepare_init(gw->loop, &gw->turn);

	wheel_timer_init(&gw->report, on_second);
	return rc < 0 ? rc : uv_prepare_start(&gw->turn, on_turn);
}

void reporter_close(struct gateway *gw)
{
	uv_close((uv_handle_t *)&gw->turn, NULL);
	wheel_disarm(&gw->report);
}
