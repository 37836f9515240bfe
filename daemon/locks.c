/* SPDX-License-Identifier: MIT */
#include "daemon/locks.h"

#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "daemon/bus.h"
#include "daemon/gateway_process.h"
#include "daemon/locks_private.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/text.h"

enum { DNS = 53, READ = SANDBOX_READ, RUN = READ | SANDBOX_EXECUTE };
#define NAMESPACES                                                             \
	((uint64_t)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |             \
		    CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |              \
		    CLONE_NEWNET))

/* Of root's groupd: gateways become another user, files may be another's. A
 * groupd that is not root has two of them at the most, from its unit. */
static const uint64_t kept = SANDBOX_CAP(CAP_SETUID) | SANDBOX_CAP(CAP_SETGID) |
			     SANDBOX_CAP(CAP_DAC_OVERRIDE) |
			     SANDBOX_CAP(CAP_FOWNER) | SANDBOX_CAP(CAP_CHOWN) |
			     SANDBOX_CAP(CAP_NET_BIND_SERVICE);

static const struct {
	const char *path;
	unsigned access;
} of_the_system[] = {
	/* Programs lie elsewhere; what starts them, ld.so, lies here. */
	{ "/lib", RUN },
	{ "/lib64", RUN },
	{ "/usr/lib", RUN },
	{ "/usr/lib64", RUN },
	{ "/usr", READ },
	/* Users, hosts, certificates: files there are replaced, so the folder.
	 */
	{ "/etc", READ },
	{ "/run/systemd/resolve", READ },
	{ "/run/systemd/userdb", READ },
	{ "/run/nscd", READ },
	{ "/var/lib/sss", READ },
	{ "/var/lib/extrausers", READ },
	{ "/proc", READ },
	{ "/sys/devices/system/cpu", READ },
	{ "/dev/null", READ | SANDBOX_WRITE },
	{ "/dev/urandom", READ },
	{ "/dev/random", READ },
};

/* The folder of a file. */
static void allow_folder(struct sandbox_files *s, const char *path,
			 unsigned access)
{
	const char *slash = strrchr(path, '/');
	struct buf folder = { 0 };

	if (slash == NULL)
		buf_append_str(&folder, str_of("."));
	else
		buf_append(&folder, path, (size_t)(slash - path) + 1);
	if (!folder.failed)
		sandbox_files_allow(s, buf_cstr(&folder), access);
	buf_release(&folder);
}

/* A file that is replaced while we run: it and what it leads to may get new
 * ones in their places. */
static void allow_renewed(struct sandbox_files *s, const char *path)
{
	char *real;

	if (path == NULL || path[0] == '\0')
		return;
	allow_folder(s, path, READ);
	real = realpath(path, NULL);
	if (real != NULL)
		allow_folder(s, real, READ);
	free(real);
}

static void on_folder(void *data, const char *path)
{
	sandbox_files_allow(data, path, READ | SANDBOX_WRITE);
}

static void on_file(void *data, const char *path)
{
	sandbox_files_allow(data, path, READ);
}

static void on_port(void *data, uint16_t port)
{
	sandbox_files_connect(data, port);
}

static void allow_programs(struct sandbox_files *s)
{
	struct buf gateway = { 0 };

	sandbox_files_allow(s, "/proc/self/exe", RUN);
	gateway_find_binary(&gateway);
	if (!gateway.failed)
		allow_folder(s, buf_cstr(&gateway), RUN);
	buf_release(&gateway);
}

/* Its folders may be links: media to what nodes share, others to where there
 * is room. */
static void allow_data(struct sandbox_files *s, const char *data)
{
	static const char *const folders[] = { "", "/media", "/backup",
					       "/restore", "/imports" };
	struct buf path = { 0 };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		buf_clear(&path);
		buf_printf(&path, "%s%s", data, folders[i]);
		if (!path.failed)
			on_folder(s, buf_cstr(&path));
	}
	buf_release(&path);
}

/* What of TCP can be locked: not what nobody knows before. */
static unsigned scope_of(const struct config *c, bool store_is_known)
{
	unsigned scope = 0;

	if (store_is_known)
		scope |= SANDBOX_CONNECT;
	/* The port that is found is bound again for the next gateway. */
	if (c->listen_host[0] == '\0' || c->listen_port != 0)
		scope |= SANDBOX_BIND;
	return scope;
}

static void allow_ports(struct sandbox_files *s, const struct config *c)
{
	uint16_t bus = bus_port(str_of(c->bus));

	if (c->listen_host[0] != '\0')
		sandbox_files_bind(s, (uint16_t)c->listen_port);
	if (bus != 0)
		sandbox_files_connect(s, bus);
	/* Where an answer is too long for UDP. */
	if (bus != 0 || strncmp(c->store, "sqlite:", strlen("sqlite:")) != 0)
		sandbox_files_connect(s, DNS);
}

static int lock_files(const struct config *c, const char *file)
{
	struct sandbox_files s = { .ruleset = -1 };
	const struct store_needs needs = { .data = &s,
					   .folder = on_folder,
					   .file = on_file,
					   .port = on_port };

	/* Signals are not: gateways that outlived another groupd are in no
	 * layer of ours. */
	sandbox_files_begin(&s, scope_of(c, store_needs(c->store, &needs)));
	(void)store_needs(c->store, &needs);
	for (size_t i = 0; i < sizeof(of_the_system) / sizeof(of_the_system[0]);
	     i++)
		sandbox_files_allow(&s, of_the_system[i].path,
				    of_the_system[i].access);
	allow_data(&s, c->data);
	allow_folder(&s, c->socket, READ | SANDBOX_WRITE);
	allow_renewed(&s, file);
	allow_renewed(&s, c->tls_cert);
	allow_renewed(&s, c->tls_key);
	allow_programs(&s);
	allow_ports(&s, c);
	return sandbox_files_enforce(&s);
}

static int lock_calls(void)
{
	enum { BOTH = PROT_WRITE | PROT_EXEC };
	static const struct sandbox_condition conditions[] = {
		{ "socket", 0, SANDBOX_INT, AF_UNIX },
		{ "socket", 0, SANDBOX_INT, AF_INET },
		{ "socket", 0, SANDBOX_INT, AF_INET6 },
		/* Of getaddrinfo(3). */
		{ "socket", 0, SANDBOX_INT, AF_NETLINK },
		{ "clone", 0, NAMESPACES, 0 },
		/* Memory that is written is not executed. */
		{ "mmap", 2, BOTH, 0 },
		{ "mmap", 2, BOTH, PROT_WRITE },
		{ "mmap", 2, BOTH, PROT_EXEC },
		{ "mprotect", 2, BOTH, 0 },
		{ "mprotect", 2, BOTH, PROT_WRITE },
		{ "mprotect", 2, BOTH, PROT_EXEC },
	};
	const struct sandbox_filter filter = {
		.allowed = locks_calls,
		.conditions = conditions,
		.condition_count = sizeof(conditions) / sizeof(conditions[0]),
		.deadly = sandbox_deadly,
	};

	return sandbox_calls(&filter);
}

int locks_put_on(const struct config *c, const char *file, struct err *err)
{
	int rc = sandbox_privileges(kept);

	if (rc < 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "Cannot give up privileges: %s", strerror(-rc));
	rc = lock_files(c, file);
	if (rc < 0)
		log_warn("files are not locked: why=\"%s\"", strerror(-rc));
	rc = lock_calls();
	if (rc < 0)
		log_warn("system calls are not locked: why=\"%s\"",
			 strerror(-rc));
	return 0;
}
