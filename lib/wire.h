/* SPDX-License-Identifier: MIT */
/*
 * The wire format: what groupfs, the gateways, groupctl and groupd say to
 * each other over the Unix socket. One source: the field lists below make
 * the structs, the encoder, the decoder and the bounds.
 *
 *   frame  = header (16 bytes, little endian)  len:u32 type:u16 resent:u16
 *                                              id:u32 principal:u32
 *            body (len bytes): the fields of the type, in order
 *   num    = LEB128 varint, at most 10 bytes, refused above its bound
 *   str    = num length, then that many bytes, refused above its bound
 *   list   = a str that holds records one after the other; walked with
 *            wire_next(), so nothing is allocated to decode
 *
 * A request carries an id (not 0) and the principal it acts for; its answer
 * echoes both. The answer is the type named in the table, or ERROR. Frames
 * with id 0 are events, from groupd only. resent is 1 in a request that was
 * sent before, on a connection that was lost, else 0. A decoder takes exactly
 * the body: a missing, surplus or oversize byte is -EBADMSG.
 *
 * Decoded strs point into the frame: borrowed until it goes. Pure functions,
 * any thread.
 */
#ifndef GROUPFS_LIB_WIRE_H
#define GROUPFS_LIB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/str.h"

enum {
	WIRE_VERSION = 5,
	WIRE_HEADER = 16,	     /* bytes */
	WIRE_FRAME_MAX = 16 << 20,   /* bytes of body */
	WIRE_NAME_MAX = 64,	     /* a group's name, bytes */
	WIRE_USER_MAX = 32,	     /* a user's name, bytes */
	WIRE_KEY_MAX = 64,	     /* client_id, batch_id, create key */
	WIRE_URL_MAX = 2048,	     /* media_url */
	WIRE_CONTENT_MAX = 1 << 20,  /* hard bound; groupd's own is lower */
	WIRE_MENTIONS_MAX = 4096,    /* bytes of names, a space between */
	WIRE_DESCRIPTION_MAX = 4096, /* bytes */
	WIRE_SETTINGS_MAX = 65536,   /* bytes of JSON */
	WIRE_TOKEN_MAX = 128,	     /* bytes */
	WIRE_FILE_MAX = 255,	     /* a media file's name, bytes */
	WIRE_HASH = 32,		     /* SHA-256, bytes */
	WIRE_PAGE_MAX = 1000,	     /* records a page */
	WIRE_GROUPS_MAX = 16384,     /* groups a page: each page of them costs
					in proportion to all that follow */
	WIRE_TEXT_MAX = 1 << 20	     /* bytes of one READ_TEXT */
};

#define WIRE_U64 UINT64_MAX

/* How a record names a role. */
enum role { ROLE_MEMBER = 0, ROLE_ADMIN = 1, ROLE_NONE = 2 };

/* What an edit of the members does to one user. */
enum edit_op {
	EDIT_ADD = 0,	 /* add as member; a member or admin stays what he is */
	EDIT_MEMBER = 1, /* add as member, or demote to it */
	EDIT_ADMIN = 2,	 /* add as admin, or promote to it */
	EDIT_REMOVE = 3	 /* remove; one who is no member is no_such_user */
};

enum message_type { MESSAGE_TEXT = 0, MESSAGE_MEDIA = 1 };

/* The two forms that a log has as a file: `messages`, `messages.jsonl`. */
enum log_format { LOG_TEXT = 0, LOG_JSONL = 1 };

/* Bits of wire_set_info.set: what is to be changed. */
enum {
	INFO_DESCRIPTION = 1,
	INFO_AVATAR_URL = 2,
	INFO_SETTINGS = 4,
	INFO_MAX_MEMBERS = 8,
	INFO_ALL = 15
};

/* Who a principal is: the uid that the kernel gave, a token's owner, or whom
 * groupd let in at its own socket and handed to this gateway with a ticket
 * (as token; only on a gateway's connection). */
enum principal_kind {
	PRINCIPAL_SELF = 0, /* the peer of this connection (SO_PEERCRED) */
	PRINCIPAL_UID = 1,  /* another uid: only from root or trusted_users */
	PRINCIPAL_TOKEN = 2,
	PRINCIPAL_TICKET = 3
};

/* Who looks for a group, in FIND_GROUP: one who has a descriptor of it, and
 * so its id; one who comes anew with each request (REST); one who was there
 * on this connection (WebSocket), where it has only a name. */
enum find_for {
	FIND_FOR_DESCRIPTOR = 0,
	FIND_FOR_REQUEST = 1,
	FIND_FOR_SOCKET = 2
};

/* What happened to a member, in EV_MEMBER. */
enum member_change { MEMBER_ADDED = 0, MEMBER_REMOVED = 1, MEMBER_ROLE = 2 };

/* Bits of wire_sent.warnings. */
enum { WARN_MENTION_DROPPED = 1 };

/* What a watch is for. Of a principal's two watches of a group each is made
 * and ended for itself. */
enum watch_kind {
	WATCH_PRESENT = 0, /* its user reads along: he counts as online */
	WATCH_QUIET = 1	   /* it only keeps what is known of the group true */
};

/* Parts of a group that are exported and imported one after the other; and
 * how a number in them says that it is not known. */
enum port_part {
	PORT_GROUP = 0,	   /* a record of port_group */
	PORT_MEMBERS = 1,  /* records of port_member */
	PORT_MESSAGES = 2, /* records of message */
	PORT_MEDIA = 3,	   /* records of media */
	PORT_BYTES = 4,	   /* EXPORT: bytes of a file; IMPORT: the end */
	PORT_END = 4
};
#define PORT_UNKNOWN UINT64_MAX

/* wire_set_read.seq that stands for "all there is". */
#define WIRE_READ_ALL UINT64_MAX

/*
 * Records: R(name, fields). They appear in lists, and are the data model
 * that store, daemon, gateway and groupfs pass around.
 */

/* One stored message. mentions: names with a space between, "everyone" for
 * @everyone. off, len: its line in `messages`, newline included; jsonl_off,
 * jsonl_len: its line in `messages.jsonl`. */
