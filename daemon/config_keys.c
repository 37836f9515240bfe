/* SPDX-License-Identifier: MIT */
#include <pwd.h>
#include <string.h>

#include "daemon/bus.h"
#include "daemon/config_private.h"
#include "daemon/rate.h"
#include "lib/text.h"
#include "lib/wire.h"
#include "store/keep.h"

static int set_text(char *out, size_t size, struct str value, struct err *err)
{
	if (value.len == 0)
		return err_set(err, ERR_BAD_REQUEST, "a value is missing");
	if (!str_to_cstr(value, out, size))
		return err_set(err, ERR_BAD_REQUEST,
			       "the value is too long: at most %zu bytes",
			       size - 1);
	return 0;
}

static int set_number(uint64_t *out, struct str value, uint64_t min,
		      uint64_t max, struct err *err)
{
	uint64_t number;

	if (!text_parse_u64(value, &number) || number < min || number > max)
		return err_set(
			err, ERR_BAD_REQUEST, "not a number from %llu to %llu",
			(unsigned long long)min, (unsigned long long)max);
	*out = number;
	return 0;
}

static int set_data(struct config *c, struct str value, struct err *err)
{
	return set_text(c->data, sizeof(c->data), value, err);
}

static int set_store(struct config *c, struct str value, struct err *err)
{
	return set_text(c->store, sizeof(c->store), value, err);
}

static int set_bus(struct config *c, struct str value, struct err *err)
{
	int rc = bus_check_url(value, err);

	return rc < 0 ? rc : set_text(c->bus, sizeof(c->bus), value, err);
}

static int set_socket(struct config *c, struct str value, struct err *err)
{
	return set_text(c->socket, CONFIG_SOCKET_MAX, value, err);
}

/* HOST:PORT, [HOST]:PORT or "none". */
static int set_listen(struct config *c, struct str value, struct err *err)
{
	const char *colon =
		value.len == 0 ? NULL : memrchr(value.data, ':', value.len);
	struct str host;
	struct str port;

	if (str_eq(value, str_of("none"))) {
		c->listen_host[0] = '\0';
		return 0;
	}
	if (colon == NULL)
		return err_set(err, ERR_BAD_REQUEST,
			       "not HOST:PORT and not \"none\"");
	host = str_make(value.data, (size_t)(colon - value.data));
	port = str_make(colon + 1, value.len - host.len - 1);
	if (host.len >= 2 && host.data[0] == '[' &&
	    host.data[host.len - 1] == ']')
		host = str_make(host.data + 1, host.len - 2);
	if (set_number(&c->listen_port, port, 0, 65535, err) < 0)
		return err_wrap(err, "port");
	return set_text(c->listen_host, sizeof(c->listen_host), host, err);
}

static int set_gateways(struct config *c, struct str value, struct err *err)
{
	return set_number(&c->gateways, value, 0, CONFIG_GATEWAYS_MAX, err);
}

static int set_gateway_user(struct config *c, struct str value, struct err *err)
{
	return set_text(c->gateway_user, sizeof(c->gateway_user), value, err);
}

static int set_max_message(struct config *c, struct str value, struct err *err)
{
	return set_number(&c->max_message_bytes, value, 1, WIRE_CONTENT_MAX,
			  err);
}

/* "100M": bytes, or with K, M or G behind the number, of 1024. */
static int set_media_max(struct config *c, struct str value, struct err *err)
{
	unsigned shift = 0;
	uint64_t number;

	if (value.len > 0) {
		char last = value.data[value.len - 1];

		shift = last == 'K'   ? 10
			: last == 'M' ? 20
			: last == 'G' ? 30
				      : 0;
		if (shift > 0)
			value.len--;
	}
	if (!text_parse_u64(value, &number) || number < 1 ||
	    number > CONFIG_MEDIA_MAX >> shift)
		return err_set(err, ERR_BAD_REQUEST,
			       "not a size from 1 to 64G");
	c->media_max_bytes = number << shift;
	return 0;
}

/* "24h": a number of seconds, or with one of s, m, h, d behind it; from min
 * seconds, which is written as min_text, to a year. */
