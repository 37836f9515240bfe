/* SPDX-License-Identifier: MIT */
/*
 * The threads of the core, as fibers of one thread: the linker (--wrap) gives
 * us each call of pthread_create(3) and so on that the core makes. One fiber
 * runs at a time, until it waits, or until the seed says that another goes on:
 * where a mutex is let go, and where the store is asked something. The fiber of
 * the loop, and of who drives all of it, is number 0.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/sim/sim.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#define SWITCH_BEGIN(fake, to)                                                 \
	__sanitizer_start_switch_fiber(fake, (to)->stack, (to)->size)
#define SWITCH_END(fake, from)                                                 \
	__sanitizer_finish_switch_fiber(fake, &(from)->stack, &(from)->size)
#else
#define SWITCH_BEGIN(fake, to) ((void)(fake), (void)(to))
#define SWITCH_END(fake, from) ((void)(fake), (void)(from))
#endif

enum { FIBERS = 8, STACK = 512 << 10 };

enum fiber_state { FREE, RUNNABLE, WAITS, DONE };

struct fiber {
	ucontext_t context;
	const void *stack;
	size_t size;
	void *memory; /* of the stack, kept for the next one */
	enum fiber_state state;
	const void *what;  /* it waits for: a condition, a mutex, a fiber */
	uint64_t until_ns; /* or for the time; UINT64_MAX: not */
	bool timed_out;
	void *(*main)(void *arg);
	void *arg;
	void *result;
};

static struct fiber fibers[FIBERS];
static size_t current;

/* What lies in a pthread_mutex_t and pthread_rwlock_t here. */
struct lock {
	uint32_t holder; /* its number + 1 */
	uint32_t depth;
};

static void switch_to(size_t to)
{
	struct fiber *from = &fibers[current];
	void *fake = NULL;
	size_t was = current;

	current = to;
	SWITCH_BEGIN(from->state == DONE ? NULL : &fake, &fibers[to]);
	swapcontext(&from->context, &fibers[to].context);
	/* Back again. */
	current = was;
	SWITCH_END(fake, &fibers[to]);
}

static void wait_here(const void *what, uint64_t until_ns)
{
	struct fiber *f = &fibers[current];

	assert(current != 0);
	f->state = WAITS;
	f->what = what;
	f->until_ns = until_ns;
	f->timed_out = false;
	switch_to(0);
}

static void let_others(void)
{
	if (current == 0)
		return;
	fibers[current].state = RUNNABLE;
	switch_to(0);
}

static void wake_due(void)
{
	for (size_t i = 1; i < FIBERS; i++) {
		struct fiber *f = &fibers[i];

		if (f->state != WAITS || f->until_ns > sim.now_ns)
			continue;
		f->timed_out = true;
		f->state = RUNNABLE;
	}
}

uint64_t threads_due(void)
{
	uint64_t due = UINT64_MAX;

	for (size_t i = 1; i < FIBERS; i++) {
		if (fibers[i].state == WAITS && fibers[i].until_ns < due)
			due = fibers[i].until_ns;
	}
	return due;
}

bool threads_run(void)
{
	size_t ready[FIBERS];
	size_t n = 0;

	assert(current == 0);
	wake_due();
	for (size_t i = 1; i < FIBERS; i++) {
		if (fibers[i].state == RUNNABLE)
			ready[n++] = i;
	}
	if (n == 0)
		return false;
	switch_to(ready[sim_random(n)]);
	return true;
}

/* The loop cannot wait: the others go on until it has what it wants. */
static void run_others(void)
{
	if (threads_run())
		return;
	assert(threads_due() != UINT64_MAX);
	if (sim.now_ns < threads_due())
		sim.now_ns = threads_due();
}

void threads_pause(uint64_t ns)
{
	if (current == 0)
		return;
	if (ns > 0)
		wait_here(NULL, sim.now_ns + ns);
	else if (!sim.calm && !sim.still &&
		 sim_random(100) < sim.moods.switches)
		let_others();
}

static void wake_who_waits(const void *what, bool all)
{
	size_t waiting[FIBERS];
	size_t n = 0;

	for (size_t i = 1; i < FIBERS; i++) {
		if (fibers[i].state == WAITS && fibers[i].what == what)
			waiting[n++] = i;
	}
	if (n == 0)
		return;
	if (!all) {
		waiting[0] = waiting[sim_random(n)];
		n = 1;
	}
	for (size_t i = 0; i < n; i++)
		fibers[waiting[i]].state = RUNNABLE;
}

/* Threads. */

static void begin(void)
{
	struct fiber *f = &fibers[current];

	SWITCH_END(NULL, &fibers[0]);
	f->result = f->main(f->arg);
	f->state = DONE;
	wake_who_waits(f, true);
	switch_to(0);
}

