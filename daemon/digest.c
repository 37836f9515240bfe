/* SPDX-License-Identifier: MIT */
#include "daemon/digest.h"

#include <errno.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

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
