/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/media_type.h"

#include <strings.h>

/* Nothing that a browser runs: no HTML, XML, SVG, PDF is shown. */
static const struct media_type types[] = {
	{ "png", "image/png", true },
	{ "jpg", "image/jpeg", true },
	{ "jpeg", "image/jpeg", true },
	{ "gif", "image/gif", true },
	{ "webp", "image/webp", true },
	{ "mp3", "audio/mpeg", true },
	{ "ogg", "audio/ogg", true },
	{ "mp4", "video/mp4", true },
	{ "txt", "text/plain; charset=utf-8", true },
	{ "csv", "text/csv; charset=utf-8", false },
	{ "md", "text/markdown; charset=utf-8", false },
	{ "json", "application/json", false },
	{ "pdf", "application/pdf", false },
	{ "zip", "application/zip", false },
	{ "gz", "application/gzip", false },
	{ "wav", "audio/wav", false },
	{ "flac", "audio/flac", false },
	{ "webm", "video/webm", false },
};

static const struct media_type other = { "", "application/octet-stream",
					 false };

const struct media_type *media_type_of(struct str name)
{
	const char *dot =
		name.len == 0 ? NULL : memrchr(name.data, '.', name.len);
	size_t len;

	if (dot == NULL)
		return &other;
	dot++;
	len = name.len - (size_t)(dot - name.data);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strlen(types[i].extension) == len &&
		    strncasecmp(types[i].extension, dot, len) == 0)
			return &types[i];
	}
	return &other;
}
