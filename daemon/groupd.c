/* SPDX-License-Identifier: MIT */
#include "daemon/groupd_private.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/fanout.h"
#include "daemon/late.h"
#include "daemon/metrics.h"
#include "daemon/renewal.h"
#include "daemon/status.h"
#include "lib/log.h"

enum {
	READER_THREADS = 2,
	READER_QUEUE = 65536,
	MOVER_THREADS = 2,
	VERIFY_QUEUE = 1, /* one runs, one waits */
	/* The wall clock may be set, and then a token's time is over. */
	EXPIRY_LOOK_MS = 10000,
	FIRST_LOOK_MS = 500
};

static void on_import_gone(void *data)
{
	struct groupd *g = data;

	if (g->keeping)
		media_keeper_sweep(&g->keeper);
}

static void on_swept(void *data)
{
	struct groupd *g = data;

	if (g->keeping)
		media_keeper_sweep(&g->keeper);
}

static void on_event(void *data, struct event *e)
{
	struct groupd *g = data;

	if (nodes_before(g->handlers.nodes, e))
		fanout_event(&g->registry, e);
	nodes_after(g->handlers.nodes, e);
	if (e->kind == EVENT_DELETED && g->keeping)
		media_keeper_sweep(&g->keeper);
	import_keeper_event(&g->imports, e);
}

static bool on_told(void *data, struct list *batch)
{
	struct groupd *g = data;

	return fence_pass(&g->fence, batch);
}

static void on_fence(void *data, struct list *batch)
{
	struct groupd *g = data;

	sequencer_release(&g->sequencer, batch);
}

/* All others ask groupd about members each time. */
static bool is_mount(const struct session *s)
{
	return container_of(s, const struct peer, session)->mount;
}

static bool trusts(void *data, uid_t uid)
{
	const struct groupd *g = data;

	return config_trusts(g->config, uid);
}

static void figures(void *data, struct buf *out)
{
	struct groupd *g = data;
	struct buf instance = { 0 };

	buf_printf(&instance, "%016" PRIx64, g->handlers.instance);
	status_text(out, "version", GROUPFS_VERSION);
	status_text(out, "instance", buf_cstr(&instance));
	buf_release(&instance);
	status_number(out, "uptime_s",
		      (env_now_ms(g->env) - g->started_ms) / 1000);
	status_store(out, g->config->store);
	status_text(out, "socket", g->config->socket);
	supervisor_figures(&g->supervisor, out);
	status_gateways(out, &g->supervisor);
	status_sessions(out, &g->host);
	status_registry(out, &g->registry);
	status_number(out, "requests", g->handlers.requests);
	status_number(out, "requests_refused", g->handlers.refused);
	status_sequencer(out, &g->sequencer);
	status_bus(out, &g->bus);
	status_nodes(out, g->handlers.nodes);
	status_times(out, "read", &g->readers.seconds);
	status_number(out, "reads_queued", readers_load(&g->readers));
	status_number(out, "media_queued", readers_load(&g->movers));
}

static void metrics(void *data, struct buf *out)
{
	metrics_put_loop(out, data);
}

static void on_expiry(uv_timer_t *timer);

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* One more token has an end. */
static void on_expiring(void *data, uint64_t expires_ms)
{
	struct groupd *g = data;
	uint64_t now = env_now_ms(g->env);
	uint64_t wait = expires_ms > now ? expires_ms - now : 0;

	if (uv_is_closing((uv_handle_t *)&g->expiry))
		return;
	if (!uv_is_active((uv_handle_t *)&g->expiry) ||
	    uv_timer_get_due_in(&g->expiry) > wait)
		uv_timer_start(&g->expiry, on_expiry,
			       sooner(wait, EXPIRY_LOOK_MS), 0);
}

static void on_expiry(uv_timer_t *timer)
{
	struct groupd *g = timer->data;
	uint64_t now = env_now_ms(g->env);
	uint64_t wait = EXPIRY_LOOK_MS;
	struct list *next;

	for (struct list *el = g->registry.expiring.next;
	     el != &g->registry.expiring; el = next) {
		struct principal *p =
			container_of(el, struct principal, expiring);

		next = el->next;
		if (p->expires_ms <= now)
			fanout_end_principal(p, ERR_UNAUTHENTICATED);
		else
			wait = sooner(wait, p->expires_ms - now);
	}
	import_keeper_tick(&g->imports, uv_now(g->loop));
	/* Nobody to wait for: nothing wakes us. */
	if (!list_empty(&g->registry.expiring) || g->imports.readers != NULL)
		uv_timer_start(timer, on_expiry, wait, 0);
}

/* Building. */

