/* SPDX-License-Identifier: MIT */
/*
 * What Redis says: answers to commands, and what was subscribed. Whatever is
 * not what was asked for ends the connection.
 */
#include "daemon/bus_redis.h"

enum {
	REPLY_MAX = 4096, /* the longest one that is ours has 250 */
	ARRAY_MAX = 16
};

static const char speaks_else[] = "it does not speak Redis' protocol";

static uint64_t now(const struct redis *r)
{
	return uv_now(r->bus->loop);
}

/* What Redis says, as one line that may be shown. */
static void printable(char *out, size_t size, const char *text, size_t len)
{
	size_t n = len < size ? len : size - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = text[i] < ' ' || text[i] > '~' ? '?' : text[i];
	out[n] = '\0';
}

static void fail_as_told(struct redis *r, const redisReply *reply)
{
	char why[BUS_WHY_MAX];

	printable(why, sizeof(why), reply->str, reply->len);
	redis_fail(r, why);
}

/* In: commands. */

static void on_refused(struct redis *r, const redisReply *reply)
{
	char why[BUS_WHY_MAX];

	printable(why, sizeof(why), reply->str, reply->len);
	r->refused = true;
	bus_refusal(r->bus, why);
}

static bool is_expected(const struct expected *e, const redisReply *reply)
{
	switch (e->expect) {
	case EXPECT_NUMBER:
		return reply->type == REDIS_REPLY_INTEGER &&
		       reply->integer >= 0;
	case EXPECT_STATUS:
		return reply->type == REDIS_REPLY_STATUS;
	case EXPECT_EXEC:
		return reply->type == REDIS_REPLY_ARRAY &&
		       reply->elements > 0 &&
		       reply->element[0]->type == REDIS_REPLY_INTEGER &&
		       reply->element[0]->integer >= 0;
	}
	return false;
}

static void on_command_reply(struct redis_link *l, const redisReply *reply)
{
	struct redis *r = l->redis;
	struct redis_answer answer = { .error = reply->type ==
						REDIS_REPLY_ERROR };
	struct expected e;

	if (r->count == 0) {
		redis_fail(r, reply->type == REDIS_REPLY_ERROR ? "it refuses us"
							       : speaks_else);
		return;
	}
	e = r->fifo[r->first];
	if (!answer.error && !is_expected(&e, reply)) {
		bus_rubbish(r->bus);
		redis_fail(r, speaks_else);
		return;
	}
	r->first = (r->first + 1) % FIFO_MAX;
	r->count--;
	l->heard_ms = now(r);
	/* Until it is up, the one who asks says what a refusal means. */
	if (answer.error && r->state != UP) {
		fail_as_told(r, reply);
		return;
	}
	if (answer.error)
		on_refused(r, reply);
	else if (e.expect != EXPECT_STATUS)
		answer.value = (uint64_t)(e.expect == EXPECT_EXEC
						  ? reply->element[0]->integer
						  : reply->integer);
	if (e.cb != NULL)
		e.cb(r->bus, &answer, e.key, e.value);
}

/* In: hints. */

static bool is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING;
}

static bool is_word(const redisReply *reply, const char *word)
{
	return is_text(reply) &&
	       str_eq(str_make(reply->str, reply->len), str_of(word));
}

/* False: Redis says no such thing on a connection that is subscribed. */
static bool take_push(struct redis_link *l, const redisReply *reply)
{
	struct redis *r = l->redis;
	redisReply *const *part = reply->element;

	if (reply->elements == 2)
		return is_word(part[0], "pong");
	if (reply->elements != 3)
		return false;
	if (is_word(part[0], "message") && is_text(part[1]) &&
	    is_text(part[2])) {
		if (r->state == UP)
			bus_message(r->bus,
				    str_make(part[1]->str, part[1]->len),
				    str_make(part[2]->str, part[2]->len));
		return true;
	}
	if (!is_word(part[0], "subscribe") && !is_word(part[0], "unsubscribe"))
		return false;
	if (r->state == HINTS)
		redis_came_up(r);
	return true;
}

static void on_hints_reply(struct redis_link *l, const redisReply *reply)
{
	struct redis *r = l->redis;

	/* Of a connection that may do nothing else, all that is refused is
	 * what we need. */
	if (reply->type == REDIS_REPLY_ERROR) {
		fail_as_told(r, reply);
		return;
	}
	/* The answer to AUTH. */
	if (reply->type == REDIS_REPLY_STATUS && r->state == HINTS)
		return;
	if (reply->type != REDIS_REPLY_ARRAY || !take_push(l, reply)) {
		bus_rubbish(r->bus);
		redis_fail(r, speaks_else);
		return;
	}
	if (!is_word(reply->element[0], "message"))
		l->heard_ms = now(r);
}

/* In: both. */

/* An array of Redis' choice is not allocated before its length is known to be
 * one that we could have asked for. */
static void *create_array(const redisReadTask *task, int elements)
{
	const struct redis *r = task->privdata;

	return elements > ARRAY_MAX ? NULL : r->create_array(task, elements);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
	struct redis_link *l = handle->data;

	(void)size;
	*out = uv_buf_init(l->redis->in, IN_BYTES);
}

static void take_replies(struct redis_link *l)
{
	struct redis *r = l->redis;

	while (l->open) {
		void *reply = NULL;

		if (redisReaderGetReply(l->reader, &reply) != REDIS_OK) {
			bus_rubbish(r->bus);
			redis_fail(r, speaks_else);
			return;
		}
		if (reply == NULL)
			break;
		if (l == &r->commands)
			on_command_reply(l, reply);
		else
			on_hints_reply(l, reply);
		freeReplyObject(reply);
	}
	if (l->open && l->reader->len - l->reader->pos > REPLY_MAX) {
		bus_rubbish(r->bus);
		redis_fail(r, "it sends more than was asked for");
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct redis_link *l = stream->data;
	struct redis *r = l->redis;

	if (!l->open || n == 0)
		return;
	if (n == UV_EOF) {
		redis_fail(r, "it closed the connection");
		return;
	}
	if (n < 0) {
		redis_fail(r, uv_strerror((int)n));
		return;
	}
	if (redisReaderFeed(l->reader, buf->base, (size_t)n) != REDIS_OK) {
		redis_fail(r, "no memory");
		return;
	}
	take_replies(l);
	if (l->open)
		bus_wake(r->bus);
}

bool redis_make_reader(struct redis_link *l)
{
	struct redis *r = l->redis;

	l->reader = redisReaderCreate();
	if (l->reader == NULL)
		return false;
	r->functions = *l->reader->fn;
	r->create_array = r->functions.createArray;
	r->functions.createArray = create_array;
	l->reader->fn = &r->functions;
	l->reader->privdata = r;
	return true;
}

int redis_read_start(struct redis_link *l)
{
	return uv_read_start(&l->io.stream, on_alloc, on_read);
}
