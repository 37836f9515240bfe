/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/gateway.h"

#include <signal.h>
#include <strings.h>

#include "daemon/gateway/front.h"
#include "daemon/gateway/http.h"
#include "daemon/gateway/reporter.h"
#include "daemon/gateway/ws.h"
#include "lib/env.h"
#include "lib/log.h"

enum {
	BYE_MS = 1500,	/* the time to say bye and to answer in */
	LOOK_MS = 50,	/* whether all have heard it */
	STUCK_MS = 300, /* without groupd: nobody took a byte, or left */
	RETRY_MS = 100, /* other gateways are there at once */
	LEAST_MS = 200, /* in which a write is stored, as a rule */
	/* Messages at groupd with which others are still taken. It stores so
	 * many in a second or less; where it is slower, who is accepted is
	 * answered in his time even so. */
	SENDS_MAX = 8192,
	OVERLOAD_RETRY_MS = 1000
};

bool gateway_origin_allowed(const struct gateway_options *options,
			    struct str origin, struct str host)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < options->norigins; i++) {
		if (str_eq(origin, str_of(options->origins[i])))
			return true;
	}
	for (size_t i = 0; i < 2 && host.len > 0; i++) {
		size_t n = strlen(schemes[i]);

		if (origin.len == n + host.len &&
		    memcmp(origin.data, schemes[i], n) == 0 &&
		    strncasecmp(origin.data + n, host.data, host.len) == 0)
			return true;
	}
	return false;
}

static void on_event(struct client *c, const struct wire_header *header,
		     const void *body)
{
	struct gateway *gw = c->data;

	feed_on_event(&gw->feed, header, body);
	ws_on_event(gw, header, body);
	http_downloads_on_event(gw, header, body);
}

static void on_state(struct client *c, bool online, const char *why)
{
	struct gateway *gw = c->data;

	if (online)
		log_info("groupd is there: slot=%u", gw->options->slot);
	else
		log_info("groupd is away: slot=%u why=%s", gw->options->slot,
			 why == NULL ? "" : why);
	if (!gw->stopping)
		core_link_state(&gw->core, online);
	feed_on_state(&gw->feed, online);
	reporter_tell(gw);
	if (online) {
		seats_online(&gw->seats);
		ws_on_online(gw);
	}
}

static void on_abandoned(struct core_link *link)
{
	gateway_stop(container_of(link, struct gateway, core));
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct gateway *gw = signal->data;

	log_info("stopping: signal=%d", number);
	gateway_stop(gw);
}

/* Only one that outlived groupd meets this: what its clients read is not there
 * any more, and a new one knows nothing of it. */
static void on_restored(struct client *c)
{
	log_info("stopping: groupd restored a backup");
	gateway_stop(c->data);
}

static int start_client(struct gateway *gw)
{
	struct buf agent = { 0 };
	struct client_options options = { .data = gw,
					  .on_event = on_event,
					  .on_state = on_state,
					  .on_restored = on_restored };
	int rc;

	buf_append_str(&agent, str_of("groupd-gateway"));
	if (gw->options->tag != NULL)
		buf_printf(&agent, "/%s", gw->options->tag);
	options.agent = buf_cstr(&agent);
	rc = client_start(&gw->client, gw->loop, &options);
	buf_release(&agent);
	return rc;
}

static int start_signals(struct gateway *gw)
{
	int rc = uv_signal_init(gw->loop, &gw->sigterm);

	gw->sigterm.data = gw;
	gw->sigint.data = gw;
	if (rc == 0)
		rc = uv_signal_start(&gw->sigterm, on_signal, SIGTERM);
	if (rc == 0)
		rc = uv_signal_init(gw->loop, &gw->sigint);
	if (rc == 0)
		rc = uv_signal_start(&gw->sigint, on_signal, SIGINT);
	if (rc == 0)
		rc = uv_timer_init(gw->loop, &gw->leave);
	return rc;
}

