/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/usage.h"

#include <string.h>

enum { NAME_MAX_LEN = 32, COLUMN = 34 };

/* "token create", or "status". */
static const char *name_of(const struct ctl_command *c, char *out, size_t size)
{
	(void)snprintf(out, size, "%s%s%s", c->noun, c->verb == NULL ? "" : " ",
		       c->verb == NULL ? "" : c->verb);
	return out;
}

static size_t options_of(const struct ctl_command *c)
{
	const struct ctl_option *o;
	size_t n = 0;

	for (size_t i = 0; (o = ctl_option_at(i)) != NULL; i++)
		n += (o->bit & c->takes) != 0;
	return n;
}

static bool is_end(const struct ctl_command *c)
{
	return c->noun == NULL && c->what == NULL;
}

void usage_all(FILE *to, const struct ctl_command *table)
{
	(void)fputs("usage: groupctl [--socket PATH] COMMAND\n", to);
	for (const struct ctl_command *c = table; !is_end(c); c++) {
		char name[64], words[128];

		if (c->noun == NULL) {
			(void)fprintf(to, "\n%s:\n", c->what);
			continue;
		}
		(void)snprintf(words, sizeof(words), "%s%s%s",
			       name_of(c, name, sizeof(name)),
			       c->args[0] == '\0' ? "" : " ", c->args);
		(void)fprintf(to, "  %-*s %s\n", COLUMN, words, c->what);
	}
	(void)fputs("\n'groupctl COMMAND --help' says more of a command, and "
		    "which options it takes.\nAll take --socket PATH; "
		    "'groupctl --version' prints the version.\n",
		    to);
}

void usage_line(FILE *to, const struct ctl_command *c)
{
	char name[64];

	(void)fprintf(to, "usage: groupctl %s%s%s%s\n",
		      name_of(c, name, sizeof(name)),
		      options_of(c) > 0 ? " [OPTION...]" : "",
		      c->args[0] == '\0' ? "" : " ", c->args);
}

void usage_of(FILE *to, const struct ctl_command *c)
{
	const struct ctl_option *o;

	usage_line(to, c);
	(void)fprintf(to, "\n%s\n\n", c->about);
	for (size_t i = 0; (o = ctl_option_at(i)) != NULL; i++) {
		char words[64];

		/* Of those that all take, --socket says enough. */
		if ((o->bit & c->takes) == 0 &&
		    (o->bit != 0 || o->value == NULL))
			continue;
		(void)snprintf(words, sizeof(words), "--%s%s%s", o->name,
			       o->value == NULL ? "" : " ",
			       o->value == NULL ? "" : o->value);
		(void)fprintf(to, "  %-20s %s\n", words, o->what);
	}
}

const struct ctl_command *usage_find(const struct ctl_command *table, int argc,
				     char *const *argv, int *words)
{
	const char *noun = argc > 0 ? argv[0] : "";
	const char *verb = argc > 1 ? argv[1] : "";

	for (const struct ctl_command *c = table; !is_end(c); c++) {
		if (c->noun == NULL || strcmp(c->noun, noun) != 0 ||
		    (c->verb != NULL && strcmp(c->verb, verb) != 0))
			continue;
		*words = c->verb == NULL ? 1 : 2;
		return c;
	}
	return NULL;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment, row by row. */
size_t usage_distance(const char *a, const char *b)
{
	size_t rows[3][NAME_MAX_LEN + 1] = { 0 };
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	size_t la = strnlen(a, NAME_MAX_LEN), lb = strnlen(b, NAME_MAX_LEN);

	for (size_t j = 0; j <= lb; j++)
		last[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t *oldest = before;

		now[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			now[j] = least(least(last[j], now[j - 1]) + 1,
				       last[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				now[j] = least(now[j], before[j - 2] + 1);
		}
		before = last;
		last = now;
		now = oldest;
	}
	return last[lb];
}

/* So near that it was perhaps meant. */
static bool is_near(const char *typed, size_t distance)
{
	size_t len = strlen(typed);

	return distance <= (len <= 3 ? 1 : len <= 7 ? 2 : 3) && distance < len;
}

/* The verbs of a noun, "add or list"; false: it has none. */
static bool verbs_of(const struct ctl_command *table, const char *noun,
		     char *out, size_t size)
{
	size_t len = 0;

	for (const struct ctl_command *c = table; !is_end(c); c++) {
		if (c->noun == NULL || c->verb == NULL ||
		    strcmp(c->noun, noun) != 0)
			continue;
		len += (size_t)snprintf(out + len, size - len, "%s%s",
					len == 0 ? "" : ", ", c->verb);
		if (len >= size)
			return true;
	}
	return len > 0;
}

void usage_complain_command(const struct ctl_command *table, int argc,
			    char *const *argv)
{
	const struct ctl_command *best = NULL;
	size_t nearest = SIZE_MAX;
	char name[64], typed[64] = "", verbs[128];

	if (argc == 0) {
		ctl_complain("no command is named; see 'groupctl --help'");
		return;
	}
	for (const struct ctl_command *c = table; !is_end(c); c++) {
		char words[64];
		size_t d;

		if (c->noun == NULL)
			continue;
		(void)snprintf(words, sizeof(words), "%.30s%s%.30s", argv[0],
			       c->verb != NULL && argc > 1 ? " " : "",
			       c->verb != NULL && argc > 1 ? argv[1] : "");
		d = usage_distance(words, name_of(c, name, sizeof(name)));
		if (d >= nearest || !is_near(words, d))
			continue;
		nearest = d;
		best = c;
	}
	(void)snprintf(typed, sizeof(typed), "%.60s", argv[0]);
	if (best != NULL)
		ctl_complain("there is no command '%s%s%.60s'; did you mean "
			     "'%s'?",
			     typed, best->verb != NULL && argc > 1 ? " " : "",
			     best->verb != NULL && argc > 1 ? argv[1] : "",
			     name_of(best, name, sizeof(name)));
	else if (verbs_of(table, argv[0], verbs, sizeof(verbs)))
		ctl_complain("'%s' needs one of these behind it: %s", typed,
			     verbs);
	else
		ctl_complain("there is no command '%s'; see 'groupctl --help'",
			     typed);
}

void usage_complain_option(const struct ctl_command *c, const char *word)
{
	const struct ctl_option *o, *best = NULL;
	size_t nearest = SIZE_MAX;
	char name[64];

	for (size_t i = 0; (o = ctl_option_at(i)) != NULL; i++) {
		size_t d = usage_distance(word + strspn(word, "-"), o->name);

		if ((o->bit != 0 && (o->bit & c->takes) == 0) ||
		    !is_near(word, d) || d >= nearest)
			continue;
		nearest = d;
		best = o;
	}
	(void)name_of(c, name, sizeof(name));
	if (best != NULL)
		ctl_complain("'%s' has no option %.100s; did you mean --%s?",
			     name, word, best->name);
	else
		ctl_complain("'%s' has no option %.100s; see 'groupctl %s "
			     "--help'",
			     name, word, name);
}
