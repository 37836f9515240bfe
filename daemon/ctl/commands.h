/* SPDX-License-Identifier: MIT */
/*
 * groupctl's subcommands. Each gets its own arguments, without the words that
 * named it, as many as the table in main.c allows, and returns what groupctl
 * exits with.
 */
#ifndef GROUPFS_DAEMON_CTL_COMMANDS_H
#define GROUPFS_DAEMON_CTL_COMMANDS_H

#include <stdbool.h>

#include "daemon/ctl/ctl.h"

/* What options say; a command takes only those its row names. */
struct ctl_options {
	uint64_t expires_ms; /* --expires, from now on; 0: never */
	bool json;	     /* --json */
	bool verify;	     /* --verify */
	bool yes;	     /* --yes */
};

typedef enum ctl_exit (*ctl_command_fn)(struct ctl *ctl,
					const struct ctl_options *o, int argc,
					char **argv);

enum ctl_exit ctl_user_add(struct ctl *ctl, const struct ctl_options *o,
			   int argc, char **argv);
enum ctl_exit ctl_token_create(struct ctl *ctl, const struct ctl_options *o,
			       int argc, char **argv);
enum ctl_exit ctl_token_list(struct ctl *ctl, const struct ctl_options *o,
			     int argc, char **argv);
enum ctl_exit ctl_token_revoke(struct ctl *ctl, const struct ctl_options *o,
			       int argc, char **argv);
enum ctl_exit ctl_create(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_delete(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_status(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
/* ctl is NULL where a file is named: groupd is not asked. */
enum ctl_exit ctl_verify(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_backup(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_restore(struct ctl *ctl, const struct ctl_options *o,
			  int argc, char **argv);

/* Reads a whole backup, and complains about what is wrong. */
struct bundle_manifest;
enum ctl_exit ctl_check_backup(const char *path, struct bundle_manifest *m);
/* A line that says what is in it. */
void ctl_put_manifest(struct buf *out, const struct bundle_manifest *m);

/* "90d" (s, m, h, d, w) in milliseconds; false for anything else, zero and
 * what reaches beyond the year 9999. */
bool ctl_parse_duration(const char *text, uint64_t *ms);

#endif