#define WIRE_MESSAGE_FIELDS(F)                                                 \
	F(num, seq, WIRE_U64)                                                  \
	F(num, off, WIRE_U64)                                                  \
	F(num, len, WIRE_U64)                                                  \
	F(num, jsonl_off, WIRE_U64)                                            \
	F(num, jsonl_len, WIRE_U64)                                            \
	F(num, time_ms, WIRE_U64)                                              \
	F(num, type, 1)                                                        \
	F(num, reply_to, WIRE_U64)                                             \
	F(str, sender, WIRE_USER_MAX)                                          \
	F(str, content, WIRE_CONTENT_MAX)                                      \
	F(str, media_url, WIRE_URL_MAX)                                        \
	F(str, mentions, WIRE_MENTIONS_MAX)                                    \
	F(str, client_id, WIRE_KEY_MAX)

/* One message to be sent. reply_to 0: none. mentions: names beside those in
 * the content. client_id may be empty. */
#define WIRE_ITEM_FIELDS(F)                                                    \
	F(num, type, 1)                                                        \
	F(num, reply_to, WIRE_U64)                                             \
	F(str, content, WIRE_CONTENT_MAX)                                      \
	F(str, media_url, WIRE_URL_MAX)                                        \
	F(str, mentions, WIRE_MENTIONS_MAX)                                    \
	F(str, client_id, WIRE_KEY_MAX)

/* A group as one user sees it. size: end offset of `messages`; first_off:
 * offset of first_seq's line; jsonl_size, first_jsonl_off: the same of
 * `messages.jsonl`; mtime_ms: the last message's time, else the group's;
 * read_off: offset of the first unread line (size when none); info_ms,
 * members_ms: when its metadata, its members were last changed. */
#define WIRE_GROUP_FIELDS(F)                                                   \
	F(num, group_id, WIRE_U64)                                             \
	F(str, name, WIRE_NAME_MAX)                                            \
	F(num, epoch, WIRE_U64)                                                \
	F(num, role, 2)                                                        \
	F(num, first_seq, WIRE_U64)                                            \
	F(num, last_seq, WIRE_U64)                                             \
	F(num, first_off, WIRE_U64)                                            \
	F(num, size, WIRE_U64)                                                 \
	F(num, first_jsonl_off, WIRE_U64)                                      \
	F(num, jsonl_size, WIRE_U64)                                           \
	F(num, mtime_ms, WIRE_U64)                                             \
	F(num, info_ms, WIRE_U64)                                              \
	F(num, members_ms, WIRE_U64)                                           \
	F(num, last_read_seq, WIRE_U64)                                        \
	F(num, read_off, WIRE_U64)                                             \
	F(num, mentions, WIRE_U64)                                             \
	F(num, member_count, WIRE_U64)                                         \
	F(num, created_ms, WIRE_U64)                                           \
	F(str, created_by, WIRE_USER_MAX)

/* A group's metadata. settings: a JSON object, or empty. online: how many
 * users have a present watch, groupd's word and not the store's. */
#define WIRE_INFO_FIELDS(F)                                                    \
	F(num, group_id, WIRE_U64)                                             \
	F(str, name, WIRE_NAME_MAX)                                            \
	F(str, description, WIRE_DESCRIPTION_MAX)                              \
	F(str, avatar_url, WIRE_URL_MAX)                                       \
	F(str, created_by, WIRE_USER_MAX)                                      \
	F(num, created_ms, WIRE_U64)                                           \
	F(num, info_ms, WIRE_U64)                                              \
	F(num, max_members, WIRE_U64)                                          \
	F(num, first_off, WIRE_U64)                                            \
	F(num, online, WIRE_U64)                                               \
	F(str, settings, WIRE_SETTINGS_MAX)

/* An unread message that mentions the user, and its group. */
#define WIRE_MENTION_FIELDS(F)                                                 \
	F(num, group_id, WIRE_U64)                                             \
	F(str, group, WIRE_NAME_MAX)                                           \
	WIRE_MESSAGE_FIELDS(F)

/* A file in a group's media/. media_id: never used again. seq: of the message
 * that brought it. hash: SHA-256 of its bytes. */
#define WIRE_MEDIA_FIELDS(F)                                                   \
	F(num, media_id, WIRE_U64)                                             \
	F(num, group_id, WIRE_U64)                                             \
	F(num, seq, WIRE_U64)                                                  \
	F(num, time_ms, WIRE_U64)                                              \
	F(num, size, WIRE_U64)                                                 \
	F(str, name, WIRE_FILE_MAX)                                            \
	F(str, sender, WIRE_USER_MAX)                                          \
	F(str, hash, WIRE_HASH)

#define WIRE_MEMBER_FIELDS(F)                                                  \
	F(str, name, WIRE_USER_MAX)                                            \
	F(num, role, 2)                                                        \
	F(num, joined_ms, WIRE_U64)

/* A whole group as it is exported and imported, and a member of it. epoch and
 * member_count: of what was exported; an import makes its own. first_off,
 * first_jsonl_off: where the lines of first_seq begin.
 * joined_seq: the last message when he joined: what he was mentioned in before
 * does not count. last_read_seq: PORT_UNKNOWN where it is not said. */
#define WIRE_PORT_GROUP_FIELDS(F)                                              \
	F(num, group_id, WIRE_U64)                                             \
	F(str, name, WIRE_NAME_MAX)                                            \
	F(str, description, WIRE_DESCRIPTION_MAX)                              \
	F(str, avatar_url, WIRE_URL_MAX)                                       \
	F(str, created_by, WIRE_USER_MAX)                                      \
	F(num, created_ms, WIRE_U64)                                           \
	F(num, max_members, WIRE_U64)                                          \
	F(num, epoch, WIRE_U64)                                                \
	F(num, first_seq, WIRE_U64)                                            \
	F(num, first_off, WIRE_U64)                                            \
	F(num, first_jsonl_off, WIRE_U64)                                      \
	F(num, last_seq, WIRE_U64)                                             \
	F(num, member_count, WIRE_U64)                                         \
	F(str, settings, WIRE_SETTINGS_MAX)
