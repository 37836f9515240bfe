/* SPDX-License-Identifier: MIT */
/*
 * groupd-gateway: started by groupd with its sockets; not for people.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/locks.h"
#include "lib/log.h"
#include "lib/text.h"

static void usage(void)
{
	fputs("usage: groupd-gateway --core-fd N [--listen-fd N] [--tls-fd N]\n"
	      "       [--door-fd N] [--slot N]\n"
	      "       [--tag TEXT] [--max-body BYTES] [--origin ORIGIN]...\n"
	      "       [--max-per-address N] [--answer-within MS]\n"
	      "       [--core-uid UID] [--uid UID --gid GID]\n"
	      "groupd starts it; nobody else needs to.\n",
	      stderr);
}

/* As many connections as we are allowed to have. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur =
		limit.rlim_max > FILES_MAX ? FILES_MAX : limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static bool take(struct gateway_options *o, int opt, const char *arg)
{
	uint64_t n = 0;
	bool number = text_parse_u64(str_of(arg), &n);

	switch (opt) {
	case 'l':
		o->listen_fd = (int)n;
		return number && n < FILES_MAX;
	case 'c':
		o->core_fd = (int)n;
		return number && n < FILES_MAX;
	case 'd':
		o->door_fd = (int)n;
		return number && n < FILES_MAX;
	case 'T':
		o->tls_fd = (int)n;
		return number && n < FILES_MAX;
	case 's':
		o->slot = (unsigned int)n;
		return number && n < 4096;
	case 'b':
		o->max_body = (size_t)n;
		return number && n >= 1024 && n <= (64 << 20);
	case 'a':
		o->max_per_address = n;
		return number;
	case 'w':
		o->answer_ms = n;
		return number && n > 0 && n <= CLIENT_TIMEOUT_MS;
	case 'u':
		o->core_uid = (int64_t)n;
		return number && n < UINT32_MAX;
	case 'U':
		o->uid = (uid_t)n;
		return number && n < UINT32_MAX;
	case 'G':
		o->gid = (gid_t)n;
		return number && n < UINT32_MAX;
	case 't':
		o->tag = arg;
		return strlen(arg) <= 40;
	case 'o':
		if (o->norigins == GATEWAY_ORIGINS)
			return false;
		o->origins[o->norigins++] = arg;
		return true;
	default:
		return false;
	}
}

static bool parse(struct gateway_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen-fd", required_argument, NULL, 'l' },
		{ "core-fd", required_argument, NULL, 'c' },
		{ "door-fd", required_argument, NULL, 'd' },
		{ "tls-fd", required_argument, NULL, 'T' },
		{ "slot", required_argument, NULL, 's' },
		{ "max-body", required_argument, NULL, 'b' },
		{ "max-per-address", required_argument, NULL, 'a' },
		{ "answer-within", required_argument, NULL, 'w' },
		{ "core-uid", required_argument, NULL, 'u' },
		{ "uid", required_argument, NULL, 'U' },
		{ "gid", required_argument, NULL, 'G' },
		{ "tag", required_argument, NULL, 't' },
		{ "origin", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == '?' || !take(o, opt, optarg))
			return false;
	}
	return optind == argc && o->core_fd >= 0;
}

int main(int argc, char **argv)
{
	struct gateway_options options = { .listen_fd = -1,
					   .core_fd = -1,
					   .door_fd = -1,
					   .tls_fd = -1,
					   .core_uid = -1,
					   .answer_ms = CLIENT_TIMEOUT_MS,
					   .max_body = GATEWAY_BODY_MAX };
	struct gateway *gw;
	uv_loop_t loop;

	log_open("groupd-gateway", LOG_LEVEL_INFO);
	if (!parse(&options, argc, argv)) {
		usage();
		return 2;
	}
	if (!locks_drop_rights(options.uid, options.gid)) {
		log_error("cannot give up its rights: uid=%u gid=%u",
			  (unsigned)options.uid, (unsigned)options.gid);
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	raise_file_limit();
	gw = calloc(1, sizeof(*gw));
	if (gw == NULL || uv_loop_init(&loop) < 0)
		return 1;
	if (gateway_start(gw, &loop, &options) < 0)
		return 1;
	locks_close();
	uv_run(&loop, UV_RUN_DEFAULT);
	gateway_release(gw);
	if (uv_loop_close(&loop) < 0)
		log_warn("handles left over");
	free(gw);
	return 0;
}
