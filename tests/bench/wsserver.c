/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of the servers that wsclients measures.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/bench.h"
#include "tests/bench/wsbench.h"

/* The next number of a list, 0 at its end. */
static uint64_t next_number(const char **list)
{
	char *end;
	uint64_t number = strtoull(*list, &end, 10);

	*list = end;
	return number;
}

static uint64_t cpu_ns_of(uint64_t pid)
{
	unsigned long long ns = 0, one;
	char path[64];
	glob_t threads;

	(void)snprintf(path, sizeof(path), "/proc/%llu/task/*/schedstat",
		       (unsigned long long)pid);
	if (glob(path, 0, NULL, &threads) != 0)
		bench_die(path, -ESRCH);
	for (size_t i = 0; i < threads.gl_pathc; i++) {
		FILE *f = fopen(threads.gl_pathv[i], "r");

		if (f != NULL && fscanf(f, "%llu", &one) == 1)
			ns += one;
		if (f != NULL)
			(void)fclose(f);
	}
	globfree(&threads);
	return ns;
}

struct wscpu wsserver_cpu(const char *pids, size_t writers)
{
	struct wscpu cpu = { 0 };
	uint64_t pid;

	for (size_t i = 0; (pid = next_number(&pids)) != 0; i++) {
		uint64_t ns = cpu_ns_of(pid);

		cpu.writers += i < writers ? ns : 0;
		cpu.all += ns;
	}
	return cpu;
}

static uint64_t rss_kib(uint64_t pid)
{
	unsigned long long kib = 0;
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%llu/status",
		       (unsigned long long)pid);
	f = fopen(path, "r");
	if (f == NULL)
		bench_die(path, -errno);
	for (char line[256]; fgets(line, sizeof(line), f) != NULL;)
		(void)sscanf(line, "VmRSS: %llu", &kib);
	(void)fclose(f);
	return kib;
}

void wsserver_grown_kib(const char *pids, const char *base, size_t writers,
			double grown[2])
{
	uint64_t pid, before;

	grown[0] = 0;
	grown[1] = 0;
	for (size_t i = 0; (pid = next_number(&pids)) != 0 &&
			   (before = next_number(&base)) != 0;
	     i++)
		grown[i < writers ? 0 : 1] +=
			(double)rss_kib(pid) - (double)before;
}

bool wsserver_sleeps(const char *pids, size_t at, uint64_t *out)
{
	unsigned long long one;
	uint64_t pid = 0;
	char path[64];
	glob_t threads;

	for (size_t i = 0; i <= at; i++) {
		pid = next_number(&pids);
		if (pid == 0)
			return false;
	}
	(void)snprintf(path, sizeof(path), "/proc/%llu/task/*/status",
		       (unsigned long long)pid);
	if (glob(path, 0, NULL, &threads) != 0)
		bench_die(path, -ESRCH);
	*out = 0;
	for (size_t i = 0; i < threads.gl_pathc; i++) {
		FILE *f = fopen(threads.gl_pathv[i], "r");

		for (char line[256];
		     f != NULL && fgets(line, sizeof(line), f) != NULL;) {
			if (sscanf(line, "voluntary_ctxt_switches: %llu",
				   &one) == 1)
				*out += one;
		}
		if (f != NULL)
			(void)fclose(f);
	}
	globfree(&threads);
	return true;
}
