/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/range.h"

#include <strings.h>

/* Takes the digits at the head of s; false when there are none. What does not
 * fit is behind the end of any file. */
static bool take_number(struct str *s, uint64_t *out)
{
	size_t n = 0;

	*out = 0;
	for (; n < s->len && s->data[n] >= '0' && s->data[n] <= '9'; n++) {
		uint64_t digit = (uint64_t)(s->data[n] - '0');

		*out = *out > (UINT64_MAX - digit) / 10 ? UINT64_MAX
							: *out * 10 + digit;
	}
	s->data += n;
	s->len -= n;
	return n > 0;
}

static bool take_unit(struct str *s)
{
	static const char unit[] = "bytes=";
	size_t n = sizeof(unit) - 1;

	if (s->len < n || strncasecmp(s->data, unit, n) != 0)
		return false;
	s->data += n;
	s->len -= n;
	return true;
}

static enum range last_bytes(uint64_t count, uint64_t size, uint64_t *first,
			     uint64_t *len)
{
	if (count == 0)
		return RANGE_UNSATISFIABLE;
	/* The last bytes of nothing are nothing, which no range can say. */
	if (size == 0)
		return RANGE_ALL;
	*len = count < size ? count : size;
	*first = size - *len;
	return RANGE_PART;
}

enum range range_of(struct str header, uint64_t size, uint64_t *first,
		    uint64_t *len)
{
	uint64_t last;
	bool from, to;

	if (!take_unit(&header))
		return RANGE_ALL;
	from = take_number(&header, first);
	if (header.len == 0 || header.data[0] != '-')
		return RANGE_ALL;
	header.data++;
	header.len--;
	to = take_number(&header, &last);
	if (!to)
		last = UINT64_MAX;
	if (header.len > 0 || (!from && !to) || (from && last < *first))
		return RANGE_ALL;
	if (!from)
		return last_bytes(last, size, first, len);
	if (*first >= size)
		return RANGE_UNSATISFIABLE;
	if (last >= size)
		last = size - 1;
	*len = last - *first + 1;
	return RANGE_PART;
}
