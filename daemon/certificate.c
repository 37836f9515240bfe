/* SPDX-License-Identifier: MIT */
#include "daemon/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "daemon/digest.h"

static void wipe(struct buf *b)
{
	if (b->cap > 0)
		explicit_bzero(b->data, b->cap);
	buf_release(b);
}

/* All of a file, or one byte more than is allowed. */
static int read_file(const char *name, struct buf *out, struct err *err)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = 1;
	int rc;

	if (fd < 0)
		return err_set(err, ERR_BAD_REQUEST, "Cannot read %s: %s", name,
			       strerror(errno));
	/* At once, so that no copy of a key stays behind as it grows. */
	if (!buf_reserve(out, CERTIFICATE_MAX + 1)) {
		close(fd);
		return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	}
	while (n > 0 && out->len <= CERTIFICATE_MAX) {
		n = read(fd, out->data + out->len,
			 CERTIFICATE_MAX + 1 - out->len);
		if (n > 0)
			out->len += (size_t)n;
	}
	rc = errno;
	close(fd);
	if (n < 0)
		return err_set(err, ERR_BAD_REQUEST, "Cannot read %s: %s", name,
			       strerror(rc));
	if (out->len > CERTIFICATE_MAX)
		return err_set(err, ERR_BAD_REQUEST,
			       "Cannot read %s: it has more than %d bytes",
			       name, CERTIFICATE_MAX);
	return 0;
}

/* Instead of OpenSSL's, which would ask the terminal. */
static int no_passphrase(char *out, int size, int writing, void *asked)
{
	(void)out;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static bool is_at_end(void)
{
	unsigned long why = ERR_peek_last_error();

	return ERR_GET_LIB(why) == ERR_LIB_PEM &&
	       ERR_GET_REASON(why) == PEM_R_NO_START_LINE;
}

/* Copies all certificates of a file to out; the first is returned. */
static X509 *take_chain(BIO *in, BIO *out, const char *name, struct err *err)
{
	X509 *first = PEM_read_bio_X509_AUX(in, NULL, NULL, NULL);
	X509 *next = first;

	if (first == NULL) {
		err_set(err, ERR_BAD_REQUEST,
			"There is no certificate in %s, in the PEM format",
			name);
		return NULL;
	}
	while (next != NULL) {
		int rc = PEM_write_bio_X509(out, next);

		if (next != first)
			X509_free(next);
		if (rc != 1)
			goto no_memory;
		ERR_clear_error();
		next = PEM_read_bio_X509(in, NULL, NULL, NULL);
	}
	if (is_at_end())
		return first;
	err_set(err, ERR_BAD_REQUEST,
		"A certificate of the chain in %s cannot be read", name);
	X509_free(first);
	return NULL;
no_memory:
	err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	X509_free(first);
	return NULL;
}

static EVP_PKEY *read_key(BIO *in, const char *name, struct err *err)
{
	bool asked = false;
	EVP_PKEY *key =
		PEM_read_bio_PrivateKey(in, NULL, no_passphrase, &asked);

	if (key == NULL && asked)
		err_set(err, ERR_BAD_REQUEST,
			"The key in %s has a passphrase: groupd takes one "
			"without",
			name);
	else if (key == NULL)
		err_set(err, ERR_BAD_REQUEST,
			"There is no private key in %s, in the PEM format",
			name);
	return key;
}

/* The bytes that out has gathered become c's. */
static int keep(struct certificate *c, BIO *out, struct err *err)
{
	char *data;
	long len = BIO_get_mem_data(out, &data);

	if (len > 0)
		buf_append(&c->pem, data, (size_t)len);
	if (len > 0 && !c->pem.failed &&
	    digest_of(buf_str(&c->pem), c->hash) == 0)
		return 0;
	certificate_release(c);
	return err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
}

struct files {
	const char *cert_name;
	const char *key_name;
	struct buf cert;
	struct buf key;
};

static int check(struct certificate *c, const struct files *f, struct err *err)
{
	BIO *cert = BIO_new_mem_buf(f->cert.data, (int)f->cert.len);
	BIO *key = BIO_new_mem_buf(f->key.data, (int)f->key.len);
	BIO *out = BIO_new(BIO_s_mem());
	EVP_PKEY *pkey = NULL;
	X509 *x509 = NULL;
	int rc = -ENOMEM;

	if (cert == NULL || key == NULL || out == NULL) {
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
		goto free_all;
	}
	x509 = take_chain(cert, out, f->cert_name, err);
	if (x509 != NULL)
		pkey = read_key(key, f->key_name, err);
	if (pkey == NULL) {
		rc = err_rc(err);
		goto free_all;
	}
	if (X509_check_private_key(x509, pkey) != 1) {
		rc = err_set(err, ERR_BAD_REQUEST,
			     "The key in %s is not that of the certificate in "
			     "%s",
			     f->key_name, f->cert_name);
		goto free_all;
	}
	c->expired = X509_cmp_current_time(X509_get0_notAfter(x509)) < 0;
	rc = PEM_write_bio_PrivateKey(out, pkey, NULL, NULL, 0, NULL, NULL);
	rc = rc == 1 ? keep(c, out, err)
		     : err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
free_all:
	EVP_PKEY_free(pkey);
	X509_free(x509);
	BIO_free(out); /* wipes */
	BIO_free(key);
	BIO_free(cert);
	ERR_clear_error();
	return rc;
}

int certificate_load(struct certificate *c, const char *cert_file,
		     const char *key_file, struct err *err)
{
	struct files f = { .cert_name = cert_file, .key_name = key_file };
	int rc;

	*c = (struct certificate){ 0 };
	rc = read_file(cert_file, &f.cert, err);
	if (rc == 0)
		rc = read_file(key_file, &f.key, err);
	if (rc == 0)
		rc = check(c, &f, err);
	wipe(&f.cert);
	wipe(&f.key);
	return rc;
}

void certificate_release(struct certificate *c)
{
	wipe(&c->pem);
	*c = (struct certificate){ 0 };
}
