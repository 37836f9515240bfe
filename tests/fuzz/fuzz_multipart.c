/* SPDX-License-Identifier: MIT */
/*
 * A form. FILES: daemon/gateway/multipart.c
 *
 * Input: a byte that cuts, a Content-Type up to a newline, and the body. In
 * pieces it has the same parts, or is refused as well.
 */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "daemon/gateway/multipart.h"

static int on_part(void *data, struct disposition *d)
{
	struct buf *told = data;

	assert(d->has_name && str_eq(buf_str(&d->type), str_of("form-data")));
	buf_append_char(told, '\0');
	buf_append_str(told, buf_str(&d->name));
	buf_append_char(told, d->has_filename ? '\1' : '\2');
	buf_append_str(told, buf_str(&d->filename));
	buf_append_char(told, '\3');
	/* One of a handler's own refusals. */
	return str_eq(buf_str(&d->name), str_of("no")) ? -EPERM : 0;
}

static int on_data(void *data, struct str bytes)
{
	assert(bytes.len > 0);
	buf_append_str(data, bytes);
	return 0;
}

static const struct multipart_ops ops = { .part = on_part, .data = on_data };

static int take(struct str type, struct str body, const uint8_t *seed,
		struct buf *told, bool *complete)
{
	struct fuzz_cut cut = { .left = body, .seed = seed ? *seed : 0 };
	struct multipart m;
	struct str piece;
	int rc = multipart_start(&m, type, &ops, told);

	if (rc == 0 && seed == NULL)
		rc = multipart_feed(&m, body);
	while (seed != NULL && fuzz_piece(&cut, &piece)) {
		if (rc == 0)
			rc = multipart_feed(&m, piece);
		free((void *)(uintptr_t)piece.data);
	}
	*complete = rc == 0 && multipart_complete(&m);
	multipart_release(&m);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = str_make((const char *)data, size);
	uint8_t seed = fuzz_byte(&in);
	struct str type = fuzz_until(&in, '\n');
	struct buf whole = { 0 }, pieces = { 0 };
	bool complete, complete_cut;
	int rc = take(type, in, NULL, &whole, &complete);

	assert(take(type, in, &seed, &pieces, &complete_cut) == rc);
	assert(complete == complete_cut);
	assert(str_eq(buf_str(&whole), buf_str(&pieces)));
	assert(rc == 0 || rc == -EINVAL || rc == -EPERM);
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
