/* SPDX-License-Identifier: MIT */
/*
 * Stands between libwebsockets and libuv, where lws says what it waits for on a
 * connection: it changes its mind five times a request, and each time libuv
 * (1.44) takes the descriptor out of epoll, looks through all events of the
 * turn, and puts it in again. So this program defines uv_poll_start(),
 * uv_poll_stop() and uv_close() itself, as intercept.h does with recv(2), and
 * what lws waits for is told to libuv once a turn, and only if it must be:
 *
 *   - Who wants to write is called in the same turn, before epoll_wait(2):
 *     nearly every socket can be written to. What the socket then does not
 *     take, lws keeps, and waits for as ever: libuv is told.
 *   - Who wants to read no more is told to libuv when there is something to
 *     read; mostly it is read again before.
 *
 * Descriptors that were not added, and all others than lws' connections, go to
 * libuv as ever. One loop thread.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_POLLS_H
#define GROUPFS_DAEMON_GATEWAY_POLLS_H

#include <stddef.h>
#include <uv.h>

/* Descriptors up to fds can be added. 0, or a negative errno. */
int polls_start(uv_loop_t *loop, size_t fds);
/* Before the loop ends; what is added goes to libuv as it comes from then on.
 */
void polls_close(void);
/* The loop has ended. */
void polls_release(void);
/* A new connection of lws, before lws has it. */
void polls_add(int fd);

#endif
