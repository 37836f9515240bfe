/* SPDX-License-Identifier: MIT */
/*
 * The two tiers of fan-out, without the store and without WebSockets: `n`
 * counts sessions, and subscribers, each of which gets MESSAGES; so what a
 * message costs once for all of them falls out as well.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/fanout.h"
#include "lib/client.h"
#include "lib/feed.h"
#include "tests/bench/bench.h"
#include "tests/bench/paths.h"
#include "tests/support/fake_groups.h"

enum { MESSAGES = 200, GROUPS = 10000 };

/* A process that watches the group; `end` is its own side. */
struct watcher {
	struct peer peer;
	int end;
};

static void on_frame(struct session *s, const struct wire_header *header,
		     struct str body)
{
	(void)s;
	(void)header;
	(void)body;
}

static void on_change(struct session *s)
{
	(void)s;
}

static const struct session_ops ops = { .on_frame = on_frame,
					.on_drained = on_change,
					.on_closed = on_change,
					.on_free = on_change };

static void watch(struct watcher *w, struct session_host *host,
		  struct registry *r)
{
	struct group_pending hold = { 0 };
	struct principal *p;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       ends) < 0)
		bench_die("socketpair", -errno);
	w->end = ends[0];
	(void)uv_pipe_init(host->loop, &w->peer.session.pipe, 0);
	peer_init(&w->peer, r, false);
	if (uv_pipe_open(&w->peer.session.pipe, ends[1]) < 0 ||
	    session_start(&w->peer.session, host) < 0)
		bench_die("session", -EIO);
	session_hello(&w->peer.session);
	p = peer_open(&w->peer, 1, PRINCIPAL_UID);
	if (p == NULL)
		bench_die("principal", -ENOMEM);
	(void)str_to_cstr(str_of("alice"), p->user, sizeof(p->user));
	list_init(&hold.link);
	if (principal_ready(p) < 0 || groups_begin(&r->groups, 1, &hold) < 0 ||
	    principal_add_watch(p, hold.group, WATCH_QUIET, 0) == NULL)
		bench_die("watch", -ENOMEM);
	groups_end(&r->groups, &hold);
}

static void fan_out(struct registry *r, uint64_t seq)
{
	struct wire_message m = path_message(seq);
	struct wire_body_ev_messages body = { .group_id = 1 };
	struct event_frame frame = { .frame = frame_new(), .last_seq = seq };
	struct event e = { .kind = EVENT_MESSAGES,
			   .group_id = 1,
			   .first_seq = seq,
			   .from_seq = seq,
			   .last_seq = seq,
			   .frames = &frame,
			   .nframes = 1 };
	struct buf list = { 0 };

	wire_put(&list, &wire_schema_message, &m);
	body.messages = buf_str(&list);
	wire_put_frame(&frame.frame->bytes, WIRE_EV_MESSAGES, 0, 0, &body);
	fanout_event(r, &e);
	frame_unref(frame.frame);
	buf_release(&list);
}

void path_fanout(uint64_t n, const char *dir)
{
	uint64_t count = n / MESSAGES;
	struct watcher *w = calloc(count, sizeof(*w));
	struct session_host host = { 0 };
	struct registry r = { 0 };
	char bytes[4096];
	uv_loop_t loop;

	(void)dir;
	(void)uv_loop_init(&loop);
	registry_init(&r);
	if (w == NULL ||
	    session_host_start(&host, &loop, &ops, &session_limits_default) < 0)
		bench_die("sessions", -ENOMEM);
	for (uint64_t i = 0; i < count; i++)
		watch(&w[i], &host, &r);
	for (uint64_t seq = 1; seq <= MESSAGES; seq++) {
		fan_out(&r, seq);
		(void)uv_run(&loop, UV_RUN_NOWAIT);
		for (uint64_t i = 0; i < count; i++) {
			if (read(w[i].end, bytes, sizeof(bytes)) <= 0)
				bench_die("not told", -ENODATA);
		}
	}
}

struct feeding {
	struct client client;
	struct feed feed;
	uint64_t got;
};

static void on_event(struct client *c, const struct wire_header *h,
		     const void *body)
{
	feed_on_event(&((struct feeding *)c->data)->feed, h, body);
}

static void on_state(struct client *c, bool online, const char *why)
{
	(void)why;
	feed_on_state(&((struct feeding *)c->data)->feed, online);
}

static void woken(struct feed_sub *sub)
{
	struct feeding *f = sub->data;
	struct feed_message *m;

	while (feed_read(sub, &m) > 0)
		f->got++;
}

void path_feed(uint64_t n, const char *dir)
{
	static struct feeding f;
	static struct fake_groups fake;
	static struct client_principal alice;
	uint64_t count = n / MESSAGES;
	struct feed_sub *subs = calloc(count, sizeof(*subs));
	struct client_options options = { .agent = "bench/1",
					  .data = &f,
					  .on_event = on_event,
					  .on_state = on_state };
	uv_loop_t loop;

	(void)dir;
	(void)uv_loop_init(&loop);
	fake_groups_start(&fake, &loop);
	options.path = fake.peer.path;
	if (subs == NULL || client_start(&f.client, &loop, &options) < 0 ||
	    feed_start(&f.feed, &loop, &f.client) < 0 ||
	    client_open_principal(&f.client, &alice, PRINCIPAL_UID, 1, NULL,
				  NULL) < 0)
		bench_die("feed", -ENOMEM);
	for (uint64_t i = 0; i < count; i++) {
		subs[i].data = &f;
		if (feed_subscribe(&f.feed, &subs[i], &alice, 1, 0, woken) < 0)
			bench_die("subscribe", -ENOMEM);
	}
	for (uint64_t i = 0; i < count; i++) {
		while (subs[i].state != FEED_LIVE)
			(void)uv_run(&loop, UV_RUN_ONCE);
	}
	for (uint64_t seq = 1; seq <= MESSAGES; seq++) {
		fake_groups_publish(&fake, 0, 1, false);
		while (f.got < seq * count)
			(void)uv_run(&loop, UV_RUN_ONCE);
	}
	fake_groups_close(&fake);
}

/* Of groups whose watches groupd has not answered yet: finding one is all. */
void path_feed_groups(uint64_t n, const char *dir)
{
	static struct feeding f;
	static struct client_principal alice;
	const struct wire_header header = { .type = WIRE_EV_GROWN };
	const struct client_options options = { .path = "/nowhere",
						.agent = "bench/1",
						.data = &f,
						.on_event = on_event };
	struct feed_sub *subs = calloc(GROUPS, sizeof(*subs));
	uv_loop_t loop;

	(void)dir;
	(void)uv_loop_init(&loop);
	if (subs == NULL || client_start(&f.client, &loop, &options) < 0 ||
	    feed_start(&f.feed, &loop, &f.client) < 0 ||
	    client_open_principal(&f.client, &alice, PRINCIPAL_UID, 1, NULL,
				  NULL) < 0)
		bench_die("feed", -ENOMEM);
	for (uint64_t i = 0; i < GROUPS; i++) {
		if (feed_subscribe(&f.feed, &subs[i], &alice, 1 + i, 0, woken) <
		    0)
			bench_die("subscribe", -ENOMEM);
	}
	for (uint64_t i = 0; i < n; i++) {
		const struct wire_body_ev_grown body = {
			.group_id = 1 + bench_random() % GROUPS, .last_seq = 1
		};

		feed_on_event(&f.feed, &header, &body);
	}
}
