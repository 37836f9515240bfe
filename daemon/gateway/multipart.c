/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/multipart.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <strings.h>

/* The boundary. */

static bool is_boundary(struct str s)
{
	if (s.len == 0 || s.len > MULTIPART_BOUNDARY_MAX ||
	    s.data[s.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (!isalnum((unsigned char)c) &&
		    (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL))
			return false;
	}
	return true;
}

/* Takes "; key=value" off s: 1, 0 at the end, -EINVAL. */
static int next_param(struct str *s, struct str *key, struct str *value)
{
	size_t i = 0;

	while (i < s->len && strchr("; \t", s->data[i]) != NULL)
		i++;
	if (i == s->len)
		return 0;
	*key = str_make(s->data + i, 0);
	while (i < s->len && s->data[i] != '=')
		i++;
	key->len = (size_t)(s->data + i - key->data);
	if (i++ >= s->len)
		return -EINVAL;
	if (i < s->len && s->data[i] == '"') {
		const char *end = memchr(s->data + i + 1, '"', s->len - i - 1);

		if (end == NULL)
			return -EINVAL;
		*value = str_make(s->data + i + 1,
				  (size_t)(end - s->data) - i - 1);
		i = (size_t)(end + 1 - s->data);
	} else {
		*value = str_make(s->data + i, 0);
		while (i < s->len && strchr("; \t", s->data[i]) == NULL)
			i++;
		value->len = (size_t)(s->data + i - value->data);
	}
	s->data += i;
	s->len -= i;
	return 1;
}

static int find_boundary(struct str type, struct str *out)
{
	static const char form[] = "multipart/form-data";
	size_t n = sizeof(form) - 1;
	struct str key, value;
	int rc;

	*out = str_make(NULL, 0);
	if (type.len <= n || strncasecmp(type.data, form, n) != 0 ||
	    memchr(type.data, '\0', type.len) != NULL ||
	    strchr("; \t", type.data[n]) == NULL)
		return -EINVAL;
	type = str_make(type.data + n, type.len - n);
	while ((rc = next_param(&type, &key, &value)) == 1) {
		if (key.len != 8 || strncasecmp(key.data, "boundary", 8) != 0)
			continue;
		if (out->len > 0)
			return -EINVAL;
		*out = value;
	}
	return rc == 0 && is_boundary(*out) ? 0 : -EINVAL;
}

int multipart_start(struct multipart *m, struct str content_type,
		    const struct multipart_ops *ops, void *data)
{
	struct str boundary;
	int rc = find_boundary(content_type, &boundary);

	*m = (struct multipart){ .ops = ops, .data = data };
	if (rc < 0)
		return rc;
	assert(boundary.data != NULL);
	memcpy(m->delimiter, "\r\n--", 4);
	memcpy(m->delimiter + 4, boundary.data, boundary.len);
	m->delimiter_len = 4 + boundary.len;
	/* The first one may stand at the very beginning. */
	m->matched = 2;
	return 0;
}

/* The headers of a part. */

static struct str header_value(struct str line, const char *name)
{
	size_t n = strlen(name);

	if (line.len <= n || line.data[n] != ':' ||
	    strncasecmp(line.data, name, n) != 0)
		return str_make(NULL, 0);
	return str_make(line.data + n + 1, line.len - n - 1);
}

static bool is_plain(struct str encoding)
{
	static const char *const plain[] = { "binary", "8bit", "7bit" };

	while (encoding.len > 0 && encoding.data[0] == ' ') {
		encoding.data++;
		encoding.len--;
	}
	for (size_t i = 0; i < 3; i++) {
		if (encoding.len == strlen(plain[i]) &&
		    strncasecmp(encoding.data, plain[i], encoding.len) == 0)
			return true;
	}
	return false;
}

static int take_header(struct multipart *m, struct str line)
{
	struct str value = header_value(line, "Content-Disposition");
	struct disposition *d = &m->disposition;
	int rc;

	if (value.data != NULL) {
		if (m->has_headers)
			return -EINVAL;
		m->has_headers = true;
		rc = disposition_parse(value, d);
		if (rc == 0 &&
		    (!str_eq(buf_str(&d->type), str_of("form-data")) ||
		     !d->has_name))
			rc = -EINVAL;
		if (rc == 0)
			disposition_unquote_form(&d->filename);
		return rc;
	}
	value = header_value(line, "Content-Transfer-Encoding");
	if (value.data != NULL)
		return is_plain(value) ? 0 : -EINVAL;
	return memchr(line.data, ':', line.len) != NULL ? 0 : -EINVAL;
}

static int end_headers(struct multipart *m)
{
	if (!m->has_headers)
		return -EINVAL;
	m->state = MULTIPART_DATA;
	/* A part may be empty: then its last CR LF is that of the headers. */
	m->matched = 2;
	return m->ops->part(m->data, &m->disposition);
}

static int end_line(struct multipart *m)
{
	struct str line = buf_str(&m->line);
	int rc = 0;

	if (m->line.failed)
		return -ENOMEM;
	line.len--;
	if (memchr(line.data, '\r', line.len) != NULL ||
	    memchr(line.data, '\0', line.len) != NULL)
		return -EINVAL;
	rc = line.len == 0 ? end_headers(m) : take_header(m, line);
	buf_clear(&m->line);
	return rc;
}

static int feed_headers(struct multipart *m, char c)
{
	if (++m->headers > MULTIPART_HEADERS_MAX)
		return -EINVAL;
	if (c != '\n') {
		buf_append_char(&m->line, c);
		return 0;
	}
	if (m->line.len == 0 || m->line.data[m->line.len - 1] != '\r')
		return m->line.failed ? -ENOMEM : -EINVAL;
	return end_line(m);
}

/* Between parts. */

static int feed_behind(struct multipart *m, char c)
{
	struct buf *line = &m->line;

	if (c == '\n' && line->len == 1 && line->data[0] == '\r') {
		buf_clear(line);
		disposition_release(&m->disposition);
		m->disposition = (struct disposition){ 0 };
		m->has_headers = false;
		m->headers = 0;
		m->state = MULTIPART_HEADERS;
		return 0;
	}
	/* Spaces before the end of the line are allowed, "transport padding".
	 */
	if (line->len == 0 && (c == ' ' || c == '\t'))
		return 0;
	buf_append_char(line, c);
	if (line->failed)
		return -ENOMEM;
	if (str_eq(buf_str(line), str_of("--"))) {
		buf_clear(line);
		m->state = MULTIPART_END;
		return 0;
	}
	return line->len == 1 && (c == '\r' || c == '-') ? 0 : -EINVAL;
}

/* Data. */

static int give(struct multipart *m, struct str bytes)
{
	if (bytes.len == 0 || m->state == MULTIPART_PREAMBLE)
		return 0;
	return m->ops->data(m->data, bytes);
}

/*
 * Takes bytes up to a delimiter, or all. Only the first byte of one is a CR,
 * so where a match breaks off, the next can only begin at the byte that broke
 * it. What an earlier call held back is then data after all.
 */
static int feed_data(struct multipart *m, struct str *bytes)
{
	size_t here = 0; /* bytes of this call that match */
	size_t i = 0;
	int rc;

	while (i < bytes->len && m->matched < m->delimiter_len) {
		if (bytes->data[i] == m->delimiter[m->matched]) {
			m->matched++;
			here++;
			i++;
			continue;
		}
		rc = give(m,
			  str_make(m->delimiter + m->matched - here - m->held,
				   m->held));
		if (rc < 0)
			return rc;
		i += m->matched == 0;
		m->held = 0;
		m->matched = 0;
		here = 0;
	}
	rc = give(m, str_make(bytes->data, i - here));
	m->held += here;
	if (m->matched == m->delimiter_len) {
		m->matched = 0;
		m->held = 0;
		m->state = MULTIPART_BEHIND;
	}
	bytes->data += i;
	bytes->len -= i;
	return rc;
}

static int feed_line(struct multipart *m, struct str *bytes)
{
	char c = bytes->data[0];

	bytes->data++;
	bytes->len--;
	return m->state == MULTIPART_HEADERS ? feed_headers(m, c)
					     : feed_behind(m, c);
}

int multipart_feed(struct multipart *m, struct str bytes)
{
	int rc = 0;

	/* Behind the last boundary anything may stand, and means nothing. */
	while (rc == 0 && bytes.len > 0 && m->state != MULTIPART_END) {
		if (m->state == MULTIPART_DATA ||
		    m->state == MULTIPART_PREAMBLE)
			rc = feed_data(m, &bytes);
		else
			rc = feed_line(m, &bytes);
	}
	return rc;
}

bool multipart_complete(const struct multipart *m)
{
	return m->state == MULTIPART_END;
}

void multipart_release(struct multipart *m)
{
	buf_release(&m->line);
	disposition_release(&m->disposition);
}
