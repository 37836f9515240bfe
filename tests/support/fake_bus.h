/* SPDX-License-Identifier: MIT */
/*
 * A bus between two groupds of this process, which loses, doubles, holds back
 * and forges what nodes tell each other. Only what is subscribed to comes.
 */
#ifndef GROUPFS_TESTS_SUPPORT_FAKE_BUS_H
#define GROUPFS_TESTS_SUPPORT_FAKE_BUS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/mailbox.h"
#include "daemon/nodes.h"
#include "lib/list.h"
#include "tests/support/groupd_fixture.h"

enum { FAKE_BUS_NODES = 2, FAKE_BUS_TOPICS = 256 };

struct fake_topic {
	uint64_t group_id; /* 0: the user */
	char user[WIRE_USER_MAX + 1];
};

struct fake_node {
	struct fake_bus *bus;
	struct fixture *f;
	struct mailbox box;
	struct list held;
	struct fake_topic topics[FAKE_BUS_TOPICS];
	size_t ntopics;
};

struct fake_bus {
	pthread_mutex_t lock;
	struct fake_node nodes[FAKE_BUS_NODES];
	/* In percent. */
	unsigned lose;
	unsigned twice;
	unsigned hold;
	unsigned forge;
	uint64_t random;
	size_t told; /* by all nodes */
};

/* Hooks the node's fixture, before it starts. */
void fake_bus_join(struct fake_bus *bus, size_t node, struct fixture *f);
void fake_bus_init(struct fake_bus *bus);
void fake_bus_release(struct fake_bus *bus);
/* A hint of nobody's to a node, whether it is subscribed or not. */
void fake_bus_group(struct fake_bus *bus, size_t node, uint64_t group_id,
		    uint64_t last_seq, uint64_t version);
void fake_bus_user(struct fake_bus *bus, size_t node, const char *user,
		   uint64_t version);
void fake_bus_mention(struct fake_bus *bus, size_t node, const char *user,
		      uint64_t group_id, uint64_t seq);
void fake_bus_read(struct fake_bus *bus, size_t node, const char *user,
		   uint64_t group_id, uint64_t seq);
void fake_bus_tokens(struct fake_bus *bus, size_t node);
/* Calls fn on the node's loop, and waits for it. */
void fake_bus_call(struct fake_bus *bus, size_t node,
		   void (*fn)(struct nodes *n, void *data), void *data);
/* What a node is subscribed to. */
size_t fake_bus_topics(struct fake_bus *bus, size_t node);

#endif
