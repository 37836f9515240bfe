/* SPDX-License-Identifier: MIT */
/*
 * groupctl's subcommands. Each gets its own arguments, without the words that
 * named it, as many as its row in main.c allows, and returns what groupctl
 * exits with.
 */
#ifndef GROUPFS_DAEMON_CTL_COMMANDS_H
#define GROUPFS_DAEMON_CTL_COMMANDS_H

#include <stdbool.h>

#include "daemon/ctl/ctl.h"
#include "daemon/ctl/options.h"

typedef enum ctl_exit (*ctl_command_fn)(struct ctl *ctl,
					const struct ctl_options *o, int argc,
					char **argv);

/* A row of the table. One without noun is a heading, in `what`. */
struct ctl_command {
	const char *noun;
	const char *verb;   /* NULL: the noun alone */
	const char *args;   /* "GROUP [USER...]" */
	const char *what;   /* in a few words */
	const char *about;  /* what help says of it, in lines */
	ctl_command_fn run; /* NULL: main()'s own */
	int min;	    /* arguments */
	int max;
	unsigned int takes; /* the bits of its options */
	bool alone;	    /* groupd is not asked: ctl is NULL */
	bool unnamed;	    /* as ctl_open() */
};

enum ctl_exit ctl_follow(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_send(struct ctl *ctl, const struct ctl_options *o, int argc,
		       char **argv);
enum ctl_exit ctl_mentions(struct ctl *ctl, const struct ctl_options *o,
			   int argc, char **argv);
enum ctl_exit ctl_groups(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_info(struct ctl *ctl, const struct ctl_options *o, int argc,
		       char **argv);
enum ctl_exit ctl_describe(struct ctl *ctl, const struct ctl_options *o,
			   int argc, char **argv);
enum ctl_exit ctl_read(struct ctl *ctl, const struct ctl_options *o, int argc,
		       char **argv);
enum ctl_exit ctl_members(struct ctl *ctl, const struct ctl_options *o,
			  int argc, char **argv);
enum ctl_exit ctl_add(struct ctl *ctl, const struct ctl_options *o, int argc,
		      char **argv);
enum ctl_exit ctl_remove(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_user_add(struct ctl *ctl, const struct ctl_options *o,
			   int argc, char **argv);
enum ctl_exit ctl_user_list(struct ctl *ctl, const struct ctl_options *o,
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
enum ctl_exit ctl_export(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_import(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_backup(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);
enum ctl_exit ctl_restore(struct ctl *ctl, const struct ctl_options *o,
			  int argc, char **argv);

enum ctl_exit ctl_migrate(struct ctl *ctl, const struct ctl_options *o,
			  int argc, char **argv);
enum ctl_exit ctl_schema(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv);

/* Reads a whole backup, and complains about what is wrong. */
struct bundle_manifest;
enum ctl_exit ctl_check_backup(const char *path, struct bundle_manifest *m);
/* What a store has. */
void ctl_put_totals(struct buf *out, uint64_t groups, uint64_t messages,
		    uint64_t users, uint64_t media);
/* A line that says what is in it. */
void ctl_put_manifest(struct buf *out, const struct bundle_manifest *m);

#endif