/* Makes path and what is missing above it; mode is that of the last one. */
static int make_dirs(const char *path, mode_t mode, struct err *err)
{
	struct buf part = { 0 };
	size_t len = strlen(path);
	int rc = 0;

	for (size_t i = 1; i <= len && rc == 0; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		buf_clear(&part);
		buf_append(&part, path, i);
		if (mkdir(buf_cstr(&part), i == len ? mode : 0755) == 0)
			rc = chmod(buf_cstr(&part), i == len ? mode : 0755);
		else if (errno != EEXIST)
			rc = -1;
	}
	if (rc < 0)
		err_set(err, ERR_UNAVAILABLE, "Cannot make %s: %s", path,
			strerror(errno));
	buf_release(&part);
	return rc < 0 ? err_rc(err) : 0;
}

/* The directory above a path that has one. */
static void directory_of(const char *path, struct buf *out)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		buf_printf(out, ".");
	else if (slash == path)
		buf_printf(out, "/");
	else
		buf_append(out, path, (size_t)(slash - path));
}

static void on_restore(struct whole *w)
{
	struct groupd *g = container_of(w, struct groupd, whole);

	if (g->state != GROUPD_RUNNING)
		return;
	if (g->on_restart != NULL)
		g->on_restart(g);
	else
		log_warn("a restore waits for the next start");
}

static bool is_shared(const struct groupd *g)
{
	return store_is_shared(g->readers.reader[0].store);
}

static int start_store(struct groupd *g, struct err *err)
{
	const struct sequencer_options options = {
		.url = g->config->store,
		.store = &g->store_options,
		.lanes = SEQUENCER_LANES,
		.on_event = on_event,
		.on_told = on_told,
		.data = g,
	};
	int rc;

	/* The bound on content is the handlers', which SIGHUP may change. */
	g->store_options = (struct store_options){
		.env = g->env,
		.max_content = WIRE_CONTENT_MAX,
		.dedupe_window_ms = g->config->dedupe_window_ms,
		.check_clock = g->env == env_system(),
	};
	rc = sequencer_start(&g->sequencer, g->loop, &options, err);
	if (rc < 0)
		return status_wrap_store(g->config->store, err);
	g->sequencing = true;
	if (g->sequencer.shared)
		pointers_start(&g->pointers, g->loop, &g->sequencer);
	g->pointing = g->sequencer.shared;
	rc = readers_start(&g->readers, g->loop, READER_THREADS, READER_QUEUE,
			   g->config->store, &g->store_options, err);
	if (rc < 0)
		return rc;
	g->reading = true;
	rc = readers_start(&g->verifier, g->loop, 1, VERIFY_QUEUE,
			   g->config->store, &g->store_options, err);
	g->verifying = rc == 0;
	if (rc == 0)
		rc = readers_start(&g->movers, g->loop, MOVER_THREADS,
				   READER_QUEUE, g->config->store,
				   &g->store_options, err);
	g->moving = rc == 0;
	if (rc == 0)
		rc = whole_start(&g->whole, g->loop, g->config,
				 &g->store_options, &g->media, &g->keeper, err);
	g->copying = rc == 0;
	g->whole.on_restart = on_restore;
	/* None of its jobs runs yet. */
	return rc < 0 ? rc
		      : store_identity(g->readers.reader[0].store,
				       &g->handlers.store, err);
}

static int start_imports(struct groupd *g, struct err *err)
{
	struct import_keeper_shared shared = { .readers = &g->movers };
	struct buf notes = { 0 };
	int rc;

	buf_printf(&notes, "%s/imports", g->config->data);
	shared.notes = buf_cstr(&notes);
	g->imports.on_gone = on_import_gone;
	g->imports.data = g;
	rc = import_keeper_start(&g->imports, &g->host, &g->sequencer,
				 &g->media, is_shared(g) ? &shared : NULL, err);
	buf_release(&notes);
	return rc;
}

static int start_nodes(struct groupd *g, struct err *err)
{
	const struct nodes_options options = { .registry = &g->registry,
					       .host = &g->host,
					       .env = g->env,
					       .url = g->config->store,
					       .store = &g->store_options };
	int rc;

	if (!is_shared(g))
		return 0;
	rc = nodes_start(&g->nodes, g->loop, &options, err);
	g->sharing = rc == 0;
	return rc;
}

static void init_handlers(struct groupd *g)
{
	uint64_t store = g->handlers.store;

	g->handlers = (struct handlers){
		.store = store,
		.whole = &g->whole,
		.registry = &g->registry,
		.readers = &g->readers,
		.verifier = &g->verifier,
		.movers = &g->movers,
		.media = &g->media,
		.imports = &g->imports,
		.sequencer = &g->sequencer,
		.nodes = g->sharing ? &g->nodes : NULL,
		.pointers = g->pointing ? &g->pointers : NULL,
		.bus = &g->bus,
		.tickets = &g->tickets,
		.rate = &g->rate,
		.env = g->env,
		.data_dir = g->config->data,
		.instance = env_random_u64(g->env),
		.max_content = g->config->max_message_bytes,
		.max_connections = g->config->max_connections_per_user,
		.own_uid = geteuid(),
		.trusts = trusts,
		.greeted = groupd_on_greeted,
		.figures = figures,
		.event = on_event,
		.metrics = metrics,
		.data = g,
	};
	handlers_init(&g->handlers);
}

