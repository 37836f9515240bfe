/* SPDX-License-Identifier: MIT */
/*
 * groupd without its door: the parts of daemon/groupd.c from the session to the
 * store, wired as there, and taken down as in daemon/groupd_stop.c. A crash
 * takes the same way, cut off from the world: from then on nothing reaches a
 * client or the store.
 */
#include <assert.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/auth.h"
#include "daemon/fanout.h"
#include "daemon/fence.h"
#include "daemon/handlers.h"
#include "daemon/retention.h"
#include "lib/json.h"
#include "store/backend.h"
#include "tests/sim/sim.h"

enum { QUEUE = 64, LOOK_MS = 700 };

static struct core {
	uv_loop_t loop;
	struct store_options store;
	struct session_host host;
	struct registry registry;
	struct sequencer sequencer;
	struct fence fence;
	struct readers readers;
	struct rate rate;
	struct retention retention;
	struct config config;
	struct handlers handlers;
	unsigned closing;
	bool has_tokens;
	char token[MODEL_USERS][WIRE_TOKEN_MAX + 1];
} core;

/* passwd(5): uid 3 is u3. */
static int find_account(struct passwd *pw, char *room, size_t size,
			unsigned user, struct passwd **out)
{
	*out = NULL;
	if (user >= MODEL_USERS)
		return 0;
	snprintf(room, size, "u%u", user);
	*pw = (struct passwd){ .pw_name = room, .pw_uid = user };
	*out = pw;
	return 0;
}

int __wrap_getpwuid_r(uid_t uid, struct passwd *pw, char *room, size_t size,
		      struct passwd **out);
int __wrap_getpwuid_r(uid_t uid, struct passwd *pw, char *room, size_t size,
		      struct passwd **out)
{
	return find_account(pw, room, size, uid, out);
}

int __wrap_getpwnam_r(const char *name, struct passwd *pw, char *room,
		      size_t size, struct passwd **out);
int __wrap_getpwnam_r(const char *name, struct passwd *pw, char *room,
		      size_t size, struct passwd **out)
{
	return find_account(pw, room, size,
			    name[0] == 'u' && name[1] != '\0' && name[2] == '\0'
				    ? (unsigned)(name[1] - '0')
				    : MODEL_USERS,
			    out);
}

static void on_frame(struct session *s, const struct wire_header *header,
		     struct str body)
{
	handlers_frame(&core.handlers, container_of(s, struct peer, session),
		       header, body);
}

static void on_drained(struct session *s)
{
	fanout_drained(container_of(s, struct peer, session));
}

static void on_session_closed(struct session *s)
{
	(void)s;
}

static void on_session_free(struct session *s)
{
	struct peer *peer = container_of(s, struct peer, session);

	peer_release(peer);
	free(peer);
}

static const struct session_ops ops = {
	.on_frame = on_frame,
	.on_drained = on_drained,
	.on_closed = on_session_closed,
	.on_free = on_session_free,
};

static void on_event(void *data, struct event *e)
{
	(void)data;
	fanout_event(&core.registry, e);
}

static bool on_told(void *data, struct list *batch)
{
	(void)data;
	return fence_pass(&core.fence, batch);
}

static void on_fence(void *data, struct list *batch)
{
	(void)data;
	sequencer_release(&core.sequencer, batch);
}

static bool is_mount(const struct session *s)
{
	return container_of(s, const struct peer, session)->mount;
}

static bool trusts(void *data, uid_t uid)
{
	(void)data;
	(void)uid;
	return true;
}

static void greeted(void *data, struct peer *peer, struct str agent)
{
	(void)data;
	peer->mount = agent.len > 8 && memcmp(agent.data, "groupfs/", 8) == 0;
}

/* The process would end here. disk.c has said so already. */
static void on_unknown(void *data, const struct err *err)
{
	(void)data;
	(void)err;
	sim.crashed = true;
}

static void on_swept(void *data)
{
	(void)data;
}

static void must(int rc, const struct err *err)
{
	if (rc < 0)
		sim_fail("core: %s", err->text);
}

static void add_users(void)
{
	struct store *s = core.sequencer.lane[0].store;
	uint8_t hash[STORE_TOKEN_HASH];
	struct err err = { 0 };
	uint64_t id;
	bool added;

	must(store_begin(s, &err), &err);
	for (unsigned u = 0; u < MODEL_USERS; u++) {
		char name[4];

		snprintf(name, sizeof(name), "u%u", u);
		must(store_add_user(s, str_of(name), &added, &err), &err);
		auth_make_token(&sim.env, core.token[u]);
		must(auth_hash_token(str_of(core.token[u]), hash), &err);
		must(store_create_token(s, str_of(name), hash, 0, &id, &err),
		     &err);
	}
	must(store_commit(s, &err), &err);
}

