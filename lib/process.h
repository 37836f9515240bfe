/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of processes, of this one mostly. Each function asks it
 * (a file of /proc, a system call): not on a hot path. 0 where it does not say.
 * Any thread.
 */
#ifndef GROUPFS_LIB_PROCESS_H
#define GROUPFS_LIB_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first size - 1 bytes of a small file, as of /proc, in one read(2) and
 * with a NUL behind them: how many; 0 too when there is none. Blocking. */
size_t process_read_file(const char *path, char *text, size_t size);

uint64_t process_resident_bytes(void);
/* So that the above works where no file can be opened any more. Before there
 * are threads. */
void process_keep_open(void);
/* Of all threads, user and system, in microseconds. */
uint64_t process_cpu_us(void);
/* Costs a walk over all of them. */
uint64_t process_open_fds(void);

/* Whether this thread may do what that capability (of linux/capability.h) is
 * for. */
bool process_may(unsigned capability);

#endif
