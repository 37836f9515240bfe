/* SPDX-License-Identifier: MIT */
/*
 * What groupctl says of itself: help, and what was perhaps meant. Tables end
 * with a row that has neither noun nor what. One thread.
 */
#ifndef GROUPFS_DAEMON_CTL_USAGE_H
#define GROUPFS_DAEMON_CTL_USAGE_H

#include <stdbool.h>
#include <stdio.h>

#include "daemon/ctl/commands.h"

/* All commands, a line each. */
void usage_all(FILE *to, const struct ctl_command *table);
/* One command: how it is called, what it does, its options. */
void usage_of(FILE *to, const struct ctl_command *c);
/* "usage: groupctl send [OPTION...] GROUP [TEXT...]" */
void usage_line(FILE *to, const struct ctl_command *c);

/* The command that argv names; *words of argv are its name. NULL: none. */
const struct ctl_command *usage_find(const struct ctl_command *table, int argc,
				     char *const *argv, int *words);
/* Complains that argv names no command; says which one it nearly does. */
void usage_complain_command(const struct ctl_command *table, int argc,
			    char *const *argv);
/* Complains of an option that c does not take, or that there is none: says
 * which of its own was perhaps meant. word has its hyphens. */
void usage_complain_option(const struct ctl_command *c, const char *word);

/* Letters to be changed, added, left out or swapped with their neighbour to
 * make b of a; more than 32 of a name are not looked at. */
size_t usage_distance(const char *a, const char *b);

#endif
