/* SPDX-License-Identifier: MIT */
#include "daemon/renewal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/str.h"
#include "lib/table.h"

int renewal_certificate(struct supervisor *s, const struct config *c,
			struct err *err)
{
	struct certificate fresh = { 0 };
	bool changed;
	int rc = 0;

	if (c->tls_cert[0] != '\0')
		rc = certificate_load(&fresh, c->tls_cert, c->tls_key, err);
	if (rc < 0)
		return rc;
	/* At start main has said so. */
	if (fresh.expired && s->tag[0] != '\0')
		log_warn("the certificate has expired: file=\"%s\"",
			 c->tls_cert);
	changed = !str_eq(buf_str(&s->certificate.pem), buf_str(&fresh.pem));
	certificate_release(&s->certificate);
	s->certificate = fresh;
	return changed;
}

void renewal_tag(struct supervisor *s)
{
	const struct config *c = s->options.config;
	struct buf all = { 0 };
	struct buf hex = { 0 };

	buf_printf(&all, "%s %s %" PRIu64 " %" PRIu64 " %s", GROUPFS_VERSION,
		   c->listen_host, c->listen_port, c->max_message_bytes,
		   c->gateway_user);
	buf_printf(&all, " %" PRIu64, c->max_connections_per_address);
	for (size_t i = 0; i < c->norigins; i++)
		buf_printf(&all, " %s", c->origins[i]);
	if (certificate_is_there(&s->certificate))
		buf_append(&all, s->certificate.hash,
			   sizeof(s->certificate.hash));
	buf_printf(&hex, "%016" PRIx64, table_hash_bytes(buf_str(&all)));
	str_to_cstr(buf_str(&hex), s->tag, sizeof(s->tag));
	buf_release(&all);
	buf_release(&hex);
}

void renewal_begin(struct supervisor *s)
{
	renewal_tag(s);
	log_info("replacing the gateways, one after the other: certificate=%s",
		 certificate_is_there(&s->certificate) ? "new" : "none");
	for (size_t i = 0; i < s->count; i++)
		s->gateways[i].stale =
			s->gateways[i].watching || s->gateways[i].peer != NULL;
	renewal_next(s);
}

/* One of them is not what it was, and may become what it is to be. */
static bool one_is_on_its_way(const struct supervisor *s)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct gateway *gw = &s->gateways[i];

		if (gw->state == GATEWAY_LEAVING ||
		    (gw->state == GATEWAY_RUNNING && !gw->greeted))
			return true;
	}
	return false;
}

void renewal_next(struct supervisor *s)
{
	if (s->stopping || one_is_on_its_way(s))
		return;
	for (size_t i = 0; i < s->count; i++) {
		if (!s->gateways[i].stale)
			continue;
		supervisor_dismiss(&s->gateways[i]);
		return;
	}
}

int renewal_open(const struct supervisor *s)
{
	const struct buf *pem = &s->certificate.pem;
	int fd = memfd_create("certificate", MFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	errno = EIO;
	if (write(fd, pem->data, pem->len) == (ssize_t)pem->len)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}
