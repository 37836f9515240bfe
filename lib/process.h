/* SPDX-License-Identifier: MIT */
/*
 * What the kernel says of this process. Each function asks it (a file of
 * /proc, a system call): not on a hot path. 0 where it does not say. Any
 * thread.
 */
#ifndef GROUPFS_LIB_PROCESS_H
#define GROUPFS_LIB_PROCESS_H

#include <stdint.h>

uint64_t process_resident_bytes(void);
/* Of all threads, user and system, in microseconds. */
uint64_t process_cpu_us(void);
/* Costs a walk over all of them. */
uint64_t process_open_fds(void);

#endif
