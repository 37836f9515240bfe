/* SPDX-License-Identifier: MIT */
/*
 * One who has taken over a program: preloaded into it (LD_PRELOAD), it waits
 * for its turn in the loop, where the program is locked in, and does there what
 * it is told, as any code of the program could.
 *
 * $INTRUDER is a folder. Of the program it is in, if they are there:
 *   PROGRAM.orders  "N PID NAME ARGUMENT": a new N is a new order for that
 *                   process; it is read when the process goes to sleep next
 *   PROGRAM.log     gets "N done" or "N ERRNO-NAME"
 */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int orders = -1, report = -1;
static int last; /* number of the newest order that is done */

static int opened(const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC, 0600);
}

static int to_tcp(const char *port,
		  int (*what)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd < 0 ? fd : what(fd, (struct sockaddr *)&to, sizeof(to));
}

static int to_udp(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return fd < 0 ? fd
		      : (int)sendto(fd, "x", 1, 0, (struct sockaddr *)&to,
				    sizeof(to));
}

static int to_unix(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%.107s", path);
	return fd < 0 ? fd : connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static int execute(const char *path)
{
	char *argv[] = { (char *)(unsigned long)path, NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execv(path, argv);
		_exit(errno);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	errno = WIFSIGNALED(status) ? EPERM : WEXITSTATUS(status);
	return errno == 0 ? 0 : -1;
}

static int executes_itself(const char *path)
{
	char *argv[] = { (char *)(unsigned long)path, NULL };

	return execv(path, argv);
}

static void *nothing(void *p)
{
	return p;
}

static int thread(const char *arg)
{
	pthread_t t;

	(void)arg;
	errno = pthread_create(&t, NULL, nothing, NULL);
	return errno == 0 ? 0 : -1;
}

static int reads_memory(const char *pid)
{
	char byte;
	struct iovec own = { &byte, 1 };
	struct iovec other = { (void *)0x400000, 1 };

	return (int)process_vm_readv(atoi(pid), &own, 1, &other, 1, 0);
}

static int made_executable(const char *arg)
{
	void *page;

	(void)arg;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int dumped(const char *arg)
{
	(void)arg;
	if (prctl(PR_GET_DUMPABLE) == 0)
		errno = EPERM;
	return prctl(PR_GET_DUMPABLE) == 0 ? -1 : 0;
}

static int cores(const char *arg)
{
	struct rlimit r = { 1 << 20, 1 << 20 };

	(void)arg;
	return setrlimit(RLIMIT_CORE, &r);
}

static int reads(const char *path)
{
	return opened(path, O_RDONLY);
}

static int writes(const char *path)
{
	return opened(path, O_WRONLY);
}

static int creates(const char *path)
{
	return opened(path, O_WRONLY | O_CREAT | O_EXCL);
}

static int lists(const char *path)
{
	return opened(path, O_RDONLY | O_DIRECTORY);
}

static int makes_folder(const char *path)
{
	return mkdir(path, 0700);
}

static int truncates(const char *path)
{
	return truncate(path, 0);
}

static int connects(const char *port)
{
	return to_tcp(port, connect);
}

static int binds(const char *port)
{
	return to_tcp(port, bind);
}

static int packets(const char *arg)
{
	(void)arg;
	return socket(AF_PACKET, SOCK_RAW, 0);
}

static int forks(const char *arg)
{
	(void)arg;
	return (int)syscall(SYS_fork);
}

static int signals(const char *pid)
{
	return kill(atoi(pid), 0);
}

static int traces(const char *pid)
{
	return (int)ptrace(PTRACE_SEIZE, atoi(pid), 0, 0);
}

static int maps_code(const char *arg)
{
	(void)arg;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? -1
		       : 0;
}

static int becomes_root(const char *arg)
{
	(void)arg;
	return (int)syscall(SYS_setresuid, 0, 0, 0);
}

static int mounts(const char *path)
{
	return mount("none", path, "tmpfs", 0, NULL);
}

static int unshares(const char *arg)
{
	(void)arg;
	return unshare(CLONE_NEWUSER);
}

static int keys(const char *arg)
{
	(void)arg;
	return (int)syscall(SYS_keyctl, 0, -3, 0, 0, 0);
}

static int rings(const char *arg)
{
	return (int)syscall(SYS_io_uring_setup, 1, arg);
}

static int types(const char *arg)
{
	return ioctl(STDERR_FILENO, TIOCSTI, arg);
}

/* -1 with errno where it was refused. */
static const struct {
	const char *name;
	int (*how)(const char *arg);
} attempts[] = {
	{ "read", reads },
	{ "write", writes },
	{ "create", creates },
	{ "list", lists },
	{ "remove", unlink },
	{ "mkdir", makes_folder },
	{ "truncate", truncates },
	{ "tcp", connects },
	{ "bind", binds },
	{ "udp", to_udp },
	{ "unix", to_unix },
	{ "packet", packets },
	{ "fork", forks },
	{ "thread", thread },
	{ "run", execute },
	{ "become", executes_itself },
	{ "signal", signals },
	{ "ptrace", traces },
	{ "memory", reads_memory },
	{ "code", maps_code },
	{ "recode", made_executable },
	{ "setuid", becomes_root },
	{ "mount", mounts },
	{ "namespace", unshares },
	{ "chroot", chroot },
	{ "keys", keys },
	{ "uring", rings },
	{ "dump", dumped },
	{ "core", cores },
	{ "terminal", types },
};

static int attempt(const char *what, const char *arg)
{
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (strcmp(what, attempts[i].name) == 0)
			return attempts[i].how(arg);
	}
	errno = EINVAL;
	return -1;
}

/* 0: there is none for us. */
static int read_order(char *what, char *arg)
{
	char text[400] = { 0 };
	int n, pid;

	if (pread(orders, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%d %d %31s %255s", &n, &pid, what, arg) != 4)
		return 0;
	return pid == getpid() ? n : 0;
}

static void take_turn(void)
{
	char what[32], arg[256], line[400];
	const char *name;
	int n;

	if (orders < 0)
		return;
	n = read_order(what, arg);
	if (n <= last)
		return;
	last = n;
	name = attempt(what, arg) < 0 ? strerrorname_np(errno) : "done";
	n = snprintf(line, sizeof(line), "%d %s\n", n, name);
	(void)!write(report, line, (size_t)n);
}

static int file_of(const char *folder, const char *what, int flags)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s.%s", folder,
		       program_invocation_short_name, what);
	return open(path, flags | O_CLOEXEC);
}

__attribute__((constructor)) static void begin(void)
{
	const char *folder = getenv("INTRUDER");

	if (folder == NULL)
		return;
	orders = file_of(folder, "orders", O_RDONLY);
	report = file_of(folder, "log", O_WRONLY | O_APPEND);
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	static int (*next)(int, struct epoll_event *, int, int);

	if (next == NULL)
		next = (__typeof__(next))dlsym(RTLD_NEXT, "epoll_wait");
	take_turn();
	return next(fd, events, max, timeout);
}

int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout,
		const sigset_t *signals)
{
	static int (*next)(int, struct epoll_event *, int, int,
			   const sigset_t *);

	if (next == NULL)
		next = (__typeof__(next))dlsym(RTLD_NEXT, "epoll_pwait");
	take_turn();
	return next(fd, events, max, timeout, signals);
}
