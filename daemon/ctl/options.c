/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "lib/env.h"
#include "lib/text.h"

/* The longest life is to the year 9999, which is all that times can say. */
#define TIME_MS_MAX UINT64_C(253402300799999)

static uint64_t unit_ms(char unit)
{
	switch (unit) {
	case 's':
		return 1000;
	case 'm':
		return 60 * 1000;
	case 'h':
		return 60 * 60 * 1000;
	case 'd':
		return 24 * 60 * 60 * 1000;
	case 'w':
		return UINT64_C(7) * 24 * 60 * 60 * 1000;
	default:
		return 0;
	}
}

bool ctl_parse_duration(const char *text, uint64_t *ms)
{
	size_t len = strlen(text);
	uint64_t unit = len == 0 ? 0 : unit_ms(text[len - 1]);
	uint64_t most = TIME_MS_MAX - env_now_ms(env_system());
	uint64_t n;

	if (unit == 0 || !text_parse_u64(str_make(text, len - 1), &n) ||
	    n == 0 || n > most / unit)
		return false;
	*ms = n * unit;
	return true;
}

static bool read_expires(struct ctl_options *o, const char *text)
{
	return ctl_parse_duration(text, &o->expires_ms);
}

#define READ_FLAG(field)                                                       \
	static bool read_##field(struct ctl_options *o, const char *text)      \
	{                                                                      \
		(void)text;                                                    \
		o->field = true;                                               \
		return true;                                                   \
	}
READ_FLAG(json)
READ_FLAG(no_follow)
READ_FLAG(mark)
READ_FLAG(utc)
READ_FLAG(lines)
READ_FLAG(check)
READ_FLAG(add_users)
READ_FLAG(no_media)
READ_FLAG(verify)
READ_FLAG(yes)
READ_FLAG(citus)
#undef READ_FLAG

static bool read_after(struct ctl_options *o, const char *text)
{
	o->from_seq = true;
	return text_parse_u64(str_of(text), &o->after) && o->after < INT64_MAX;
}

static bool read_tail(struct ctl_options *o, const char *text)
{
	o->from_tail = true;
	return text_parse_u64(str_of(text), &o->tail);
}

static bool read_color(struct ctl_options *o, const char *text)
{
	static const char *const words[] = { [COLOR_AUTO] = "auto",
					     [COLOR_ALWAYS] = "always",
					     [COLOR_NEVER] = "never" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		o->color = (enum ctl_color)i;
		return true;
	}
	return false;
}

static bool read_reply(struct ctl_options *o, const char *text)
{
	return text_parse_u64(str_of(text), &o->reply_to) && o->reply_to > 0 &&
	       o->reply_to < INT64_MAX;
}

static bool read_client_id(struct ctl_options *o, const char *text)
{
	struct str id = str_of(text);

	o->client_id = text;
	return id.len > 0 && id.len <= WIRE_KEY_MAX && text_is_utf8(id);
}

static bool read_media(struct ctl_options *o, const char *text)
{
	o->media = text;
	return text[0] != '\0';
}

static bool read_data(struct ctl_options *o, const char *text)
{
	o->data = text;
	return text[0] != '\0';
}

static bool read_role(struct ctl_options *o, const char *text)
{
	bool admin = strcmp(text, "admin") == 0;

	o->role = admin ? ROLE_ADMIN : ROLE_MEMBER;
	return admin || strcmp(text, "member") == 0;
}

static bool read_as(struct ctl_options *o, const char *text)
{
	o->as = text;
	return text_is_group_name(str_of(text));
}

static bool read_watch(struct ctl_options *o, const char *text)
{
	uint64_t s;

	if (!text_parse_u64(str_of(text), &s) || s == 0 || s > 86400)
		return false;
	o->watch_s = (unsigned int)s;
	return true;
}

/* In the order in which help shows them. Those without read() are the
 * program's own. */