static int set_time(uint64_t *ms, struct str value, uint64_t min,
		    const char *min_text, struct err *err)
{
	static const uint64_t day = 86400;
	uint64_t unit = 1;
	uint64_t number;

	if (value.len > 0) {
		char last = value.data[value.len - 1];

		unit = last == 'm'   ? 60
		       : last == 'h' ? 3600
		       : last == 'd' ? day
				     : 1;
		if (unit > 1 || last == 's')
			value.len--;
	}
	if (!text_parse_u64(value, &number) || number > 365 * day ||
	    number * unit < min || number * unit > 365 * day)
		return err_set(err, ERR_BAD_REQUEST,
			       "not a time from %s to 365d", min_text);
	*ms = number * unit * 1000;
	return 0;
}

static int set_dedupe(struct config *c, struct str value, struct err *err)
{
	return set_time(&c->dedupe_window_ms, value, 60, "1m", err);
}

static int set_interval(struct config *c, struct str value, struct err *err)
{
	return set_time(&c->retention_interval, value, 1, "1s", err);
}

static int set_archive(struct config *c, struct str value, struct err *err)
{
	c->archive_after = 0;
	if (str_eq(value, str_of("never")))
		return 0;
	return set_time(&c->archive_after, value, 86400, "1d", err);
}

/* The next element of a list with commas or blanks between. */
static bool next_word(struct str *list, struct str *word)
{
	static const char blanks[] = ", \t";
	size_t n = 0;

	while (list->len > 0 && strchr(blanks, list->data[0]) != NULL) {
		list->data++;
		list->len--;
	}
	while (n < list->len && strchr(blanks, list->data[n]) == NULL)
		n++;
	*word = str_make(list->data, n);
	if (n > 0)
		list->data += n;
	list->len -= n;
	return n > 0;
}

/* One "days=30". */
static int set_bound(struct config *c, struct str word, struct err *err)
{
	static const char bad[] =
		"not days=N, messages=N, bytes=N, or several of them";
	const char *sign = memchr(word.data, '=', word.len);
	size_t len = sign == NULL ? 0 : (size_t)(sign - word.data);
	struct str name = str_make(word.data, len);
	struct str value;
	uint64_t days = 0;
	int rc;

	if (sign == NULL)
		return err_set(err, ERR_BAD_REQUEST, "%s", bad);
	value = str_make(sign + 1, word.len - len - 1);
	if (str_eq(name, str_of("messages")))
		return set_number(&c->retention.messages, value, 1,
				  KEEP_NUMBER_MAX, err);
	if (str_eq(name, str_of("bytes")))
		return set_number(&c->retention.bytes, value, 1,
				  KEEP_NUMBER_MAX, err);
	if (!str_eq(name, str_of("days")))
		return err_set(err, ERR_BAD_REQUEST, "%s", bad);
	rc = set_number(&days, value, 1, KEEP_DAYS_MAX, err);
	if (rc == 0)
		c->retention.age_ms = days * KEEP_DAY_MS;
	return rc;
}

/* "days=30 messages=100000", or "none". */
static int set_retention(struct config *c, struct str value, struct err *err)
{
	struct str word;
	int rc = 0;

	c->retention = (struct store_keep){ 0 };
	if (str_eq(value, str_of("none")))
		return 0;
	if (value.len == 0)
		return err_set(err, ERR_BAD_REQUEST, "a value is missing");
	while (rc == 0 && next_word(&value, &word))
		rc = set_bound(c, word, err);
	return rc;
}

/* Blocking, and only at start and SIGHUP: a name or a number. */
static int find_uid(struct str word, uid_t *uid, struct err *err)
{
	char name[CONFIG_USER_LEN];
	const struct passwd *pw;
	uint64_t number;

	if (text_parse_u64(word, &number) && number < UINT32_MAX) {
		*uid = (uid_t)number;
		return 0;
	}
	pw = str_to_cstr(word, name, sizeof(name)) ? getpwnam(name) : NULL;
	if (pw == NULL)
		return err_set(err, ERR_BAD_REQUEST, "no such local user: %.*s",
			       (int)(word.len < 64 ? word.len : 64), word.data);
	*uid = pw->pw_uid;
	return 0;
}

static int set_trusted(struct config *c, struct str value, struct err *err)
{
	struct str word;

	c->ntrusted = 0;
	while (next_word(&value, &word)) {
		if (c->ntrusted == CONFIG_TRUSTED_MAX)
			return err_set(err, ERR_BAD_REQUEST,
				       "more than %d users",
				       CONFIG_TRUSTED_MAX);
		if (find_uid(word, &c->trusted[c->ntrusted], err) < 0)
			return err_rc(err);
		c->ntrusted++;
	}
	return 0;
}