int groupd_make_folders(const struct config *config, struct err *err)
{
	struct buf dir = { 0 };
	int rc = make_dirs(config->data, 0700, err);

	directory_of(config->socket, &dir);
	if (rc == 0)
		rc = make_dirs(buf_cstr(&dir), 0755, err);
	buf_release(&dir);
	return rc;
}

static int start_listening(struct groupd *g, struct err *err)
{
	struct buf dir = { 0 };
	int rc = listener_start(&g->listener, g->loop, g->config->socket,
				g->config->socket_fd, groupd_on_accept, g, err);

	directory_of(g->config->socket, &dir);
	g->listening = rc == 0;
	if (rc == 0) {
		const struct supervisor_options options = {
			.loop = g->loop,
			.config = g->config,
			.rundir = buf_cstr(&dir),
			.answer_ms = is_shared(g) ? LATE_GATEWAY_MS : 0,
			.on_connected = groupd_on_gateway,
			.data = g,
		};

		rc = supervisor_start(&g->supervisor, &options, err);
		/* Half started, it has handles to close as well. */
		g->supervising = true;
	}
	buf_release(&dir);
	return rc;
}

int groupd_start(struct groupd *g, uv_loop_t *loop, struct config *config,
		 const struct env *env, struct err *err)
{
	int rc;

	*g = (struct groupd){ .loop = loop, .config = config, .env = env };
	g->started_ms = env_now_ms(env);
	registry_init(&g->registry);
	rate_init(&g->rate, env, config->rate_messages_per_second);
	rc = session_host_start(&g->host, loop, &groupd_session_ops,
				&session_limits_default);
	assert(rc == 0);
	g->host.data = g;
	g->hosting = true;
	fence_start(&g->fence, loop, &g->host, is_mount, on_fence, g);
	g->fencing = true;
	uv_timer_init(loop, &g->expiry);
	g->expiry.data = g;
	uv_timer_start(&g->expiry, on_expiry, FIRST_LOOK_MS, 0);
	g->registry.on_expiring = on_expiring;
	g->registry.expiring_data = g;
	rc = groupd_make_folders(config, err);
	if (rc == 0)
		rc = restore_apply(config, err);
	if (rc == 0)
		rc = start_store(g, err);
	if (rc == 0)
		rc = media_open(&g->media, config->data, env,
				config->media_max_bytes, err);
	if (rc < 0)
		return rc;
	g->media.shared = is_shared(g);
	media_keeper_start(&g->keeper, loop, &g->media, &g->movers,
			   &g->sequencer);
	g->keeping = true;
	retention_start(&g->retention, loop, &g->movers, &g->sequencer, config,
			on_swept, g);
	g->retaining = true;
	rc = start_imports(g, err);
	if (rc == 0)
		rc = tickets_open(&g->tickets, config->data, env, err);
	if (rc == 0)
		rc = start_nodes(g, err);
	if (rc == 0)
		rc = groupd_start_bus(g, err);
	if (rc < 0)
		return rc;
	lobby_start(&g->lobby, loop, &groupd_lobby_ops, g);
	g->receiving = true;
	init_handlers(g);
	return start_listening(g, err);
}

int groupd_reload(struct groupd *g, const struct config *fresh, struct err *err)
{
	struct config *c = g->config;
	int rc = g->supervisor.count == 0
			 ? 0
			 : renewal_certificate(&g->supervisor, fresh, err);

	if (rc < 0)
		return rc;
	memcpy(c->tls_cert, fresh->tls_cert, sizeof(c->tls_cert));
	memcpy(c->tls_key, fresh->tls_key, sizeof(c->tls_key));
	memcpy(c->trusted, fresh->trusted, sizeof(c->trusted));
	c->ntrusted = fresh->ntrusted;
	c->max_message_bytes = fresh->max_message_bytes;
	g->handlers.max_content = c->max_message_bytes;
	c->media_max_bytes = fresh->media_max_bytes;
	c->retention = fresh->retention;
	c->retention_interval = fresh->retention_interval;
	c->archive_after = fresh->archive_after;
	retention_again(&g->retention);
	media_set_max(&g->media, c->media_max_bytes);
	c->rate_messages_per_second = fresh->rate_messages_per_second;
	rate_set(&g->rate, c->rate_messages_per_second);
	c->max_connections_per_user = fresh->max_connections_per_user;
	g->handlers.max_connections = c->max_connections_per_user;
	if (rc > 0)
		renewal_begin(&g->supervisor);
	return 0;
}
