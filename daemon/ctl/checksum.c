/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/checksum.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

void checksum_start(struct checksum *c)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	*c = (struct checksum){ .context = context };
	c->failed = context == NULL ||
		    EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1;
}

void checksum_add(struct checksum *c, struct str data)
{
	if (!c->failed && data.len > 0)
		c->failed =
			EVP_DigestUpdate(c->context, data.data, data.len) != 1;
}

bool checksum_end(struct checksum *c, char hex[CHECKSUM_HEX + 1])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	struct buf text = { 0 };
	unsigned int len = 0;
	bool ok = !c->failed &&
		  EVP_DigestFinal_ex(c->context, hash, &len) == 1 &&
		  len == WIRE_HASH;

	checksum_put_hex(&text, str_make((const char *)hash, ok ? len : 0));
	ok = ok && str_to_cstr(buf_str(&text), hex, CHECKSUM_HEX + 1);
	buf_release(&text);
	checksum_release(c);
	return ok;
}

void checksum_release(struct checksum *c)
{
	EVP_MD_CTX_free(c->context);
	c->context = NULL;
}

void checksum_put_hex(struct buf *out, struct str hash)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < hash.len; i++) {
		uint8_t byte = (uint8_t)hash.data[i];

		buf_append_char(out, digits[byte >> 4]);
		buf_append_char(out, digits[byte & 15]);
	}
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool checksum_get_hex(struct str hex, uint8_t hash[WIRE_HASH])
{
	if (hex.len != CHECKSUM_HEX)
		return false;
	for (size_t i = 0; i < WIRE_HASH; i++) {
		int high = digit_of(hex.data[2 * i]);
		int low = digit_of(hex.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		hash[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void checksum_put_base64(struct buf *out, struct str data)
{
	size_t len = (data.len + 2) / 3 * 4;

	/* It adds a NUL, for which a buf has room. */
	if (data.len == 0 || !buf_reserve(out, len + 1))
		return;
	EVP_EncodeBlock((unsigned char *)out->data + out->len,
			(const unsigned char *)data.data, (int)data.len);
	out->len += len;
}

/* OpenSSL takes blanks around it, and '=' inside as a zero. */
static bool is_base64(struct str text)
{
	size_t end = text.len;

	if (text.len % 4 != 0)
		return false;
	while (end > 0 && text.len - end < 2 && text.data[end - 1] == '=')
		end--;
	for (size_t i = 0; i < end; i++) {
		char c = text.data[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '+' && c != '/')
			return false;
	}
	return true;
}

int checksum_get_base64(struct buf *out, struct str text)
{
	size_t padding = 0;
	int len;

	if (text.len == 0)
		return 0;
	if (!is_base64(text))
		return -EINVAL;
	if (!buf_reserve(out, text.len))
		return -ENOMEM;
	while (text.data[text.len - 1 - padding] == '=')
		padding++;
	len = EVP_DecodeBlock((unsigned char *)out->data + out->len,
			      (const unsigned char *)text.data, (int)text.len);
	if (len < (int)padding)
		return -EINVAL;
	out->len += (size_t)len - padding;
	out->data[out->len] = '\0';
	return 0;
}
