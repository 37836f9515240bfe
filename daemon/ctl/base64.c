/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/base64.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>

void base64_put(struct buf *out, struct str data)
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

int base64_get(struct buf *out, struct str text)
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