#define WIRE_PORT_MEMBER_FIELDS(F)                                             \
	F(str, name, WIRE_USER_MAX)                                            \
	F(num, role, 1)                                                        \
	F(num, joined_ms, WIRE_U64)                                            \
	F(num, joined_seq, WIRE_U64)                                           \
	F(num, last_read_seq, WIRE_U64)

#define WIRE_EDIT_FIELDS(F)                                                    \
	F(num, op, 3)                                                          \
	F(str, name, WIRE_USER_MAX)

#define WIRE_NAME_FIELDS(F) F(str, name, WIRE_USER_MAX)

/* Never the token itself: that is shown once, when it is made. */
#define WIRE_TOKEN_INFO_FIELDS(F)                                              \
	F(num, token_id, WIRE_U64)                                             \
	F(str, user, WIRE_USER_MAX)                                            \
	F(num, created_ms, WIRE_U64)                                           \
	F(num, expires_ms, WIRE_U64)

/* One figure of `groupctl status`: "commits" "1234". */
#define WIRE_FIGURE_FIELDS(F)                                                  \
	F(str, name, 64)                                                       \
	F(str, value, 1024)

#define WIRE_PROBLEM_FIELDS(F) F(str, text, 1024)

/* One number of a histogram (lib/histogram.h). */
#define WIRE_COUNT_FIELDS(F) F(num, value, WIRE_U64)

/* HTTP requests that a gateway has answered: those that write or that only
 * read, by the first digit of the status. */
#define WIRE_HTTP_COUNT_FIELDS(F)                                              \
	F(num, write, 1)                                                       \
	F(num, status, 5)                                                      \
	F(num, count, WIRE_U64)

/* The bytes of media files, each once. */
#define WIRE_CONTENT_FIELDS(F)                                                 \
	F(str, hash, WIRE_HASH)                                                \
	F(num, size, WIRE_U64)

#define WIRE_RECORDS(R)                                                        \
	R(message, MESSAGE)                                                    \
	R(item, ITEM)                                                          \
	R(group, GROUP)                                                        \
	R(info, INFO)                                                          \
	R(mention, MENTION)                                                    \
	R(media, MEDIA)                                                        \
	R(member, MEMBER)                                                      \
	R(port_group, PORT_GROUP)                                              \
	R(port_member, PORT_MEMBER)                                            \
	R(edit, EDIT)                                                          \
	R(name, NAME)                                                          \
	R(token_info, TOKEN_INFO)                                              \
	R(figure, FIGURE)                                                      \
	R(problem, PROBLEM)                                                    \
	R(count, COUNT)                                                        \
	R(http_count, HTTP_COUNT)                                              \
	R(content, CONTENT)

/* Bodies of frames. */

/* The numbers are those of struct err. */
#define WIRE_ERROR_FIELDS(F)                                                   \
	F(num, code, 255)                                                      \
	F(str, text, 512)                                                      \
	F(num, retry_after_ms, WIRE_U64)                                       \
	F(num, rate_limit, WIRE_U64)                                           \
	F(num, rate_reset_ms, WIRE_U64)
#define WIRE_OK_FIELDS(F) F(num, value, WIRE_U64)

/* First frame each way. agent: "groupfs/1.0". instance: changes with each
 * start of groupd. store: which store it is (store_identity()): when that
 * changes, no group_id, seq or offset of before means what it did. admin_uid
 * bits are not sent: a principal says what it may.
 */
#define WIRE_HELLO_FIELDS(F)                                                   \
	F(num, version, 65535)                                                 \
	F(str, agent, 64)
#define WIRE_WELCOME_FIELDS(F)                                                 \
	F(num, version, 65535)                                                 \
	F(str, agent, 64)                                                      \
	F(num, instance, WIRE_U64)                                             \
	F(num, max_content, WIRE_CONTENT_MAX)                                  \
	F(num, store, WIRE_U64)

/* Opens the principal whose number the header carries (the client's choice,
 * not 0). Answer: who it is; admin 1 for root and groupd's own user. */
#define WIRE_OPEN_PRINCIPAL_FIELDS(F)                                          \
	F(num, kind, 3)                                                        \
	F(num, uid, UINT32_MAX)                                                \
	F(str, token, WIRE_TOKEN_MAX)
#define WIRE_PRINCIPAL_FIELDS(F)                                               \
	F(str, name, WIRE_USER_MAX)                                            \
	F(num, admin, 1)
#define WIRE_CLOSE_PRINCIPAL_FIELDS(F) F(num, unused, 0)

/* All items are stored in one transaction, in order, or none is. A batch_id
 * already used by this user in this group gives the first one's numbers.
 * offset: of first_seq's line. rate_limit: messages a second that this user
 * may send, 0 for no limit; rate_left: how many he may at once now;
 * rate_reset_ms: when that is rate_limit again. */
#define WIRE_SEND_FIELDS(F)                                                    \
	F(num, group_id, WIRE_U64)                                             \
	F(str, batch_id, WIRE_KEY_MAX)                                         \
	F(str, items, WIRE_FRAME_MAX)
#define WIRE_SENT_FIELDS(F)                                                    \
	F(num, first_seq, WIRE_U64)                                            \
	F(num, last_seq, WIRE_U64)                                             \
	F(num, offset, WIRE_U64)                                               \
	F(num, time_ms, WIRE_U64)                                              \
	F(num, epoch, WIRE_U64)                                                \
	F(num, duplicate, 1)                                                   \
	F(num, warnings, 255)                                                  \
	F(num, rate_limit, WIRE_U64)                                           \
	F(num, rate_left, WIRE_U64)                                            \
	F(num, rate_reset_ms, WIRE_U64)

/* By id, or by name when group_id is 0. Only members find a group. for_whom:
 * enum find_for, who hears `not_member` when he was one. */
#define WIRE_FIND_GROUP_FIELDS(F)                                              \
	F(num, group_id, WIRE_U64)                                             \
	F(str, name, WIRE_NAME_MAX)                                            \
	F(num, for_whom, FIND_FOR_SOCKET)
#define WIRE_LIST_GROUPS_FIELDS(F)                                             \
	F(str, after, WIRE_NAME_MAX)                                           \
	F(num, limit, WIRE_GROUPS_MAX)
