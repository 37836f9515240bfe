/* SPDX-License-Identifier: MIT */
/* The URL of --bus: taken apart, checked, and shown without its password. */
#include "daemon/bus.h"

#include <stdio.h>
#include <string.h>

#include "daemon/bus_private.h"
#include "lib/text.h"

enum { DB_MAX = 65535 };

static const char tcp_scheme[] = "redis://";
static const char tls_scheme[] = "rediss://";
static const char unix_scheme[] = "unix://";

/* Takes the prefix off where it is there. */
static bool skip(struct str *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (s->len < n || memcmp(s->data, prefix, n) != 0)
		return false;
	*s = str_make(s->data + n, s->len - n);
	return true;
}

/* Splits at the last (or first) c: what is before it, what is behind it. */
static bool cut(struct str s, char c, bool last, struct str *before,
		struct str *behind)
{
	const char *at = s.len == 0 ? NULL
			 : last	    ? memrchr(s.data, c, s.len)
				    : memchr(s.data, c, s.len);

	if (at == NULL)
		return false;
	*before = str_make(s.data, (size_t)(at - s.data));
	*behind = str_make(at + 1, s.len - before->len - 1);
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decoded, as a C string; false for a bad escape, a NUL or no room. */
static bool decode(struct str s, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.data[i];

		if (c == '%') {
			int high =
				i + 2 < s.len ? hex_digit(s.data[i + 1]) : -1;
			int low = high < 0 ? -1 : hex_digit(s.data[i + 2]);

			if (low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0' || n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

static int parse_login(struct bus_url *out, struct str login, struct err *err)
{
	struct str user;
	struct str password;

	if (!cut(login, ':', false, &user, &password) || password.len == 0)
		return err_set(
			err, ERR_BAD_REQUEST,
			"before the @ stands USER:PASSWORD, or :PASSWORD");
	if (!decode(user, out->user, sizeof(out->user)) ||
	    !decode(password, out->password, sizeof(out->password)))
		return err_set(err, ERR_BAD_REQUEST,
			       "the user or the password is too long, or not "
			       "percent-encoded");
	return 0;
}

static int parse_db(struct bus_url *out, struct str text, struct err *err)
{
	uint64_t db;

	if (!text_parse_u64(text, &db) || db > DB_MAX)
		return err_set(err, ERR_BAD_REQUEST,
			       "the database is not a number from 0 to %d",
			       DB_MAX);
	out->db = (unsigned)db;
	return 0;
}

/* HOST[:PORT] or [HOST][:PORT], with the brackets of IPv6. */
static int parse_host(struct bus_url *out, struct str where, struct err *err)
{
	struct str host = where;
	struct str port = str_of("6379");
	uint64_t number;

	if (where.len > 0 && where.data[0] == '[') {
		struct str behind;

		where = str_make(where.data + 1, where.len - 1);
		if (!cut(where, ']', false, &host, &behind) ||
		    (behind.len > 0 && behind.data[0] != ':'))
			return err_set(err, ERR_BAD_REQUEST, "not [HOST]:PORT");
		if (behind.len > 0)
			port = str_make(behind.data + 1, behind.len - 1);
	} else {
		(void)cut(where, ':', true, &host, &port);
	}
	if (!text_parse_u64(port, &number) || number < 1 || number > 65535)
		return err_set(err, ERR_BAD_REQUEST,
			       "the port is not a number from 1 to 65535");
	if (host.len == 0 || !str_to_cstr(host, out->host, sizeof(out->host)) ||
	    strpbrk(out->host, " /?#%\t[]") != NULL)
		return err_set(err, ERR_BAD_REQUEST,
			       "the host is missing, or "
			       "not one");
	(void)snprintf(out->port, sizeof(out->port), "%u", (unsigned)number);
	return 0;
}

/* What is behind redis://, without the login. */
static int parse_tcp(struct bus_url *out, struct str rest, struct err *err)
{
	struct str where = rest;
	struct str db = str_of("");
	int rc;

	(void)cut(rest, '/', false, &where, &db);
	rc = parse_host(out, where, err);
	if (rc == 0 && db.len > 0)
		rc = parse_db(out, db, err);
	return rc;
}

static int parse_unix(struct bus_url *out, struct str rest, struct err *err)
{
	struct str path = rest;
	struct str query = str_of("db=0");

	(void)cut(rest, '?', false, &path, &query);
	if (!skip(&query, "db="))
		return err_set(err, ERR_BAD_REQUEST,
			       "behind the ? stands db=NUMBER");
	if (path.len == 0 || path.data[0] != '/')
		return err_set(err, ERR_BAD_REQUEST,
			       "the path of a Unix socket begins with /");
	if (!decode(path, out->path, sizeof(out->path)))
		return err_set(err, ERR_BAD_REQUEST,
			       "the path of the Unix socket is too long");
	return parse_db(out, query, err);
}

int bus_parse_url(struct bus_url *out, struct str url, struct err *err)
{
	struct str rest = url;
	struct str authority;
	struct str login;
	struct str behind;
	bool tcp = skip(&rest, tcp_scheme);
	int rc = 0;

	*out = (struct bus_url){ 0 };
	if (skip(&url, tls_scheme))
		return err_set(
			err, ERR_BAD_REQUEST,
			"this version speaks no TLS with Redis: use a "
			"Unix socket, a network of your own, or a tunnel");
	if (!tcp && !skip(&rest, unix_scheme))
		return err_set(err, ERR_BAD_REQUEST,
			       "not redis://HOST[:PORT][/DB] and not "
			       "unix:///PATH");
	/* The login ends with the last @ before the path. */
	if (!cut(rest, '/', false, &authority, &behind))
		authority = rest;
	if (cut(authority, '@', true, &login, &behind)) {
		rc = parse_login(out, login, err);
		rest = str_make(behind.data,
				rest.len - (size_t)(behind.data - rest.data));
	}
	if (rc == 0)
		rc = tcp ? parse_tcp(out, rest, err)
			 : parse_unix(out, rest, err);
	/* No part of a password stays behind. */
	if (rc < 0)
		*out = (struct bus_url){ 0 };
	return rc;
}

int bus_check_url(struct str url, struct err *err)
{
	struct bus_url parsed;
	int rc = bus_parse_url(&parsed, url, err);

	explicit_bzero(&parsed, sizeof(parsed));
	return rc;
}

uint16_t bus_port(struct str url)
{
	struct bus_url parsed;
	uint64_t port = 0;

	if (bus_parse_url(&parsed, url, NULL) == 0)
		(void)text_parse_u64(str_of(parsed.port), &port);
	explicit_bzero(&parsed, sizeof(parsed));
	return (uint16_t)port;
}

/* As decode() takes it, and printable. */
static void encode(struct buf *out, const char *path)
{
	for (; *path != '\0'; path++) {
		if (*path > ' ' && *path <= '~' && *path != '%' && *path != '?')
			buf_append_char(out, *path);
		else
			buf_printf(out, "%%%02X", (unsigned char)*path);
	}
}

void bus_show_url(struct buf *out, struct str url)
{
	struct bus_url parsed;

	if (bus_parse_url(&parsed, url, NULL) < 0)
		return;
	if (parsed.host[0] == '\0') {
		buf_append_str(out, str_of(unix_scheme));
		encode(out, parsed.path);
		buf_printf(out, "?db=%u", parsed.db);
	} else {
		buf_printf(out,
			   strchr(parsed.host, ':') ? "%s[%s]:%s/%u"
						    : "%s%s:%s/%u",
			   tcp_scheme, parsed.host, parsed.port, parsed.db);
	}
	explicit_bzero(&parsed, sizeof(parsed));
}