/* A function of its own: getcontext(3) returns twice. */
static void prepare(struct fiber *f)
{
	getcontext(&f->context);
	f->context.uc_stack.ss_sp = f->memory;
	f->context.uc_stack.ss_size = STACK;
	f->context.uc_link = NULL;
	makecontext(&f->context, begin, 0);
}

int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr,
			  void *(*main)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attr,
			  void *(*main)(void *arg), void *arg)
{
	size_t i = 1;
	struct fiber *f;

	(void)attr;
	while (i < FIBERS && fibers[i].state != FREE)
		i++;
	assert(i < FIBERS);
	f = &fibers[i];
	if (f->memory == NULL) {
		f->memory =
			mmap(NULL, STACK, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
		assert(f->memory != MAP_FAILED);
	}
	f->stack = f->memory;
	f->size = STACK;
	f->main = main;
	f->arg = arg;
	f->state = RUNNABLE;
	prepare(f);
	*out = (pthread_t)i;
	return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result);
int __wrap_pthread_join(pthread_t thread, void **result)
{
	struct fiber *f = &fibers[thread];

	assert(current == 0 && f->state != FREE);
	while (f->state != DONE)
		run_others();
	if (result != NULL)
		*result = f->result;
	f->state = FREE;
	return 0;
}

int __wrap_pthread_setname_np(pthread_t thread, const char *name);
int __wrap_pthread_setname_np(pthread_t thread, const char *name)
{
	(void)thread;
	(void)name;
	return 0;
}

int __wrap_usleep(useconds_t us);
int __wrap_usleep(useconds_t us)
{
	threads_pause((uint64_t)us * 1000);
	return 0;
}

/* Locks. */

static struct lock *lock_of(void *memory)
{
	return memory;
}

static void take(struct lock *l)
{
	while (l->holder != 0 && l->holder != current + 1) {
		if (current == 0)
			run_others();
		else
			wait_here(l, UINT64_MAX);
	}
	l->holder = (uint32_t)current + 1;
	l->depth++;
}

static void let_go(struct lock *l)
{
	assert(l->holder == current + 1);
	if (--l->depth > 0)
		return;
	l->holder = 0;
	wake_who_waits(l, true);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *m,
			      const pthread_mutexattr_t *attr);
int __wrap_pthread_mutex_init(pthread_mutex_t *m,
			      const pthread_mutexattr_t *attr)
{
	(void)attr;
	memset(m, 0, sizeof(*m));
	return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *m);
int __wrap_pthread_mutex_destroy(pthread_mutex_t *m)
{
	assert(lock_of(m)->holder == 0);
	return 0;
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *m);
int __wrap_pthread_mutex_lock(pthread_mutex_t *m)
{
	take(lock_of(m));
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *m);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *m)
{
	let_go(lock_of(m));
	if (current == 0 && !sim.calm && !sim.still &&
	    sim_random(400) < sim.moods.switches)
		threads_run();
	else
		threads_pause(0);
	return 0;
}

int __wrap_pthread_rwlock_init(pthread_rwlock_t *l,
			       const pthread_rwlockattr_t *attr);
int __wrap_pthread_rwlock_init(pthread_rwlock_t *l,
			       const pthread_rwlockattr_t *attr)
{
	(void)attr;
	memset(l, 0, sizeof(*l));
	return 0;
}

int __wrap_pthread_rwlock_destroy(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_destroy(pthread_rwlock_t *l)
{
	assert(lock_of(l)->holder == 0);
	return 0;
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	take(lock_of(l));
	return 0;
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l);
int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *l)
{
	let_go(lock_of(l));
	return 0;
}

/* Conditions. */

static int wait_for(pthread_cond_t *c, pthread_mutex_t *m, uint64_t until_ns)
{
	struct lock *l = lock_of(m);
	bool timed_out;

	assert(current != 0 && l->holder == current + 1 && l->depth == 1);
	let_go(l);
	wait_here(c, until_ns);
	timed_out = fibers[current].timed_out;
	take(l);
	return timed_out ? ETIMEDOUT : 0;
}

int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr);
int __wrap_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr)
{
	(void)c;
	(void)attr;
	return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *c);
int __wrap_pthread_cond_destroy(pthread_cond_t *c)
{
	(void)c;
	return 0;
}

int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	return wait_for(c, m, UINT64_MAX);
}

int __wrap_pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m,
				  clockid_t clock,
				  const struct timespec *until);
int __wrap_pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m,
				  clockid_t clock, const struct timespec *until)
{
	assert(clock == CLOCK_MONOTONIC);
	return wait_for(c, m,
			(uint64_t)until->tv_sec * 1000 * SIM_MS +
				(uint64_t)until->tv_nsec);
}

int __wrap_pthread_cond_signal(pthread_cond_t *c);
int __wrap_pthread_cond_signal(pthread_cond_t *c)
{
	wake_who_waits(c, false);
	return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *c);
int __wrap_pthread_cond_broadcast(pthread_cond_t *c)
{
	wake_who_waits(c, true);
	return 0;
}
