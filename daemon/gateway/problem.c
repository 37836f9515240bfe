/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/problem.h"

#include <stddef.h>

#include "lib/json.h"
#include "lib/text.h"

const char *problem_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = { { 200, "OK" },
		       { 201, "Created" },
		       { 204, "No Content" },
		       { 206, "Partial Content" },
		       { 304, "Not Modified" },
		       { 400, "Bad Request" },
		       { 401, "Unauthorized" },
		       { 403, "Forbidden" },
		       { 404, "Not Found" },
		       { 405, "Method Not Allowed" },
		       { 409, "Conflict" },
		       { 410, "Gone" },
		       { 411, "Length Required" },
		       { 412, "Precondition Failed" },
		       { 413, "Content Too Large" },
		       { 415, "Unsupported Media Type" },
		       { 416, "Range Not Satisfiable" },
		       { 426, "Upgrade Required" },
		       { 429, "Too Many Requests" },
		       { 431, "Request Header Fields Too Large" },
		       { 501, "Not Implemented" },
		       { 503, "Service Unavailable" },
		       { 505, "HTTP Version Not Supported" },
		       { 507, "Insufficient Storage" } };

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (titles[i].status == status)
			return titles[i].title;
	}
	return "Error";
}

void problem_put(struct buf *b, int status, enum err_code code,
		 const char *detail, const char *extra)
{
	struct str text = str_of(detail);

	/* A sentence may quote what a stranger sent. */
	if (!text_is_utf8(text))
		text = str_of(err_sentence(code));
	buf_printf(b,
		   "{\"type\":\"about:blank\",\"title\":\"%s\","
		   "\"status\":%d,\"detail\":",
		   problem_title(status), status);
	json_put_str(b, text);
	buf_printf(b, ",\"code\":\"%s\"", err_name(code));
	if (extra != NULL)
		buf_append_str(b, str_of(extra));
	buf_append_char(b, '}');
}
