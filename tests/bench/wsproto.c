/* SPDX-License-Identifier: MIT */
/*
 * The protocols that wsclients speaks, as far as subscribing to subjects and
 * counting their messages needs it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "tests/bench/bench.h"
#include "tests/bench/websocket.h"
#include "tests/bench/wsbench.h"

/* One process, one server: what the connections are opened with. */
static struct {
	struct buf text;   /* the tokens, one a line */
	struct str *lines; /* owned: n of them, in text */
	size_t n;
} tokens;

void wsbench_content(char out[WSBENCH_CONTENT], uint64_t now_ns)
{
	char stamp[WSBENCH_STAMP + 1];

	memset(out, 'x', WSBENCH_CONTENT);
	(void)snprintf(stamp, sizeof(stamp), "#T%020llu",
		       (unsigned long long)now_ns);
	memcpy(out, stamp, WSBENCH_STAMP);
}

uint64_t wsbench_stamp(const char *p, size_t n)
{
	const char *at = memmem(p, n, "#T", 2);

	return at == NULL ? 0 : strtoull(at + 2, NULL, 10);
}

void wsbench_use_tokens(const char *path)
{
	FILE *f = fopen(path, "r");
	char part[4096];
	size_t n;

	if (f == NULL)
		bench_die(path, -errno);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		buf_append(&tokens.text, part, n);
	(void)fclose(f);
	tokens.lines = calloc(tokens.text.len + 1, sizeof(*tokens.lines));
	if (tokens.lines == NULL)
		bench_die(path, -ENOMEM);
	for (const char *at = buf_cstr(&tokens.text), *end;
	     (end = strchr(at, '\n')) != NULL; at = end + 1)
		tokens.lines[tokens.n++] = str_make(at, (size_t)(end - at));
}

/* WebSocket. */

static void ws_open_conn(struct buf *out, size_t i)
{
	if (i >= tokens.n)
		bench_die("there are not enough tokens", -EINVAL);
	websocket_put_upgrade(out, tokens.lines[i]);
}

static void ws_subscribe_conn(struct buf *out,
			      const struct wsbench_group *const *groups,
			      size_t n)
{
	struct buf text = { 0 };

	buf_append_str(&text, str_of("{\"type\":\"subscribe\",\"groups\":"));
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%c{\"group\":\"%s\",\"after_seq\":%llu}",
			   i == 0 ? '[' : ',', groups[i]->name,
			   (unsigned long long)groups[i]->after);
	buf_append_str(&text, str_of("]}"));
	websocket_put_text(out, buf_str(&text));
	buf_release(&text);
}

static enum wsbench_piece ws_piece(struct str text)
{
	static const struct {
		const char *type;
		enum wsbench_piece piece;
	} types[] = {
		{ "message\"", PIECE_MESSAGE }, { "hello\"", PIECE_STEP },
		{ "live\"", PIECE_STEP },	{ "pong\"", PIECE_STEP },
		{ "error\"", PIECE_OTHER },	{ "bye\"", PIECE_OTHER }
	};
	const size_t at = strlen("{\"type\":\"");

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		size_t n = strlen(types[i].type);

		if (at + n > text.len ||
		    memcmp(text.data + at, types[i].type, n) != 0)
			continue;
		if (types[i].piece == PIECE_OTHER)
			(void)fprintf(stderr, "wsclients: %.*s\n",
				      (int)text.len, text.data);
		return types[i].piece;
	}
	return PIECE_OTHER;
}

static size_t ws_parse(const char *p, size_t n, enum wsbench_piece *piece)
{
	enum websocket_opcode opcode;
	struct str payload;
	size_t len = websocket_take(p, n, &opcode, &payload);

	*piece = PIECE_OTHER;
	if (len > 0 && opcode == WEBSOCKET_PING)
		*piece = PIECE_PING;
	else if (len > 0 && opcode == WEBSOCKET_TEXT)
		*piece = ws_piece(payload);
	return len;
}

/* The plain loop: it greets, also who says which groups he is in, and copies
 * what a publisher (who says P) writes to all of the group that he names. Its
 * bytes are those of groupd's frames. */

