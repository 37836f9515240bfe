/* SPDX-License-Identifier: MIT */
/*
 * Between JSON and the wire's structs, the same for REST and WebSocket. Pure
 * functions.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_CONVERT_H
#define GROUPFS_DAEMON_GATEWAY_CONVERT_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/wire.h"

/* What a page was asked for. */
struct convert_page {
	uint64_t after_seq;
	uint64_t before_seq;
};

/* Appends "epoch":…,"messages":[…],"complete":…, without braces. 0 or
 * -EBADMSG when the list is damaged. */
/* Whether a page that begins behind after_seq would have to show messages that
 * are not kept any more; 0 is from the first that is held on. Then fills err.
 */
bool convert_is_cut(uint64_t after_seq, uint64_t first_seq, struct err *err);
/* Of `epoch_changed` without a beginning: a backup was restored while somebody
 * waited, and only the next gateway knows of what is there now. Makes it
 * `unavailable`, which says to come again. */
void convert_restored(struct err *err);
/* Appends ,"epoch":"…","first_seq":N, which come with epoch_changed. */
void convert_put_start(struct buf *b, uint64_t epoch, uint64_t first_seq);

int convert_put_page(struct buf *b, const struct convert_page *asked,
		     const struct wire_body_messages *page);

/* "member", "admin": 1; absent: 0. */
int convert_get_role(const struct json *j, enum role *role, struct err *err);

#endif
