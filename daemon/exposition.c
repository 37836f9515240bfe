/* SPDX-License-Identifier: MIT */
#include "daemon/exposition.h"

#include <inttypes.h>

void exposition_family(struct buf *out, const char *name, const char *type,
		       const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* "name_suffix{labels} ", and the value is still to come. */
static void put_name(struct buf *out, const char *name, const char *suffix,
		     const char *labels)
{
	buf_printf(out, "%s%s", name, suffix);
	if (labels[0] != '\0')
		buf_printf(out, "{%s}", labels);
	buf_append_char(out, ' ');
}

static void put_scaled(struct buf *out, uint64_t value, unsigned decimals)
{
	uint64_t unit = 1;

	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	buf_printf(out, "%" PRIu64, value / unit);
	if (value % unit != 0)
		buf_printf(out, ".%0*" PRIu64, (int)decimals, value % unit);
	buf_append_char(out, '\n');
}

void exposition_scaled(struct buf *out, const char *name, const char *labels,
		       uint64_t value, unsigned decimals)
{
	put_name(out, name, "", labels);
	put_scaled(out, value, decimals);
}

void exposition_sample(struct buf *out, const char *name, const char *labels,
		       uint64_t value)
{
	exposition_scaled(out, name, labels, value, 0);
}

void exposition_histogram(struct buf *out, const char *name, const char *labels,
			  const struct histogram *h)
{
	const char *comma = labels[0] == '\0' ? "" : ",";
	uint64_t count = 0;

	for (size_t i = 0; i <= histogram_bounds(h); i++) {
		count += histogram_bucket(h, i);
		buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %" PRIu64 "\n", name,
			   labels, comma, histogram_bound(h, i), count);
	}
	put_name(out, name, "_sum", labels);
	put_scaled(out, histogram_sum(h), histogram_decimals(h));
	/* The sum of what was written above, whoever adds meanwhile. */
	put_name(out, name, "_count", labels);
	put_scaled(out, count, 0);
}

static void one(struct buf *out, const char *name, const char *type,
		const char *help, uint64_t value)
{
	exposition_family(out, name, type, help);
	exposition_sample(out, name, "", value);
}

void exposition_counter(struct buf *out, const char *name, const char *help,
			uint64_t value)
{
	one(out, name, "counter", help, value);
}

void exposition_gauge(struct buf *out, const char *name, const char *help,
		      uint64_t value)
{
	one(out, name, "gauge", help, value);
}
