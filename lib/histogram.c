/* SPDX-License-Identifier: MIT */
#include "lib/histogram.h"

#include <assert.h>
#include <errno.h>

#include "lib/wire.h"

#define US UINT64_C(1000)
#define MS (US * 1000)
#define S  (MS * 1000)

struct bound {
	uint64_t value;
	const char *text;
};

static const struct bound durations[] = {
	{ 10 * US, "0.00001" }, { 20 * US, "0.00002" }, { 50 * US, "0.00005" },
	{ 100 * US, "0.0001" }, { 200 * US, "0.0002" }, { 500 * US, "0.0005" },
	{ 1 * MS, "0.001" },	{ 2 * MS, "0.002" },	{ 5 * MS, "0.005" },
	{ 10 * MS, "0.01" },	{ 20 * MS, "0.02" },	{ 50 * MS, "0.05" },
	{ 100 * MS, "0.1" },	{ 200 * MS, "0.2" },	{ 500 * MS, "0.5" },
	{ 1 * S, "1" },		{ 2 * S, "2" },		{ 5 * S, "5" },
	{ 10 * S, "10" },
};

static const struct bound sizes[] = {
	{ 1, "1" },	  { 2, "2" },	  { 4, "4" },	    { 8, "8" },
	{ 16, "16" },	  { 32, "32" },	  { 64, "64" },	    { 128, "128" },
	{ 256, "256" },	  { 512, "512" }, { 1024, "1024" }, { 2048, "2048" },
	{ 4096, "4096" },
};

static const size_t ndurations = sizeof(durations) / sizeof(durations[0]);
static const size_t nsizes = sizeof(sizes) / sizeof(sizes[0]);

enum { DELAYS_FROM = 6 /* of the durations: 1 ms */ };

_Static_assert(sizeof(durations) <= HISTOGRAM_BOUNDS * sizeof(struct bound) &&
		       sizeof(sizes) <= HISTOGRAM_BOUNDS * sizeof(struct bound),
	       "there is a bucket for each bound");

static const struct bound *bounds_of(const struct histogram *h, size_t *n)
{
	switch (h->kind) {
	case HISTOGRAM_DURATION:
		*n = ndurations;
		return durations;
	case HISTOGRAM_DELAY:
		*n = ndurations - DELAYS_FROM;
		return durations + DELAYS_FROM;
	case HISTOGRAM_SIZE:
		break;
	}
	*n = nsizes;
	return sizes;
}

void histogram_add(struct histogram *h, uint64_t value, uint64_t times)
{
	size_t n, i = 0;
	const struct bound *bounds = bounds_of(h, &n);

	while (i < n && value > bounds[i].value)
		i++;
	atomic_fetch_add_explicit(&h->sum, value * times, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->counts[i], times, memory_order_relaxed);
}

size_t histogram_bounds(const struct histogram *h)
{
	size_t n;

	(void)bounds_of(h, &n);
	return n;
}

const char *histogram_bound(const struct histogram *h, size_t i)
{
	size_t n;
	const struct bound *bounds = bounds_of(h, &n);

	assert(i <= n);
	return i == n ? "+Inf" : bounds[i].text;
}

unsigned histogram_decimals(const struct histogram *h)
{
	return h->kind == HISTOGRAM_SIZE ? 0 : 9;
}

uint64_t histogram_bucket(const struct histogram *h, size_t i)
{
	assert(i <= HISTOGRAM_BOUNDS);
	return atomic_load_explicit(&h->counts[i], memory_order_relaxed);
}

uint64_t histogram_count(const struct histogram *h)
{
	uint64_t count = 0;

	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
		count += histogram_bucket(h, i);
	return count;
}

uint64_t histogram_sum(const struct histogram *h)
{
	return atomic_load_explicit(&h->sum, memory_order_relaxed);
}

uint64_t histogram_percentile(const struct histogram *h, unsigned percent)
{
	size_t n;
	const struct bound *bounds = bounds_of(h, &n);
	uint64_t count = histogram_count(h);
	/* The how manieth value it is, from 1. */
	uint64_t rank =
		count / 100 * percent + (count % 100 * percent + 99) / 100;
	uint64_t below = 0;

	assert(percent <= 100);
	if (count == 0)
		return 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t here = histogram_bucket(h, i);
		uint64_t from = i == 0 ? 0 : bounds[i - 1].value;

		if (here > 0 && below + here >= rank)
			return from +
			       (uint64_t)((double)(bounds[i].value - from) *
					  (double)(rank - below) /
					  (double)here);
		below += here;
	}
	return bounds[n - 1].value;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	assert(into->kind == from->kind);
	atomic_fetch_add_explicit(&into->sum, histogram_sum(from),
				  memory_order_relaxed);
	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
		atomic_fetch_add_explicit(&into->counts[i],
					  histogram_bucket(from, i),
					  memory_order_relaxed);
}

static void put_count(struct buf *b, uint64_t value)
{
	struct wire_count count = { .value = value };

	wire_put(b, &wire_schema_count, &count);
}

void histogram_put(struct buf *b, const struct histogram *h)
{
	put_count(b, histogram_sum(h));
	for (size_t i = 0; i <= histogram_bounds(h); i++)
		put_count(b, histogram_bucket(h, i));
}

int histogram_get(struct str list, struct histogram *out)
{
	uint64_t values[HISTOGRAM_BOUNDS + 2];
	size_t want = histogram_bounds(out) + 2;
	size_t n = 0;
	struct wire_count count;
	int rc;

	while ((rc = wire_next(&list, &wire_schema_count, &count)) == 1) {
		if (n == want)
			return -EBADMSG;
		values[n++] = count.value;
	}
	if (rc < 0 || n != want)
		return -EBADMSG;
	atomic_store(&out->sum, values[0]);
	for (size_t i = 1; i < n; i++)
		atomic_store(&out->counts[i - 1], values[i]);
	return 0;
}
