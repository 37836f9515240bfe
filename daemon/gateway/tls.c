/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/tls.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libwebsockets.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "lib/buf.h"
#include "lib/log.h"

enum { PEM_BYTES_MAX = 1 << 20 };

/* Forward secret and authenticated; of TLS 1.3 all are. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
/* libwebsockets leaves only P-256, which costs most clients a round trip. */
static const char curves[] = "X25519:P-256:P-384";

static int read_all(int fd, struct buf *out)
{
	struct stat st;
	size_t size;

	if (fstat(fd, &st) < 0 || st.st_size <= 0 || st.st_size > PEM_BYTES_MAX)
		return -EINVAL;
	size = (size_t)st.st_size;
	if (!buf_reserve(out, size))
		return -ENOMEM;
	/* The offset is shared with whoever handed it on. */
	if (pread(fd, out->data, size, 0) != (ssize_t)size)
		return -EIO;
	out->len = size;
	return 0;
}

static int use_chain(SSL_CTX *ctx, BIO *in)
{
	X509 *x509 = PEM_read_bio_X509(in, NULL, NULL, NULL);
	int rc = x509 == NULL ? 0 : SSL_CTX_use_certificate(ctx, x509);

	X509_free(x509);
	while (rc == 1) {
		x509 = PEM_read_bio_X509(in, NULL, NULL, NULL);
		if (x509 == NULL)
			break;
		rc = (int)SSL_CTX_add0_chain_cert(ctx, x509);
		if (rc != 1)
			X509_free(x509);
	}
	return rc == 1 ? 0 : -EINVAL;
}

static int use_key(SSL_CTX *ctx, BIO *in)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	int rc = key == NULL ? 0 : SSL_CTX_use_PrivateKey(ctx, key);

	EVP_PKEY_free(key);
	return rc == 1 && SSL_CTX_check_private_key(ctx) == 1 ? 0 : -EINVAL;
}

static int use_pem(SSL_CTX *ctx, const struct buf *pem)
{
	BIO *chain = BIO_new_mem_buf(pem->data, (int)pem->len);
	BIO *key = BIO_new_mem_buf(pem->data, (int)pem->len);
	int rc = chain == NULL || key == NULL ? -ENOMEM : use_chain(ctx, chain);

	if (rc == 0)
		rc = use_key(ctx, key);
	BIO_free(chain);
	BIO_free(key);
	return rc;
}

static int choose(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION |
					 SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, ciphers) != 1 ||
	    SSL_CTX_set1_curves_list(ctx, curves) != 1)
		return -EINVAL;
	return 0;
}

bool tls_is_pending(struct lws *wsi)
{
	SSL *ssl = lws_get_ssl(wsi);

	return ssl != NULL && SSL_pending(ssl) > 0;
}

int tls_set_up(void *ssl_ctx, int fd)
{
	struct buf pem = { 0 };
	int rc = read_all(fd, &pem);

	close(fd);
	if (rc == 0)
		rc = use_pem(ssl_ctx, &pem);
	if (rc == 0)
		rc = choose(ssl_ctx);
	if (rc < 0)
		log_error("cannot use the certificate: error=%s why=\"%s\"",
			  strerror(-rc),
			  ERR_reason_error_string(ERR_peek_last_error()));
	ERR_clear_error();
	if (pem.cap > 0)
		explicit_bzero(pem.data, pem.cap);
	buf_release(&pem);
	return rc;
}
