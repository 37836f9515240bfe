/* SPDX-License-Identifier: MIT */
/*
 * The daemon as one object: builds the parts in order, wires them, and takes
 * them down in the reverse order. main() only parses flags and runs the loop;
 * tests build one in their own process.
 *
 *   groupd_stop: stop accepting -> lanes commit and answer what is in flight
 *   -> EV_BYE -> sessions end -> gateways SIGTERM -> all closed -> cb
 */
#ifndef GROUPFS_DAEMON_GROUPD_H
#define GROUPFS_DAEMON_GROUPD_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/bus.h"
#include "daemon/config.h"
#include "daemon/handlers.h"
#include "daemon/listener.h"
#include "daemon/lobby.h"
#include "daemon/media.h"
#include "daemon/fence.h"
#include "daemon/import_keeper.h"
#include "daemon/media_keeper.h"
#include "daemon/nodes.h"
#include "daemon/peer.h"
#include "daemon/pointers.h"
#include "daemon/rate.h"
#include "daemon/readers.h"
#include "daemon/retention.h"
#include "daemon/sequencer.h"
#include "daemon/session.h"
#include "daemon/supervisor.h"
#include "daemon/ticket.h"
#include "daemon/whole.h"
#include "lib/env.h"
#include "lib/err.h"

enum groupd_state { GROUPD_RUNNING, GROUPD_STOPPING, GROUPD_STOPPED };

struct groupd {
	uv_loop_t *loop;
	struct config *config; /* borrowed; groupd_reload() changes it */
	const struct env *env;
	enum groupd_state state;
	uint64_t started_ms;
	struct store_options store_options;
	struct session_host host;
	struct registry registry;
	struct sequencer sequencer;
	struct pointers pointers; /* of a shared store */
	struct fence fence;
	struct readers readers;
	struct readers verifier;
	struct readers movers; /* of the media files' bytes */
	struct whole whole;    /* backup and restore */
	struct media media;
	struct media_keeper keeper;
	struct import_keeper imports;
	struct retention retention;
	struct rate rate;
	struct handlers handlers;
	struct bus bus;
	struct nodes nodes; /* where the store is shared */
	struct listener listener;
	struct lobby lobby;
	struct tickets tickets;
	struct supervisor supervisor;
	uv_timer_t expiry; /* of tokens */
	bool hosting;
	bool sequencing;
	bool pointing;
	bool fencing;
	bool reading;
	bool verifying;
	bool moving;
	bool copying; /* the whole */
	bool keeping;
	bool retaining;
	bool listening;
	bool receiving; /* the lobby */
	bool hinting;	/* the bus */
	bool supervising;
	bool sharing;	       /* the nodes */
	bool closing;	       /* a part is being closed */
	bool verify_abandoned; /* a VERIFY, a backup or a restore still runs: do
				  not free */
	/* A restore is to be done: stop, and start anew. Set by whoever can,
	 * after groupd_start(); NULL: it waits for the next start. */
	void (*on_restart)(struct groupd *g);
	void (*on_stopped)(struct groupd *g);
	void *data; /* the caller's */
};

/* Makes the data directory and the one of the socket, where they are not there.
 * groupd_start() does it too: this is for who locks himself into them first. */
int groupd_make_folders(const struct config *config, struct err *err);
/* Opens the store, listens, starts the gateways. On failure what was built
 * stays for groupd_stop(). config and env are borrowed. */
int groupd_start(struct groupd *g, uv_loop_t *loop, struct config *config,
		 const struct env *env, struct err *err);
/* Applies what may change while it runs: trusted_users, max_message_bytes,
 * media_max_bytes, retention, rate_messages_per_second,
 * max_connections_per_user, tls_cert and tls_key, whose files are read again.
 * On failure nothing has changed. Blocking. */
int groupd_reload(struct groupd *g, const struct config *fresh,
		  struct err *err);
/* Stops in order; cb when the memory is the caller's. Blocks for the batch
 * in flight. */
void groupd_stop(struct groupd *g, void (*cb)(struct groupd *g));

#endif
