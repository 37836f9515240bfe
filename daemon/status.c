/* SPDX-License-Identifier: MIT */
#include "daemon/status.h"

#include <inttypes.h>

static void put(struct buf *out, const char *name, struct str value)
{
	struct wire_figure figure = { .name = str_of(name), .value = value };

	if (figure.value.len > 1024)
		figure.value.len = 1024;
	wire_put(out, &wire_schema_figure, &figure);
}

void status_text(struct buf *out, const char *name, const char *value)
{
	put(out, name, str_of(value));
}

void status_number(struct buf *out, const char *name, uint64_t value)
{
	struct buf text = { 0 };

	buf_printf(&text, "%" PRIu64, value);
	put(out, name, buf_str(&text));
	buf_release(&text);
}

static void ratio(struct buf *out, const char *name, uint64_t a, uint64_t b)
{
	struct buf text = { 0 };

	buf_printf(&text, "%.2f", b == 0 ? 0.0 : (double)a / (double)b);
	put(out, name, buf_str(&text));
	buf_release(&text);
}

/* "1:20 2:3 4:0 ...": commits with at most so many requests. */
static void sizes(struct buf *out, const struct histogram *ops)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < histogram_bounds(ops); i++)
		buf_printf(&text, "%s%s:%" PRIu64, i == 0 ? "" : " ",
			   histogram_bound(ops, i), histogram_bucket(ops, i));
	put(out, "requests_per_commit_histogram", buf_str(&text));
	buf_release(&text);
}

void status_sequencer(struct buf *out, struct sequencer *q)
{
	const struct sequencer_figures *f = &q->figures;
	uint64_t commits = histogram_count(&f->ops);
	uint64_t messages = histogram_sum(&f->messages);
	uint64_t ops = histogram_sum(&f->ops);

	status_number(out, "lanes", q->lanes);
	status_number(out, "commits", commits);
	status_number(out, "writes", ops);
	status_number(out, "messages", messages);
	ratio(out, "writes_per_commit", ops, commits);
	ratio(out, "messages_per_commit", messages, commits);
	ratio(out, "commits_per_message", commits, messages);
	status_number(out, "largest_commit", atomic_load(&f->largest));
	sizes(out, &f->ops);
	status_number(out, "writes_refused", atomic_load(&f->refused));
	status_number(out, "rollbacks", atomic_load(&f->rollbacks));
	status_number(out, "writes_queued", sequencer_queued(q));
}

void status_registry(struct buf *out, const struct registry *r)
{
	status_number(out, "principals", r->principals);
	status_number(out, "watches", r->watches);
	status_number(out, "connections", r->connections.count);
	status_number(out, "live_groups", r->groups.by_id.count);
}
