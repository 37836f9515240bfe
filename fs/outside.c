/* SPDX-License-Identifier: MIT */
#include "fs/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/mount.h"
#include "fs/tgid.h"

enum what { TGID_OF, IS_KILLED, HAS_OPEN, MAY_WRITE, UNMOUNT };

struct question {
	int32_t what;
	int32_t pid;
	uint64_t ino;
};

static int32_t look(const struct question *q)
{
	switch (q->what) {
	case TGID_OF:
		return tgid_of(q->pid);
	case IS_KILLED:
		return tgid_is_killed(q->pid);
	case HAS_OPEN:
		return tgid_has_open(q->pid, q->ino);
	case MAY_WRITE:
		return tgid_may_write(q->pid, q->ino);
	default:
		return -EINVAL;
	}
}

/* Of its parent it keeps the socket alone: no terminal, no folder. */
static int let_go(int fd)
{
	static const int ours[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Who ends both wants the other one to unmount by this one. */
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		signal(ours[i], SIG_IGN);
	prctl(PR_SET_NAME, "groupfs-outside");
	for (int i = 0; i <= STDERR_FILENO && null >= 0; i++)
		dup2(null, i);
	(void)!chdir("/");
	fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (fd > STDERR_FILENO + 1)
		fd = dup3(fd, STDERR_FILENO + 1, O_CLOEXEC);
	(void)close_range(STDERR_FILENO + 2, ~0U, 0);
	return fd;
}

__attribute__((noreturn)) static void serve(int fd, const char *path)
{
	struct question q;

	fd = let_go(fd);
	while (recv(fd, &q, sizeof(q), 0) == (ssize_t)sizeof(q)) {
		int32_t answer =
			q.what == UNMOUNT ? mount_undo(path) : look(&q);

		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

int outside_start(struct outside *o, const char *path)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	o->pid = fork();
	if (o->pid == 0)
		serve(fds[1], path);
	close(fds[1]);
	if (o->pid < 0) {
		close(fds[0]);
		return -EAGAIN;
	}
	o->fd = fds[0];
	return 0;
}

/* -EACCES too when there is nobody to ask any more. */
static int ask(struct outside *o, enum what what, pid_t pid, uint64_t ino)
{
	const struct question q = { .what = (int32_t)what,
				    .pid = pid,
				    .ino = ino };
	int32_t answer;
	ssize_t n;

	if (o->fd == 0)
		return look(&q);
	if (send(o->fd, &q, sizeof(q), MSG_NOSIGNAL) < 0)
		return -EACCES;
	do {
		n = recv(o->fd, &answer, sizeof(answer), 0);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(answer) ? answer : -EACCES;
}

pid_t outside_tgid_of(struct outside *o, pid_t tid)
{
	pid_t pid = tgid_of(tid);

	/* Where /proc hides processes, it hides them from who is locked in. */
	if (pid == 0)
		pid = ask(o, TGID_OF, tid, 0);
	return pid < 0 ? 0 : pid;
}

bool outside_is_killed(struct outside *o, pid_t tid)
{
	/* Most are not ending at all, and that everybody may see. */
	return tgid_is_ending(tid) != 0 && ask(o, IS_KILLED, tid, 0) == 1;
}

int outside_has_open(struct outside *o, pid_t pid, uint64_t ino)
{
	return ask(o, HAS_OPEN, pid, ino);
}

int outside_may_write(struct outside *o, pid_t pid, uint64_t ino)
{
	return ask(o, MAY_WRITE, pid, ino);
}

int outside_unmount(struct outside *o)
{
	return ask(o, UNMOUNT, 0, 0);
}

void outside_stop(struct outside *o)
{
	if (o->fd == 0)
		return;
	close(o->fd);
	o->fd = 0;
	while (waitpid(o->pid, NULL, 0) < 0 && errno == EINTR)
		;
}
