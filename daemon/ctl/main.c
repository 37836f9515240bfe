/* SPDX-License-Identifier: MIT */
/*
 * groupctl: administration and scripting. The table below is the program;
 * each noun has its file.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "daemon/ctl/commands.h"
#include "lib/paths.h"

/* Options of a command, as bits. */
enum { TAKES_EXPIRES = 1, TAKES_JSON = 2 };

struct command {
	const char *noun;
	const char *verb; /* NULL: the noun alone */
	const char *usage;
	const char *what;
	ctl_command_fn run;
	int min; /* arguments */
	int max;
	unsigned int takes;
};

static const struct command commands[] = {
	{ "user", "add", "NAME...", "add users; - reads names from stdin",
	  ctl_user_add, 1, INT_MAX, 0 },
	{ "token", "create", "USER [--expires D]",
	  "print a new token (D: 30m, 12h, 90d)", ctl_token_create, 1, 1,
	  TAKES_EXPIRES },
	{ "token", "list", "[USER]", "list tokens, never the secrets",
	  ctl_token_list, 0, 1, 0 },
	{ "token", "revoke", "ID", "end a token at once", ctl_token_revoke, 1,
	  1, 0 },
	{ "create", NULL, "GROUP [MEMBER...]", "create a group", ctl_create, 1,
	  INT_MAX, 0 },
	{ "delete", NULL, "GROUP", "delete a group and its messages",
	  ctl_delete, 1, 1, 0 },
	{ "status", NULL, "[--json]", "show groupd's figures", ctl_status, 0, 0,
	  TAKES_JSON },
	{ "verify", NULL, "", "check the whole store", ctl_verify, 0, 0, 0 },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void usage(FILE *to)
{
	(void)fputs("usage: groupctl [--socket PATH] COMMAND\n", to);
	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		char words[80];

		(void)snprintf(words, sizeof(words), "%s%s%s %s", c->noun,
			       c->verb == NULL ? "" : " ",
			       c->verb == NULL ? "" : c->verb, c->usage);
		(void)fprintf(to, "  %-34s %s\n", words, c->what);
	}
	(void)fputs("  --help, --version\n", to);
}

/* Moves the words that name the command off the arguments. */
static const struct command *find_command(int *argc, char ***argv)
{
	const char *noun = *argc > 0 ? (*argv)[0] : "";
	const char *verb = *argc > 1 ? (*argv)[1] : "";

	for (size_t i = 0; i < COMMANDS; i++) {
		const struct command *c = &commands[i];
		int words = c->verb == NULL ? 1 : 2;

		if (strcmp(c->noun, noun) != 0 ||
		    (c->verb != NULL && strcmp(c->verb, verb) != 0))
			continue;
		*argc -= words;
		*argv += words;
		return c;
	}
	if (noun[0] == '\0')
		ctl_complain("no command is named; see groupctl --help");
	else
		ctl_complain(
			"there is no command '%s%s%s'; see groupctl --help",
			noun, verb[0] == '\0' ? "" : " ", verb);
	return NULL;
}

struct arguments {
	const char *socket; /* NULL: the default */
	struct ctl_options options;
	unsigned int given; /* TAKES_ bits */
	bool help;
	bool version;
};

/* Options may stand before and behind the command: getopt_long(3) sorts. */
static bool take_options(struct arguments *a, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "expires", required_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			a->socket = optarg;
			break;
		case 'e':
			a->given |= TAKES_EXPIRES;
			if (ctl_parse_duration(optarg, &a->options.expires_ms))
				break;
			ctl_complain("--expires takes a time like 30m, 12h or "
				     "90d, not '%s'",
				     optarg);
			return false;
		case 'j':
			a->given |= TAKES_JSON;
			a->options.json = true;
			break;
		case 'h':
			a->help = true;
			break;
		case 'V':
			a->version = true;
			break;
		default:
			return false; /* getopt_long(3) has said why */
		}
	}
	return true;
}

static enum ctl_exit run(const struct command *c, const struct arguments *a,
			 int argc, char **argv)
{
	struct buf path = { 0 };
	struct ctl ctl;
	enum ctl_exit rc;

	if (a->socket != NULL) {
		buf_append_str(&path, str_of(a->socket));
	} else if (paths_default_socket(&path) == -ENOENT) {
		ctl_complain("where is groupd's socket? XDG_RUNTIME_DIR is not "
			     "set: use --socket PATH");
		return CTL_USAGE;
	}
	rc = ctl_open(&ctl, buf_cstr(&path));
	if (rc == CTL_OK)
		rc = c->run(&ctl, &a->options, argc, argv);
	ctl_close(&ctl);
	buf_release(&path);
	return rc;
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	const struct command *c;

	/* A lost connection is an error code, not a signal. */
	(void)signal(SIGPIPE, SIG_IGN);
	if (!take_options(&a, argc, argv))
		return CTL_USAGE;
	if (a.help) {
		usage(stdout);
		return CTL_OK;
	}
	if (a.version) {
		(void)puts("groupctl " GROUPFS_VERSION);
		return CTL_OK;
	}
	argc -= optind;
	argv += optind;
	c = find_command(&argc, &argv);
	if (c == NULL)
		return CTL_USAGE;
	if (argc < c->min || argc > c->max || (a.given & ~c->takes) != 0) {
		ctl_complain("usage: groupctl %s%s%s %s", c->noun,
			     c->verb == NULL ? "" : " ",
			     c->verb == NULL ? "" : c->verb, c->usage);
		return CTL_USAGE;
	}
	return (int)run(c, &a, argc, argv);
}
