/* SPDX-License-Identifier: MIT */
/*
 * A histogram of fixed buckets, as Prometheus has them: how often a value was
 * at most each of the bounds, and the sum of all values.
 *
 * Any number of threads may add and read at the same time; who reads while
 * others add may find the sum one value ahead of the counts. A zeroed one,
 * with its kind, is empty. Two of one kind have the same bounds, so that they
 * can be added up. No function here allocates, but histogram_put().
 */
#ifndef GROUPFS_LIB_HISTOGRAM_H
#define GROUPFS_LIB_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/str.h"

enum histogram_kind {
	HISTOGRAM_SIZE,	    /* how many: 1, 2, 4 ... 4096 */
	HISTOGRAM_DURATION, /* nanoseconds: 10 us, 20, 50 ... 10 s */
	HISTOGRAM_DELAY	    /* the same from 1 ms on, for clocks of whole ms */
};

enum { HISTOGRAM_BOUNDS = 19 /* of any kind, at most */ };

struct histogram {
	enum histogram_kind kind;
	atomic_uint_fast64_t sum;
	/* Of each bucket by itself; the last one is what is above all. */
	atomic_uint_fast64_t counts[HISTOGRAM_BOUNDS + 1];
};

/* Adds a value so many times. */
void histogram_add(struct histogram *h, uint64_t value, uint64_t times);

/* The bounds of its kind; there is one bucket more. */
size_t histogram_bounds(const struct histogram *h);
/* Bound i in the base unit, for people and Prometheus: "0.005", "64"; "+Inf"
 * for the last bucket. Static. */
const char *histogram_bound(const struct histogram *h, size_t i);
/* Decimal digits of `sum` that are behind the point in the base unit: 9 where
 * values are nanoseconds, else 0. */
unsigned histogram_decimals(const struct histogram *h);

/* Bucket i by itself. */
uint64_t histogram_bucket(const struct histogram *h, size_t i);
/* Of all buckets. */
uint64_t histogram_count(const struct histogram *h);
uint64_t histogram_sum(const struct histogram *h);

/* What at most so many percent of the values are below, in the unit of `sum`:
 * within a bucket they count as evenly spread; what is above all bounds counts
 * as the last bound. 0 of an empty one. */
uint64_t histogram_percentile(const struct histogram *h, unsigned percent);
/* Adds all of another one of the same kind. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* On the wire: a list of `count` records, the sum first, then each bucket.
 * histogram_get() fills *out, whose kind is set, from such a list: 0, or
 * -EBADMSG when it is none of that kind, and *out is as it was. */
void histogram_put(struct buf *b, const struct histogram *h);
int histogram_get(struct str list, struct histogram *out);

#endif