static const struct ctl_option rows[] = {
	{ TAKES_EXPIRES, "expires", "TIME",
	  "how long it holds: 30m, 12h, 90d; for ever without", read_expires,
	  "a time like 30m, 12h or 90d" },
	{ TAKES_ROLE, "role", "ROLE", "what they become: admin or member",
	  read_role, "admin or member" },
	{ TAKES_AFTER, "after", "SEQ", "from the message behind SEQ on; 0: all",
	  read_after, "the number of a message" },
	{ TAKES_TAIL, "tail", "N", "from the last N messages on", read_tail,
	  "a number of messages" },
	{ TAKES_NO_FOLLOW, "no-follow", NULL,
	  "end when all that is there was printed", read_no_follow, NULL },
	{ TAKES_MARK, "mark", NULL, "move my read pointer to what was printed",
	  read_mark, NULL },
	{ TAKES_COLOR, "color", "WHEN", "auto (on a terminal), always or never",
	  read_color, "auto, always or never" },
	{ TAKES_UTC, "utc", NULL, "print times in UTC", read_utc, NULL },
	{ TAKES_REPLY, "reply", "SEQ", "it is a reply to message SEQ",
	  read_reply, "the number of a message" },
	{ TAKES_CLIENT_ID, "client-id", "ID",
	  "stored once, however often it is sent with ID", read_client_id,
	  "1 to 64 bytes" },
	{ TAKES_MEDIA, "media", "FILE", "send a file; the text is its caption",
	  read_media, "a file's name" },
	{ TAKES_LINES, "lines", NULL, "each line of stdin is a message",
	  read_lines, NULL },
	{ TAKES_CHECK, "check", NULL,
	  "exit with 1 if something is wrong (what is red)", read_check, NULL },
	{ TAKES_WATCH, "watch", "SECONDS", "print it again, ever so often",
	  read_watch, "seconds, from 1 to 86400" },
	{ TAKES_AS, "as", "GROUP", "the name of the new group", read_as,
	  "a group's name" },
	{ TAKES_ADD_USERS, "add-users", NULL,
	  "add the members who are no users here", read_add_users, NULL },
	{ TAKES_NO_MEDIA, "no-media", NULL,
	  "leave out the bytes of media files", read_no_media, NULL },
	{ TAKES_VERIFY, "verify", NULL,
	  "have groupd check all of the copy first", read_verify, NULL },
	{ TAKES_DATA, "data", "DIR",
	  "the data folder of the new groupd: has it the media files?",
	  read_data, "a folder's name" },
	{ TAKES_CITUS, "citus", NULL, "spread over the machines of Citus",
	  read_citus, NULL },
	{ TAKES_YES, "yes", NULL, "do not ask", read_yes, NULL },
	{ TAKES_JSON, "json", NULL, "print JSON, one object a line", read_json,
	  NULL },
	{ 0, "socket", "PATH", "the socket of groupd", NULL, NULL },
	{ 0, "help", NULL, "print this and exit", NULL, NULL },
	{ 0, "version", NULL, "print the version and exit", NULL, NULL },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

const struct ctl_option *ctl_option_at(size_t i)
{
	return i < ROWS ? &rows[i] : NULL;
}

static void take(struct ctl_arguments *out, const struct ctl_option *row,
		 const char *value)
{
	if (row->read != NULL) {
		out->given |= row->bit;
		if (row->read(&out->options, value) || out->wrong[0] != '\0')
			return;
		(void)snprintf(out->wrong, sizeof(out->wrong),
			       "--%s takes %s, not '%.80s'", row->name,
			       row->wants, value);
	} else if (strcmp(row->name, "socket") == 0) {
		out->socket = value;
	} else if (strcmp(row->name, "help") == 0) {
		out->help = true;
	} else {
		out->version = true;
	}
}

static void refuse(struct ctl_arguments *out, int how, int index,
		   const char *word)
{
	if (out->wrong[0] != '\0')
		return;
	if (how == ':')
		(void)snprintf(out->wrong, sizeof(out->wrong),
			       "--%s needs a value: %s", rows[index].name,
			       rows[index].value);
	else if (index >= 0)
		(void)snprintf(out->wrong, sizeof(out->wrong),
			       "--%s takes no value", rows[index].name);
	else
		(void)snprintf(out->wrong, sizeof(out->wrong),
			       "there is no option %.100s",
			       out->unknown = word);
}

/* getopt_long(3) sorts; what it would complain of is said by ourselves, when
 * the command is known. */
bool ctl_options_take(struct ctl_arguments *out, int argc, char **argv)
{
	struct option longs[ROWS + 1] = { 0 };
	int c;

	*out = (struct ctl_arguments){ .options.role = ROLE_NONE };
	for (int i = 0; i < ROWS; i++)
		longs[i] = (struct option){ rows[i].name,
					    rows[i].value == NULL
						    ? no_argument
						    : required_argument,
					    NULL, i + 256 };
	opterr = 0;
	optind = 0; /* anew: tests call this more than once */
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (c >= 256)
			take(out, &rows[c - 256], optarg);
		else if (c == 'h')
			out->help = true;
		else
			refuse(out, c, optopt >= 256 ? optopt - 256 : -1,
			       argv[optind - 1]);
	}
	out->argc = argc - optind;
	out->argv = argv + optind;
	return out->wrong[0] == '\0';
}