static void start_parts(void)
{
	const struct sequencer_options options = {
		.url = sim.url,
		.store = &core.store,
		.lanes = 1,
		.on_event = on_event,
		.on_told = on_told,
		.on_unknown = on_unknown,
	};
	const struct session_limits limits = {
		.requests = 64,
		.bytes = 1 << 20,
		.output = sim.moods.output,
		.output_hard = 64 * (size_t)sim.moods.output,
		.hello_ms = 5000,
		.stall_ms = 30000,
		.closing_ms = 2000,
		.sweep_ms = 1000,
	};
	struct err err = { 0 };

	registry_init(&core.registry);
	rate_init(&core.rate, &sim.env, 0);
	(void)session_host_start(&core.host, &core.loop, &ops, &limits);
	fence_start(&core.fence, &core.loop, &core.host, is_mount, on_fence,
		    NULL);
	core.store = (struct store_options){
		.env = &sim.env,
		.max_content = WIRE_CONTENT_MAX,
		.dedupe_window_ms = UINT64_C(86400000),
	};
	must(sequencer_start(&core.sequencer, &core.loop, &options, &err),
	     &err);
	/* To open one is most of a short life on SQLite. */
	must(readers_start(&core.readers, &core.loop,
			   sim.backend == SIM_SQLITE ? 1 : 2, QUEUE, sim.url,
			   &core.store, &err),
	     &err);
}

void core_start(void)
{
	bool calm = sim.calm;

	sim.calm = true;
	sim.crashed = false;
	disk_reset();
	config_defaults(&core.config);
	core.config.retention_interval = LOOK_MS;
	start_parts();
	retention_start(&core.retention, &core.loop, &core.readers,
			&core.sequencer, &core.config, on_swept, NULL);
	core.handlers = (struct handlers){
		.registry = &core.registry,
		.readers = &core.readers,
		.sequencer = &core.sequencer,
		.rate = &core.rate,
		.env = &sim.env,
		.instance = env_random_u64(&sim.env),
		.max_content = 1 << 16,
		.own_uid = 0,
		.trusts = trusts,
		.greeted = greeted,
		.event = on_event,
	};
	handlers_init(&core.handlers);
	if (!core.has_tokens)
		add_users();
	core.has_tokens = true;
	sim.calm = calm;
	sim_trace("core: started");
}

const char *core_token(unsigned user)
{
	return core.token[user];
}

static void on_refused(uv_handle_t *handle)
{
	free(container_of((uv_pipe_t *)handle, struct peer, session.pipe));
}

void core_accept(int fd)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	assert(peer != NULL);
	uv_pipe_init(&core.loop, &peer->session.pipe, 0);
	peer_init(peer, &core.registry, false);
	if (uv_pipe_open(&peer->session.pipe, fd) < 0 ||
	    session_start(&peer->session, &core.host) < 0)
		uv_close((uv_handle_t *)&peer->session.pipe, on_refused);
}

/* Taking it down. */

static void on_closed(void)
{
	core.closing--;
}

static void on_retention_closed(struct retention *r)
{
	(void)r;
	on_closed();
}

static void on_readers_closed(struct readers *r)
{
	(void)r;
	on_closed();
}

static void on_sequencer_closed(struct sequencer *q)
{
	(void)q;
	on_closed();
}

static void on_fence_closed(struct fence *f)
{
	(void)f;
	on_closed();
}

static void on_host_closed(struct session_host *h)
{
	(void)h;
	on_closed();
}

static void wait_closed(void)
{
	for (int i = 0; core.closing > 0; i++) {
		SIM_CHECK(i < 10000, "core: a part does not close");
		loop_turn();
		sim.now_ns += SIM_MS;
	}
}

static void end_sessions(bool crash)
{
	const struct wire_body_ev_bye bye = { .retry_after_ms = 1 };
	struct list *next;

	for (struct list *l = core.host.sessions.next; l != &core.host.sessions;
	     l = next) {
		struct session *s = container_of(l, struct session, link);

		next = l->next;
		if (crash || !session_is_open(s)) {
			session_close(s);
		} else {
			session_send(s, WIRE_EV_BYE, 0, 0, &bye);
			session_finish(s);
		}
	}
	for (int i = 0; !list_empty(&core.host.sessions); i++) {
		SIM_CHECK(i < 10000, "core: a session does not end");
		loop_turn();
		sim.now_ns += SIM_MS;
	}
}

