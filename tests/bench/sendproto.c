/* SPDX-License-Identifier: MIT */
/*
 * The protocols in which sendbench sends, as far as sending needs them. The
 * groups are g0, g1, ..., whose ids are 1, 2, ... (the scene made them so).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/wire.h"
#include "tests/bench/bench.h"
#include "tests/bench/sendbench.h"
#include "tests/bench/websocket.h"

static void __attribute__((noreturn))
refused(const char *who, const char *p, size_t n)
{
	(void)fprintf(stderr, "sendbench: %s refused: %.*s\n", who,
		      (int)(n < 400 ? n : 400), p);
	exit(1);
}

/* groupd's own. */

enum { PRINCIPAL = 1 };

static void wire_open(struct buf *out, uint32_t number)
{
	const struct wire_body_hello hello = { .version = WIRE_VERSION,
					       .agent = str_of("sendbench/1") };
	const struct wire_body_open_principal self = { .kind = PRINCIPAL_SELF };

	(void)number;
	wire_put_frame(out, WIRE_HELLO, 1, 0, &hello);
	wire_put_frame(out, WIRE_OPEN_PRINCIPAL, 1, PRINCIPAL, &self);
}

/* Each with a batch_id of its own, as lib/client's users do. */
static void wire_put_send(struct buf *out, uint32_t tag, uint64_t group)
{
	const struct wire_item item = { .content = sendbench_content() };
	uint64_t id[2] = { sendbench_random(), bench_now_ns() };
	struct wire_body_send send = { .group_id = group + 1,
				       .batch_id = str_make((const char *)id,
							    sizeof(id)) };
	static struct buf items;

	buf_clear(&items);
	wire_put(&items, &wire_schema_item, &item);
	send.items = buf_str(&items);
	wire_put_frame(out, WIRE_SEND, tag + 1, PRINCIPAL, &send);
}

static size_t wire_parse(const char *p, size_t n, struct sendpiece *piece)
{
	struct wire_header h;

	if (n < WIRE_HEADER)
		return 0;
	if (wire_get_header(p, &h) != 0)
		refused("groupd", "that is no frame", 16);
	if (n < WIRE_HEADER + h.len)
		return 0;
	if (h.type == WIRE_ERROR)
		refused("groupd", p + WIRE_HEADER, h.len);
	if (h.type == WIRE_WELCOME || h.type == WIRE_PRINCIPAL)
		piece->kind = SENDPIECE_OPEN;
	else if (h.type == WIRE_SENT)
		piece->kind = SENDPIECE_ANSWER;
	piece->tag = h.id - 1;
	return WIRE_HEADER + h.len;
}

/* REST. */

static void rest_put(struct buf *out, uint32_t tag, uint64_t group)
{
	(void)tag;
	buf_printf(out,
		   "POST /api/groups/g%llu/messages HTTP/1.1\r\n"
		   "Host: localhost\r\nAuthorization: Bearer %s\r\n"
		   "Content-Type: application/json\r\n"
		   "Content-Length: %zu\r\n\r\n{\"content\":\"",
		   (unsigned long long)group, sendbench_token(),
		   sendbench_content().len + strlen("{\"content\":\"\"}"));
	buf_append_str(out, sendbench_content());
	buf_append_str(out, str_of("\"}"));
}

static size_t rest_parse(const char *p, size_t n, struct sendpiece *piece)
{
	static const char field[] = "\r\ncontent-length:";
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	size_t len = 0;

	if (end == NULL)
		return 0;
	for (const char *at = p; at < end; at++) {
		if (strncasecmp(at, field, sizeof(field) - 1) == 0)
			len = strtoull(at + sizeof(field) - 1, NULL, 10);
	}
	len += (size_t)(end - p) + 4;
	if (n < len)
		return 0;
	if (strncmp(p, "HTTP/1.1 201", 12) != 0)
		refused("REST", p, len);
	piece->kind = SENDPIECE_NEXT;
	return len;
}

/* WebSocket. */

static void ws_open(struct buf *out, uint32_t number)
{
	(void)number;
	websocket_put_upgrade(out, str_of(sendbench_token()));
}

static void ws_put(struct buf *out, uint32_t tag, uint64_t group)
{
	char text[SENDBENCH_CONTENT + 128];
	const struct str content = sendbench_content();
	int n = snprintf(text, sizeof(text),
			 "{\"type\":\"send\",\"id\":%u,\"group\":\"g%llu\","
			 "\"content\":\"%.*s\"}",
			 tag, (unsigned long long)group, (int)content.len,
			 content.data);

	websocket_put_text(out, str_make(text, (size_t)n));
}