#define WIRE_GROUP_LIST_FIELDS(F)                                              \
	F(str, groups, WIRE_FRAME_MAX)                                         \
	F(num, complete, 1)

/* Messages with after_seq < seq, and seq < before_seq where that is not 0.
 * before_seq alone gives the last `limit` before it. Ascending. Ends early at
 * max_bytes (0: 1 MiB), but never without one message. */
#define WIRE_PULL_FIELDS(F)                                                    \
	F(num, group_id, WIRE_U64)                                             \
	F(num, after_seq, WIRE_U64)                                            \
	F(num, before_seq, WIRE_U64)                                           \
	F(num, limit, WIRE_PAGE_MAX)                                           \
	F(num, max_bytes, WIRE_TEXT_MAX)
#define WIRE_MESSAGES_FIELDS(F)                                                \
	F(num, epoch, WIRE_U64)                                                \
	F(num, first_seq, WIRE_U64)                                            \
	F(num, last_seq, WIRE_U64)                                             \
	F(str, messages, WIRE_FRAME_MAX)

/* Bytes [offset, offset + size) of `messages` or, by format (enum
 * log_format), `messages.jsonl`; short only at its end. */
#define WIRE_READ_TEXT_FIELDS(F)                                               \
	F(num, group_id, WIRE_U64)                                             \
	F(num, format, 1)                                                      \
	F(num, offset, WIRE_U64)                                               \
	F(num, size, WIRE_TEXT_MAX)
#define WIRE_TEXT_FIELDS(F) F(str, data, WIRE_TEXT_MAX)

#define WIRE_LIST_MEMBERS_FIELDS(F)                                            \
	F(num, group_id, WIRE_U64)                                             \
	F(str, after, WIRE_USER_MAX)                                           \
	F(num, limit, WIRE_PAGE_MAX)
#define WIRE_MEMBER_LIST_FIELDS(F)                                             \
	F(str, members, WIRE_FRAME_MAX)                                        \
	F(num, total, WIRE_U64)                                                \
	F(num, complete, 1)

/* All edits in one transaction, or none. Answer OK: how many changed. */
#define WIRE_EDIT_MEMBERS_FIELDS(F)                                            \
	F(num, group_id, WIRE_U64)                                             \
	F(str, edits, WIRE_FRAME_MAX)

/* key: makes a resend of the same creation harmless. Answer GROUP. */
#define WIRE_CREATE_GROUP_FIELDS(F)                                            \
	F(str, name, WIRE_NAME_MAX)                                            \
	F(str, description, WIRE_DESCRIPTION_MAX)                              \
	F(str, settings, WIRE_SETTINGS_MAX)                                    \
	F(str, members, WIRE_FRAME_MAX)                                        \
	F(str, key, WIRE_KEY_MAX)
#define WIRE_DELETE_GROUP_FIELDS(F) F(num, group_id, WIRE_U64)

/* Answer OK: the stored pointer. It only moves forward. */
#define WIRE_SET_READ_FIELDS(F)                                                \
	F(num, group_id, WIRE_U64)                                             \
	F(num, seq, WIRE_U64)

/* From the answer on, this connection gets every later message of the group
 * once, as EV_MESSAGES or, where it was slow, as EV_GROWN. kind: enum
 * watch_kind. */
#define WIRE_WATCH_FIELDS(F)                                                   \
	F(num, group_id, WIRE_U64)                                             \
	F(num, kind, 1)
#define WIRE_WATCHING_FIELDS(F)                                                \
	F(num, epoch, WIRE_U64)                                                \
	F(num, first_seq, WIRE_U64)                                            \
	F(num, last_seq, WIRE_U64)                                             \
	F(num, last_read_seq, WIRE_U64)
/* Ends the watch of that kind, also one that is still being made. */
#define WIRE_UNWATCH_FIELDS(F)                                                 \
	F(num, group_id, WIRE_U64)                                             \
	F(num, kind, 1)

/* A group's metadata: answered with INFO, a struct wire_info. SET_INFO is for
 * its admins, changes what `set` names (INFO_*) together, answers OK. if_tag
 * (json_info_tag(); 0: no matter): only if the metadata is still this,
 * else `precondition_failed`. */
#define WIRE_GET_INFO_FIELDS(F) F(num, group_id, WIRE_U64)
#define WIRE_SET_INFO_FIELDS(F)                                                \
	F(num, group_id, WIRE_U64)                                             \
	F(num, set, INFO_ALL)                                                  \
	F(num, if_tag, WIRE_U64)                                               \
	F(str, description, WIRE_DESCRIPTION_MAX)                              \
	F(str, avatar_url, WIRE_URL_MAX)                                       \
	F(num, max_members, WIRE_U64)                                          \
	F(str, settings, WIRE_SETTINGS_MAX)

/* The user's unread mentions in all his groups, by the group's name, then
 * seq; from behind (after_group, after_seq) on. */
#define WIRE_LIST_MENTIONS_FIELDS(F)                                           \
	F(str, after_group, WIRE_NAME_MAX)                                     \
	F(num, after_seq, WIRE_U64)                                            \
	F(num, limit, WIRE_PAGE_MAX)
#define WIRE_MENTION_LIST_FIELDS(F)                                            \
	F(str, mentions, WIRE_FRAME_MAX)                                       \
	F(num, complete, 1)

/*
 * Media: bytes come in pieces of an upload, whose key the client chooses at
 * random; SEND_MEDIA makes a file and a media message of them. A piece that
 * is sent again changes nothing, so a lost connection does no harm. With
 * resize, data is empty and the upload becomes off bytes long. Answer OK: how
 * long it is.
 */
#define WIRE_WRITE_MEDIA_FIELDS(F)                                             \
	F(num, group_id, WIRE_U64)                                             \
	F(str, key, WIRE_KEY_MAX)                                              \
	F(num, off, WIRE_U64)                                                  \
	F(num, resize, 1)                                                      \
	F(str, data, WIRE_TEXT_MAX)
/* content: what is said about it, may be empty. batch_id: that of SEND; empty:
 * the key. It is another one where the client gives an upload's bytes again
 * from the start, as a new upload, while the first may still be under way. */
