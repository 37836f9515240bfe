/* SPDX-License-Identifier: MIT */
/*
 * wsclients: its connection to groupd's own socket, for who sends (wssend.c)
 * and for who makes the scene (wsscene.c). It ends the process where it cannot
 * go on. One thread.
 */
#ifndef GROUPFS_TESTS_BENCH_WSCLIENT_H
#define GROUPFS_TESTS_BENCH_WSCLIENT_H

#include <uv.h>

#include "lib/client.h"

/* Begins, in a new loop, as who runs this. */
void wsclient_start(struct client *c, uv_loop_t *loop, const char *socket,
		    struct client_principal *self);

#endif
