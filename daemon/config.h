/* SPDX-License-Identifier: MIT */
/*
 * What groupd is told: defaults, then the INI file, then the command line,
 * all through one table of keys. Unknown or doubled keys and values out of
 * range are refused with file and line. Blocking (passwd, files); main and,
 * at SIGHUP, the loop.
 */
#ifndef GROUPFS_DAEMON_CONFIG_H
#define GROUPFS_DAEMON_CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "store/store.h"

enum {
	CONFIG_TRUSTED_MAX = 64,
	CONFIG_ORIGINS_MAX = 64,
	CONFIG_ORIGIN_LEN = 256,
	CONFIG_USER_LEN = 33,
	CONFIG_BUS_LEN = 1024,
	CONFIG_HOST_LEN = 256,
	CONFIG_GATEWAYS_MAX = 64,
	CONFIG_CONNECTIONS_MAX = 1000000,
	CONFIG_SOCKET_MAX = 90 /* leaves room in sun_path for gateway-N.sock */
};

/* The largest media_max_bytes: what is hashed at once when a file is
 * complete. */
#define CONFIG_MEDIA_MAX (UINT64_C(64) << 30)

struct config {
	char data[PATH_MAX];
	char store[PATH_MAX];	  /* an URL */
	char bus[CONFIG_BUS_LEN]; /* an URL, with its password; empty: none */
	char socket[PATH_MAX];
	int socket_fd; /* by main: what systemd made of it; 0: none */
	char listen_host[CONFIG_HOST_LEN]; /* empty: none */
	uint64_t listen_port;
	char tls_cert[PATH_MAX]; /* empty: no TLS; with it, tls_key */
	char tls_key[PATH_MAX];
	uint64_t gateways;
	char gateway_user[CONFIG_USER_LEN]; /* empty: the supervisor's */
	uint64_t max_message_bytes;
	uint64_t media_max_bytes;
	uint64_t dedupe_window_ms;
	struct store_keep retention;	      /* of each log, at the most */
	uint64_t retention_interval;	      /* ms */
	uint64_t archive_after;		      /* ms; 0: never */
	uint64_t rate_messages_per_second;    /* 0, also of the next two: */
	uint64_t max_connections_per_user;    /* no limit */
	uint64_t max_connections_per_address; /* of one gateway */
	uid_t trusted[CONFIG_TRUSTED_MAX];
	size_t ntrusted;
	char origins[CONFIG_ORIGINS_MAX][CONFIG_ORIGIN_LEN];
	size_t norigins;
};

/* The command line: what it asks, and the settings in it. */
struct config_flags {
	bool check;
	bool version;
	bool help;
	bool verbose;
	const char *file; /* -c; borrowed from argv */
	int argc;
	char **argv; /* borrowed: read again at SIGHUP */
};

/* Parses the flags; settings among them are only noted. */
int config_parse_flags(struct config_flags *flags, int argc, char **argv,
		       struct err *err);
/* Defaults, file and command line, in this order. */
int config_load(struct config *c, const struct config_flags *flags,
		struct err *err);
/* Takes the text of an INI file; name is for the sentences. */
int config_parse(struct config *c, const char *name, struct str text,
		 struct err *err);
void config_defaults(struct config *c);
bool config_trusts(const struct config *c, uid_t uid);
void config_usage(struct buf *out);

#endif
