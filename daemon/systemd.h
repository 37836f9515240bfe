/* SPDX-License-Identifier: MIT */
/*
 * What systemd and its services say to each other, by hand: it is a datagram
 * and three variables (sd_notify(3), sd_watchdog_enabled(3),
 * sd_listen_fds(3)), and a library for it would be in every process here.
 *
 * Reads the environment: call it where no thread changes that.
 */
#ifndef GROUPFS_DAEMON_SYSTEMD_H
#define GROUPFS_DAEMON_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/str.h"

/* Whether somebody listens to systemd_notify(). */
bool systemd_is_there(void);
/* Sends lines of NAME=VALUE to $NOTIFY_SOCKET; without it, nothing. 0, or the
 * negative errno of a failure. */
int systemd_notify(struct str text);
/* Within how many microseconds WATCHDOG=1 must come, again and again; 0: it is
 * not asked for, or of another process. */
uint64_t systemd_watchdog_us(void);
/* The one socket that a groupd may be given: it listens, on the Unix socket
 * of this path. Returns it, not inherited by children any more; 0: none was
 * given; negative with err: others were, none of which stays open. The
 * variables are gone afterwards. */
int systemd_take_socket(const char *path, struct err *err);
/* Before execve(2): this process takes the socket once more. 0: there is none
 * to be taken. */
void systemd_pass_socket(int fd);

#endif
