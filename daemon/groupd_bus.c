/* SPDX-License-Identifier: MIT */
/*
 * What the bus, the nodes and the registry say to each other:
 *
 *   nodes --tell--> bus --> Redis --> bus --ops--> nodes
 *   registry --on_presence--> bus
 */
#include "daemon/groupd_private.h"

/* From the nodes to the bus. */

static int subscribe_group(void *data, uint64_t group_id)
{
	return bus_subscribe_group(data, group_id);
}

static void unsubscribe_group(void *data, uint64_t group_id)
{
	bus_unsubscribe_group(data, group_id);
}

static int subscribe_user(void *data, struct str user)
{
	return bus_subscribe_user(data, user);
}

static void unsubscribe_user(void *data, struct str user)
{
	bus_unsubscribe_user(data, user);
}

static void tell_group(void *data, uint64_t group_id, uint64_t last_seq,
		       uint64_t member_version)
{
	bus_publish_group(data, group_id, last_seq, member_version);
}

static void tell_deleted(void *data, uint64_t group_id)
{
	bus_publish_deleted(data, group_id);
}

static void tell_user(void *data, struct str user, uint64_t version)
{
	bus_publish_user(data, user, version);
}

static void tell_mention(void *data, struct str user, uint64_t group_id,
			 uint64_t seq)
{
	bus_publish_mention(data, user, group_id, seq);
}

static void tell_read(void *data, struct str user, uint64_t group_id,
		      uint64_t seq)
{
	bus_publish_read(data, user, group_id, seq);
}

static void tell_tokens(void *data)
{
	bus_publish_tokens(data);
}

static const struct nodes_tell tell = {
	.subscribe_group = subscribe_group,
	.unsubscribe_group = unsubscribe_group,
	.subscribe_user = subscribe_user,
	.unsubscribe_user = unsubscribe_user,
	.group = tell_group,
	.deleted = tell_deleted,
	.user = tell_user,
	.mention = tell_mention,
	.read = tell_read,
	.tokens = tell_tokens,
};

/* And back. */

static struct nodes *nodes_of(void *data)
{
	struct groupd *g = data;

	return g->sharing ? &g->nodes : NULL;
}

static void on_group(void *data, uint64_t group_id, uint64_t last_seq,
		     uint64_t member_version)
{
	struct nodes *n = nodes_of(data);

	if (n != NULL)
		nodes_on_group(n, group_id, last_seq, member_version);
}

static void on_user(void *data, struct str user, uint64_t version)
{
	struct nodes *n = nodes_of(data);

	if (n != NULL)
		nodes_on_user(n, user, version);
}

static void on_mention(void *data, struct str user, uint64_t group_id,
		       uint64_t seq)
{
	struct nodes *n = nodes_of(data);

	if (n != NULL)
		nodes_on_mention(n, user, group_id, seq);
}

static void on_read(void *data, struct str user, uint64_t group_id,
		    uint64_t seq)
{
	struct nodes *n = nodes_of(data);

	if (n != NULL)
		nodes_on_read(n, user, group_id, seq);
}

static void on_tokens(void *data)
{
	struct nodes *n = nodes_of(data);

	if (n != NULL)
		nodes_on_tokens(n);
}

static void on_state(void *data, bool up)
{
	struct nodes *n = nodes_of(data);

	if (n != NULL)
		nodes_on_state(n, up);
}

static const struct bus_ops ops = {
	.on_group = on_group,
	.on_user = on_user,
	.on_mention = on_mention,
	.on_read = on_read,
	.on_tokens = on_tokens,
	.on_state = on_state,
};

static void on_presence(void *data, uint64_t group_id, struct str user,
			bool here)
{
	struct groupd *g = data;

	if (here)
		bus_arrive(&g->bus, group_id, user);
	else
		bus_leave(&g->bus, group_id, user);
}

int groupd_start_bus(struct groupd *g, struct err *err)
{
	const struct bus_options options = {
		.url = g->config->bus,
		.store = g->handlers.store,
		.env = g->env,
		.ops = &ops,
		.data = g,
	};
	int rc = bus_start(&g->bus, g->loop, &options, err);

	g->hinting = true;
	if (rc < 0)
		return err_wrap(err, "bus");
	if (!bus_is_on(&g->bus) || !g->sharing)
		return 0;
	g->nodes.tell = &tell;
	g->nodes.tell_data = &g->bus;
	g->registry.on_presence = on_presence;
	g->registry.presence_data = g;
	return 0;
}
