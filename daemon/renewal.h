/* SPDX-License-Identifier: MIT */
/*
 * Gateways keep the certificate that they were started with. When there is
 * another one they are replaced, one after the other, the next when the last
 * one's successor has said hello:
 *
 *   SIGHUP -> renewal_certificate: 1 -> renewal_begin: all are stale
 *   renewal_next -> dismiss one (bye to its clients) -> spawn -> hello --.
 *        ^---------------------------------------------------------------'
 *
 * Where that one's successor does not come, the others stay. All on the loop.
 */
#ifndef GROUPFS_DAEMON_RENEWAL_H
#define GROUPFS_DAEMON_RENEWAL_H

#include "daemon/supervisor.h"

/* Takes what the files of this configuration hold now, or none where it names
 * none. 1: that is another one, 0: it is the same. On failure what there was
 * stays. Blocking. */
int renewal_certificate(struct supervisor *s, const struct config *c,
			struct err *err);
/* Makes the tag of what holds now. */
void renewal_tag(struct supervisor *s);
/* Makes it, and replaces the gateways. */
void renewal_begin(struct supervisor *s);
/* The next gateway that is stale, unless one is on its way. */
void renewal_next(struct supervisor *s);
/* What the gateway reads its certificate from, for it to inherit: a descriptor
 * that the caller closes, or a negative errno. */
int renewal_open(const struct supervisor *s);

#endif
