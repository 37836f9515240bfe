/* SPDX-License-Identifier: MIT */
#include "daemon/nodes_bus.h"

/* Out. */

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

const struct nodes_tell nodes_bus_tell = {
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

/* In. */

static void on_group(void *data, uint64_t group_id, uint64_t last_seq,
		     uint64_t member_version)
{
	nodes_on_group(data, group_id, last_seq, member_version);
}

static void on_user(void *data, struct str user, uint64_t version)
{
	nodes_on_user(data, user, version);
}

static void on_mention(void *data, struct str user, uint64_t group_id,
		       uint64_t seq)
{
	nodes_on_mention(data, user, group_id, seq);
}

static void on_read(void *data, struct str user, uint64_t group_id,
		    uint64_t seq)
{
	nodes_on_read(data, user, group_id, seq);
}

static void on_tokens(void *data)
{
	nodes_on_tokens(data);
}

static void on_state(void *data, bool up)
{
	nodes_on_state(data, up);
}

const struct bus_ops nodes_bus_ops = {
	.on_group = on_group,
	.on_user = on_user,
	.on_mention = on_mention,
	.on_read = on_read,
	.on_tokens = on_tokens,
	.on_state = on_state,
};