static int set_origins(struct config *c, struct str value, struct err *err)
{
	struct str word;

	c->norigins = 0;
	while (next_word(&value, &word)) {
		if (c->norigins == CONFIG_ORIGINS_MAX)
			return err_set(err, ERR_BAD_REQUEST,
				       "more than %d origins",
				       CONFIG_ORIGINS_MAX);
		if (memmem(word.data, word.len, "://", 3) == NULL)
			return err_set(err, ERR_BAD_REQUEST,
				       "an origin is SCHEME://HOST[:PORT]");
		if (set_text(c->origins[c->norigins], CONFIG_ORIGIN_LEN, word,
			     err) < 0)
			return err_rc(err);
		c->norigins++;
	}
	return 0;
}

static int set_tls_cert(struct config *c, struct str value, struct err *err)
{
	return set_text(c->tls_cert, sizeof(c->tls_cert), value, err);
}

static int set_tls_key(struct config *c, struct str value, struct err *err)
{
	return set_text(c->tls_key, sizeof(c->tls_key), value, err);
}

static int set_rate(struct config *c, struct str value, struct err *err)
{
	return set_number(&c->rate_messages_per_second, value, 0, RATE_MAX,
			  err);
}

static int set_user_connections(struct config *c, struct str value,
				struct err *err)
{
	return set_number(&c->max_connections_per_user, value, 0,
			  CONFIG_CONNECTIONS_MAX, err);
}

static int set_address_connections(struct config *c, struct str value,
				   struct err *err)
{
	return set_number(&c->max_connections_per_address, value, 0,
			  CONFIG_CONNECTIONS_MAX, err);
}

static const struct config_key keys[] = {
	{ "data", set_data, "DIR        what groupd owns (0700)" },
	{ "store", set_store,
	  "URL       sqlite:FILE, or postgresql://HOST/NAME" },
	{ "socket", set_socket, "PATH     of groupfs, groupctl" },
	{ "listen", set_listen, "HOST:PORT of REST and WebSocket; or none" },
	{ "tls-cert", set_tls_cert, "FILE  certificate and chain (PEM)" },
	{ "tls_cert", set_tls_cert, NULL },
	{ "tls-key", set_tls_key, "FILE   its key" },
	{ "tls_key", set_tls_key, NULL },
	{ "gateways", set_gateways, "N      processes that serve it" },
	{ "gateway_user", set_gateway_user,
	  "USER whom they run as, when groupd is root" },
	{ "trusted_users", set_trusted,
	  "LIST who may act for other users (a shared mount)" },
	{ "allowed_origins", set_origins,
	  "LIST of web pages that may use the API" },
	{ "max_message_bytes", set_max_message, "N" },
	{ "media_max_bytes", set_media_max, "N of a file in media/, as 100M" },
	{ "dedupe_window", set_dedupe, "TIME how long a client_id is known" },
	{ "retention", set_retention,
	  "LIST  most that is kept, as days=30,messages=100000; or none" },
	{ "retention_interval", set_interval,
	  "TIME how often what is not kept goes" },
	{ "archive_after", set_archive,
	  "TIME when a day is packed, of a store that nodes share; or never" },
	{ "bus", set_bus, "URL         redis://HOST, between nodes" },
	{ "rate_messages_per_second", set_rate,
	  "N that a user may send; 0: no limit" },
	{ "max_connections_per_user", set_user_connections,
	  "N WebSockets and streams; 0: no limit" },
	{ "max_connections_per_address", set_address_connections,
	  "N to one gateway; 0: no limit" },
};

_Static_assert(sizeof(keys) / sizeof(keys[0]) == CONFIG_KEYS, "all of them");
const struct config_key *const config_keys = keys;

int config_find_key(struct str name)
{
	for (int i = 0; i < CONFIG_KEYS; i++) {
		if (str_eq(name, str_of(config_keys[i].name)))
			return i;
	}
	return -1;
}

int config_canonical_key(int key)
{
	int i = 0;

	while (config_keys[i].set != config_keys[key].set)
		i++;
	return i;
}
