/* SPDX-License-Identifier: MIT */
/* groupd: flags, configuration, signals, the loop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/certificate.h"
#include "daemon/config.h"
#include "daemon/groupd.h"
#include "daemon/locks.h"
#include "daemon/service.h"
#include "daemon/systemd.h"
#include "lib/buf.h"
#include "lib/log.h"

struct program {
	uv_loop_t loop;
	struct groupd groupd;
	struct service service;
	struct config config;
	struct config_flags flags;
	uv_signal_t signals[3];
	bool stopping;
	bool restarting; /* once it has stopped */
	char **argv;	 /* borrowed */
};

static void on_handle_closed(uv_handle_t *handle)
{
	(void)handle;
}

static void on_stopped(struct groupd *g)
{
	struct program *p = g->data;

	service_close(&p->service);
	for (size_t i = 0; i < 3; i++)
		uv_close((uv_handle_t *)&p->signals[i], on_handle_closed);
}

static void stop(struct program *p)
{
	if (p->stopping)
		return;
	p->stopping = true;
	if (p->restarting)
		service_restarting(&p->service);
	else
		service_stopping(&p->service);
	groupd_stop(&p->groupd, on_stopped);
}

static void reload(struct program *p)
{
	struct config *fresh = calloc(1, sizeof(*fresh));
	struct err err;
	int rc;

	if (fresh == NULL)
		return;
	service_reloading(&p->service);
	rc = config_load(fresh, &p->flags, &err);
	if (rc == 0)
		rc = groupd_reload(&p->groupd, fresh, &err);
	if (rc < 0)
		log_error("kept the old configuration: why=\"%s\"", err.text);
	else
		log_info("read the configuration again");
	service_reloaded(&p->service, rc < 0 ? &err : NULL);
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
	/* The next start restores. */
	if (p->restarting)
		service_stopping(&p->service);
	p->restarting = false;
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
	systemd_pass_socket(p->config.socket_fd);
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

static void say_serving(const struct program *p)
{
	struct buf store = { 0 };

	store_show(&store, p->config.store);
	log_info("serving: store=%s socket=%s listen=%s", buf_cstr(&store),
		 p->config.socket,
		 p->groupd.supervisor.bound_len == 0
			 ? "none"
			 : p->groupd.supervisor.address);
	buf_release(&store);
}

static int run(struct program *p)
{
	struct err err;
	int status = EXIT_SUCCESS;

	raise_limits();
	/* Executed anew, it would be called "exe". */
	prctl(PR_SET_NAME, "groupd");
	p->config.socket_fd = systemd_take_socket(p->config.socket, &err);
	if (p->config.socket_fd < 0) {
		log_error("%s", err.text);
		return EXIT_FAILURE;
	}
	if (groupd_make_folders(&p->config, &err) < 0 ||
	    locks_put_on(&p->config, p->flags.file, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILURE;
	}
	status = uv_loop_init(&p->loop);
	if (status < 0) {
		log_error("not started: error=%s", uv_strerror(status));
		return EXIT_FAILURE;
	}
	start_signals(p);
	if (groupd_start(&p->groupd, &p->loop, &p->config, env_system(), &err) <
	    0) {
		log_error("%s", err.text);
		status = EXIT_FAILURE;
	}
	p->groupd.data = p;
	p->groupd.on_restart = on_restart;
	if (status == EXIT_SUCCESS) {
		say_serving(p);
		service_start(&p->service, &p->loop, &p->groupd);
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
