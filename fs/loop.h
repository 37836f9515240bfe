/* SPDX-License-Identifier: MIT */
/*
 * The kernel's requests on the libuv loop: reads /dev/fuse when there is
 * something and hands each request to the session's ops. Bounded per turn, so
 * that groupd's answers get theirs.
 */
#ifndef GROUPFS_FS_LOOP_H
#define GROUPFS_FS_LOOP_H

#include <fuse_lowlevel.h>
#include <uv.h>

struct fuse_loop;
/* The mount is gone (0), or reading failed (a negative errno). */
typedef void (*fuse_loop_end_cb)(struct fuse_loop *l, int rc);

struct fuse_loop {
	void *data; /* the caller's */

	/* private */
	uv_poll_t poll;
	struct fuse_session *session; /* borrowed */
	struct fuse_buf buf;	      /* owned; reused for each request */
	fuse_loop_end_cb end;
};

/* session is mounted. 0 or -errno: then there is nothing to close. */
int fuse_loop_start(struct fuse_loop *l, uv_loop_t *loop,
		    struct fuse_session *session, fuse_loop_end_cb end);
/* Reads no more. Its memory is free when the loop has closed `poll`. */
void fuse_loop_close(struct fuse_loop *l);

#endif