static void put_u16(struct buf *out, size_t v)
{
	buf_append_char(out, (char)(v >> 8));
	buf_append_char(out, (char)(v & 0xff));
}

static void plain_open(struct buf *out, size_t i)
{
	(void)i;
	(void)out;
}

static void plain_subscribe(struct buf *out,
			    const struct wsbench_group *const *groups, size_t n)
{
	buf_append_char(out, 'J');
	buf_append_char(out, (char)n);
	for (size_t i = 0; i < n; i++)
		put_u16(out, groups[i]->number);
}

static void plain_publish(struct buf *out, const struct wsbench_group *g,
			  struct str content)
{
	struct wire_message m = { .seq = 1234567,
				  .time_ms = UINT64_C(1790000000000),
				  .sender = str_of("root"),
				  .content = content };
	struct buf text = { 0 };

	buf_printf(&text, "{\"type\":\"message\",\"group\":\"%s\",", g->name);
	json_put_message_fields(&text, &m);
	buf_append_char(&text, '}');
	put_u16(out, g->number);
	put_u16(out, text.len + 4);
	buf_append_char(out, (char)0x81);
	buf_append_char(out, 126);
	put_u16(out, text.len);
	buf_append_str(out, buf_str(&text));
	buf_release(&text);
}

/* MQTT 3.1.1. */

static void mqtt_open(struct buf *out, size_t i)
{
	char id[16];
	size_t n = (size_t)snprintf(id, sizeof(id), "c%zu", i);
	static const char head[] = "\0\4MQTT\4\2\0\0"; /* clean, for ever */

	buf_append_char(out, 0x10);
	buf_append_char(out, (char)(sizeof(head) - 1 + 2 + n));
	buf_append(out, head, sizeof(head) - 1);
	buf_append_char(out, 0);
	buf_append_char(out, (char)n);
	buf_append(out, id, n);
}

/* 128 to 16383 in two bytes, always. */
static void mqtt_put_length(struct buf *out, size_t len)
{
	buf_append_char(out, (char)(0x80 | (len & 0x7f)));
	buf_append_char(out, (char)(len >> 7));
}

static void mqtt_subscribe(struct buf *out,
			   const struct wsbench_group *const *groups, size_t n)
{
	struct buf topics = { 0 };

	put_u16(&topics, 1);
	for (size_t i = 0; i < n; i++) {
		put_u16(&topics, strlen(groups[i]->name));
		buf_append_str(&topics, str_of(groups[i]->name));
		buf_append_char(&topics, 0);
	}
	buf_append_char(out, (char)0x82);
	mqtt_put_length(out, topics.len);
	buf_append_str(out, buf_str(&topics));
	buf_release(&topics);
}

static void mqtt_publish(struct buf *out, const struct wsbench_group *g,
			 struct str content)
{
	size_t topic = strlen(g->name);

	buf_append_char(out, 0x30);
	mqtt_put_length(out, 2 + topic + content.len);
	put_u16(out, topic);
	buf_append_str(out, str_of(g->name));
	buf_append_str(out, content);
}

static size_t mqtt_parse(const char *p, size_t n, enum wsbench_piece *piece)
{
	size_t len = 0, at = 1;
	unsigned int shift = 0;

	do {
		if (at >= n)
			return 0;
		len |= (size_t)(p[at] & 0x7f) << shift;
		shift += 7;
	} while ((p[at++] & 0x80) != 0);
	if (n < at + len)
		return 0;
	switch (p[0] & 0xf0) {
	case 0x30:
		*piece = PIECE_MESSAGE;
		break;
	case 0x20: /* CONNACK */
	case 0x90: /* SUBACK */
		*piece = PIECE_STEP;
		break;
	default:
		*piece = PIECE_OTHER;
	}
	return at + len;
}

/* NATS. */

static void nats_open(struct buf *out, size_t i)
{
	(void)i;
	buf_append_str(out, str_of("CONNECT {\"verbose\":false,"
				   "\"pedantic\":false}\r\nPING\r\n"));
}

static void nats_subscribe(struct buf *out,
			   const struct wsbench_group *const *groups, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "SUB %s %zu\r\n", groups[i]->name, i + 1);
	buf_append_str(out, str_of("PING\r\n"));
}

