/* SPDX-License-Identifier: MIT */
#include "daemon/report.h"

#include <stdlib.h>

static int get_requests(struct str list, struct report *out)
{
	struct wire_http_count c;
	int rc;

	while ((rc = wire_next(&list, &wire_schema_http_count, &c)) == 1) {
		if (c.status == 0)
			return -EBADMSG;
		out->requests[c.write][c.status - 1] = c.count;
	}
	return rc;
}

static int get_refused(struct str list, struct report *out)
{
	struct wire_count c;
	size_t code = ERR_NONE;
	int rc;

	while ((rc = wire_next(&list, &wire_schema_count, &c)) == 1) {
		if (++code == ERR_COUNT)
			return -EBADMSG;
		out->refused[code] = c.value;
	}
	return rc;
}

int report_take(struct report **report, const struct wire_body_report *body,
		struct err *err)
{
	struct report fresh = { .figures = *body,
				.fanout.kind = HISTOGRAM_DELAY };

	fresh.figures.requests = str_of("");
	fresh.figures.refused = str_of("");
	fresh.figures.fanout = str_of("");
	if (get_requests(body->requests, &fresh) < 0 ||
	    get_refused(body->refused, &fresh) < 0 ||
	    histogram_get(body->fanout, &fresh.fanout) < 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "The report cannot be decoded");
	if (*report == NULL)
		*report = malloc(sizeof(fresh));
	if (*report == NULL)
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	**report = fresh;
	return 0;
}
