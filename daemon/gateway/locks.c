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
#define ALL UINT64_C(0xffffffff)

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
static void lock_calls(void)
{
	const struct sandbox_call allowed[] = {
		SANDBOX_CALL("read"),
		SANDBOX_CALL("readv"),
		SANDBOX_CALL("pread64"), /* process_keep_open() */
		SANDBOX_CALL("write"),
		SANDBOX_CALL("writev"),
		SANDBOX_CALL("close"),
		SANDBOX_CALL("fcntl"),
		SANDBOX_CALL("accept"),
		SANDBOX_CALL("accept4"),
		SANDBOX_CALL("recvfrom"),
		SANDBOX_CALL("recvmsg"),
		SANDBOX_CALL("sendto"),
		SANDBOX_CALL("sendmsg"),
		SANDBOX_CALL("shutdown"),
		SANDBOX_CALL("getsockopt"),
		SANDBOX_CALL("setsockopt"),
		SANDBOX_CALL("getsockname"),
		SANDBOX_CALL("getpeername"),
		SANDBOX_CALL_IF("ioctl", 1, ALL, FIONBIO),
		SANDBOX_CALL_IF("ioctl", 1, ALL, FIONREAD),
		SANDBOX_CALL_IF("ioctl", 1, ALL, SIOCOUTQ),
		SANDBOX_CALL_IF("ioctl", 1, ALL, TCGETS),
		SANDBOX_CALL("poll"),
		SANDBOX_CALL("ppoll"),
		SANDBOX_CALL("epoll_ctl"),
		SANDBOX_CALL("epoll_wait"),
		SANDBOX_CALL("epoll_pwait"),
		SANDBOX_CALL("epoll_pwait2"),
		SANDBOX_CALL_IF("mmap", 2, PROT_EXEC, 0),
		SANDBOX_CALL_IF("mprotect", 2, PROT_EXEC, 0),
		SANDBOX_CALL("munmap"),
		SANDBOX_CALL("mremap"),
		SANDBOX_CALL("madvise"),
		SANDBOX_CALL("brk"),
		SANDBOX_CALL("futex"),
		SANDBOX_CALL("getrandom"),
		SANDBOX_CALL("clock_gettime"),
		SANDBOX_CALL("clock_nanosleep"),
		SANDBOX_CALL("gettimeofday"),
		SANDBOX_CALL("time"),
		SANDBOX_CALL("nanosleep"),
		SANDBOX_CALL("restart_syscall"),
		SANDBOX_CALL("rt_sigaction"),
		SANDBOX_CALL("rt_sigprocmask"),
		SANDBOX_CALL("rt_sigreturn"),
		SANDBOX_CALL("sigreturn"),
		SANDBOX_CALL("getpid"),
		SANDBOX_CALL("gettid"),
		SANDBOX_CALL("getuid"),
		SANDBOX_CALL("getrusage"),
		SANDBOX_CALL("exit"),
		SANDBOX_CALL("exit_group"),
		/* abort(3) */
		SANDBOX_CALL_IF("tgkill", 0, ALL, (uint64_t)getpid()),
		SANDBOX_CALL_IF("prctl", 0, ALL, PR_SET_NAME),
		SANDBOX_CALL_IF("prctl", 0, ALL, NAME_OF_MEMORY),
	};
	/* A library that wants a file of the system does without. */
	static const char *const refused[] = {
		"open",	    "openat",	  "openat2",	"stat",	  "lstat",
		"fstat",    "statx",	  "newfstatat", "access", "faccessat",
		"readlink", "faccessat2", "readlinkat", "getcwd", "uname",
		"sysinfo",  "prlimit64",  "lseek",	NULL
	};
	const struct sandbox_filter filter = {
		.allowed = allowed,
		.allowed_count = sizeof(allowed) / sizeof(allowed[0]),
		.refused = refused,
		.rest_is_deadly = true,
	};
	int rc = sandbox_calls(&filter);

	if (rc < 0)
		log_warn("system calls are not locked: why=\"%s\"",
			 strerror(-rc));
}

void locks_close(void)
{
	struct sandbox_files files;
	int rc;

	process_keep_open();
	/* No file, no port, and nobody else to signal. */
	sandbox_files_begin(&files, true, true);
	rc = sandbox_files_enforce(&files);
	if (rc < 0)
		log_warn("files are not locked: why=\"%s\"", strerror(-rc));
	lock_calls();
}
