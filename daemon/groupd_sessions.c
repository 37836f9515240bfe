/* SPDX-License-Identifier: MIT */
/* The connections of groupd: how one becomes a session, and what its session
 * tells the other parts. */
#include "daemon/groupd_private.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/fanout.h"
#include "daemon/handover.h"
#include "lib/log.h"

enum { SESSIONS_PER_UID = 1024 };

static void on_frame(struct session *s, const struct wire_header *header,
		     struct str body)
{
	struct groupd *g = s->host->data;

	handlers_frame(&g->handlers, container_of(s, struct peer, session),
		       header, body);
}

static void on_drained(struct session *s)
{
	fanout_drained(container_of(s, struct peer, session));
}

static void on_session_closed(struct session *s)
{
	struct groupd *g = s->host->data;
	struct peer *peer = container_of(s, struct peer, session);

	if (peer->gateway && g->supervising)
		supervisor_lost(&g->supervisor, peer);
	if (g->keeping)
		import_keeper_lost(&g->imports, s->serial);
	whole_lost(&g->whole, peer);
}

static void on_session_free(struct session *s)
{
	struct groupd *g = s->host->data;
	struct peer *peer = container_of(s, struct peer, session);

	peer_release(peer);
	free(peer);
	if (g->state == GROUPD_STOPPING)
		groupd_step(g);
}

const struct session_ops groupd_session_ops = {
	.on_frame = on_frame,
	.on_drained = on_drained,
	.on_closed = on_session_closed,
	.on_free = on_session_free,
};

static void on_refused(uv_handle_t *handle)
{
	free(container_of((uv_pipe_t *)handle, struct peer, session.pipe));
}

static size_t sessions_of(const struct groupd *g, uid_t uid)
{
	size_t count = 0;

	for (const struct list *el = g->host.sessions.next;
	     el != &g->host.sessions; el = el->next)
		count += container_of(el, const struct session, link)->uid ==
			 uid;
	return count;
}

static struct peer *peer_new(struct groupd *g, bool gateway)
{
	struct peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		return NULL;
	uv_pipe_init(g->loop, &peer->session.pipe, 0);
	peer_init(peer, &g->registry, gateway);
	return peer;
}

/* Takes fd. NULL: it is closed. */
static struct peer *peer_start(struct groupd *g, int fd, bool gateway)
{
	struct peer *peer = peer_new(g, gateway);

	if (peer == NULL) {
		close(fd);
		return NULL;
	}
	if (uv_pipe_open(&peer->session.pipe, fd) < 0) {
		close(fd);
		goto refused;
	}
	if (session_start(&peer->session, &g->host) == 0)
		return peer;
refused:
	uv_close((uv_handle_t *)&peer->session.pipe, on_refused);
	return NULL;
}

struct peer *groupd_on_gateway(void *data, int fd)
{
	return peer_start(data, fd, true);
}

static void on_wire(void *data, int fd)
{
	if (peer_start(data, fd, false) == NULL)
		log_warn("refused a session, no memory");
}

static int on_http(void *data, int fd, uid_t uid)
{
	struct groupd *g = data;

	return handover_give(&g->supervisor, &g->tickets, fd, uid);
}

const struct lobby_ops groupd_lobby_ops = {
	.on_wire = on_wire,
	.on_http = on_http,
};

void groupd_on_accept(void *data, int fd)
{
	struct groupd *g = data;
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    sessions_of(g, cred.uid) + lobby_count(&g->lobby, cred.uid) >=
		    SESSIONS_PER_UID) {
		log_warn("refused a session, too many: uid=%u",
			 (unsigned)cred.uid);
		close(fd);
		return;
	}
	lobby_enter(&g->lobby, fd, cred.uid);
}

void groupd_on_greeted(void *data, struct peer *peer, struct str agent)
{
	static const char mount[] = "groupfs/";
	struct groupd *g = data;

	peer->mount = agent.len > sizeof(mount) - 1 &&
		      memcmp(agent.data, mount, sizeof(mount) - 1) == 0;
	if (peer->gateway && g->supervising)
		supervisor_greeted(&g->supervisor, peer, agent);
}
