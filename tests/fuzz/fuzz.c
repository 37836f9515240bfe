/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *seconds = getenv("FUZZ_SECONDS");
	struct sigevent told = { .sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = SIGUSR1 };
	struct itimerspec end = { 0 };
	timer_t timer;

	(void)argc;
	(void)argv;
	if (seconds == NULL)
		return 0;
	end.it_value.tv_sec = atol(seconds);
	if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &told, &timer) != 0 ||
	    timer_settime(timer, 0, &end, NULL) != 0)
		abort();
	return 0;
}

uint8_t fuzz_byte(struct str *in)
{
	uint8_t byte;

	if (in->len == 0)
		return 0;
	byte = (uint8_t)in->data[0];
	*in = str_make(in->data + 1, in->len - 1);
	return byte;
}

struct str fuzz_until(struct str *in, char c)
{
	const char *at = in->len == 0 ? NULL : memchr(in->data, c, in->len);
	size_t n = at == NULL ? in->len : (size_t)(at - in->data);
	size_t used = at == NULL ? n : n + 1;
	struct str head = str_make(in->data, n);

	*in = str_make(in->data + used, in->len - used);
	return head;
}

char *fuzz_copy(struct str s)
{
	char *copy = malloc(s.len);

	if (s.len == 0 && copy == NULL)
		copy = malloc(1);
	assert(copy != NULL);
	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	return copy;
}

bool fuzz_piece(struct fuzz_cut *cut, struct str *piece)
{
	size_t n;

	if (cut->left.len == 0)
		return false;
	cut->seed = cut->seed * 1664525 + 1013904223;
	n = 1 + (cut->seed >> 24) % 16;
	if ((cut->seed >> 16) % 8 == 0)
		n *= 16;
	if (n > cut->left.len)
		n = cut->left.len;
	piece->len = n;
	piece->data = fuzz_copy(str_make(cut->left.data, n));
	cut->left = str_make(cut->left.data + n, cut->left.len - n);
	return true;
}

void fuzz_file(struct fuzz_file *f, struct str content)
{
	f->fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(f->fd >= 0);
	while (content.len > 0) {
		ssize_t n = write(f->fd, content.data, content.len);

		assert(n > 0);
		content.data += n;
		content.len -= (size_t)n;
	}
	(void)snprintf(f->path, sizeof(f->path), "/proc/self/fd/%d", f->fd);
}
