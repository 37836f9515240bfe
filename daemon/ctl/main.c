/* SPDX-License-Identifier: MIT */
/*
 * groupctl: administration and scripting. The table below is the program;
 * each noun has its file. A new command is a row here, its function in
 * commands.h, and what its options need in options.h; its page is
 * groupctl(1), and completion/ has its name.
 */
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/commands.h"
#include "daemon/ctl/usage.h"
#include "lib/paths.h"

static const struct ctl_command commands[] = {
	{ .what = "Messages" },
	{ .noun = "follow",
	  .args = "[GROUP...]",
	  .what = "print messages as they come",
	  .about =
		  "Prints the messages behind your read pointer, and then each "
		  "new one as it\ncomes; without GROUP, those of all your "
		  "groups. It goes on over restarts of\ngroupd, with each "
		  "message once and in order. A terminal gets a page for "
		  "people,\na pipe the lines of 'live' in the mount.",
	  .run = ctl_follow,
	  .max = INT_MAX,
	  .takes = TAKES_AFTER | TAKES_TAIL | TAKES_NO_FOLLOW | TAKES_MARK |
		   TAKES_COLOR | TAKES_UTC | TAKES_JSON },
	{ .noun = "send",
	  .args = "GROUP [TEXT...]",
	  .what = "send a message",
	  .about =
		  "Sends TEXT, or what standard input has, as one message, and "
		  "returns when it is\nstored. The newline at its end is "
		  "dropped. It prints nothing but with --json.",
	  .run = ctl_send,
	  .min = 1,
	  .max = INT_MAX,
	  .takes = TAKES_REPLY | TAKES_CLIENT_ID | TAKES_MEDIA | TAKES_LINES |
		   TAKES_JSON },
	{ .noun = "mentions",
	  .args = "",
	  .what = "list unread messages that mention me",
	  .about = "Prints the unread messages that mention you, of all your "
		   "groups.",
	  .run = ctl_mentions,
	  .takes = TAKES_COLOR | TAKES_UTC | TAKES_JSON },
	{ .noun = "read",
	  .args = "GROUP [SEQ|all]",
	  .what = "show or move my read pointer",
	  .about =
		  "Prints how far you have read; with SEQ or 'all', moves that "
		  "forward.",
	  .run = ctl_read,
	  .min = 1,
	  .max = 2 },

	{ .what = "Groups" },
	{ .noun = "groups",
	  .args = "",
	  .what = "list my groups",
	  .about = "Prints your groups: name, role, last message's number, "
		   "unread messages and\nunread mentions.",
	  .run = ctl_groups,
	  .takes = TAKES_COLOR | TAKES_JSON },
	{ .noun = "create",
	  .args = "GROUP [USER...]",
	  .what = "create a group",
	  .about = "Creates a group with you as its admin, and these users as "
		   "members.",
	  .run = ctl_create,
	  .min = 1,
	  .max = INT_MAX },
	{ .noun = "info",
	  .args = "GROUP",
	  .what = "show what there is to know of a group",
	  .about = "Prints a group's description, numbers and limits.",
	  .run = ctl_info,
	  .min = 1,
	  .max = 1,
	  .takes = TAKES_JSON },
	{ .noun = "describe",
	  .args = "GROUP TEXT",
	  .what = "set a group's description",
	  .about = "Sets what a group is for; '' empties it. For its admins.",
	  .run = ctl_describe,
	  .min = 2,
	  .max = 2 },
	{ .noun = "members",
	  .args = "GROUP",
	  .what = "list a group's members",
	  .about = "Prints name and role of each member, by name.",
	  .run = ctl_members,
	  .min = 1,
	  .max = 1,
	  .takes = TAKES_COLOR | TAKES_JSON },
	{ .noun = "add",
	  .args = "GROUP USER...",
	  .what = "add members; - reads names from stdin",
	  .about = "Adds users to a group, all of them or none. --role also "
		   "promotes and demotes.\nFor its admins.",
	  .run = ctl_add,
	  .min = 2,
	  .max = INT_MAX,
	  .takes = TAKES_ROLE },
	{ .noun = "remove",
	  .args = "GROUP USER...",
	  .what = "remove members; - reads names from stdin",
	  .about = "Removes members, all of these or none. For admins; "
		   "everybody may remove\nhimself.",
	  .run = ctl_remove,
	  .min = 2,
	  .max = INT_MAX },
	{ .noun = "delete",
	  .args = "GROUP",
	  .what = "delete a group and its messages",
	  .about = "Deletes a group that you are an admin of, with all its "
		   "messages and files.\nIt does not ask.",
	  .run = ctl_delete,
	  .min = 1,
	  .max = 1 },
	{ .noun = "export",
	  .args = "GROUP [FILE]",
	  .what = "write a whole group as JSON Lines",
	  .about = "Writes a group with its members, messages and media files, "
		   "up to the message\nthat is the last one now, to FILE or "
		   "standard output: one JSON object a line.\nFor its members; "
		   "root and groupd's own user may export any group.",
	  .run = ctl_export,
	  .min = 1,
	  .max = 2,
	  .takes = TAKES_NO_MEDIA },
	{ .noun = "import",
	  .args = "[FILE]",
	  .what = "make a group of what was exported",
	  .about = "Makes a new group of what 'export' wrote, from FILE or "
		   "standard input: the same\nnumbers, times, senders and "
		   "files. It is there when all of it is; else\nnothing is "
		   "left. For root and groupd's own user.",
	  .run = ctl_import,
	  .max = 1,
	  .takes = TAKES_AS | TAKES_ADD_USERS },

	{ .what = "Users and tokens" },
	{ .noun = "user",
	  .verb = "add",
	  .args = "NAME...",
	  .what = "add users; - reads names from stdin",
	  .about = "Adds users that have no account on this machine. '-' reads "
		   "names from\nstandard input, one a line. For root and "
		   "groupd's own user.",
	  .run = ctl_user_add,
	  .min = 1,
	  .max = INT_MAX },
	{ .noun = "user",
	  .verb = "list",
	  .args = "",
	  .what = "list all users that groupd knows",
	  .about = "Prints the names of those who were added and of those who "
		   "have been here, a line\neach. For root and groupd's own "
		   "user.",
	  .run = ctl_user_list,
	  .takes = TAKES_JSON },
	{ .noun = "token",
	  .verb = "create",
	  .args = "USER",
	  .what = "print a new token",
	  .about = "Makes a bearer token for REST and WebSocket, and prints it "
		   "alone on a line.\nIt cannot be shown again. You may make "
		   "them for yourself; root for everybody.",
	  .run = ctl_token_create,
	  .min = 1,
	  .max = 1,
	  .takes = TAKES_EXPIRES },
	{ .noun = "token",
	  .verb = "list",
	  .args = "[USER]",
	  .what = "list tokens, never the secrets",
	  .about = "Prints number, user, time of making and end of each token, "
		   "with a tab between.",
	  .run = ctl_token_list,
	  .max = 1,
	  .takes = TAKES_COLOR | TAKES_JSON },
	{ .noun = "token",
	  .verb = "revoke",
	  .args = "ID",
	  .what = "end a token at once",
	  .about = "Ends the token with this number; connections that use it "
		   "are told at once.",
	  .run = ctl_token_revoke,
	  .min = 1,
	  .max = 1 },

	{ .what = "Care of groupd" },
	{ .noun = "status",
	  .args = "",
	  .what = "show how groupd is",
	  .about = "Prints how groupd is: first what needs attention, then the "
		   "figures. With --json\nall of them. For root and groupd's "
		   "own user.",
	  .run = ctl_status,
	  .unnamed = true,
	  .takes = TAKES_CHECK | TAKES_WATCH | TAKES_COLOR | TAKES_JSON },
	{ .noun = "verify",
	  .args = "[FILE]",
	  .what = "check the whole store, or a backup",
	  .about = "Checks all of the store while groupd runs: each problem is "
		   "a line, then comes\na summary. With problems the status is "
		   "1. For root and groupd's own user. With\nFILE, whether "
		   "that is a whole backup; groupd is not asked.",
	  .run = ctl_verify,
	  .max = 1 },
	{ .noun = "backup",
	  .args = "FILE",
	  .what = "copy the whole store to a file",
	  .about = "Copies all groups, users, tokens and media files, as of "
		   "one moment, while groupd\nruns. FILE has its name when all "
		   "of it is on disk and was read back; - is standard\noutput. "
		   "For root and groupd's own user.",
	  .run = ctl_backup,
	  .min = 1,
	  .max = 1,
	  .takes = TAKES_VERIFY },
	{ .noun = "restore",
	  .args = "FILE",
	  .what = "replace the store by a backup",
	  .about = "Replaces all that groupd has by a backup, which is checked "
		   "first. The store of\nbefore is kept beside it. It asks. "
		   "For root and groupd's own user.",
	  .run = ctl_restore,
	  .min = 1,
	  .max = 1,
	  .takes = TAKES_YES },

	{ .noun = "migrate",
	  .args = "FROM TO",
	  .what = "move a store to the cluster",
	  .about = "Moves the store FROM, that no groupd has open, into TO, "
		   "which is new: all of it,\nwith the same numbers and "
		   "times. What was broken off goes on when it is called\n"
		   "again. In the end both are compared; until then no groupd "
		   "opens TO. FROM is\nsqlite:PATH, TO postgresql://... "
		   "as in groupd.conf(5).",
	  .run = ctl_migrate,
	  .min = 2,
	  .max = 2,
	  .takes = TAKES_DATA,
	  .alone = true },

	{ .noun = "schema",
	  .args = "",
	  .what = "print the tables of a PostgreSQL store",
	  .about = "Prints what groupd makes in an empty database of "
		   "PostgreSQL, for psql. groupd makes\nit by itself where it "
		   "is missing; only a database of Citus is to be given it\n"
		   "before, with --citus.",
	  .run = ctl_schema,
	  .takes = TAKES_CITUS,
	  .alone = true },

	{ .what = "Help" },
	{ .noun = "help",
	  .args = "[COMMAND]",
	  .what = "explain a command, or list them all",
	  .about = "Prints what a command does, or all commands in a line "
		   "each.",
	  .max = 2 },
	{ .noun = NULL },
};

