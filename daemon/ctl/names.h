/* SPDX-License-Identifier: MIT */
/*
 * The names of users as a command line gives them: as arguments, or, for
 * "-", a line each of stdin. One thread.
 */
#ifndef GROUPFS_DAEMON_CTL_NAMES_H
#define GROUPFS_DAEMON_CTL_NAMES_H

#include "daemon/ctl/ctl.h"

/* Called for each name, which is a user's and borrowed; what it returns ends
 * the walk, unless it is CTL_OK. */
typedef enum ctl_exit (*names_fn)(void *data, const char *name);

/* CTL_OK, what fn returned, or CTL_REFUSED: it has then said why. */
enum ctl_exit names_each(int argc, char *const *argv, names_fn fn, void *data);

#endif
