/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/validator.h"

#include <time.h>

enum { TIME_MAX = 64 };

bool validator_is(struct str value, struct str etag, uint64_t modified_ms)
{
	int64_t seconds;

	if (validator_parse_time(value, &seconds))
		return seconds == (int64_t)(modified_ms / 1000);
	return str_eq(value, etag);
}

bool validator_unchanged(struct str since, uint64_t modified_ms)
{
	int64_t seconds;

	return validator_parse_time(since, &seconds) &&
	       (int64_t)(modified_ms / 1000) <= seconds;
}

/* The names are English: this process never sets a locale. */
void validator_put_time(struct buf *b, uint64_t time_ms)
{
	time_t seconds = (time_t)(time_ms / 1000);
	char text[TIME_MAX];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL)
		return;
	(void)strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	buf_append_str(b, str_of(text));
}

bool validator_parse_time(struct str text, int64_t *seconds)
{
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT",
					     "%A, %d-%b-%y %H:%M:%S GMT",
					     "%a %b %d %H:%M:%S %Y" };
	char copy[TIME_MAX];

	if (!str_to_cstr(text, copy, sizeof(copy)))
		return false;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(copy, forms[i], &tm);

		if (end == NULL || *end != '\0')
			continue;
		*seconds = (int64_t)timegm(&tm);
		return true;
	}
	return false;
}
