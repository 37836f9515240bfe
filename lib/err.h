/* SPDX-License-Identifier: MIT */
/*
 * The one table of refusals (design.md section 7) and the struct that carries
 * one upwards. A refusal has the same code on every surface: errno in the
 * mount, status and problem+json over HTTP, `error` over WebSocket.
 *
 * Functions return 0 or a negative errno. Where a person or a program will
 * see why, the last parameter is a struct err, filled whenever the return
 * value is not 0. No function here blocks, and only err_keep() allocates; any
 * thread.
 */
#ifndef GROUPFS_LIB_ERR_H
#define GROUPFS_LIB_ERR_H

#include <errno.h>
#include <stdint.h>

/* X(ENUM, code, HTTP status, errno, sentence) in wire order: only append. */
#define ERR_CODES(X)                                                           \
	X(UNAUTHENTICATED, "unauthenticated", 401, EACCES,                     \
	  "You are not known here: show a valid token or use a local account") \
	X(NOT_MEMBER, "not_member", 403, EACCES,                               \
	  "You are not a member of this group any more")                       \
	X(NOT_ADMIN, "not_admin", 403, EACCES,                                 \
	  "Only an admin of this group may do that")                           \
	X(NO_SUCH_GROUP, "no_such_group", 404, ENOENT,                         \
	  "There is no such group")                                            \
	X(NO_SUCH_USER, "no_such_user", 404, ENOENT, "There is no such user")  \
	X(GROUP_EXISTS, "group_exists", 409, EEXIST,                           \
	  "A group of this name exists already")                               \
	X(LAST_ADMIN, "last_admin", 409, EBUSY,                                \
	  "The last admin can neither leave nor be demoted")                   \
	X(GROUP_FULL, "group_full", 409, ENOSPC, "This group is full")         \
	X(BAD_REQUEST, "bad_request", 400, EINVAL,                             \
	  "The request is not well formed")                                    \
	X(BAD_NAME, "bad_name", 400, EINVAL, "That name is not allowed")       \
	X(BAD_UTF8, "bad_utf8", 400, EILSEQ, "The text is not valid UTF-8")    \
	X(TOO_LARGE, "too_large", 413, EMSGSIZE, "The message is too large")   \
	X(RATE_LIMITED, "rate_limited", 429, EDQUOT,                           \
	  "Too many messages in too short a time")                             \
	X(EPOCH_CHANGED, "epoch_changed", 410, ESTALE,                         \
	  "The log of this group was restored: start again from first_seq")    \
	X(OUT_OF_SPACE, "out_of_space", 507, ENOSPC,                           \
	  "The store has no space left: nothing is stored until somebody "     \
	  "makes room on groupd's disk")                                       \
	X(UNAVAILABLE, "unavailable", 503, EIO, "groupd is not available now") \
	X(OUTCOME_UNKNOWN, "outcome_unknown", 503, EIO,                        \
	  "It is not known whether this was stored: send it again with the "   \
	  "same client_id")                                                    \
	X(NO_SUCH_FILE, "no_such_file", 404, ENOENT, "There is no such file")  \
	X(FILE_EXISTS, "file_exists", 409, EEXIST,                             \
	  "A file of this name exists already")                                \
	X(PRECONDITION_FAILED, "precondition_failed", 412, EBUSY,              \
	  "It was changed in the meantime: read it again")

enum err_code {
	ERR_NONE = 0,
#define ERR_ENUM(ENUM, code, status, number, text) ERR_##ENUM,
	ERR_CODES(ERR_ENUM)
#undef ERR_ENUM
		ERR_COUNT
};

enum { ERR_TEXT_MAX = 256 };

struct err {
	enum err_code code;
	char text[ERR_TEXT_MAX]; /* one sentence, NUL-terminated, UTF-8 */
	uint64_t retry_after_ms; /* when to come again; 0: unknown */
	/* Of `rate_limited` by daemon/rate: messages a second, and when as
	 * many may be sent again. 0: of another limit. */
	uint64_t rate_limit;
	uint64_t rate_reset_ms;
};

/*
 * Fills err with a code and a sentence (the table's when fmt is NULL), its
 * numbers with 0, and returns the code's negative errno. err may be NULL.
 */
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "prefix: " before the text that is there. Returns err's -errno. */
int err_wrap(struct err *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The negative errno of what err holds; 0 for ERR_NONE. */
int err_rc(const struct err *err);

/* A copy for whoever is refused seldom, and there are many of him: a struct err
 * in each would be most of what he takes. Owned by the caller: err_drop().
 * Never NULL: without memory it is the table's sentence of that code. */
const struct err *err_keep(const struct err *err);
/* Takes NULL. */
void err_drop(const struct err *err);

/* "no_such_group"; "unavailable" for anything out of range. */
const char *err_name(enum err_code code);
/* 404 */
int err_http_status(enum err_code code);
/* ENOENT, positive */
int err_errno(enum err_code code);
/* The table's sentence. */
const char *err_sentence(enum err_code code);
/* The code of a name; ERR_NONE when there is none. */
enum err_code err_code_of(const char *name);
/* Of the errno with which a file could not be made or written: `out_of_space`
 * of a disk, or a quota, that is full; else `unavailable`. */
enum err_code err_of_file(int number);

#endif
