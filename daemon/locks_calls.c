/* SPDX-License-Identifier: MIT */
#include "daemon/locks_private.h"

#include <stddef.h>

/*
 * What a daemon with a database, threads and children asks, by what libuv,
 * SQLite, libpq, hiredis and the C library may ask in its name, here and on
 * other machines. Its gateways begin with these, and are stricter with
 * themselves.
 */
const char *const locks_calls[] = {
	/* files */
	"open", "openat", "openat2", "creat", "close", "close_range", "read",
	"readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64",
	"pwritev", "pwritev2", "lseek", "_llseek", "stat", "lstat", "fstat",
	"newfstatat", "fstatat64", "statx", "stat64", "lstat64", "fstat64",
	"statfs", "fstatfs", "statfs64", "fstatfs64", "access", "faccessat",
	"faccessat2", "readlink", "readlinkat", "getcwd", "chdir", "fchdir",
	"getdents", "getdents64", "mkdir", "mkdirat", "rmdir", "unlink",
	"unlinkat", "rename", "renameat", "renameat2", "link", "linkat",
	"symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "fchmodat2",
	"chown", "fchown", "lchown", "fchownat", "truncate", "ftruncate",
	"truncate64", "ftruncate64", "fallocate", "fadvise64", "utime",
	"utimes", "utimensat", "futimesat", "fsync", "fdatasync",
	"sync_file_range", "sync", "syncfs", "flock", "fcntl", "fcntl64",
	"umask", "ioctl", "dup", "dup2", "dup3", "pipe", "pipe2", "sendfile",
	"sendfile64", "copy_file_range", "splice", "readahead", "getxattr",
	"fgetxattr", "lgetxattr", "memfd_create", "inotify_init1",
	"inotify_add_watch", "inotify_rm_watch",
	/* sockets, and waiting */
	"socketpair", "bind", "listen", "accept", "accept4", "connect",
	"shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt",
	"sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg",
	"select", "_newselect", "pselect6", "poll", "ppoll", "epoll_create",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "eventfd", "eventfd2", "signalfd4", "timerfd_create",
	"timerfd_settime", "timerfd_gettime",
	/* memory, threads, time */
	"brk", "munmap", "mremap", "madvise", "msync", "mincore", "mlock",
	"munlock", "membarrier", "futex", "futex_waitv", "set_robust_list",
	"get_robust_list", "rseq", "set_tid_address", "arch_prctl",
	"sched_yield", "sched_getaffinity", "sched_setaffinity",
	"sched_getparam", "sched_getscheduler", "sched_get_priority_max",
	"sched_get_priority_min", "getpriority", "getcpu", "clock_gettime",
	"clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time",
	"times", "alarm", "setitimer", "getitimer", "timer_create",
	"timer_settime", "timer_delete", "getrandom", "restart_syscall",
	/* signals, children, who it is */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn",
	"rt_sigsuspend", "rt_sigpending", "rt_sigtimedwait", "rt_sigqueueinfo",
	"sigaltstack", "pause", "kill", "tkill", "tgkill", "pidfd_open",
	"pidfd_send_signal", "fork", "vfork", "execve", "execveat", "wait4",
	"waitpid", "waitid", "exit", "exit_group", "getpid", "getppid",
	"gettid", "getpgid", "getpgrp", "getsid", "setsid", "setpgid", "getuid",
	"geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups",
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
	"setgroups", "capget", "capset", "prctl", "getrlimit", "setrlimit",
	"ugetrlimit", "prlimit64", "getrusage", "sysinfo", "uname",
	/* the gateway's own locks */
	"seccomp", "landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self", NULL
};
