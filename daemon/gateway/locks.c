/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/locks.h"

#include <asm/ioctls.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/process.h"
#include "lib/sandbox.h"

enum { NAME_OF_MEMORY = 0x53564d41 /* PR_SET_VMA, of malloc(3) */ };

bool locks_drop_rights(uid_t uid, gid_t gid)
{
	bool may = geteuid() == 0 || process_may(CAP_SETUID);

	if (may && (uid == 0 || gid == 0))
		return false;
	if (may && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
		    setresuid(uid, uid, uid) < 0))
		return false;
	/* Only from root to another user the kernel would do it. */
	return sandbox_privileges(0) == 0;
}

/* What reading, writing and waiting take, and memory and time. */
static const char *const allowed[] = { "read",
				       "readv",
				       "pread64",
				       "write",
				       "writev",
				       "close",
				       "fcntl",
				       "fcntl64",
				       "accept",
				       "accept4",
				       "recvfrom",
				       "recvmsg",
				       "sendto",
				       "sendmsg",
				       "shutdown",
				       "getsockopt",
				       "setsockopt",
				       "getsockname",
				       "getpeername",
				       "poll",
				       "ppoll",
				       "epoll_ctl",
				       "epoll_wait",
				       "epoll_pwait",
				       "epoll_pwait2",
				       "munmap",
				       "mremap",
				       "madvise",
				       "brk",
				       "futex",
				       "getrandom",
				       "clock_gettime",
				       "clock_nanosleep",
				       "gettimeofday",
				       "time",
				       "nanosleep",
				       "restart_syscall",
				       "rt_sigaction",
				       "rt_sigprocmask",
				       "rt_sigreturn",
				       "sigreturn",
				       "getpid",
				       "gettid",
				       "getuid",
				       "getrusage",
				       "exit",
				       "exit_group",
				       NULL };

/* A library that wants a file of the system does without. */
static const char *const refused[] = {
	"open",	    "openat",	  "openat2",	"stat",	  "lstat",
	"fstat",    "statx",	  "newfstatat", "access", "faccessat",
	"readlink", "faccessat2", "readlinkat", "getcwd", "uname",
	"sysinfo",  "prlimit64",  "lseek",	NULL
};

static int lock_calls(void)
{
	const struct sandbox_condition conditions[] = {
		{ "ioctl", 1, SANDBOX_INT, FIONBIO },
		{ "ioctl", 1, SANDBOX_INT, FIONREAD },
		{ "ioctl", 1, SANDBOX_INT, SIOCOUTQ },
		{ "ioctl", 1, SANDBOX_INT, TCGETS },
		{ "mmap", 2, PROT_EXEC, 0 },
		{ "mprotect", 2, PROT_EXEC, 0 },
		{ "prctl", 0, SANDBOX_INT, PR_SET_NAME },
		{ "prctl", 0, SANDBOX_INT, NAME_OF_MEMORY },
		/* abort(3) */
		{ "tgkill", 0, SANDBOX_INT, (uint64_t)getpid() },
	};
	const struct sandbox_filter filter = {
		.allowed = allowed,
		.conditions = conditions,
		.condition_count = sizeof(conditions) / sizeof(conditions[0]),
		.refused = refused,
		.rest_is_deadly = true,
	};

	return sandbox_calls(&filter);
}

void locks_close(void)
{
	struct sandbox_files files;
	int rc;

	process_keep_open();
	/* No file, no port, and nobody else to signal. */
	sandbox_files_begin(&files,
			    SANDBOX_CONNECT | SANDBOX_BIND | SANDBOX_OTHERS);
	rc = sandbox_files_enforce(&files);
	if (rc < 0)
		log_warn("files are not locked: why=\"%s\"", strerror(-rc));
	rc = lock_calls();
	if (rc < 0)
		log_warn("system calls are not locked: why=\"%s\"",
			 strerror(-rc));
}