#define WIRE_SEND_MEDIA_FIELDS(F)                                              \
	F(num, group_id, WIRE_U64)                                             \
	F(str, key, WIRE_KEY_MAX)                                              \
	F(str, batch_id, WIRE_KEY_MAX)                                         \
	F(str, name, WIRE_FILE_MAX)                                            \
	F(str, content, WIRE_CONTENT_MAX)
/* Forgets an upload that is not wanted any more. */
#define WIRE_DROP_MEDIA_FIELDS(F)                                              \
	F(num, group_id, WIRE_U64)                                             \
	F(str, key, WIRE_KEY_MAX)
/* By media_id, or by group_id and name where that is 0. Answer MEDIA. */
#define WIRE_FIND_MEDIA_FIELDS(F)                                              \
	F(num, media_id, WIRE_U64)                                             \
	F(num, group_id, WIRE_U64)                                             \
	F(str, name, WIRE_FILE_MAX)
/* By name, from behind `after` on. */
#define WIRE_LIST_MEDIA_FIELDS(F)                                              \
	F(num, group_id, WIRE_U64)                                             \
	F(str, after, WIRE_FILE_MAX)                                           \
	F(num, limit, WIRE_PAGE_MAX)
#define WIRE_MEDIA_LIST_FIELDS(F)                                              \
	F(str, files, WIRE_FRAME_MAX)                                          \
	F(num, complete, 1)
/* Bytes [offset, offset + size) of it; short only at its end. Answer TEXT. */
#define WIRE_READ_MEDIA_FIELDS(F)                                              \
	F(num, media_id, WIRE_U64)                                             \
	F(num, offset, WIRE_U64)                                               \
	F(num, size, WIRE_TEXT_MAX)

/*
 * A group as a whole. EXPORT gives one part of it, for a member, and for root
 * and groupd's own user of any group: by group_id, or by name where that is 0.
 * MEMBERS and MEDIA from behind `after` on, MESSAGES from behind after_seq;
 * nothing that came behind message last_seq. BYTES: those of media_id from
 * offset on. A member is told the read pointer of himself only.
 */
#define WIRE_EXPORT_FIELDS(F)                                                  \
	F(num, group_id, WIRE_U64)                                             \
	F(str, name, WIRE_NAME_MAX)                                            \
	F(num, part, PORT_BYTES)                                               \
	F(str, after, WIRE_FILE_MAX)                                           \
	F(num, after_seq, WIRE_U64)                                            \
	F(num, last_seq, WIRE_U64)                                             \
	F(num, media_id, WIRE_U64)                                             \
	F(num, offset, WIRE_U64)
/* complete: there is no more of this part. */
#define WIRE_EXPORTED_FIELDS(F)                                                \
	F(str, records, WIRE_FRAME_MAX)                                        \
	F(num, complete, 1)
/*
 * For root and groupd's own user: a new group, part by part in their order.
 * GROUP begins it and is answered with OK, the number of the import; END shows
 * it to its members, all at once; before, it is nobody's, and gone with the
 * connection. MEDIA is one file, whose bytes were sent before. line: of the
 * first record, in the file that it comes from, for refusals. key: of GROUP
 * and END, so that an END that is sent again is known. name: of END.
 */
#define WIRE_IMPORT_FIELDS(F)                                                  \
	F(num, import_id, WIRE_U64)                                            \
	F(num, part, PORT_END)                                                 \
	F(num, add_users, 1)                                                   \
	F(num, line, WIRE_U64)                                                 \
	F(str, name, WIRE_NAME_MAX)                                            \
	F(str, key, WIRE_KEY_MAX)                                              \
	F(str, records, WIRE_FRAME_MAX)
/* Bytes of the file that is imported next; from offset 0 on a new one. */
#define WIRE_IMPORT_BYTES_FIELDS(F)                                            \
	F(num, import_id, WIRE_U64)                                            \
	F(num, offset, WIRE_U64)                                               \
	F(str, data, WIRE_TEXT_MAX)

/* One more open connection (a WebSocket, a stream) of the principal's user;
 * refused (`rate_limited`) above max_connections_per_user, but not when it is
 * `open` already and only this groupd does not know of it. It counts until
 * DROP_CONNECTION, or until the principal closes. Both answer OK: how many
 * this user has now. */
#define WIRE_TAKE_CONNECTION_FIELDS(F) F(num, open, 1)
#define WIRE_DROP_CONNECTION_FIELDS(F) F(num, unused, 0)

/* Bytes of the file system that the store is on: what statfs(2) shows. */
#define WIRE_GET_SPACE_FIELDS(F) F(num, unused, 0)
#define WIRE_SPACE_FIELDS(F)                                                   \
	F(num, total, WIRE_U64)                                                \
	F(num, free, WIRE_U64)

/* For root and groupd's own user (CREATE_TOKEN, LIST and REVOKE also for
 * oneself). ADD_USERS answers OK: how many are new. */
#define WIRE_ADD_USERS_FIELDS(F) F(str, names, WIRE_FRAME_MAX)
/* Those that groupd knows: who was added, or has been here. By name. */
#define WIRE_LIST_USERS_FIELDS(F)                                              \
	F(str, after, WIRE_USER_MAX)                                           \
	F(num, limit, WIRE_PAGE_MAX)
#define WIRE_USER_LIST_FIELDS(F)                                               \
	F(str, names, WIRE_FRAME_MAX)                                          \
	F(num, complete, 1)
/* key: at least 32 random bytes, which nobody else knows; whoever asks with it
 * again, since the answer was lost, gets the same token, with a token_id of 0.
 * Empty: a token of groupd's own making. */
#define WIRE_CREATE_TOKEN_FIELDS(F)                                            \
	F(str, user, WIRE_USER_MAX)                                            \
	F(num, expires_ms, WIRE_U64)                                           \
	F(str, key, WIRE_KEY_MAX)
#define WIRE_TOKEN_FIELDS(F)                                                   \
	F(num, token_id, WIRE_U64)                                             \
	F(str, token, WIRE_TOKEN_MAX)
#define WIRE_LIST_TOKENS_FIELDS(F)                                             \
	F(str, user, WIRE_USER_MAX)                                            \
	F(num, after_id, WIRE_U64)
