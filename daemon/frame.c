/* SPDX-License-Identifier: MIT */
#include "daemon/frame.h"

#include <assert.h>
#include <stdlib.h>

struct frame *frame_new(void)
{
	struct frame *f = calloc(1, sizeof(*f));

	if (f != NULL)
		f->refs = 1;
	return f;
}

struct frame *frame_ref(struct frame *f)
{
	assert(f->refs > 0);
	f->refs++;
	return f;
}

void frame_unref(struct frame *f)
{
	if (f == NULL)
		return;
	assert(f->refs > 0);
	if (--f->refs > 0)
		return;
	buf_release(&f->bytes);
	free(f);
}
