/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/checksum.h"

#include <openssl/evp.h>

bool checksum_start(struct checksum *c)
{
	c->context = EVP_MD_CTX_new();
	return c->context != NULL &&
	       EVP_DigestInit_ex(c->context, EVP_sha256(), NULL) == 1;
}

bool checksum_add(struct checksum *c, struct str data)
{
	return EVP_DigestUpdate(c->context, data.data, data.len) == 1;
}

bool checksum_end(struct checksum *c, uint8_t hash[WIRE_HASH])
{
	bool ended = EVP_DigestFinal_ex(c->context, hash, NULL) == 1;

	checksum_release(c);
	return ended;
}

void checksum_release(struct checksum *c)
{
	EVP_MD_CTX_free(c->context);
	c->context = NULL;
}

void checksum_put(struct buf *out, const uint8_t hash[WIRE_HASH])
{
	for (size_t i = 0; i < WIRE_HASH; i++)
		buf_printf(out, "%02x", hash[i]);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool checksum_parse(struct str text, uint8_t hash[WIRE_HASH])
{
	if (text.len != 2 * (size_t)WIRE_HASH)
		return false;
	for (size_t i = 0; i < WIRE_HASH; i++) {
		int high = digit(text.data[2 * i]);
		int low = digit(text.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		hash[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
