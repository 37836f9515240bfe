/* SPDX-License-Identifier: MIT */
/*
 * What Redis says. FILES: daemon/bus_redis_in.c
 *
 * Input: a byte that cuts; a byte of which connection, its state, and what was
 * asked; then the bytes that come. In pieces they mean the same.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/bus_redis.h"

/* What was told, as text, and libuv's callbacks. libuv's own functions cannot
 * be given a place of ours, hence a static. */
static struct told {
	struct buf text;
	uv_alloc_cb alloc;
	uv_read_cb read;
} told;

/* In the place of libuv's and of what the rest of the bus does. */

int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc, uv_read_cb read)
{
	(void)stream;
	told.alloc = alloc;
	told.read = read;
	return 0;
}

uint64_t uv_now(const uv_loop_t *loop)
{
	(void)loop;
	return 7;
}

static void check_why(const char *why)
{
	assert(strlen(why) < BUS_WHY_MAX);
	for (; *why != '\0'; why++)
		assert(*why >= ' ' && *why <= '~');
}

void redis_fail(struct redis *r, const char *why)
{
	check_why(why);
	buf_printf(&told.text, "fail:%s;", why);
	r->commands.open = false;
	r->hints.open = false;
}

void redis_came_up(struct redis *r)
{
	buf_append_str(&told.text, str_of("up;"));
	r->state = UP;
}

void bus_refusal(struct bus *bus, const char *why)
{
	(void)bus;
	check_why(why);
	buf_printf(&told.text, "refusal:%s;", why);
}

void bus_message(struct bus *bus, struct str channel, struct str payload)
{
	(void)bus;
	buf_printf(&told.text, "message:%zu:%zu:", channel.len, payload.len);
	buf_append_str(&told.text, channel);
	buf_append_str(&told.text, payload);
}

void bus_wake(struct bus *bus)
{
	(void)bus;
}

void bus_rubbish(struct bus *bus)
{
	(void)bus;
	buf_append_str(&told.text, str_of("rubbish;"));
}

static void on_answer(struct bus *bus, const struct redis_answer *a,
		      uint64_t key, uint64_t value)
{
	(void)bus;
	buf_printf(&told.text, "answer:%d:%llu:%llu:%llu;", a->error,
		   (unsigned long long)a->value, (unsigned long long)key,
		   (unsigned long long)value);
}

static void ask(struct redis *r, uint8_t how)
{
	r->first = FIFO_MAX - 2; /* goes round its end */
	r->count = how % 8;
	for (size_t i = 0; i < r->count; i++)
		r->fifo[(r->first + i) % FIFO_MAX] = (struct expected){
			.expect = (enum redis_expect)((how / 8 + i) % 3),
			.cb = i == 3 ? NULL : on_answer,
			.key = i,
			.value = 2 * i,
		};
}

static void give(struct redis_link *l, struct str piece)
{
	uv_buf_t room = { 0 };

	told.alloc(&l->io.handle, 65536, &room);
	assert(room.len >= piece.len);
	memcpy(room.base, piece.data, piece.len);
	told.read(&l->io.stream, (ssize_t)piece.len, &room);
}

/* A connection that says this, then ends. */
static void run(struct str in, uint8_t how, const uint8_t *seed)
{
	struct bus bus = { 0 };
	struct redis *r = calloc(1, sizeof(*r));
	struct fuzz_cut cut = { .left = in, .seed = seed ? *seed : 0 };
	struct redis_link *l;
	struct str piece;

	assert(r != NULL);
	l = how & 0x80 ? &r->hints : &r->commands;
	r->bus = &bus;
	r->state = how & 0x40 ? UP : how & 0x80 ? HINTS : COMMANDS;
	ask(r, how);
	l->redis = r;
	l->open = true;
	l->io.handle.data = l;
	assert(redis_make_reader(l) && redis_read_start(l) == 0);
	while (seed == NULL && cut.left.len > 0) {
		size_t n = cut.left.len < IN_BYTES ? cut.left.len : IN_BYTES;

		give(l, str_make(cut.left.data, n));
		cut.left = str_make(cut.left.data + n, cut.left.len - n);
	}
	while (seed != NULL && fuzz_piece(&cut, &piece)) {
		give(l, piece);
		free((void *)(uintptr_t)piece.data);
	}
	told.read(&l->io.stream, 0, NULL);
	told.read(&l->io.stream, how & 1 ? UV_EOF : UV_ECONNRESET, NULL);
	assert(!l->open);
	redisReaderFree(l->reader);
	free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	uint8_t seed = fuzz_byte(&in);
	uint8_t how = fuzz_byte(&in);
	struct buf whole = { 0 };

	/* What is no whole answer yet may be refused for its length alone, and
	 * that depends on how it is cut. */
	if (in.len > 4000)
		return 0;
	buf_clear(&told.text);
	run(in, how, NULL);
	buf_append_str(&whole, buf_str(&told.text));
	buf_clear(&told.text);
	run(in, how, &seed);
	assert(str_eq(buf_str(&whole), buf_str(&told.text)));
	buf_release(&whole);
	buf_release(&told.text);
	return 0;
}
