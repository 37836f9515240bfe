/* SPDX-License-Identifier: MIT */
/* groupd: flags, configuration, signals, the loop. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/certificate.h"
#include "daemon/config.h"
#include "daemon/groupd.h"
#include "lib/buf.h"
#include "lib/log.h"

struct program {
	uv_loop_t loop;
	struct groupd groupd;
	struct config config;
	struct config_flags flags;
	uv_signal_t signals[3];
	bool stopping;
	bool restarting; /* once it has stopped */
	char **argv;	 /* borrowed */
};

/* sd_notify(3) by hand: a datagram to $NOTIFY_SOCKET, if there is one. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t len;
	int fd;

	if (path == NULL || !str_to_cstr(str_of(path), address.sun_path,
					 sizeof(address.sun_path)))
		return;
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
			  strlen(path));
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL,
		   (struct sockaddr *)&address, len) < 0)
		log_warn("cannot tell systemd: why=\"%s\"", strerror(errno));
	close(fd);
}

static void on_handle_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void on_stopped(struct groupd *g)
{
	struct program *p = g->data;

	for (size_t i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&p->signals[i], on_handle_closed);
}

static void stop(struct program *p)
{
	if (p->stopping)
		return;
	p->stopping = true;
	if (!p->restarting)
		notify("STOPPING=1");
	groupd_stop(&p->groupd, on_stopped);
}

static void reload(struct program *p)
{
	struct config *fresh = calloc(1, sizeof(*fresh));
	struct err err;

	if (fresh == NULL)
		return;
	if (config_load(fresh, &p->flags, &err) < 0 ||
	    groupd_reload(&p->groupd, fresh, &err) < 0)
		log_error("kept the old configuration: why=\"%s\"", err.text);
	else
		log_info("read the configuration again");
	free(fresh);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct program *p = handle->data;

	if (number == SIGHUP) {
		reload(p);
		return;
	}
	log_info("stopping: signal=%d", number);
	stop(p);
}

static void on_restart(struct groupd *g)
{
	struct program *p = g->data;

	log_info("starting anew, to restore the store");
	p->restarting = !p->stopping;
	stop(p);
}

/* In place: whoever watches this process goes on to. Returns on failure. */
static int start_anew(const struct program *p)
{
	execv("/proc/self/exe", p->argv);
	log_error("cannot start anew: why=\"%s\"", strerror(errno));
	return EXIT_FAILURE;
}

static void start_signals(struct program *p)
{
	static const int numbers[3] = { SIGTERM, SIGINT, SIGHUP };

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < 3; i++) {
		uv_signal_init(&p->loop, &p->signals[i]);
		p->signals[i].data = p;
		uv_signal_start(&p->signals[i], on_signal, numbers[i]);
	}
}

/* Each session is a descriptor. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(struct program *p)
{
	struct err err;
	int status = EXIT_SUCCESS;

	raise_limits();
	uv_loop_init(&p->loop);
	start_signals(p);
	if (groupd_start(&p->groupd, &p->loop, &p->config, env_system(), &err) <
	    0) {
		log_error("%s", err.text);
		status = EXIT_FAILURE;
	}
	p->groupd.data = p;
	p->groupd.on_restart = on_restart;
	if (status == EXIT_SUCCESS) {
		log_info("serving: store=%s socket=%s listen=%s",
			 p->config.store, p->config.socket,
			 p->groupd.supervisor.bound_len == 0
				 ? "none"
				 : p->groupd.supervisor.address);
		notify("READY=1");
	} else {
		stop(p);
	}
	uv_run(&p->loop, UV_RUN_DEFAULT);
	if (p->restarting)
		return start_anew(p);
	if (p->groupd.verify_abandoned)
		_exit(status);
	uv_loop_close(&p->loop);
	return status;
}

static void print(struct buf *text)
{
	fputs(buf_cstr(text), stdout);
	buf_release(text);
}

static int check_certificate(const struct config *c, struct err *err)
{
	struct certificate certificate;
	int rc;

	if (c->tls_cert[0] == '\0')
		return 0;
	rc = certificate_load(&certificate, c->tls_cert, c->tls_key, err);
	if (rc < 0)
		return rc;
	if (certificate.expired)
		log_warn("the certificate has expired: file=\"%s\"",
			 c->tls_cert);
	certificate_release(&certificate);
	return 0;
}

static int program_main(struct program *p, int argc, char **argv)
{
	struct buf text = { 0 };
	struct err err;

	p->argv = argv;
	log_open("groupd", LOG_LEVEL_INFO);
	if (config_parse_flags(&p->flags, argc, argv, &err) < 0) {
		log_error("%s", err.text);
		return 2;
	}
	if (p->flags.help)
		config_usage(&text);
	else if (p->flags.version)
		buf_printf(&text, "groupd " GROUPFS_VERSION "\n");
	if (text.len > 0) {
		print(&text);
		return EXIT_SUCCESS;
	}
	log_open("groupd", p->flags.verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	if (config_load(&p->config, &p->flags, &err) < 0 ||
	    check_certificate(&p->config, &err) < 0) {
		log_error("%s", err.text);
		return 2;
	}
	return p->flags.check ? EXIT_SUCCESS : run(p);
}

int main(int argc, char **argv)
{
	struct program *p = calloc(1, sizeof(*p));
	int status;

	if (p == NULL)
		return EXIT_FAILURE;
	status = program_main(p, argc, argv);
	free(p);
	return status;
}
