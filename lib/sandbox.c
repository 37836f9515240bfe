/* SPDX-License-Identifier: MIT */
#include "lib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/process.h"

/*
 * From linux/landlock.h of a newer kernel than that whose headers Debian 12
 * has: what a kernel does not know yet is left out by its ABI.
 */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_ALL_1 = (1 << 13) - 1,
	FS_REFER = 1 << 13,	/* ABI 2: renames and links between folders */
	FS_TRUNCATE = 1 << 14,	/* 3 */
	FS_IOCTL_DEV = 1 << 15, /* 5 */
	NET_BIND_TCP = 1 << 0,	/* 4 */
	NET_CONNECT_TCP = 1 << 1,
	SCOPE_ABSTRACT = 1 << 0, /* 6 */
	SCOPE_SIGNAL = 1 << 1,
	RULE_PATH = 1,
	RULE_PORT = 2,
	GET_VERSION = 1,
	/* What a rule on a file, not a folder, may name. */
	FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE |
		      FS_IOCTL_DEV,
	FIRST_ABI = 2 /* without REFER groupd could not move a file */
};

struct ruleset_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct path_attr {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

struct port_attr {
	uint64_t allowed;
	uint64_t port;
};

bool sandbox_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||     \
	__has_feature(memory_sanitizer)
	return true;
#else
	return false;
#endif
#else
	return false;
#endif
}

/* Privileges. */

/* Not from an ordinary user's own processes: it is his to look at. */
static bool is_guarded(void)
{
	return geteuid() == 0 || process_may(CAP_SETUID) ||
	       getuid() != geteuid();
}

static int keep_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		if ((keep & SANDBOX_CAP(cap)) != 0)
			continue;
		/* Both fail where there was nothing to drop. */
		(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, cap, 0, 0);
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	}
	if (syscall(SYS_capget, &header, sets) < 0)
		return -errno;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t part = (uint32_t)(keep >> (32 * i));

		sets[i].effective &= part;
		sets[i].permitted &= part;
		sets[i].inheritable &= part;
	}
	return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

/* A debugger may look, and write a core. */
static int hide_memory(void)
{
#ifndef SANDBOX_OFF
	static const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0 ||
	    (is_guarded() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0))
		return -errno;
#else
	(void)is_guarded;
#endif
	return 0;
}

int sandbox_privileges(uint64_t keep)
{
	int rc = hide_memory();

	if (rc == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		rc = -errno;
	return rc < 0 ? rc : keep_capabilities(keep);
}

/* Files and ports. */

static uint64_t files_of(int abi)
{
	uint64_t fs = FS_ALL_1;

	if (abi >= 2)
		fs |= FS_REFER;
	if (abi >= 3)
		fs |= FS_TRUNCATE;
	if (abi >= 5)
		fs |= FS_IOCTL_DEV;
	return fs;
}

static uint64_t files_for(const struct sandbox_files *s, unsigned access)
{
	uint64_t reading = FS_READ_FILE | FS_READ_DIR;
	uint64_t fs = 0;

	if ((access & SANDBOX_READ) != 0)
		fs |= reading;
	if ((access & SANDBOX_EXECUTE) != 0)
		fs |= FS_EXECUTE | FS_READ_FILE;
	/* No devices are made, and none is spoken to. */
	if ((access & SANDBOX_WRITE) != 0)
		fs |= files_of(s->abi) &
		      ~(reading | (uint64_t)(FS_EXECUTE | FS_IOCTL_DEV));
	return fs;
}

static void open_ruleset(struct sandbox_files *s, unsigned scope)
{
	struct ruleset_attr attr = { .fs = files_of(s->abi) };

	if (s->abi >= 4)
		s->net = ((scope & SANDBOX_BIND) != 0 ? NET_BIND_TCP : 0) |
			 ((scope & SANDBOX_CONNECT) != 0 ? NET_CONNECT_TCP : 0);
	attr.net = s->net;
	if ((scope & SANDBOX_OTHERS) != 0 && s->abi >= 6)
		attr.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
	s->ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
				  sizeof(attr), 0);
	s->rc = s->ruleset < 0 ? -errno : 0;
}

void sandbox_files_begin(struct sandbox_files *s, unsigned scope)
{
	*s = (struct sandbox_files){ .ruleset = -1, .rc = -EOPNOTSUPP };
#ifdef SANDBOX_OFF
	(void)scope;
	(void)open_ruleset;
#else
	s->abi =
		(int)syscall(SYS_landlock_create_ruleset, NULL, 0, GET_VERSION);
	if (s->abi < 0)
		s->rc = -errno;
	else if (s->abi >= FIRST_ABI)
		open_ruleset(s, scope);
	if (s->rc == 0 && sandbox_sanitized())
		sandbox_files_allow(s, "/", SANDBOX_READ | SANDBOX_EXECUTE);
#endif
}

static void add_rule(struct sandbox_files *s, int type, const void *attr)
{
	if (syscall(SYS_landlock_add_rule, s->ruleset, type, attr, 0) < 0 &&
	    s->rc == 0)
		s->rc = -errno;
}

void sandbox_files_allow(struct sandbox_files *s, const char *path,
			 unsigned access)
{
	struct path_attr rule = { .allowed = files_for(s, access) };
	struct stat st;

	if (s->ruleset < 0)
		return;
	rule.fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.fd < 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES &&
		    s->rc == 0)
			s->rc = -errno;
		return;
	}
	if (fstat(rule.fd, &st) < 0)
		s->rc = s->rc == 0 ? -errno : s->rc;
	else if (!S_ISDIR(st.st_mode))
		rule.allowed &= FS_OF_FILES;
	add_rule(s, RULE_PATH, &rule);
	close(rule.fd);
}

static void allow_port(struct sandbox_files *s, uint64_t what, uint16_t port)
{
	const struct port_attr rule = { .allowed = what, .port = port };

	/* A rule on what is not locked is an error. */
	if (s->ruleset >= 0 && (s->net & what) != 0)
		add_rule(s, RULE_PORT, &rule);
}

void sandbox_files_connect(struct sandbox_files *s, uint16_t port)
{
	allow_port(s, NET_CONNECT_TCP, port);
}

void sandbox_files_bind(struct sandbox_files *s, uint16_t port)
{
	allow_port(s, NET_BIND_TCP, port);
}

int sandbox_files_enforce(struct sandbox_files *s)
{
	/* As many layers as a process can have say that ours is among them. */
	if (s->rc == 0 &&
	    syscall(SYS_landlock_restrict_self, s->ruleset, 0) < 0 &&
	    errno != E2BIG)
		s->rc = -errno;
	if (s->ruleset >= 0)
		close(s->ruleset);
	s->ruleset = -1;
	return s->rc;
}