#define WIRE_TOKEN_LIST_FIELDS(F)                                              \
	F(str, tokens, WIRE_FRAME_MAX)                                         \
	F(num, complete, 1)
#define WIRE_REVOKE_TOKEN_FIELDS(F) F(num, token_id, WIRE_U64)
#define WIRE_GET_STATUS_FIELDS(F)   F(num, unused, 0)
#define WIRE_STATUS_FIELDS(F)	    F(str, figures, WIRE_FRAME_MAX)
#define WIRE_VERIFY_FIELDS(F)	    F(num, unused, 0)
#define WIRE_VERIFIED_FIELDS(F)                                                \
	F(num, groups, WIRE_U64)                                               \
	F(num, messages, WIRE_U64)                                             \
	F(str, problems, WIRE_FRAME_MAX)

/*
 * A backup: groupd makes a copy of the store, which this connection then
 * reads, with the contents of the media files that the copy knows; it goes
 * with the connection, or when it is left alone. id: the client's choice, at
 * random. One at a time (`unavailable`). With verify, the copy is audited.
 */
#define WIRE_BACKUP_FIELDS(F)                                                  \
	F(num, id, WIRE_U64)                                                   \
	F(num, verify, 1)
#define WIRE_BACKED_UP_FIELDS(F)                                               \
	F(num, time_ms, WIRE_U64)                                              \
	F(num, size, WIRE_U64)                                                 \
	F(str, hash, WIRE_HASH)                                                \
	F(num, groups, WIRE_U64)                                               \
	F(num, users, WIRE_U64)                                                \
	F(num, messages, WIRE_U64)                                             \
	F(num, media, WIRE_U64)                                                \
	F(num, media_bytes, WIRE_U64)                                          \
	F(str, problems, WIRE_FRAME_MAX)
/* By hash, from behind `after` on. */
#define WIRE_LIST_BACKUP_FIELDS(F)                                             \
	F(num, id, WIRE_U64)                                                   \
	F(str, after, WIRE_HASH)
#define WIRE_BACKUP_LIST_FIELDS(F)                                             \
	F(str, contents, WIRE_FRAME_MAX)                                       \
	F(num, complete, 1)
/* Bytes of a content or, with an empty hash, of the copy. Answer TEXT. */
#define WIRE_READ_BACKUP_FIELDS(F)                                             \
	F(num, id, WIRE_U64)                                                   \
	F(str, hash, WIRE_HASH)                                                \
	F(num, offset, WIRE_U64)                                               \
	F(num, size, WIRE_TEXT_MAX)
/*
 * A restore, the other way round: RESTORE, with how many bytes will come,
 * answers what there is now, then the pieces come, and COMMIT_RESTORE, with
 * what they are to be, has groupd check all, put it in the place of its store,
 * and start anew. kept: the name that the store of before has then. Nothing has
 * changed before its answer, and the same one again, to the groupd that started
 * anew, has the same answer.
 */
#define WIRE_RESTORE_FIELDS(F)                                                 \
	F(num, id, WIRE_U64)                                                   \
	F(num, bytes, WIRE_U64)
#define WIRE_TO_RESTORE_FIELDS(F)                                              \
	F(num, groups, WIRE_U64)                                               \
	F(num, users, WIRE_U64)                                                \
	F(num, messages, WIRE_U64)                                             \
	F(num, media, WIRE_U64)
#define WIRE_WRITE_RESTORE_FIELDS(F)                                           \
	F(num, id, WIRE_U64)                                                   \
	F(str, hash, WIRE_HASH)                                                \
	F(num, offset, WIRE_U64)                                               \
	F(str, data, WIRE_TEXT_MAX)
#define WIRE_COMMIT_RESTORE_FIELDS(F)                                          \
	F(num, id, WIRE_U64)                                                   \
	F(num, size, WIRE_U64)                                                 \
	F(str, hash, WIRE_HASH)                                                \
	F(num, groups, WIRE_U64)                                               \
	F(num, messages, WIRE_U64)                                             \
	F(num, media, WIRE_U64)
#define WIRE_RESTORED_FIELDS(F) F(str, kept, 4096)

/* What GET /metrics answers, as text. Needs no principal: for a gateway's
 * connection, root and groupd's own user. */
#define WIRE_GET_METRICS_FIELDS(F) F(num, unused, 0)
#define WIRE_METRICS_FIELDS(F)	   F(str, text, WIRE_FRAME_MAX)
/* A gateway's figures since its start, those of now for what is open; each
 * REPORT stands in the place of the one before. Needs no principal, and a
 * gateway's connection. requests: http_counts; refused: counts of sends, for
 * each err_code but ERR_NONE; fanout: a histogram. */
#define WIRE_REPORT_FIELDS(F)                                                  \
	F(num, started_ms, WIRE_U64)                                           \
	F(num, resident, WIRE_U64)                                             \
	F(num, cpu_us, WIRE_U64)                                               \
	F(num, websockets, WIRE_U64)                                           \
	F(num, streams, WIRE_U64)                                              \
	F(num, subscriptions, WIRE_U64)                                        \
	F(num, lagging, WIRE_U64)                                              \
	F(num, deliveries, WIRE_U64)                                           \
	F(num, written, WIRE_U64)                                              \
	F(num, slow, WIRE_U64)                                                 \
	F(num, silent, WIRE_U64)                                               \
	F(str, requests, 512)                                                  \
	F(str, refused, 1024)                                                  \
	F(str, fanout, 512)

/* Events. EV_MESSAGES carries consecutive messages. EV_GROWN says that the
 * log reaches last_seq and what lies between must be pulled. EV_MEMBER comes
 * to who watches the group and to the user's own principals, in order with
 * the group's messages. EV_READ, EV_MENTION come to each session that has a
 * principal of the user, but to no mount. EV_READ: his pointer moved forward,
 * other than by a message of his own; request: the id of the SET_READ, to the
 * session that asked, else 0. EV_MENTION: he is mentioned by name; it comes
 * behind the message, if that comes at all. EV_FLOOR: what is held of the log
 * of a group that is watched begins at first_seq now, at these offsets. */
#define WIRE_EV_MESSAGES_FIELDS(F)                                             \
	F(num, group_id, WIRE_U64)                                             \
	F(str, messages, WIRE_FRAME_MAX)