static void nats_publish(struct buf *out, const struct wsbench_group *g,
			 struct str content)
{
	buf_printf(out, "PUB %s %zu\r\n", g->name, content.len);
	buf_append_str(out, content);
	buf_append_str(out, str_of("\r\n"));
}

static size_t nats_parse(const char *p, size_t n, enum wsbench_piece *piece)
{
	const char *end = memchr(p, '\n', n);
	size_t line, len, space;

	*piece = PIECE_OTHER;
	if (end == NULL)
		return 0;
	line = (size_t)(end - p) + 1;
	if (memcmp(p, "PI", 2) == 0)
		*piece = PIECE_PING;
	else if (memcmp(p, "PO", 2) == 0)
		*piece = PIECE_STEP;
	if (memcmp(p, "MSG ", 4) != 0)
		return line;
	space = line - 2; /* MSG bench 1 LEN\r\n */
	while (p[space - 1] != ' ')
		space--;
	len = line + strtoull(p + space, NULL, 10) + 2;
	*piece = PIECE_MESSAGE;
	return len <= n ? len : 0;
}

/* Redis. */

static void redis_open(struct buf *out, size_t i)
{
	(void)i;
	buf_append_str(out, str_of("PING\r\n"));
}

static void redis_subscribe(struct buf *out,
			    const struct wsbench_group *const *groups, size_t n)
{
	buf_append_str(out, str_of("SUBSCRIBE"));
	for (size_t i = 0; i < n; i++)
		buf_printf(out, " %s", groups[i]->name);
	buf_append_str(out, str_of("\r\n"));
}

static void redis_publish(struct buf *out, const struct wsbench_group *g,
			  struct str content)
{
	buf_printf(out, "*3\r\n$7\r\nPUBLISH\r\n$%zu\r\n%s\r\n$%zu\r\n",
		   strlen(g->name), g->name, content.len);
	buf_append_str(out, content);
	buf_append_str(out, str_of("\r\n"));
}

/* The end of a line or of a string; 0: not there yet. */
static size_t redis_item(const char *p, size_t n)
{
	const char *end = memchr(p, '\n', n);
	size_t len;

	if (end == NULL)
		return 0;
	len = (size_t)(end - p) + 1;
	if (p[0] == '$')
		len += strtoull(p + 1, NULL, 10) + 2;
	return len <= n ? len : 0;
}

static size_t redis_parse(const char *p, size_t n, enum wsbench_piece *piece)
{
	size_t at = redis_item(p, n);

	*piece = p[0] == '+' ? PIECE_STEP : PIECE_OTHER;
	if (at == 0 || p[0] != '*')
		return at;
	for (int i = 0; i < 3; i++) {
		size_t len = redis_item(p + at, n - at);

		if (len == 0)
			return 0;
		at += len;
	}
	/* *3 $7 message, or *3 $9 subscribe */
	*piece = p[5] == '7' ? PIECE_MESSAGE : PIECE_STEP;
	return at;
}

const struct wsbench_proto *wsbench_proto(const char *name)
{
	static const struct wsbench_proto protos[] = {
		{ "ours",
		  ws_open_conn,
		  ws_subscribe_conn,
		  NULL,
		  { "\x8a\x80\0\0\0\0", 6 },
		  ws_parse },
		{ "plain",
		  plain_open,
		  plain_subscribe,
		  plain_publish,
		  { NULL, 0 },
		  ws_parse },
		{ "durable",
		  plain_open,
		  plain_subscribe,
		  plain_publish,
		  { NULL, 0 },
		  ws_parse },
		{ "mosquitto",
		  mqtt_open,
		  mqtt_subscribe,
		  mqtt_publish,
		  { NULL, 0 },
		  mqtt_parse },
		{ "nats",
		  nats_open,
		  nats_subscribe,
		  nats_publish,
		  { "PONG\r\n", 6 },
		  nats_parse },
		{ "redis",
		  redis_open,
		  redis_subscribe,
		  redis_publish,
		  { NULL, 0 },
		  redis_parse },
	};

	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++) {
		if (strcmp(protos[i].name, name) == 0)
			return &protos[i];
	}
	bench_die(name, -EINVAL);
}
