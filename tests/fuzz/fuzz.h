/* SPDX-License-Identifier: MIT */
/*
 * What the harnesses share. Each fuzz_NAME.c is one program: libFuzzer (`make
 * fuzz`), or replay.c over the corpus (`make test-fuzz`), calls its
 * LLVMFuzzerTestOneInput(). An invariant is an assert(3). Its line "FILES:"
 * names the files that it is for (`make fuzz-coverage`).
 *
 * Memory failure is no part of it: nothing here is meant to run out.
 */
#ifndef GROUPFS_TESTS_FUZZ_FUZZ_H
#define GROUPFS_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Of libFuzzer alone: it ends well after $FUZZ_SECONDS of the processor's time.
 * (Its own -max_total_time is of the clock: beside tests, at a priority that
 * gets what these leave, a minute may be a second.) */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Takes one byte off the input; 0 at its end. */
uint8_t fuzz_byte(struct str *in);
/* Takes what stands before the first c (all, where there is none), and c. */
struct str fuzz_until(struct str *in, char c);

/* Cuts an input into pieces whose lengths a seed gives, 1 to 16 bytes and now
 * and then more. */
struct fuzz_cut {
	struct str left;
	uint32_t seed;
};
/* The next piece in memory of its own, so that a sanitizer sees who reads
 * beyond it; free(3) its data. False at the end. */
bool fuzz_piece(struct fuzz_cut *cut, struct str *piece);

/* All of it in memory of its own, never NULL. */
char *fuzz_copy(struct str s);

/* A file of these bytes, which has no name but that: fd is to be closed. */
struct fuzz_file {
	int fd;
	char path[64];
};
void fuzz_file(struct fuzz_file *f, struct str content);

#endif
