/* SPDX-License-Identifier: MIT */
#include "daemon/auth.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/digest.h"
#include "lib/buf.h"
#include "lib/text.h"

enum { PASSWD_BYTES = 4096, PASSWD_BYTES_MAX = 1 << 20, RANDOM_BYTES = 32 };

/* getpwnam_r (name) or getpwuid_r (name NULL) with a buffer that grows. */
static int lookup(const char *name, uid_t uid, struct passwd *pw,
		  struct passwd **found, struct buf *room)
{
	size_t size = PASSWD_BYTES;
	int rc = ERANGE;

	for (; rc == ERANGE && size <= PASSWD_BYTES_MAX; size *= 2) {
		if (!buf_reserve(room, size))
			return ENOMEM;
		rc = name != NULL
			     ? getpwnam_r(name, pw, room->data, size, found)
			     : getpwuid_r(uid, pw, room->data, size, found);
	}
	return rc;
}

int auth_uid_name(uid_t uid, char user[WIRE_USER_MAX + 1], struct err *err)
{
	struct passwd *found = NULL;
	struct buf room = { 0 };
	struct passwd pw;
	int rc = lookup(NULL, uid, &pw, &found, &room);

	if (found == NULL && (rc == ENOMEM || rc == EIO || rc == EMFILE ||
			      rc == ENFILE || rc == ERANGE))
		rc = err_set(err, ERR_UNAVAILABLE, "Cannot read passwd: %s",
			     strerror(rc));
	else if (found == NULL)
		rc = err_set(
			err, ERR_UNAUTHENTICATED,
			"The uid %u has no passwd entry: only local accounts "
			"and tokens are known here",
			(unsigned)uid);
	else if (!text_is_user_name(str_of(found->pw_name)) ||
		 !str_to_cstr(str_of(found->pw_name), user, WIRE_USER_MAX + 1))
		rc = err_set(err, ERR_UNAUTHENTICATED,
			     "The account name of uid %u is not allowed as a "
			     "user name here",
			     (unsigned)uid);
	else
		rc = 0;
	buf_release(&room);
	return rc;
}

bool auth_has_account(struct str user)
{
	struct passwd *found = NULL;
	char name[WIRE_USER_MAX + 1];
	struct buf room = { 0 };
	struct passwd pw;

	if (!text_is_user_name(user) || !str_to_cstr(user, name, sizeof(name)))
		return false;
	lookup(name, 0, &pw, &found, &room);
	buf_release(&room);
	return found != NULL;
}

/* base64url without padding; of the bytes nothing stays. */
static void encode(uint8_t bytes[RANDOM_BYTES + 1],
		   char out[AUTH_TOKEN_LEN + 1])
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-_";
	size_t at = 4;

	memcpy(out, "gfs_", 4);
	for (size_t bit = 0; bit < RANDOM_BYTES * 8; bit += 6) {
		unsigned two =
			(unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1];

		out[at++] = digits[two >> (10 - bit % 8) & 63];
	}
	out[at] = '\0';
	explicit_bzero(bytes, RANDOM_BYTES);
}

void auth_make_token(const struct env *env, char out[AUTH_TOKEN_LEN + 1])
{
	uint8_t bytes[RANDOM_BYTES + 1] = { 0 };

	env->random(env->data, bytes, RANDOM_BYTES);
	encode(bytes, out);
}

int auth_derive_token(struct str key, char out[AUTH_TOKEN_LEN + 1])
{
	uint8_t bytes[RANDOM_BYTES + 1] = { 0 };
	int rc;

	_Static_assert((int)RANDOM_BYTES == (int)STORE_HASH, "of SHA-256");
	rc = digest_mac(key, str_of("groupfs token"), bytes);
	if (rc == 0)
		encode(bytes, out);
	return rc;
}

int auth_hash_token(struct str token, uint8_t hash[STORE_TOKEN_HASH])
{
	_Static_assert(STORE_TOKEN_HASH == STORE_HASH, "both are SHA-256");
	return digest_of(token, hash);
}
