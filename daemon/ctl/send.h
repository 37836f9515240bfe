/* SPDX-License-Identifier: MIT */
/*
 * What `groupctl send` is made of: send.c takes the command line and text,
 * send_media.c brings a file. Functions return what groupctl exits with and
 * have then said why. One thread.
 */
#ifndef GROUPFS_DAEMON_CTL_SEND_H
#define GROUPFS_DAEMON_CTL_SEND_H

#include "daemon/ctl/commands.h"

/* "groupctl" and 16 hex digits: of what the key of an upload may have. */
enum { SEND_KEY_SIZE = 32 };
void send_make_key(char out[SEND_KEY_SIZE]);

/* After a send, or a try at it (rc and ctl->err): prints the answer, or says
 * why there is none, and with which id it may be sent again. */
enum ctl_exit send_report(const struct ctl *ctl, const struct ctl_options *o,
			  enum ctl_exit rc, const char *client_id,
			  const struct wire_body_sent *sent);

/* Uploads o->media and sends it with text as its caption. */
enum ctl_exit send_media(struct ctl *ctl, const struct ctl_options *o,
			 uint64_t group_id, struct str text);

#endif