int gateway_start(struct gateway *gw, uv_loop_t *loop,
		  const struct gateway_options *options)
{
	int rc;

	gw->loop = loop;
	gw->options = options;
	list_init(&gw->conns);
	list_init(&gw->gathered);
	list_init(&gw->downloads);
	list_init(&gw->uploads);
	list_init(&gw->streams);
	meter_init(&gw->meter, env_system());
	gw->names_seed = env_random_u64(env_system());
	rc = wheel_start(&gw->wheel, loop);
	if (rc == 0)
		rc = start_client(gw);
	if (rc == 0)
		rc = feed_start(&gw->feed, loop, &gw->client);
	if (rc == 0)
		feed_on_turned(&gw->feed, ws_flush);
	bearers_init(&gw->bearers, &gw->client, &gw->wheel,
		     env_random_u64(env_system()));
	recall_init(&gw->recall, env_random_u64(env_system()));
	seats_init(&gw->seats, &gw->client);
	addresses_init(&gw->addresses, options->max_per_address,
		       env_random_u64(env_system()));
	if (rc == 0)
		rc = hangups_start(&gw->hangups, loop);
	if (rc == 0)
		rc = reporter_start(gw);
	if (rc == 0)
		rc = start_signals(gw);
	if (rc == 0)
		rc = front_start(gw);
	if (rc == 0)
		rc = core_link_start(&gw->core, loop, options->core_fd,
				     options->core_uid, &gw->client,
				     on_abandoned);
	if (rc < 0)
		log_error("gateway not started: error=%s", uv_strerror(rc));
	return rc;
}

static void on_client_closed(struct client *c)
{
	(void)c;
}

static void on_feed_closed(struct feed *f)
{
	struct gateway *gw = container_of(f, struct gateway, feed);

	http_uploads_release(gw);
	bearers_release(&gw->bearers);
	recall_release(&gw->recall);
	client_close(&gw->client, on_client_closed);
}

/* All have heard it, or had their time. */
static void on_leave(uv_timer_t *t)
{
	struct gateway *gw = container_of(t, struct gateway, leave);

	uv_close((uv_handle_t *)&gw->leave, NULL);
	front_close(gw);
	while (!list_empty(&gw->conns)) {
		struct ws_conn *c = container_of(gw->conns.next, struct ws_conn,
						 of_gateway);

		log_warn("connection left over");
		ws_closed(c);
	}
	seats_close(&gw->seats);
	hangups_close(&gw->hangups);
	reporter_close(gw);
	wheel_close(&gw->wheel);
	feed_close(&gw->feed, on_feed_closed);
}

/* While groupd is there, it may still answer; and then others serve. */
static bool is_stuck(struct gateway *gw, uint64_t now)
{
	struct gateway_bye *b = &gw->bye;
	uint64_t left = gw->meter.websockets + gw->requests;

	if (gw->client.online || gw->meter.written != b->written ||
	    left != b->left) {
		b->written = gw->meter.written;
		b->left = left;
		b->moved_ms = now;
	}
	return now - b->moved_ms >= STUCK_MS;
}

static void on_check_empty(uv_timer_t *t)
{
	struct gateway *gw = container_of(t, struct gateway, leave);
	uint64_t now = uv_now(gw->loop);

	if ((list_empty(&gw->conns) && gw->requests == 0) ||
	    is_stuck(gw, now) || now - gw->bye.began_ms > BYE_MS) {
		uv_timer_stop(t);
		on_leave(t);
	}
}

int gateway_may_send(const struct gateway *gw, struct err *err)
{
	if (client_sends_pending(&gw->client) < SENDS_MAX)
		return 0;
	err_set(err, ERR_UNAVAILABLE, "Too many messages wait to be stored");
	err->retry_after_ms = OVERLOAD_RETRY_MS;
	return err_rc(err);
}

uint64_t gateway_time_left(const struct gateway *gw, uint64_t *until_ms)
{
	uint64_t now = uv_now(gw->loop);

	if (*until_ms == 0) {
		*until_ms = now + gw->options->answer_ms;
		return gw->options->answer_ms;
	}
	return *until_ms >= now + LEAST_MS ? *until_ms - now : 0;
}

void gateway_stop(struct gateway *gw)
{
	if (gw->stopping)
		return;
	gw->stopping = true;
	core_link_close(&gw->core);
	front_stop_listening(gw);
	uv_close((uv_handle_t *)&gw->sigterm, NULL);
	uv_close((uv_handle_t *)&gw->sigint, NULL);
	for (struct list *l = gw->conns.next; l != &gw->conns; l = l->next)
		ws_bye(container_of(l, struct ws_conn, of_gateway),
		       WS_BYE_LEAVING, RETRY_MS);
	gw->bye.began_ms = gw->bye.moved_ms = uv_now(gw->loop);
	uv_timer_start(&gw->leave, on_check_empty, LOOK_MS, LOOK_MS);
}

void gateway_release(struct gateway *gw)
{
	front_release(gw);
	addresses_release(&gw->addresses);
	table_release(&gw->groups);
	table_release(&gw->names);
	table_release(&gw->subs);
	table_release(&gw->users);
	buf_release(&gw->scratch);
	buf_release(&gw->run.bytes);
	buf_release(&gw->reported);
}
