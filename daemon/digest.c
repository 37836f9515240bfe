/* SPDX-License-Identifier: MIT */
#include "daemon/digest.h"

#include <errno.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/buf.h"

enum { FILE_PIECE = 256 << 10 };

int digest_start(struct digest *d)
{
	d->context = EVP_MD_CTX_new();
	if (d->context != NULL &&
	    EVP_DigestInit_ex(d->context, EVP_sha256(), NULL) == 1)
		return 0;
	digest_release(d);
	return -ENOMEM;
}

int digest_add(struct digest *d, struct str data)
{
	return EVP_DigestUpdate(d->context, data.data, data.len) == 1 ? 0
								      : -ENOMEM;
}

int digest_end(struct digest *d, uint8_t hash[STORE_HASH])
{
	unsigned len = 0;
	int rc = EVP_DigestFinal_ex(d->context, hash, &len);

	digest_release(d);
	return rc == 1 && len == STORE_HASH ? 0 : -ENOMEM;
}

void digest_release(struct digest *d)
{
	EVP_MD_CTX_free(d->context);
	d->context = NULL;
}

int digest_file(int fd, uint8_t hash[STORE_HASH])
{
	struct buf piece = { 0 };
	struct digest digest = { 0 };
	uint64_t off = 0;
	ssize_t n = 1;
	int rc = digest_start(&digest);

	if (!buf_reserve(&piece, FILE_PIECE))
		rc = -ENOMEM;
	while (rc == 0 && n != 0) {
		n = pread(fd, piece.data, FILE_PIECE, (off_t)off);
		if (n < 0 && errno != EINTR)
			rc = -errno;
		if (n <= 0)
			continue;
		rc = digest_add(&digest, str_make(piece.data, (size_t)n));
		off += (uint64_t)n;
	}
	if (rc == 0)
		rc = digest_end(&digest, hash);
	digest_release(&digest);
	buf_release(&piece);
	return rc;
}

int digest_of(struct str data, uint8_t hash[STORE_HASH])
{
	struct digest d;
	int rc = digest_start(&d);

	if (rc < 0)
		return rc;
	rc = digest_add(&d, data);
	if (rc == 0)
		return digest_end(&d, hash);
	digest_release(&d);
	return rc;
}

int digest_mac(struct str key, struct str data, uint8_t mac[STORE_HASH])
{
	unsigned len = 0;

	if (HMAC(EVP_sha256(), key.data, (int)key.len,
		 (const unsigned char *)data.data, data.len, mac, &len) == NULL)
		return -ENOMEM;
	return len == STORE_HASH ? 0 : -ENOMEM;
}

bool digest_same(struct str a, struct str b)
{
	return a.len == b.len && CRYPTO_memcmp(a.data, b.data, a.len) == 0;
}
