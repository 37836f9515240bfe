/* SPDX-License-Identifier: MIT */
/*
 * What costs one call each, measured side by side; many appenders at once;
 * and the making of histories and folders.
 */
#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIDES_MAX = 8, WIDTH_MAX = 256, WRITE_SIZE = 1 << 20 };

struct side {
	char name[32];
	const char *path; /* of `messages`; borrowed */
	int fd;		  /* of it, for reading */
	int append_fd;
	uint64_t size;
};

static int step_stat(void *data)
{
	const struct side *s = data;
	struct stat st;

	return stat(s->path, &st) == 0 ? 0 : -errno;
}

static int step_fstat(void *data)
{
	const struct side *s = data;
	struct stat st;

	return fstat(s->fd, &st) == 0 ? 0 : -errno;
}

static int step_open(void *data)
{
	const struct side *s = data;
	int fd = open(s->path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && close(fd) == 0 ? 0 : -errno;
}

static int append_to(int fd)
{
	ssize_t n = write(fd, bench_line(), BENCH_LINE);

	return n == BENCH_LINE ? 0 : n < 0 ? -errno : -EIO;
}

static int step_append(void *data)
{
	const struct side *s = data;

	return append_to(s->append_fd);
}

static int step_open_append(void *data)
{
	const struct side *s = data;
	int fd = open(s->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = append_to(fd);
	return close(fd) == 0 ? rc : -errno;
}

static int step_pread(void *data)
{
	const struct side *s = data;
	char page[BENCH_PAGE];
	off_t off = (off_t)(bench_random() % (s->size - BENCH_PAGE));

	return pread(s->fd, page, BENCH_PAGE, off) == BENCH_PAGE ? 0 : -EIO;
}

static int step_fdatasync(void *data)
{
	const int *fd = data;
	int rc = append_to(*fd);

	return rc < 0 || fdatasync(*fd) == 0 ? rc : -errno;
}

static void open_side(struct side *s, char *arg)
{
	char *path = strchr(arg, '=');
	struct stat st;

	if (path == NULL || (size_t)(path - arg) >= sizeof(s->name))
		bench_die(arg, -EINVAL);
	*path = '\0';
	(void)str_to_cstr(str_of(arg), s->name, sizeof(s->name));
	s->path = path + 1;
	s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
	s->append_fd = open(s->path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (s->fd < 0 || s->append_fd < 0 || fstat(s->fd, &st) != 0)
		bench_die(s->path, -errno);
	s->size = (uint64_t)st.st_size;
	if (s->size <= BENCH_PAGE)
		bench_die(s->path, -ENODATA);
}

/* What lies below the mount, for the calls that reach it. */
struct below {
	struct direct direct;
	struct local written; /* a store of our own */
	struct local read;    /* groupd's */
	struct side local;    /* a file that groupfs answers for alone */
	int sync_fd;
};

static void open_below(struct below *b, char **argv)
{
	struct buf name = { 0 };

	direct_open(&b->direct, argv[1], argv[2]);
	local_open(&b->read, argv[3], argv[2]);
	buf_printf(&name, "sqlite:%s/own.db", argv[4]);
	local_make(&b->written, buf_cstr(&name));
	buf_clear(&name);
	buf_printf(&name, "%s/synced", argv[4]);
	b->sync_fd = open(buf_cstr(&name), O_WRONLY | O_CREAT | O_APPEND, 0600);
	b->local.fd = open(argv[5], O_RDONLY | O_CLOEXEC);
	if (name.failed || b->sync_fd < 0 || b->local.fd < 0)
		bench_die("synced", -errno);
	buf_release(&name);
}

static void close_below(struct below *b)
{
	direct_close(&b->direct);
	local_close(&b->written);
	local_close(&b->read);
	(void)close(b->local.fd);
	(void)close(b->sync_fd);
}

/* What the calls that go down to the store cost from each floor on. */
static void below_fstat(struct below *b)
{
	bench_slice("fstat", "local", step_fstat, &b->local);
	bench_slice("fstat", "loop", direct_unwatch, &b->direct);
	bench_slice("fstat", "socket", direct_find, &b->direct);
	bench_slice("fstat", "store", local_find, &b->read);
}

static void below_pread(struct below *b)
{
	bench_slice("pread 4K", "socket", direct_read, &b->direct);
	bench_slice("pread 4K", "store", local_read, &b->read);
}

static void below_append(struct below *b)
{
	bench_slice("append", "socket", direct_send, &b->direct);
	bench_slice("append", "store", local_append, &b->written);
	bench_slice("append", "fdatasync", step_fdatasync, &b->sync_fd);
}

/* Side after side within each call, so that what else the machine does hits
 * them alike. */
static void one_round(struct side *sides, int count, struct below *b)
{
	static const struct {
		const char *name;
		bench_step_fn step;
		void (*below)(struct below *b);
	} calls[] = {
		{ "stat", step_stat, NULL },
		{ "fstat", step_fstat, below_fstat },
		{ "open+close", step_open, NULL },
		{ "pread 4K", step_pread, below_pread },
		{ "append", step_append, below_append },
		{ "open+append+close", step_open_append, NULL },
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		for (int j = 0; j < count; j++)
			bench_slice(calls[i].name, sides[j].name, calls[i].step,
				    &sides[j]);
		if (calls[i].below != NULL)
			calls[i].below(b);
	}
}

int files_main(int argc, char **argv)
{
	struct side sides[SIDES_MAX] = { 0 };
	uint64_t rounds = bench_env("BENCH_ROUNDS", 5);
	int count = argc - 6;
	struct below below;

	if (count < 1 || count > SIDES_MAX)
		bench_die("files", -EINVAL);
	open_below(&below, argv);
	for (int i = 0; i < count; i++)
		open_side(&sides[i], argv[6 + i]);
	for (uint64_t i = 0; i < rounds; i++)
		one_round(sides, count, &below);
	for (int i = 0; i < count; i++) {
		(void)close(sides[i].fd);
		(void)close(sides[i].append_fd);
	}
	close_below(&below);
	return 0;
}

/* What the children share. */
struct crowd {
	_Atomic bool go;
	_Atomic uint64_t done;
	_Atomic uint64_t failed;
};

static int post_once(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = append_to(fd);
	return close(fd) == 0 ? rc : -errno;
}

static void append_until(struct crowd *c, bool post, const char *path,
			 uint64_t ns)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	uint64_t end, done = 0;

	if (fd < 0)
		bench_die(path, -errno);
	while (!c->go)
		(void)usleep(1000);
	end = bench_now_ns() + ns;
	for (; bench_now_ns() < end; done++) {
		if ((post ? post_once(path) : append_to(fd)) < 0) {
			c->failed++;
			break;
		}
	}
	c->done += done;
	(void)close(fd);
}

static void wait_all(uint64_t width)
{
	int status;

	for (uint64_t i = 0; i < width; i++) {
		if (wait(&status) < 0 || status != 0)
			bench_die("a child", -EIO);
	}
}

/* Processes, as people's shells are. */
int appenders_main(int argc, char **argv)
{
	uint64_t width, start, ns;
	struct crowd *c;
	bool post;

	if (argc != 6 || (width = bench_number(argv[4])) > WIDTH_MAX)
		bench_die("appenders", -EINVAL);
	post = strcmp(argv[3], "post") == 0;
	ns = bench_env("BENCH_CROWD_MS", 500) * 1000000;
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		bench_die("mmap", -errno);
	for (uint64_t i = 0; i < width; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_die("fork", -errno);
		if (pid == 0) {
			append_until(c, post, argv[5], ns);
			_exit(0);
		}
	}
	/* All have opened it by then, on any machine that this is run on. */
	(void)usleep(100000);
	start = bench_now_ns();
	c->go = true;
	wait_all(width);
	ns = bench_now_ns() - start;
	if (c->failed > 0)
		bench_die(argv[5], -EIO);
	bench_sample(argv[1], argv[2], "msg/s",
		     (double)c->done * 1e9 / (double)ns);
	return 0;
}

static void make_some(const char *dir, uint64_t from, uint64_t count,
		      uint64_t step)
{
	struct buf path = { 0 };

	for (uint64_t i = from; i < count; i += step) {
		buf_clear(&path);
		buf_printf(&path, "%s/g%06" PRIu64, dir, i);
		if (path.failed || mkdir(buf_cstr(&path), 0755) != 0)
			bench_die(buf_cstr(&path), -errno);
	}
	buf_release(&path);
}

int mkdirs_main(int argc, char **argv)
{
	uint64_t width;

	if (argc != 4)
		bench_die("mkdirs", -EINVAL);
	width = bench_number(argv[3]);
	for (uint64_t i = 0; i < width; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_die("fork", -errno);
		if (pid == 0) {
			make_some(argv[1], i, bench_number(argv[2]), width);
			_exit(0);
		}
	}
	wait_all(width);
	return 0;
}

/* 1 MiB a write. */
static void fill(struct buf *b)
{
	buf_clear(b);
	for (;;) {
		struct str line = bench_words();

		if (b->len + line.len + 1 > WRITE_SIZE)
			return;
		buf_append_str(b, line);
		buf_append_char(b, '\n');
	}
}

int history_main(int argc, char **argv)
{
	struct buf lines = { 0 };
	struct stat st = { 0 };
	int fd;

	if (argc != 3)
		bench_die("history", -EINVAL);
	fd = open(argv[1], O_WRONLY | O_APPEND | O_CLOEXEC);
	while (fd >= 0 && fstat(fd, &st) == 0 &&
	       (uint64_t)st.st_size < bench_number(argv[2])) {
		ssize_t n;

		fill(&lines);
		n = write(fd, lines.data, lines.len);
		if (lines.failed || n != (ssize_t)lines.len)
			bench_die(argv[1], n < 0 ? -errno : -EIO);
	}
	if (fd < 0)
		bench_die(argv[1], -errno);
	(void)close(fd);
	buf_release(&lines);
	return 0;
}
