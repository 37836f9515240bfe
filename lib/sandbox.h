/* SPDX-License-Identifier: MIT */
/*
 * The locks that a process puts on itself, for the day when somebody makes it
 * do what it was not written for:
 *
 *   sandbox_privileges()   no new privileges, few capabilities, no core dumps
 *   sandbox_files_*()      files and TCP ports, by Landlock (landlock(7))
 *   sandbox_calls()        system calls, by seccomp(2)
 *
 * In this order, before there are threads and before anything of a stranger is
 * read. None can be taken back; all hold for what is executed, too. Those of
 * Landlock stack: each start anew in place (a restore) adds a layer, and that
 * can only take more away.
 *
 * A kernel that lacks one (-ENOSYS, -EOPNOTSUPP, -EINVAL) is no reason not to
 * start; whoever calls logs it. Built with LOCKS=no (for a debugger, or what
 * counts coverage) the first leaves core dumps alone and the others do nothing
 * and say -EOPNOTSUPP. The sanitizers need some of what is locked, see
 * sandbox_sanitized().
 */
#ifndef GROUPFS_LIB_SANDBOX_H
#define GROUPFS_LIB_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Capabilities, as a set of 1 << CAP_... */
#define SANDBOX_CAP(capability) (UINT64_C(1) << (capability))

/* No new privileges, no core dump, no capability but those of keep, and of
 * these only what the process has; none is ambient that is not in keep. Who
 * is, or may become, another user than who reads his files is not dumpable
 * either: no other process may trace it or read its memory. 0 or -errno. */
int sandbox_privileges(uint64_t keep);

enum sandbox_access {
	SANDBOX_READ = 1,    /* files and folders */
	SANDBOX_EXECUTE = 2, /* files */
	SANDBOX_WRITE = 4    /* and make, rename and remove below it */
};

struct sandbox_files {
	int ruleset; /* owned; -1: none */
	int abi;
	uint64_t net;
	int rc; /* of the first step that failed */
};

/* What is locked beside files. */
enum sandbox_scope {
	SANDBOX_CONNECT = 1, /* TCP, but for the ports that are allowed */
	SANDBOX_BIND = 2,
	SANDBOX_OTHERS = 4 /* signals, abstract sockets: of who is out there */
};

/* Nothing of it, nor any file, is allowed yet. What this kernel cannot do of
 * scope is left out. */
void sandbox_files_begin(struct sandbox_files *s, unsigned scope);
/* A folder with all below it, or a file; links are followed. What is not there
 * is left out. */
void sandbox_files_allow(struct sandbox_files *s, const char *path,
			 unsigned access);
void sandbox_files_connect(struct sandbox_files *s, uint16_t port);
void sandbox_files_bind(struct sandbox_files *s, uint16_t port);
/* From here on; of this thread, and those that it starts. 0 or the first
 * -errno of all steps. */
int sandbox_files_enforce(struct sandbox_files *s);

/* A call that is allowed only where argument & mask is value; more of one call
 * allow either. */
struct sandbox_condition {
	const char *call;
	unsigned argument; /* from 0 */
	uint64_t mask;
	uint64_t value;
};

/* For a mask: all that a call sees of an int. */
#define SANDBOX_INT UINT64_C(0xffffffff)

/* Lists end with NULL. Names that this system has no call of are left out. */
struct sandbox_filter {
	const char *const *allowed;
	const struct sandbox_condition *conditions;
	size_t condition_count;
	/* What a library may try, and do without: EPERM. */
	const char *const *refused;
	/* What only an intruder asks: it ends the process (SIGSYS). */
	const char *const *deadly;
	/* What is in none of these: deadly, or refused. */
	bool rest_is_deadly;
};

/* What none of our programs ever asks, for .deadly. */
extern const char *const sandbox_deadly[];

/* For all threads. 0 or -errno. */
int sandbox_calls(const struct sandbox_filter *filter);

/* Whether this is a build with a sanitizer: its runtime reads files of /proc
 * and the program, traces the process at its end, and executes a symbolizer.
 * So there reading and executing files are open to all three programs, and no
 * system call is locked. */
bool sandbox_sanitized(void);

#endif