#define WIRE_EV_GROWN_FIELDS(F)                                                \
	F(num, group_id, WIRE_U64)                                             \
	F(num, last_seq, WIRE_U64)
#define WIRE_EV_MEMBER_FIELDS(F)                                               \
	F(num, group_id, WIRE_U64)                                             \
	F(str, group, WIRE_NAME_MAX)                                           \
	F(str, user, WIRE_USER_MAX)                                            \
	F(num, change, 2)                                                      \
	F(num, role, 2)                                                        \
	F(str, by, WIRE_USER_MAX)                                              \
	F(num, last_read_seq, WIRE_U64)
#define WIRE_EV_DELETED_FIELDS(F) F(num, group_id, WIRE_U64)
#define WIRE_EV_READ_FIELDS(F)                                                 \
	F(num, group_id, WIRE_U64)                                             \
	F(str, group, WIRE_NAME_MAX)                                           \
	F(str, user, WIRE_USER_MAX)                                            \
	F(num, last_read_seq, WIRE_U64)                                        \
	F(num, request, UINT32_MAX)
#define WIRE_EV_MENTION_FIELDS(F)                                              \
	F(num, group_id, WIRE_U64)                                             \
	F(str, group, WIRE_NAME_MAX)                                           \
	F(str, user, WIRE_USER_MAX)                                            \
	F(num, seq, WIRE_U64)                                                  \
	F(str, sender, WIRE_USER_MAX)
#define WIRE_EV_FLOOR_FIELDS(F)                                                \
	F(num, group_id, WIRE_U64)                                             \
	F(num, first_seq, WIRE_U64)                                            \
	F(num, first_off, WIRE_U64)                                            \
	F(num, first_jsonl_off, WIRE_U64)
#define WIRE_EV_PRINCIPAL_FIELDS(F) F(num, code, 255)
#define WIRE_EV_BYE_FIELDS(F)	    F(num, retry_after_ms, 3600000)

/* M(ENUM, struct name, number, answer): the numbers are the protocol. An
 * answer of NONE: not a request. */
#define WIRE_TYPES(M)                                                          \
	M(ERROR, error, 1, NONE)                                               \
	M(OK, ok, 2, NONE)                                                     \
	M(HELLO, hello, 3, WELCOME)                                            \
	M(WELCOME, welcome, 4, NONE)                                           \
	M(OPEN_PRINCIPAL, open_principal, 5, PRINCIPAL)                        \
	M(PRINCIPAL, principal, 6, NONE)                                       \
	M(CLOSE_PRINCIPAL, close_principal, 7, OK)                             \
	M(SEND, send, 10, SENT)                                                \
	M(SENT, sent, 11, NONE)                                                \
	M(FIND_GROUP, find_group, 12, GROUP)                                   \
	M(GROUP, group, 13, NONE)                                              \
	M(LIST_GROUPS, list_groups, 14, GROUP_LIST)                            \
	M(GROUP_LIST, group_list, 15, NONE)                                    \
	M(PULL, pull, 16, MESSAGES)                                            \
	M(MESSAGES, messages, 17, NONE)                                        \
	M(READ_TEXT, read_text, 18, TEXT)                                      \
	M(TEXT, text, 19, NONE)                                                \
	M(LIST_MEMBERS, list_members, 20, MEMBER_LIST)                         \
	M(MEMBER_LIST, member_list, 21, NONE)                                  \
	M(EDIT_MEMBERS, edit_members, 22, OK)                                  \
	M(CREATE_GROUP, create_group, 23, GROUP)                               \
	M(DELETE_GROUP, delete_group, 24, OK)                                  \
	M(SET_READ, set_read, 25, OK)                                          \
	M(WATCH, watch, 26, WATCHING)                                          \
	M(WATCHING, watching, 27, NONE)                                        \
	M(UNWATCH, unwatch, 28, OK)                                            \
	M(GET_INFO, get_info, 29, INFO)                                        \
	M(INFO, info, 30, NONE)                                                \
	M(SET_INFO, set_info, 31, OK)                                          \
	M(LIST_MENTIONS, list_mentions, 32, MENTION_LIST)                      \
	M(MENTION_LIST, mention_list, 33, NONE)                                \
	M(GET_SPACE, get_space, 34, SPACE)                                     \
	M(SPACE, space, 35, NONE)                                              \
	M(ADD_USERS, add_users, 40, OK)                                        \
	M(CREATE_TOKEN, create_token, 41, TOKEN)                               \
	M(TOKEN, token, 42, NONE)                                              \
	M(LIST_TOKENS, list_tokens, 43, TOKEN_LIST)                            \
	M(TOKEN_LIST, token_list, 44, NONE)                                    \
	M(REVOKE_TOKEN, revoke_token, 45, OK)                                  \
	M(GET_STATUS, get_status, 46, STATUS)                                  \
	M(STATUS, status, 47, NONE)                                            \
	M(VERIFY, verify, 48, VERIFIED)                                        \
	M(VERIFIED, verified, 49, NONE)                                        \
	M(WRITE_MEDIA, write_media, 50, OK)                                    \
	M(SEND_MEDIA, send_media, 51, SENT)                                    \
	M(DROP_MEDIA, drop_media, 52, OK)                                      \
	M(FIND_MEDIA, find_media, 53, MEDIA)                                   \
	M(MEDIA, media, 54, NONE)                                              \
	M(LIST_MEDIA, list_media, 55, MEDIA_LIST)                              \
	M(MEDIA_LIST, media_list, 56, NONE)                                    \
	M(READ_MEDIA, read_media, 57, TEXT)                                    \
	M(EV_MESSAGES, ev_messages, 60, NONE)                                  \
	M(EV_GROWN, ev_grown, 61, NONE)                                        \
	M(EV_MEMBER, ev_member, 62, NONE)                                      \
	M(EV_DELETED, ev_deleted, 63, NONE)                                    \
	M(EV_PRINCIPAL, ev_principal, 64, NONE)                                \
	M(EV_BYE, ev_bye, 65, NONE)                                            \
	M(TAKE_CONNECTION, take_connection, 66, OK)                            \
	M(DROP_CONNECTION, drop_connection, 67, OK)                            \
	M(GET_METRICS, get_metrics, 70, METRICS)                               \
	M(METRICS, metrics, 71, NONE)                                          \
	M(REPORT, report, 72, OK)                                              \
	M(EV_READ, ev_read, 73, NONE)                                          \
	M(EV_MENTION, ev_mention, 74, NONE)                                    \
	M(LIST_USERS, list_users, 80, USER_LIST)                               \
	M(USER_LIST, user_list, 81, NONE)                                      \
	M(BACKUP, backup, 85, BACKED_UP)                                       \
	M(BACKED_UP, backed_up, 86, NONE)                                      \
	M(LIST_BACKUP, list_backup, 87, BACKUP_LIST)                           \
	M(BACKUP_LIST, backup_list, 88, NONE)                                  \
	M(READ_BACKUP, read_backup, 89, TEXT)                                  \
	M(RESTORE, restore, 90, TO_RESTORE)                                    \
	M(TO_RESTORE, to_restore, 91, NONE)                                    \
	M(WRITE_RESTORE, write_restore, 92, OK)                                \
	M(COMMIT_RESTORE, commit_restore, 93, RESTORED)                        \
	M(RESTORED, restored, 94, NONE)                                        \
	M(EXPORT, export, 95, EXPORTED)                                        \
	M(EXPORTED, exported, 96, NONE)                                        \
	M(IMPORT, import, 97, OK)                                              \
	M(IMPORT_BYTES, import_bytes, 98, OK)                                  \
	M(EV_FLOOR, ev_floor, 99, NONE)

