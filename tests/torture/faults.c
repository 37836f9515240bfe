/* SPDX-License-Identifier: MIT */
/*
 * Faults of a program's calls, for LD_PRELOAD: the Nth write, sync, open,
 * truncate, read, send or allocation fails, or does nothing, or takes long, or
 * is the last thing that the process does.
 *
 *   LD_PRELOAD=build/torture/faults.so FAULTS=FILE groupd ...
 *
 * FILE is a struct control, which faults.py makes, and which both sides have
 * mapped: rules may be changed, and counts be read, while the program runs. All
 * processes that have inherited both count together, but for those whose name
 * is not control.program. Any thread. A call that no rule is about costs one
 * look at a number.
 */
/* Here each call is defined by both of its names, and no header may define one
 * of them itself. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { RULES = 8, MAGIC = 0x66746c73, SECTOR = 512 };

/* Bits of rule.calls. WRITE, SYNC, TRUNCATE and READ are those of files: what
 * has a path. SEND is whatever writes to a socket. */
enum call {
	CALL_WRITE = 1,
	CALL_SYNC = 2,
	CALL_OPEN = 4,
	CALL_TRUNCATE = 8,
	CALL_ALLOC = 16,
	CALL_SEND = 32,
	CALL_READ = 64,
	CALL_SQL = 128, /* a step of a statement; files: what its SQL begins
			   with */
};

enum does {
	DOES_NOTHING, /* it is only counted */
	DOES_FAIL,
	DOES_LIE, /* nothing is done, and success reported */
	DOES_KILL_BEFORE,
	DOES_KILL_AFTER,
	/* Half of a write is done, then the process is killed; in a file, up to
	 * a sector's end: neither a disk nor a kill tears a sector. */
	DOES_TEAR,
	DOES_WAIT,
};

/* faults.py knows the layout. */
struct rule {
	_Atomic uint32_t calls; /* 0: there is no such rule */
	uint32_t does;
	uint32_t error; /* of DOES_FAIL; ms of DOES_WAIT */
	uint32_t unused;
	uint64_t nth;	/* the first call that is meant, from 1 */
	uint64_t times; /* and how many; 0: all from then on */
	_Atomic uint64_t seen;
	_Atomic uint64_t hit;
	_Atomic uint64_t hit_ns; /* when first, CLOCK_MONOTONIC */
	char files[200]; /* ends of paths, a space behind each; empty: all */
};

struct control {
	uint64_t magic;
	char program[56]; /* empty: any */
	struct rule rule[RULES];
	_Atomic int64_t ahead_ms; /* the wall clock is, of the real one */
};

static struct control *control;

/* The next function of that name, into a pointer to a function. */
static void find(const char *name, void *into)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found == NULL)
		abort();
	memcpy(into, &found, sizeof(found));
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("FAULTS");
	struct control *c;
	int fd;

	if (path == NULL)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	/* Such as a gateway of groupd's, which its locks keep from it. */
	if (fd < 0 && errno == EACCES)
		return;
	c = fd < 0 ? MAP_FAILED
		   : mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED,
			  fd, 0);
	if (fd >= 0)
		close(fd);
	if (c == MAP_FAILED || c->magic != MAGIC) {
		fprintf(stderr, "faults.so: %s is no control file\n", path);
		abort();
	}
	if (c->program[0] == '\0' ||
	    strcmp(c->program, program_invocation_short_name) == 0)
		control = c;
}

