/* SPDX-License-Identifier: MIT */
/*
 * What is written into `members`: a command a line.
 *
 *   bob, +bob    add           bob admin     add or promote
 *   -bob         remove        bob member    add or demote
 *   (blank), # comment         nothing
 *
 * A sign may stand before a line with a role, too: "-bob member" removes.
 *
 * Tabs, spaces around and a CR before the newline do not matter; the last
 * line needs no newline. Pure, any thread.
 */
#ifndef GROUPFS_FS_MEMBERS_EDIT_H
#define GROUPFS_FS_MEMBERS_EDIT_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/str.h"

/* Appends a wire_edit for each command. 0; bad_request or bad_name with the
 * line's number in words; -ENOMEM. */
int members_edit_parse(struct str text, struct buf *edits, struct err *err);

#endif
