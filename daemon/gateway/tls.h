/* SPDX-License-Identifier: MIT */
/*
 * What our side of TLS is: the certificate and key that groupd handed us as
 * bytes, so that we need not be able to read the files, and which versions and
 * ciphers are spoken. The handshakes are libwebsockets' business.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_TLS_H
#define GROUPFS_DAEMON_GATEWAY_TLS_H

#include <stdbool.h>

struct lws;

/* Fills a server's SSL_CTX from fd: PEM, a certificate, its chain, its key.
 * Closes fd. 0 or a negative errno, with a line in the log. */
int tls_set_up(void *ssl_ctx, int fd);

/* Whether the rest of a record has been decrypted, and waits to be read. Where
 * a WebSocket is told not to be read any further by then, libwebsockets 4.1.6
 * turns in circles for ever. */
bool tls_is_pending(struct lws *wsi);

#endif