static size_t ws_parse(const char *p, size_t n, struct sendpiece *piece)
{
	static const char hello[] = "{\"type\":\"hello\"";
	static const char sent[] = "{\"type\":\"sent\"";
	enum websocket_opcode opcode;
	struct str text;
	size_t len = websocket_take(p, n, &opcode, &text);

	if (len == 0 || opcode == WEBSOCKET_HTTP)
		return len;
	if (strncmp(text.data, sent, sizeof(sent) - 1) == 0)
		piece->kind = SENDPIECE_NEXT;
	else if (strncmp(text.data, hello, sizeof(hello) - 1) == 0)
		piece->kind = SENDPIECE_OPEN;
	else if (opcode == WEBSOCKET_TEXT)
		refused("the WebSocket", text.data, text.len);
	return len;
}

/* A server that appends to a bare file (sendfile.c): a record, and its tag. */

static void bare_put(struct buf *out, uint32_t tag, uint64_t group)
{
	char head[SENDBENCH_RECORD - SENDBENCH_CONTENT] = { 0 };

	memcpy(head, &tag, sizeof(tag));
	memcpy(head + 8, &group, sizeof(group));
	buf_append(out, head, sizeof(head));
	buf_append_str(out, sendbench_content());
}

static size_t bare_parse(const char *p, size_t n, struct sendpiece *piece)
{
	if (n < sizeof(piece->tag))
		return 0;
	memcpy(&piece->tag, p, sizeof(piece->tag));
	piece->kind = SENDPIECE_ANSWER;
	return sizeof(piece->tag);
}

/* Redis: a stream a group. */

static void redis_put(struct buf *out, uint32_t tag, uint64_t group)
{
	char key[32];
	int n = snprintf(key, sizeof(key), "g%llu", (unsigned long long)group);

	(void)tag;
	buf_printf(out,
		   "*5\r\n$4\r\nXADD\r\n$%d\r\n%s\r\n$1\r\n*\r\n$1\r\nm\r\n"
		   "$%zu\r\n",
		   n, key, sendbench_content().len);
	buf_append_str(out, sendbench_content());
	buf_append_str(out, str_of("\r\n"));
}

static size_t redis_parse(const char *p, size_t n, struct sendpiece *piece)
{
	const char *end = memchr(p, '\n', n);
	size_t len;

	if (end == NULL)
		return 0;
	if (p[0] != '$')
		refused("Redis", p, (size_t)(end - p));
	len = (size_t)(end - p) + 1 + strtoull(p + 1, NULL, 10) + 2;
	piece->kind = SENDPIECE_NEXT;
	return len <= n ? len : 0;
}

/* MQTT 3.1.1, QoS 1. */

static void mqtt_open(struct buf *out, uint32_t number)
{
	static const char head[] = "\0\4MQTT\4\2\0\0"; /* clean, for ever */
	char id[16];
	size_t n = (size_t)snprintf(id, sizeof(id), "s%u", number);

	buf_append_char(out, 0x10);
	buf_append_char(out, (char)(sizeof(head) - 1 + 2 + n));
	buf_append(out, head, sizeof(head) - 1);
	buf_append_char(out, 0);
	buf_append_char(out, (char)n);
	buf_append(out, id, n);
}

static void mqtt_put(struct buf *out, uint32_t tag, uint64_t group)
{
	char topic[32];
	size_t n = (size_t)snprintf(topic, sizeof(topic), "bench/g%llu",
				    (unsigned long long)group);
	size_t len = 2 + n + 2 + sendbench_content().len; /* 128 to 16383 */

	buf_append_char(out, 0x32);
	buf_append_char(out, (char)(0x80 | (len & 0x7f)));
	buf_append_char(out, (char)(len >> 7));
	buf_append_char(out, 0);
	buf_append_char(out, (char)n);
	buf_append(out, topic, n);
	buf_append_char(out, (char)((tag + 1) >> 8));
	buf_append_char(out, (char)(tag + 1));
	buf_append_str(out, sendbench_content());
}

/* Its answers have 2 bytes behind the head, all of them. */
static size_t mqtt_parse(const char *p, size_t n, struct sendpiece *piece)
{
	if (n < 4)
		return 0;
	if (p[1] != 2 || (p[0] == 0x20 && p[3] != 0))
		refused("mosquitto", "", 0);
	piece->kind = p[0] == 0x20 ? SENDPIECE_OPEN : SENDPIECE_ANSWER;
	piece->tag = ((uint32_t)(unsigned char)p[2] << 8 |
		      (uint32_t)(unsigned char)p[3]) -
		     1;
	return 4;
}

const struct sendproto *sendproto_of(const char *name)
{
	static const struct sendproto protos[] = {
		{ "groupd", wire_open, 2, wire_put_send, wire_parse },
		{ "rest", NULL, 0, rest_put, rest_parse },
		{ "websocket", ws_open, 1, ws_put, ws_parse },
		{ "bare", NULL, 0, bare_put, bare_parse },
		{ "redis", NULL, 0, redis_put, redis_parse },
		{ "mosquitto", mqtt_open, 1, mqtt_put, mqtt_parse },
	};

	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++) {
		if (strcmp(protos[i].name, name) == 0)
			return &protos[i];
	}
	bench_die(name, -EINVAL);
}