static enum ctl_exit run(const struct ctl_command *c,
			 const struct ctl_arguments *a, int argc, char **argv)
{
	struct buf path = { 0 };
	struct ctl ctl;
	enum ctl_exit rc;

	if (c->alone || (c->run == ctl_verify && argc > 0))
		return c->run(NULL, &a->options, argc, argv);
	if (a->socket != NULL) {
		buf_append_str(&path, str_of(a->socket));
	} else if (paths_default_socket(&path) == -ENOENT) {
		ctl_complain("where is groupd's socket? XDG_RUNTIME_DIR is not "
			     "set: use --socket PATH");
		return CTL_USAGE;
	}
	rc = ctl_open(&ctl, buf_cstr(&path), c->unnamed);
	if (rc == CTL_OK)
		rc = c->run(&ctl, &a->options, argc, argv);
	ctl_close(&ctl);
	buf_release(&path);
	return rc;
}

/* Of the command that argv names, or of all that begin with its noun. */
static enum ctl_exit help(int argc, char **argv)
{
	const struct ctl_command *c;
	bool found = false;
	int words;

	if (argc == 0) {
		usage_all(stdout, commands);
		return CTL_OK;
	}
	c = usage_find(commands, argc, argv, &words);
	if (c != NULL) {
		usage_of(stdout, c);
		return CTL_OK;
	}
	for (c = commands; argc == 1 && (c->noun || c->what); c++) {
		if (c->noun == NULL || strcmp(c->noun, argv[0]) != 0)
			continue;
		if (found)
			(void)putchar('\n');
		usage_of(stdout, c);
		found = true;
	}
	if (!found)
		usage_complain_command(commands, argc, argv);
	return found ? CTL_OK : CTL_USAGE;
}

