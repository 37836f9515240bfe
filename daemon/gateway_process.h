/* SPDX-License-Identifier: MIT */
/*
 * The sockets and the process of one gateway, for the supervisor: how it is
 * bound, found and started. When, and what then, is the supervisor's.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_PROCESS_H
#define GROUPFS_DAEMON_GATEWAY_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/supervisor.h"
#include "lib/buf.h"
#include "lib/err.h"

/* What a gateway inherits; -1: not that one. */
struct gateway_fds {
	int tcp;
	int core; /* on which it accepts our session */
	int door; /* on which it is given connections */
	int tls;  /* the certificate, to be read */
};

void gateway_fds_close(struct gateway_fds *fds);
/* Append the paths of its Unix sockets. */
void gateway_core_path(const struct gateway *gw, struct buf *out);
void gateway_door_path(const struct gateway *gw, struct buf *out);
/* The program: beside our own executable, else where `make install` puts it. */
void gateway_find_binary(struct buf *out);
/* Is this pid a gateway? */
bool gateway_is(pid_t pid);
/* A socket of the address of s, listening if shared; the fd or -errno. */
int gateway_bind_tcp(struct supervisor *s, bool shared);
int gateway_bind_core(struct gateway *gw, struct err *err);
int gateway_bind_door(struct gateway *gw, struct err *err);
/* Starts gw->process on copies of the descriptors. The handle is initialised
 * even on failure (a negative uv error, logged). */
int gateway_spawn(struct gateway *gw, const struct gateway_fds *fds,
		  uv_exit_cb on_exit);
/* Sends a signal to gw->pid, whose user may be another than ours. */
void gateway_signal(const struct gateway *gw, int number);

#endif
