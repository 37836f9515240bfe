/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/ws_notes.h"

#include <assert.h>
#include <stdlib.h>

static struct ws_note *note_of(struct list *link)
{
	return container_of(link, struct ws_note, link);
}

void ws_notes_init(struct ws_notes *notes)
{
	list_init(&notes->all);
	notes->bytes = 0;
}

struct ws_note *ws_notes_add(struct ws_notes *notes, uint64_t after_seq,
			     struct buf *frame)
{
	struct ws_note *note = frame->failed ? NULL : calloc(1, sizeof(*note));

	if (note == NULL)
		return NULL;
	note->after_seq = after_seq;
	note->frame = *frame;
	*frame = (struct buf){ 0 };
	list_push(&notes->all, &note->link);
	notes->bytes += note->frame.len;
	return note;
}

void ws_notes_give(struct ws_notes *notes, struct ws_note **next)
{
	struct ws_note *last = note_of(notes->all.prev);

	assert(!list_empty(&notes->all));
	last->readers++;
	if (*next == NULL)
		*next = last;
}

void ws_notes_pass(struct ws_notes *notes, struct ws_note **next)
{
	struct ws_note *note = *next;
	struct list *behind = note->link.next;

	assert(note->readers > 0);
	*next = behind == &notes->all ? NULL : note_of(behind);
	if (--note->readers > 0)
		return;
	list_remove(&note->link);
	notes->bytes -= note->frame.len;
	buf_release(&note->frame);
	free(note);
}

void ws_notes_leave(struct ws_notes *notes, struct ws_note **next)
{
	while (*next != NULL)
		ws_notes_pass(notes, next);
}