void core_stop(bool crash)
{
	bool calm = sim.calm;

	sim_trace("core: %s", crash ? "crashes" : "stops");
	sim.calm = true;
	sim.crashed = crash || sim.crashed;
	core.handlers.stopping = true;
	session_host_pause(&core.host);
	core.closing = 1;
	retention_close(&core.retention, on_retention_closed);
	readers_close(&core.readers, on_readers_closed);
	core.closing++;
	wait_closed();
	core.closing = 2;
	sequencer_close(&core.sequencer, on_sequencer_closed);
	fence_close(&core.fence, on_fence_closed);
	wait_closed();
	end_sessions(sim.crashed);
	core.closing = 1;
	session_host_close(&core.host, on_host_closed);
	wait_closed();
	registry_release(&core.registry);
	rate_release(&core.rate);
	handlers_release(&core.handlers);
	sim.calm = calm;
}

/* The store as it lies there. */

struct comparing {
	struct model_group *g;
	uint64_t seq; /* the one before */
	uint64_t off;
};

static int compare_message(void *data, const struct wire_message *m)
{
	struct comparing *c = data;
	const struct model_message *l = &c->g->log[m->seq - 1];
	uint64_t item = strtoull(m->content.data + 1, NULL, 10);

	SIM_CHECK(m->seq == c->seq + 1 && m->seq <= c->g->kept.last,
		  "store: %llu comes behind %llu", (unsigned long long)m->seq,
		  (unsigned long long)c->seq);
	SIM_CHECK(item == l->item, "store: message %llu is %llu, not %llu",
		  (unsigned long long)m->seq, (unsigned long long)item,
		  (unsigned long long)l->item);
	SIM_CHECK(c->off == UINT64_MAX || m->off == c->off,
		  "store: message %llu does not begin where the last one ends",
		  (unsigned long long)m->seq);
	c->seq = m->seq;
	c->off = m->off + m->len;
	return 0;
}

static void on_problem(void *data, const char *text)
{
	(void)data;
	sim_fail("store: %s", text);
}

static void check_group(struct store *s, struct model_group *g)
{
	struct comparing c = { .g = g,
			       .seq = g->kept.first - 1,
			       .off = UINT64_MAX };
	struct wire_group out;
	struct err err = { 0 };
	int rc = store_find_group(s, g->kept.id, str_of(""), str_of(""), &out,
				  &err);

	SIM_CHECK((rc == 0) == g->kept.live, "store: group %llu is%s there",
		  (unsigned long long)g->kept.id, rc == 0 ? "" : " not");
	if (rc < 0)
		return;
	SIM_CHECK(out.first_seq == g->kept.first &&
			  out.last_seq == g->kept.last,
		  "store: group %llu has %llu-%llu, the model %llu-%llu",
		  (unsigned long long)g->kept.id,
		  (unsigned long long)out.first_seq,
		  (unsigned long long)out.last_seq,
		  (unsigned long long)g->kept.first,
		  (unsigned long long)g->kept.last);
	must(store_scan(s, g->kept.id, 0, compare_message, &c, &err), &err);
	SIM_CHECK(c.seq == g->kept.last, "store: the log ends at %llu",
		  (unsigned long long)c.seq);
	for (unsigned u = 0; u < MODEL_USERS; u++) {
		char name[4];

		snprintf(name, sizeof(name), "u%u", u);
		rc = store_find_group(s, g->kept.id, str_of(""), str_of(name),
				      &out, &err);
		SIM_CHECK((rc == 0) == g->kept.member[u].in,
			  "store: u%u is%s in group %llu", u,
			  rc == 0 ? "" : " not",
			  (unsigned long long)g->kept.id);
		SIM_CHECK(rc < 0 || out.last_read_seq ==
					    model_pointer(&g->kept, u),
			  "store: the pointer of u%u in group %llu is %llu, "
			  "the model says %llu",
			  u, (unsigned long long)g->kept.id,
			  (unsigned long long)out.last_read_seq,
			  (unsigned long long)model_pointer(&g->kept, u));
	}
}

void core_check_store(void)
{
	struct store_verify v = { .problem = on_problem };
	struct store_options options = { .env = &sim.env, .read_only = true };
	struct store *s = NULL;
	struct err err = { 0 };

	must(store_open(&s, sim.url, &options, &err), &err);
	for (size_t i = 0; i < sim.model.groups_kept; i++)
		check_group(s, &sim.model.group[i]);
	if (sim.seed % 16 == 0)
		must(store_verify(s, &v, &err), &err);
	store_close(s);
}

void core_forget(void)
{
	core.has_tokens = false;
}