enum wire_type {
	WIRE_NONE = 0,
#define WIRE_ENUM(ENUM, name, number, answer) WIRE_##ENUM = number,
	WIRE_TYPES(WIRE_ENUM)
#undef WIRE_ENUM
};

/* The structs: struct wire_message, struct wire_send, ... */
#define WIRE_C_num(name)		uint64_t name;
#define WIRE_C_str(name)		struct str name;
#define WIRE_C_FIELD(kind, name, bound) WIRE_C_##kind(name)
#define WIRE_RECORD_STRUCT(name, NAME)                                         \
	struct wire_##name {                                                   \
		WIRE_##NAME##_FIELDS(WIRE_C_FIELD)                             \
	};
#define WIRE_TYPE_STRUCT(ENUM, name, number, answer)                           \
	struct wire_body_##name {                                              \
		WIRE_##ENUM##_FIELDS(WIRE_C_FIELD)                             \
	};
WIRE_RECORDS(WIRE_RECORD_STRUCT)
WIRE_TYPES(WIRE_TYPE_STRUCT)
#undef WIRE_RECORD_STRUCT
#undef WIRE_TYPE_STRUCT

/* How one struct is encoded; made from the lists above. */
struct wire_schema {
	const char *name;		 /* "send" */
	const struct wire_field *fields; /* wire.c's own */
	size_t count;			 /* of fields */
	size_t size;			 /* bytes of the struct */
};

#define WIRE_SCHEMA_DECL(name, NAME)                                           \
	extern const struct wire_schema wire_schema_##name;
WIRE_RECORDS(WIRE_SCHEMA_DECL)
#undef WIRE_SCHEMA_DECL

/* The schema of a frame's body; NULL for an unknown type. */
const struct wire_schema *wire_schema_of(enum wire_type type);
bool wire_has_field(const struct wire_schema *schema, const char *name);
/* The type that answers a request; WIRE_NONE for what is no request. */
enum wire_type wire_answer_of(enum wire_type type);
/* "SEND"; "?" for an unknown type. */
const char *wire_type_name(enum wire_type type);

/* Appends the fields of src (a struct of that schema). Values above their
 * bound are our own bug: assert. Memory failure shows in b->failed. */
void wire_put(struct buf *b, const struct wire_schema *schema, const void *src);
/* Bytes that wire_put() would append. */
size_t wire_size(const struct wire_schema *schema, const void *src);

/* Decodes exactly the bytes of `in`. 0, or -EBADMSG: out is unspecified. */
int wire_get(struct str in, const struct wire_schema *schema, void *out);

/* The next record of a list: 1 and *list moves on, 0 at its end, -EBADMSG. */
int wire_next(struct str *list, const struct wire_schema *schema, void *out);

struct wire_header {
	uint32_t len; /* bytes of body */
	enum wire_type type;
	uint32_t id;	    /* 0: an event */
	uint32_t principal; /* 0: none */
	bool resent;
};

/* Appends header and body. body is a struct wire_body_* of the type. */
void wire_put_frame(struct buf *b, enum wire_type type, uint32_t id,
		    uint32_t principal, const void *body);

/* The same for a body whose last field, a str, is put together in its place:
 * what is appended between the two is that str. The body's own is not looked
 * at; expected: bytes that it will have, mostly. After a failure of memory,
 * too, close may be called. */
struct wire_open {
	size_t start, length, data; /* places in b; data: of the str */
};
struct wire_open wire_open_frame(struct buf *b, enum wire_type type,
				 uint32_t id, uint32_t principal,
				 const void *body, size_t expected);
void wire_close_frame(struct buf *b, const struct wire_open *open);

/* Says in an encoded frame that it is sent again. */
void wire_mark_resent(struct buf *frame);

/* Reads a header from at least WIRE_HEADER bytes. -EBADMSG: unknown type,
 * len over WIRE_FRAME_MAX, or a field has another value than it may have. */
int wire_get_header(const char *data, struct wire_header *out);

/* The message of a mention; its strs stay the mention's. */
static inline struct wire_message
wire_mention_message(const struct wire_mention *mention)
{
	struct wire_message m = { 0 };

#define WIRE_COPY(kind, name, bound) m.name = mention->name;
	WIRE_MESSAGE_FIELDS(WIRE_COPY)
#undef WIRE_COPY
	return m;
}

/* Room for any decoded body. */
union wire_body {
#define WIRE_MEMBER_DECL(ENUM, name, number, answer)                           \
	struct wire_body_##name name;
	WIRE_TYPES(WIRE_MEMBER_DECL)
#undef WIRE_MEMBER_DECL
};

#endif