/* The first option that was given and that c does not take. */
static const char *foreign_option(const struct ctl_command *c,
				  const struct ctl_arguments *a, char *out,
				  size_t size)
{
	const struct ctl_option *o;

	for (size_t i = 0; (o = ctl_option_at(i)) != NULL; i++) {
		if ((a->given & o->bit & ~c->takes) == 0)
			continue;
		(void)snprintf(out, size, "--%s", o->name);
		return out;
	}
	return a->unknown;
}

static bool check(const struct ctl_command *c, const struct ctl_arguments *a,
		  int argc)
{
	char word[64];
	const char *foreign = foreign_option(c, a, word, sizeof(word));

	if (foreign != NULL)
		usage_complain_option(c, foreign);
	else if (a->wrong[0] != '\0')
		ctl_complain("%s", a->wrong);
	else if (argc < c->min || argc > c->max)
		usage_line(stderr, c);
	else
		return true;
	return false;
}

int main(int argc, char **argv)
{
	struct ctl_arguments a;
	const struct ctl_command *c;
	int words = 0;

	/* A lost connection is an error code, not a signal. */
	(void)signal(SIGPIPE, SIG_IGN);
	/* For the columns that characters take. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	(void)ctl_options_take(&a, argc, argv);
	if (a.version) {
		(void)puts("groupctl " GROUPFS_VERSION);
		return CTL_OK;
	}
	if (a.help)
		return (int)help(a.argc, a.argv);
	c = usage_find(commands, a.argc, a.argv, &words);
	if (c == NULL && a.argc == 0 && a.wrong[0] != '\0') {
		ctl_complain("%s; see 'groupctl --help'", a.wrong);
		return CTL_USAGE;
	}
	if (c == NULL) {
		usage_complain_command(commands, a.argc, a.argv);
		return CTL_USAGE;
	}
	if (!check(c, &a, a.argc - words))
		return CTL_USAGE;
	if (c->run == NULL)
		return (int)help(a.argc - words, a.argv + words);
	return (int)run(c, &a, a.argc - words, a.argv + words);
}
