/* SPDX-License-Identifier: MIT */
#include "fs/locks.h"

#include <asm/ioctls.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/sandbox.h"

enum { NAME_OF_MEMORY = 0x53564d41 /* PR_SET_VMA, of malloc(3) */ };

static int lock_files(void)
{
	struct sandbox_files s;

	sandbox_files_begin(&s,
			    SANDBOX_CONNECT | SANDBOX_BIND | SANDBOX_OTHERS);
	sandbox_files_allow(&s, "/proc", SANDBOX_READ);
	/* mount_ready() */
	sandbox_files_allow(&s, "/dev/null", SANDBOX_READ | SANDBOX_WRITE);
	return sandbox_files_enforce(&s);
}

static const char *const allowed[] = {
	/* libfuse moves pages by pipes */
	"read", "readv", "pread64", "write", "writev", "splice", "vmsplice",
	"tee", "pipe", "pipe2", "close", "dup", "dup2", "dup3", "fcntl",
	"fcntl64", "getdents", "getdents64", "fstat", "fstat64", "newfstatat",
	"fstatat64", "statx", "lseek", "chdir", "getcwd", "readlink",
	"readlinkat", "access", "faccessat", "faccessat2",
	/* groupd, the process outside, and waiting */
	"connect", "shutdown", "getsockname", "getpeername", "getsockopt",
	"setsockopt", "sendto", "sendmsg", "recvfrom", "recvmsg", "poll",
	"ppoll", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "eventfd2", "wait4", "waitpid", "waitid",
	/* memory, time, signals */
	"brk", "munmap", "mremap", "madvise", "membarrier", "futex",
	"getrandom", "clock_gettime", "clock_getres", "clock_nanosleep",
	"nanosleep", "gettimeofday", "time", "restart_syscall", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "getpid",
	"getppid", "gettid", "getuid", "geteuid", "getgid", "getegid",
	"getrusage", "sched_yield", "sched_getaffinity", "uname", "sysinfo",
	"umask", "exit", "exit_group", NULL
};

static int lock_calls(void)
{
	enum { HOW = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND };
	const struct sandbox_condition conditions[] = {
		/* Even where there is no Landlock nothing is made. */
		{ "open", 1, HOW, O_RDONLY },
		{ "open", 1, HOW, O_RDWR },
		{ "openat", 2, HOW, O_RDONLY },
		{ "openat", 2, HOW, O_RDWR },
		{ "socket", 0, SANDBOX_INT, AF_UNIX },
		{ "ioctl", 1, SANDBOX_INT, FIONBIO },
		{ "ioctl", 1, SANDBOX_INT, FIONREAD },
		{ "ioctl", 1, SANDBOX_INT, FIOCLEX },
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
		.deadly = sandbox_deadly,
	};

	return sandbox_calls(&filter);
}

bool locks_put_on(void)
{
	/* groupd's socket may lie in another user's folder. */
	int rc = sandbox_privileges(SANDBOX_CAP(CAP_DAC_OVERRIDE));

	if (rc < 0) {
		log_error("cannot give up privileges: why=\"%s\"",
			  strerror(-rc));
		return false;
	}
	rc = lock_files();
	if (rc < 0)
		log_warn("files are not locked: why=\"%s\"", strerror(-rc));
	rc = lock_calls();
	if (rc < 0)
		log_warn("system calls are not locked: why=\"%s\"",
			 strerror(-rc));
	return true;
}