/* Whether a path ends with one of these. */
static bool is_of(const char *path, const char *files)
{
	size_t len = strlen(path);

	if (files[0] == '\0')
		return true;
	while (*files != '\0') {
		const char *end = strchrnul(files, ' ');
		size_t n = (size_t)(end - files);

		if (n > 0 && n <= len && memcmp(path + len - n, files, n) == 0)
			return true;
		files = *end == ' ' ? end + 1 : end;
	}
	return false;
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void wait_ms(uint32_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

static void note_hit(struct rule *r)
{
	struct timespec t;
	uint64_t none = 0;
	uint64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
	atomic_compare_exchange_strong(&r->hit_ns, &none, now);
	atomic_fetch_add(&r->hit, 1);
}

/* What is to be done instead of a call, or after it; errno is set for
 * DOES_FAIL. Each rule counts, the first that is due counts. */
static enum does judge(enum call call, const char *path)
{
	enum does does = DOES_NOTHING;

	for (size_t i = 0; i < RULES; i++) {
		struct rule *r = &control->rule[i];
		uint64_t n;

		if ((atomic_load(&r->calls) & call) == 0 ||
		    (path != NULL && !is_of(path, r->files)))
			continue;
		n = atomic_fetch_add(&r->seen, 1) + 1;
		if (does != DOES_NOTHING || r->does == DOES_NOTHING ||
		    n < r->nth || (r->times != 0 && n >= r->nth + r->times))
			continue;
		note_hit(r);
		does = r->does;
		if (does == DOES_KILL_BEFORE)
			die();
		if (does == DOES_WAIT)
			wait_ms(r->error);
		if (does == DOES_FAIL)
			errno = (int)r->error;
	}
	return does;
}

static bool is_watched(enum call call)
{
	uint32_t calls = 0;

	if (control == NULL)
		return false;
	for (size_t i = 0; i < RULES; i++)
		calls |= atomic_load(&control->rule[i].calls);
	return (calls & call) != 0;
}

/* Of a descriptor: as `call` where it has a path, as a send where it is a
 * socket, else not at all. */
static enum does judge_fd(enum call call, int fd)
{
	int was = errno;
	enum does does;
	char link[40];
	char path[512];
	ssize_t n;

	if (!is_watched(call | (call == CALL_WRITE ? CALL_SEND : 0)))
		return DOES_NOTHING;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		n = 0;
	path[n] = '\0';
	errno = was;
	if (path[0] == '/')
		return judge(call, path);
	if (call != CALL_WRITE || strncmp(path, "socket:", 7) != 0)
		return DOES_NOTHING;
	does = judge(CALL_SEND, NULL);
	return does;
}

static void after(enum does does)
{
	if (does == DOES_KILL_AFTER || does == DOES_TEAR)
		die();
}

/* Defines `name`, which gives -1 or what `real` gives for `args`; or, where it
 * lies, `success`. */
#define AROUND(verdict, type, name, real_args, args, success)                  \
	static type(*real) real_args;                                          \
	enum does does = verdict;                                              \
	type rc;                                                               \
                                                                               \
	if (does == DOES_FAIL)                                                 \
		return -1;                                                     \
	if (does == DOES_LIE)                                                  \
		return success;                                                \
	if (real == NULL)                                                      \
		find(name, &real);                                             \
	rc = real args;                                                        \
	after(does);                                                           \
	return rc

#define HALF(n)	       (does == DOES_TEAR ? (n) / 2 : (n))
#define HALF_AT(n, at) (does == DOES_TEAR ? half_at(n, at) : (n))

static size_t half_at(size_t n, off64_t at)
{
	off64_t end = (at + (off64_t)(n / 2)) / SECTOR * SECTOR;

	return end > at ? (size_t)(end - at) : 0;
}

ssize_t write(int fd, const void *data, size_t n)
{
	AROUND(judge_fd(CALL_WRITE, fd), ssize_t, "write",
	       (int, const void *, size_t), (fd, data, HALF(n)), (ssize_t)n);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
	AROUND(judge_fd(CALL_WRITE, fd), ssize_t, "pwrite",
	       (int, const void *, size_t, off_t),
	       (fd, data, HALF_AT(n, at), at), (ssize_t)n);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
	AROUND(judge_fd(CALL_WRITE, fd), ssize_t, "pwrite64",
	       (int, const void *, size_t, off64_t),
	       (fd, data, HALF_AT(n, at), at), (ssize_t)n);
}

static ssize_t bytes_of(const struct iovec *parts, int count)
{
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += parts[i].iov_len;
	return (ssize_t)n;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	AROUND(judge_fd(CALL_WRITE, fd), ssize_t, "writev",
	       (int, const struct iovec *, int), (fd, parts, count),
	       bytes_of(parts, count));
}

ssize_t send(int fd, const void *data, size_t n, int flags)
{
	AROUND(judge_fd(CALL_WRITE, fd), ssize_t, "send",
	       (int, const void *, size_t, int), (fd, data, HALF(n), flags),
	       (ssize_t)n);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	AROUND(judge_fd(CALL_WRITE, fd), ssize_t, "sendmsg",
	       (int, const struct msghdr *, int), (fd, m, flags),
	       bytes_of(m->msg_iov, (int)m->msg_iovlen));
}

ssize_t pread(int fd, void *data, size_t n, off_t at)
{
	AROUND(judge_fd(CALL_READ, fd), ssize_t, "pread",
	       (int, void *, size_t, off_t), (fd, data, n, at), 0);
}

ssize_t pread64(int fd, void *data, size_t n, off64_t at)
{
	AROUND(judge_fd(CALL_READ, fd), ssize_t, "pread64",
	       (int, void *, size_t, off64_t), (fd, data, n, at), 0);
}

int fsync(int fd)
{
	AROUND(judge_fd(CALL_SYNC, fd), int, "fsync", (int), (fd), 0);
}

int fdatasync(int fd)
{
	AROUND(judge_fd(CALL_SYNC, fd), int, "fdatasync", (int), (fd), 0);
}

int ftruncate(int fd, off_t size)
{
	AROUND(judge_fd(CALL_TRUNCATE, fd), int, "ftruncate", (int, off_t),
	       (fd, size), 0);
}

int ftruncate64(int fd, off64_t size)
{
	AROUND(judge_fd(CALL_TRUNCATE, fd), int, "ftruncate64", (int, off64_t),
	       (fd, size), 0);
}

/* A lie about a descriptor would be of no use to anybody. */
static enum does judge_open(const char *path)
{
	enum does does =
		is_watched(CALL_OPEN) ? judge(CALL_OPEN, path) : DOES_NOTHING;

	return does == DOES_LIE ? DOES_NOTHING : does;
}

static mode_t mode_of(int flags, va_list args)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

#define WITH_MODE(last)                                                        \
	va_list list;                                                          \
	mode_t mode;                                                           \
                                                                               \
	va_start(list, last);                                                  \
	mode = mode_of(last, list);                                            \
	va_end(list)

static int open_by(const char *path, int flags, mode_t mode)
{
	AROUND(judge_open(path), int, "open64", (const char *, int, ...),
	       (path, flags, mode), -1);
}

static int openat_by(int dir, const char *path, int flags, mode_t mode)
{
	AROUND(judge_open(path), int, "openat64", (int, const char *, int, ...),
	       (dir, path, flags, mode), -1);
}

int open(const char *path, int flags, ...)
{
	WITH_MODE(flags);
	return open_by(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	WITH_MODE(flags);
	return open_by(path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	WITH_MODE(flags);
	return openat_by(dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	WITH_MODE(flags);
	return openat_by(dir, path, flags, mode);
}

/* Whether a statement begins with one of these. */
static bool is_statement(const char *sql, const char *files)
{
	while (*files != '\0') {
		const char *end = strchrnul(files, ';');

		if (strncmp(sql, files, (size_t)(end - files)) == 0)
			return true;
		files = *end == ';' ? end + 1 : end;
	}
	return false;
}

/* Declared here: most of what this is loaded into has no SQLite. */
struct sqlite3_stmt;
int sqlite3_step(struct sqlite3_stmt *st);
const char *sqlite3_sql(struct sqlite3_stmt *st) __attribute__((weak));

static enum does judge_sql(struct sqlite3_stmt *st)
{
	const char *sql;

	if (!is_watched(CALL_SQL) || sqlite3_sql == NULL ||
	    (sql = sqlite3_sql(st)) == NULL)
		return DOES_NOTHING;
	for (size_t i = 0; i < RULES; i++) {
		struct rule *r = &control->rule[i];

		if (atomic_load(&r->calls) == CALL_SQL &&
		    is_statement(sql, r->files))
			return judge(CALL_SQL, NULL);
	}
	return DOES_NOTHING;
}

int sqlite3_step(struct sqlite3_stmt *st)
{
	static int (*real)(struct sqlite3_stmt *);
	enum does does = judge_sql(st);
	int rc;

	if (real == NULL)
		find("sqlite3_step", &real);
	rc = real(st);
	after(does);
	return rc;
}

/* The time of day. That of CLOCK_MONOTONIC nobody sets. */
static void shift(struct timespec *t)
{
	int64_t ms = atomic_load(&control->ahead_ms);
	int64_t ns = t->tv_nsec + ms % 1000 * 1000000;

	t->tv_sec += ms / 1000 + (ns >= 1000000000) - (ns < 0);
	t->tv_nsec = (ns + 1000000000) % 1000000000;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	int rc;

	if (real == NULL)
		find("clock_gettime", &real);
	rc = real(id, t);
	if (rc == 0 && control != NULL &&
	    (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		shift(t);
	return rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *t)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (t != NULL)
		*t = now.tv_sec;
	return now.tv_sec;
}

/* dlsym(3) may allocate itself; that is never freed. */
static _Alignas(16) char early[64 << 10];
static size_t early_used;

static void *early_alloc(size_t size)
{
	void *p = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	if (early_used > sizeof(early))
		abort();
	return p;
}

static bool is_early(const void *p)
{
	return (const char *)p >= early &&
	       (const char *)p < early + sizeof(early);
}

/* The next ones: the C library's, or a sanitizer's. */
static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);

/* libseccomp's code. Its seccomp_load() (2.5.4) frees twice when an allocation
 * of its own fails, so those are not of the ones that do. */
static uintptr_t spared, spared_end;

static int find_spared(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)size;
	(void)data;
	if (strstr(info->dlpi_name, "/libseccomp.") == NULL)
		return 0;
	spared = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t end = spared + part->p_vaddr + part->p_memsz;

		if (part->p_type == PT_LOAD && end > spared_end)
			spared_end = end;
	}
	return 1;
}

static bool is_spared(const void *caller)
{
	return (uintptr_t)caller >= spared && (uintptr_t)caller < spared_end;
}

/* False: within dlsym(3). */
static bool find_memory(void)
{
	static bool finding;

	if (next_free != NULL)
		return true;
	if (finding)
		return false;
	finding = true;
	find("malloc", &next_malloc);
	find("calloc", &next_calloc);
	find("realloc", &next_realloc);
	find("free", &next_free);
	dl_iterate_phdr(find_spared, NULL);
	return true;
}

static bool is_refused(const void *caller)
{
	enum does does = DOES_NOTHING;

	if (is_watched(CALL_ALLOC) && !is_spared(caller))
		does = judge(CALL_ALLOC, NULL);
	after(does);
	return does == DOES_FAIL;
}

void *malloc(size_t size)
{
	if (!find_memory())
		return early_alloc(size);
	return is_refused(__builtin_return_address(0)) ? NULL
						       : next_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	if (!find_memory())
		return early_alloc(n * size);
	return is_refused(__builtin_return_address(0)) ? NULL
						       : next_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	if (!find_memory())
		abort();
	return is_refused(__builtin_return_address(0))
		       ? NULL
		       : next_realloc(old, size);
}

void free(void *p)
{
	if (p != NULL && !is_early(p) && find_memory())
		next_free(p);
}
