/* SPDX-License-Identifier: MIT */
/*
 * The contract of a store: one durable, ordered log per group, its members,
 * their read pointers, users and tokens. Blocking; knows no event loop; a
 * handle belongs to one thread at a time. Back ends: sqlite, memory (the
 * reference, in tests), in tests faulty.
 *
 *   writer handle:  store_begin, any of the writing verbs, store_commit
 *   reader handle:  store_snapshot, any of the reading verbs, store_release
 *
 * Rules that every back end keeps (tests/unit/test_store.c proves them):
 *  - Committed means on disk: when store_commit() returns 0, a crash of the
 *    machine loses nothing of the transaction. -EINPROGRESS means that the
 *    outcome is unknown: the handle is dead, the process must stop, a new
 *    open tells. Any other error: nothing of the transaction is stored.
 *  - A verb that refuses (err, negative errno) has changed nothing and the
 *    transaction goes on; -EIO and -ENOSPC end the transaction: roll back.
 *    (`group_full` is -ENOSPC too, but a refusal: err->code tells.)
 *  - seq is gapless from 1, off and jsonl_off are the exact byte offsets of
 *    the message's lines (text_render(), json_put_message_line()), all given
 *    inside the transaction. time_ms never goes back within a group.
 *  - What is held of a log begins at its floor, first_seq, and is gapless from
 *    there; only store_trim() moves it, and only forward. No verb shows
 *    anything of a message below it, but what store_trim() says.
 *  - Membership, role, dedupe and size are checked inside the transaction.
 *  - There is one writer of a store at a time, also over processes: a second
 *    open for writing is refused (-EBUSY). A reader handle cannot write.
 *  - Refusals say `no_such_group` to a user who is no member.
 *
 * Strs given in are borrowed for the call; strs handed out are borrowed until
 * the next call on the handle, or until a callback returns.
 */
#ifndef GROUPFS_STORE_STORE_H
#define GROUPFS_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/env.h"
#include "lib/err.h"
#include "lib/str.h"
#include "lib/wire.h"

enum {
	STORE_HISTORY = 50,	  /* messages that a new member finds unread */
	STORE_TOKEN_HASH = 32,	  /* SHA-256 */
	STORE_MENTIONS_MAX = 100, /* recorded per message; more are dropped */
	STORE_EVERYONE_MAX =
		100, /* members above which @everyone is for admins */
	STORE_MEMBERS_MAX = 1000000,
	STORE_TRIM_BYTES = 1 << 20, /* of lines, in one store_trim() */
	STORE_HASH = WIRE_HASH
};

struct store;

struct store_options {
	const struct env *env;	   /* borrowed while open */
	uint64_t max_content;	   /* bytes a message may have; 0: 65536 */
	uint64_t dedupe_window_ms; /* a client_id is remembered at least so
				      long; 0: 24 h */
	bool read_only;		   /* a reader handle */
	bool moving;		   /* opens what is being moved (move.h); then
				      there is one writer, also of a store
				      that is shared: -EBUSY */
	/* Called now and then while a verb works for long, on its thread; not
	 * to use the handle. NULL: never. */
	void (*alive)(void *data);
	void *alive_data; /* borrowed while open */
	/* Called with a sentence about what is wrong, and no reason to refuse,
	 * on the handle's thread. NULL: never. */
	void (*warn)(void *data, const char *text);
	void *warn_data; /* borrowed while open */
	/* Of a writer of a shared store: env's clock is compared with the
	 * store's, and where it is wrong by more than a day `unavailable`. */
	bool check_clock;
	/* What it is refused with no user sees: it may say where a shared store
	 * is, and as whom it was asked. */
	bool for_log;
};

/* url: "sqlite:PATH", "postgresql:" and what libpq says of it, or
 * "memory:NAME". Makes a new store where there is none (writers only). Owned by
 * the caller: store_close(). */
int store_open(struct store **out, const char *url,
	       const struct store_options *options, struct err *err);
/* Rolls back what is open. Takes NULL. */
void store_close(struct store *s);

/* Writer: a transaction. store_rollback() also after -EIO, -ENOSPC. */
int store_begin(struct store *s, struct err *err);
/* Whether the transaction that was begun last failed for no fault of its own:
 * it and another node's waited for each other. It may be run once more. */
bool store_was_undone(const struct store *s);
/* Whether the transaction, or the store_append_all(), that was begun last
 * failed because a shared store was not reached, or gave no answer; not because
 * of what it answered. */
bool store_was_lost(const struct store *s);
int store_commit(struct store *s, struct err *err);
void store_rollback(struct store *s);

/* Reader: one consistent view; verbs outside of one see the newest state
 * each. */
int store_snapshot(struct store *s, struct err *err);
void store_release(struct store *s);

/* Appends all items, or refuses and appends none. Checks every item first:
 * UTF-8, size, reply_to, type. Parses mentions, records those of members.
 * Moves the sender's pointer. */
struct store_append {
	uint64_t group_id;
	struct str user;     /* the sender */
	struct str batch_id; /* may be empty: no dedupe of the whole */
	struct str items;    /* wire list of `item`, at least one */
	/* Appends nothing: only says (sent.duplicate) whether all of it was
	 * appended before, by its batch_id or its client_ids, and how. */
	bool only_known;
	/* out */
	struct wire_body_sent sent;
	uint64_t end_off; /* where the group's log ends now */
	bool mentions;	  /* a message that is new mentions somebody */
};
int store_append(struct store *s, struct store_append *op, struct err *err);

/*
 * A whole transaction of appends, for a lane that has nothing else to do: each
 * as store_append() would, in this order, refused by itself (errs[i], and what
 * goes out of ops[i] is zeroed); then the commit. Where the store lies beyond
 * a network it costs one round trip. Outside of a transaction; what it returns
 * is what store_commit() would: 0 also when all were refused, and after an
 * error nothing is stored (-EINPROGRESS: nobody knows). A group that another
 * machine has locked is refused by itself, too: `unavailable`.
 */
int store_append_all(struct store *s, struct store_append *const *ops,
		     struct err *errs, size_t count, struct err *err);

/* The messages that this transaction appended to the group can be read with
 * store_scan() on the writer handle, inside the transaction and after it. */

/* Creates a group, creator as admin; members as EDIT_* edits of users that
 * exist. A group of this name made by this creator with this (not empty) key
 * is returned as it is. `group_exists`, `bad_name`, `no_such_user`. */
struct store_create {
	struct str name;
	struct str creator;
	struct str description;
	struct str settings; /* JSON object, or empty: `bad_request` */
	struct str members;  /* wire list of `edit`: EDIT_ADD or EDIT_ADMIN */
	struct str key;
	/* out */
	uint64_t group_id;
	bool existed;
};
int store_create_group(struct store *s, struct store_create *op,
		       struct err *err);

/* For an admin of the group. Its id is never used again. 1: a rest of what it
 * held is left, which no verb finds but store_import_drop(): that is to be
 * called, with its id, until it says that nothing is left. */
int store_delete_group(struct store *s, uint64_t group_id, struct str by,
		       struct err *err);

/* What store_edit_members() did to one user. */
struct store_change {
	enum member_change change;
	enum role role;
	char user[WIRE_USER_MAX + 1];
	uint64_t last_read_seq; /* of one who was added */
};

/* Applies all edits in order, or refuses (the sentence names the user) and
 * applies none. Admins may do all; a member may only remove himself. The
 * group keeps an admin: `last_admin`. `group_full` above max_members. */
struct store_edit {
	uint64_t group_id;
	struct str by;
	struct str edits; /* wire list of `edit` */
	/* out: what really changed, in order; owned by the caller: free() */
	struct store_change *changes;
	size_t count;
};
int store_edit_members(struct store *s, struct store_edit *op, struct err *err);

/* Moves the pointer forward to seq (WIRE_READ_ALL: the last); *stored is what
 * holds now. 1: it moved; 0: it was there already, or further. A seq beyond
 * the last is `bad_request`. */
int store_set_read(struct store *s, uint64_t group_id, struct str user,
		   uint64_t seq, uint64_t *stored, struct err *err);

/* Changes what `set` names of a group's metadata, together, and its info_ms;
 * with nothing named, only asks whether `by` may. For its admins: `not_admin`.
 * avatar_url: without spaces and control characters. settings: a JSON object
 * or empty, kept as it is written; its `retention`, if there is one, is what
 * store/keep.h reads. max_members: from 1 to STORE_MEMBERS_MAX,
 * and not below how many there are: `bad_request`. */
struct store_set_info {
	uint64_t group_id;
	struct str by;
	unsigned set; /* INFO_* */
	struct str description;
	struct str avatar_url;
	struct str settings;
	uint64_t max_members;
};
int store_set_info(struct store *s, const struct store_set_info *op,
		   struct err *err);

/*
 * Appends a media message and the file that it brings: the bytes themselves
 * lie elsewhere, by their hash, and are there for good before the commit.
 * The message's media_url is "media/" and the name, percent-encoded
 * (text_media_url()). `bad_name` when the name is none (text_is_file_name()),
 * `file_exists` when the group has a file of this name. A batch_id already
 * used gives the first one's numbers, as in store_append(), and its media_id
 * whatever the name is now. The hash is garbage no longer; and where the store
 * is shared, until the end of the transaction nobody else takes it for garbage.
 */
struct store_media {
	uint64_t group_id;
	struct str user; /* the sender */
	struct str batch_id;
	struct str name;
	struct str content;
	uint8_t hash[STORE_HASH];
	uint64_t size;
	bool only_known; /* as in struct store_append */
	/* out */
	struct wire_body_sent sent;
	uint64_t media_id;
	bool mentions; /* its content mentions somebody */
};
int store_add_media(struct store *s, struct store_media *op, struct err *err);

/* Files that have become nobody's (the last group that had them was deleted,
 * or the last message that brought them was trimmed):
 * 1 and the first hash behind `after` (NULL: of all; hash may be it), by its
 * bytes; 0: none. It stays until store_drop_garbage() or store_add_media().
 * Reads only, on any handle; but only inside the transaction that drops it is
 * it certain that no file has this hash. */
int store_next_garbage(struct store *s, const uint8_t *after,
		       uint8_t hash[STORE_HASH], struct err *err);
int store_drop_garbage(struct store *s, const uint8_t hash[STORE_HASH],
		       struct err *err);

/*
 * Retention. Messages go from the front of a log, whole, and its floor moves
 * to what is the first then (last_seq + 1 where none is left; the end of the
 * log stays where it was). Numbers, offsets and times of those that stay are
 * what they were. With a message go its media file (its hash becomes garbage
 * where nobody else has it) and that it mentions somebody. What stays:
 *  - dedupe: who sends it again is told its numbers, `duplicate`, with a
 *    media_id of 0.
 *  - replies to it, as they are. A new reply to it is `bad_request`, as to a
 *    message that never was: input_refuse_reply().
 *  - read pointers. One below the floor stands for first_seq - 1 wherever it is
 *    asked for (struct wire_group, store_set_read()), so that unread messages
 *    and mentions are those that are held; an export gives it as it is.
 */

/* What is kept of a log: what any of these bounds excludes, goes. 0: no such
 * bound. */
struct store_keep {
	uint64_t age_ms;   /* a message that is older goes */
	uint64_t messages; /* this many, the newest */
	uint64_t bytes;	   /* of lines in `messages`, of the newest */
};

/* Takes some of what is not kept: at most `limit` messages (at least 1), and
 * no more than STORE_TRIM_BYTES of lines and one message, so that no
 * transaction is long. A group's own `retention` counts as well, as it is
 * inside of the transaction: of each two bounds the one that keeps less. 0
 * also when there was nothing to take. `no_such_group`. Messages of the same
 * transaction are taken too: have it begin with none. Of a store that is
 * shared, where another is at this group in this moment: nothing, and 0. */
struct store_trim {
	uint64_t group_id;
	struct store_keep keep; /* of all groups */
	uint64_t limit;
	/* out */
	uint64_t first_seq; /* the floor now, and where its lines begin */
	uint64_t first_off;
	uint64_t first_jsonl_off;
	uint64_t trimmed; /* messages that this call took */
	uint64_t left;	  /* those that the next ones will take */
};
int store_trim(struct store *s, struct store_trim *op, struct err *err);

/* Which groups store_trim() would take something of: fn is called for each
 * among the next `count` groups above *after_id, by id, and *after_id moves to
 * the last one that was looked at. 1 while there are more; 0 at the end. A
 * group that nothing bounds is not looked at, and costs nothing. Any handle.
 * What fn returns is as in the reading verbs below. */
typedef int (*store_overdue_fn)(void *data, uint64_t group_id);
int store_list_overdue(struct store *s, const struct store_keep *keep,
		       size_t count, uint64_t *after_id, store_overdue_fn fn,
		       void *data, struct err *err);

/*
 * Background work of the store's own, by which nothing changes for anybody:
 * what was written in the order in which it came is moved to where it is kept.
 * One step, of some milliseconds, in a transaction of its own; outside of one.
 * Nothing is lost by not calling it: what may not wait goes with the commits.
 */
struct store_tend {
	uint64_t limit; /* messages, about, in this step; 0: as it thinks */
	bool all;	/* also what has time */
	/* out: when to come again; UINT64_MAX: when something was written */
	uint64_t wait_ms;
};
/* 1: there is more to do at once; 0: not before wait_ms. */
int store_tend(struct store *s, struct store_tend *op, struct err *err);

/*
 * Archiving, of a store that is shared: what is old is packed, so that it
 * needs less room, and the room that it had before is given back. It is read,
 * trimmed and exported as before; no verb shows a difference. Each call is one
 * step, in a transaction of its own; any number of machines may be at it, and
 * break off anywhere. A group that somebody writes to in this moment is left
 * for another round.
 */
struct store_archive {
	uint64_t before_ms; /* days (UTC) that have ended by then */
	/* Messages, about, and no more than STORE_TRIM_BYTES of lines and 256
	 * messages; 0: the next group is passed over, because the last step has
	 * failed at it. */
	uint64_t limit;
	/* Where the round stands: zeroed at its begin. */
	uint64_t day;
	uint64_t after_id;
	bool walked;
	/* out */
	uint64_t archived; /* messages */
};
/* 1: the round goes on; 0: it is over. `bad_request` from a store that has no
 * archive. */
int store_archive(struct store *s, struct store_archive *op, struct err *err);

/*
 * A whole group from elsewhere, with its numbers, times and senders: put
 * together over as many transactions as it takes, and nobody's until the last
 * one, which shows all of it.
 *
 *   begin -> members ... -> messages ... -> media ... -> end
 *       \--------------------------------------------> drop, drop ...
 *
 * What was begun stays, over a crash too, until end or drop; next finds it.
 * `bad_request` where there is no such import. Each verb stores all of its
 * records or none; a refusal names the line of the record at fault, `line`
 * being that of the first.
 */
struct store_import {
	uint64_t import_id;
	struct str records; /* wire list */
	uint64_t line;
};
/* group: epoch, group_id and member_count do not count. Its first message has
 * first_seq (from 1; last_seq + 1 where none is left) and the offsets first_off
 * and first_jsonl_off. The id is the group's in the end, and is never used
 * again. `group_exists`, `bad_name`, and what metadata is refused with. */
int store_import_begin(struct store *s, const struct wire_port_group *group,
		       uint64_t *import_id, struct err *err);
/* Records of `port_member`, who must be users: `no_such_user`. A read pointer
 * that is not known is that of a new member. */
int store_import_members(struct store *s, const struct store_import *op,
			 struct err *err);
/* Records of `message`: seq goes on without a gap, reply_to is below it, even
 * below first_seq, time_ms does not go back,
 * all else as in store_append(); the sender need not be anybody. mentions are
 * recorded as they are, for those who were members since. A client_id that is
 * younger than the dedupe window is remembered, and `bad_request` where it is
 * already; older ones are only kept. */
int store_import_messages(struct store *s, const struct store_import *op,
			  struct err *err);
/* One record of `media`: the file of a media message that is there; as
 * store_add_media(). media_id, time_ms and sender do not count. */
int store_import_media(struct store *s, const struct store_import *op,
		       struct err *err);
/* The group is there, with a new epoch: `group_exists`, or `bad_request` where
 * it has no admin, too many members, or another last_seq than was said. An
 * import that ended with this (not empty) key is said to have `existed`. */
struct store_import_end {
	uint64_t import_id;
	struct str name;
	struct str key;
	/* Of a store that is being moved (move.h), else NULL: the epoch, where
	 * the log begins, info_ms, members_ms and mtime_ms that it keeps. */
	const struct wire_group *kept;
	/* out */
	uint64_t group_id;
	bool existed;
};
int store_import_end(struct store *s, struct store_import_end *op,
		     struct err *err);
/* Takes some of an import away, or of what is left of a group that was deleted,
 * so that no transaction is long: 1 while there is more; 0: it is gone, or
 * there was none. From the first on, no other verb finds it. */
int store_import_drop(struct store *s, uint64_t import_id, struct err *err);
/* 1: *import_id is the first import above after_id that was begun and not
 * ended, or a deleted group of which a rest is left; 0: there is none. Any
 * handle. Of a store that is shared only those
 * that this handle has begun, and those that nobody has been at for an hour:
 * what another node is at is not found. */
int store_next_import(struct store *s, uint64_t after_id, uint64_t *import_id,
		      struct err *err);

/* Adds a user where he is missing; *added says whether. `bad_name`. */
int store_add_user(struct store *s, struct str name, bool *added,
		   struct err *err);

/* The same for many, in this order; *added: how many were missing. */
int store_add_users(struct store *s, const struct str *names, size_t count,
		    uint64_t *added, struct err *err);

/* expires_ms 0: never. `no_such_user`. */
int store_create_token(struct store *s, struct str user,
		       const uint8_t hash[STORE_TOKEN_HASH],
		       uint64_t expires_ms, uint64_t *token_id,
		       struct err *err);
/* owner: who must own it; empty: anybody's. `bad_request` when there is no
 * such token. hash_out (may be NULL) is filled with its hash. */
int store_revoke_token(struct store *s, uint64_t token_id, struct str owner,
		       uint8_t hash_out[STORE_TOKEN_HASH], struct err *err);

/*
 * Reading. Verbs that take a user check that he is a member, else
 * `no_such_group`. An empty user is the daemon itself: no check, role NONE.
 */

/* The group by id, or by name where group_id is 0. */
int store_find_group(struct store *s, uint64_t group_id, struct str name,
		     struct str user, struct wire_group *out, struct err *err);

/* Called for each record, which is borrowed. 0 goes on, 1 ends the walk, a
 * negative errno ends it and is returned. */
typedef int (*store_group_fn)(void *data, const struct wire_group *g);
typedef int (*store_message_fn)(void *data, const struct wire_message *m);
typedef int (*store_member_fn)(void *data, const struct wire_member *m);
typedef int (*store_token_fn)(void *data, const struct wire_token_info *t);

/* The user's groups by name, after a name ("" for the first). */
int store_list_groups(struct store *s, struct str user, struct str after,
		      store_group_fn fn, void *data, struct err *err);

/* Messages with seq > after_seq, ascending, to the end or until fn ends. From
 * below the floor on they begin at it: in one view with store_find_group() the
 * caller knows. */
int store_scan(struct store *s, uint64_t group_id, uint64_t after_seq,
	       store_message_fn fn, void *data, struct err *err);
/* The same for who needs only what a line of `messages` is made of: seq,
 * time_ms, type, reply_to, sender, media_url and content; of the others each is
 * as it is, or 0. */
int store_scan_text(struct store *s, uint64_t group_id, uint64_t after_seq,
		    store_message_fn fn, void *data, struct err *err);

/* The seq of the message whose line in the log of that format holds byte off,
 * and the offset of that line. -ENOENT when off is at or behind the end (err
 * stays untouched); `epoch_changed` when it is below the floor. */
int store_seek(struct store *s, uint64_t group_id, enum log_format format,
	       uint64_t off, uint64_t *seq, uint64_t *line_off,
	       struct err *err);

/* A group's metadata. */
int store_get_info(struct store *s, uint64_t group_id, struct str user,
		   struct wire_info *out, struct err *err);

/* A media file by its id (group_id and name do not count), or by group and
 * name where media_id is 0. Its group says whether the user may see it:
 * `no_such_group`, and so does an id that no file has. 1: there is one; 0:
 * none, and *out is empty. */
int store_find_media(struct store *s, uint64_t media_id, uint64_t group_id,
		     struct str name, struct str user, struct wire_media *out,
		     struct err *err);
typedef int (*store_media_fn)(void *data, const struct wire_media *m);
/* A group's media files by name (byte order), after a name. */
int store_list_media(struct store *s, uint64_t group_id, struct str after,
		     store_media_fn fn, void *data, struct err *err);
/* Whether any media file of any group has this hash. Inside a transaction that
 * stays so until its end: nobody else adds or drops it meanwhile. */
int store_hash_used(struct store *s, const uint8_t hash[STORE_HASH], bool *used,
		    struct err *err);

/* The user's unread messages that mention him, or everyone but were not sent
 * by him, in all his groups: by the group's name, then seq; behind
 * (after_group, after_seq), both empty for the first. Costs what he has of
 * groups and of such messages, whatever else was written. Not to be called
 * from its own callback. */
typedef int (*store_mention_fn)(void *data, const struct wire_mention *m);
int store_list_mentions(struct store *s, struct str user,
			struct str after_group, uint64_t after_seq,
			store_mention_fn fn, void *data, struct err *err);

/* Members by name, after a name. */
int store_list_members(struct store *s, uint64_t group_id, struct str after,
		       store_member_fn fn, void *data, struct err *err);

/* The same, with what an export says of them. */
typedef int (*store_port_member_fn)(void *data,
				    const struct wire_port_member *m);
int store_export_members(struct store *s, uint64_t group_id, struct str after,
			 store_port_member_fn fn, void *data, struct err *err);

/* The role of a user in a group; ROLE_NONE, and 0, when he is no member or
 * there is no such group. */
int store_role(struct store *s, uint64_t group_id, struct str user,
	       enum role *role, struct err *err);

/* *found: the user was added once. */
int store_find_user(struct store *s, struct str name, bool *found,
		    struct err *err);
/* The same of many: found[i] is of names[i]. */
int store_find_users(struct store *s, const struct str *names, size_t count,
		     bool *found, struct err *err);

/* The names of all users, after a name. */
typedef int (*store_name_fn)(void *data, struct str name);
int store_list_users(struct store *s, struct str after, store_name_fn fn,
		     void *data, struct err *err);

/* The user of a token that has not expired; `unauthenticated` otherwise. */
int store_find_token(struct store *s, const uint8_t hash[STORE_TOKEN_HASH],
		     char user[WIRE_USER_MAX + 1], uint64_t *expires_ms,
		     struct err *err);
/* user empty: of everybody. Tokens with an id above after_id, by id. */
int store_list_tokens(struct store *s, struct str user, uint64_t after_id,
		      store_token_fn fn, void *data, struct err *err);

/* Figures for `status`. */
struct store_counts {
	uint64_t groups;
	uint64_t users;
};
int store_count(struct store *s, struct store_counts *out, struct err *err);

/* Bytes that it has on disk, of the data and of the log of what was written
 * last, which is merged into it now and then. Costs no look at the data. */
struct store_size {
	uint64_t data;
	uint64_t log;
};
int store_size(struct store *s, struct store_size *out, struct err *err);

/*
 * A store that several machines share. Others write to it while this one does,
 * so what they did is asked for: by number, which is cheap, and then the
 * changes of members themselves, each of which is kept for a while.
 */

/* Whether it is shared: then it may be opened for writing more than once, and
 * a handle goes on after -EINPROGRESS, with another connection. Any handle. */
bool store_is_shared(const struct store *s);

/* Whether the handle reaches its store, of which nothing is asked. At once
 * where it is connected; else it connects, which may take seconds whatever the
 * deadline: `unavailable`, with a sentence that is for the log alone (for_log).
 * Outside of transactions and snapshots. */
int store_reach(struct store *s, struct err *err);
/* What is asked from now on is given up at that time (CLOCK_MONOTONIC, in ms):
 * `unavailable`, or the outcome is unknown, as when a connection is lost. What
 * takes long by itself (a group with all its members) has to have begun by
 * then, and goes on for as long as the store says that it does, and then the
 * rest of its transaction; what walks over all there is has its own time. 0:
 * none. Of a store that is not shared: nothing. */
void store_set_deadline(struct store *s, uint64_t at_ms);

/* Where groups are now. member_version: grows by one with each change of a
 * member (added, removed, promoted, demoted), from 0: those whom a new group
 * has were added to it. Groups that are not there are left out; the order is
 * any. `bad_request`, as the next three, from a store that notes no changes. */
struct store_version {
	uint64_t group_id;
	uint64_t last_seq;
	uint64_t member_version;
	uint64_t info_ms;
	/* The floor. */
	uint64_t first_seq;
	uint64_t first_off;
	uint64_t first_jsonl_off;
};
typedef int (*store_version_fn)(void *data, const struct store_version *v);
int store_list_versions(struct store *s, const uint64_t *group_ids,
			size_t count, store_version_fn fn, void *data,
			struct err *err);

/* The changes of a group's members after a version, ascending. When the first
 * is not after_version + 1, those before it are not kept any more. None of a
 * group that is not there. */
struct store_member_change {
	uint64_t group_id;
	uint64_t version;
	enum member_change change;
	enum role role;
	struct str group; /* its name */
	struct str user;
	struct str by;
	uint64_t last_read_seq; /* of one who was added */
};
typedef int (*store_member_change_fn)(void *data,
				      const struct store_member_change *c);
int store_list_changes(struct store *s, uint64_t group_id,
		       uint64_t after_version, store_member_change_fn fn,
		       void *data, struct err *err);

/* The same by user: a number that grows by one with each change of what he is
 * in a group (users that are not there are left out), and those changes after
 * it: `version` of them is the user's, not the group's. A deleted group has
 * removed its members. */
typedef int (*store_user_version_fn)(void *data, struct str user,
				     uint64_t version);
int store_list_user_versions(struct store *s, const struct str *users,
			     size_t count, store_user_version_fn fn, void *data,
			     struct err *err);
int store_list_user_changes(struct store *s, struct str user,
			    uint64_t after_version, store_member_change_fn fn,
			    void *data, struct err *err);

/* Which of these tokens are none any more, or have expired: called with the
 * index of each, in any order. */
typedef int (*store_gone_fn)(void *data, size_t index);
int store_list_gone_tokens(struct store *s,
			   const uint8_t (*hashes)[STORE_TOKEN_HASH],
			   size_t count, store_gone_fn fn, void *data,
			   struct err *err);

/* Writer: moves pointers forward, as store_set_read() does, of those that are
 * members, and no further than the last message; others are passed over. */
struct store_pointer {
	uint64_t group_id;
	struct str user;
	uint64_t seq;
};
int store_flush_reads(struct store *s, const struct store_pointer *pointers,
		      size_t count, struct err *err);

/*
 * The store as a whole: copied while it is in use, and put back.
 */

/* How much there is, counted: costs a walk over all of it. media: contents,
 * each once, and their bytes. */
struct store_totals {
	uint64_t groups;
	uint64_t users;
	uint64_t messages;
	uint64_t media;
	uint64_t media_bytes;
};
int store_count_all(struct store *s, struct store_totals *out, struct err *err);

/* Each hash that a media file has, once, in their order, and its bytes. */
typedef int (*store_content_fn)(void *data, const uint8_t hash[STORE_HASH],
				uint64_t size);
int store_list_contents(struct store *s, store_content_fn fn, void *data,
			struct err *err);

/* Which store this is: a random number, not 0, that is made with it and anew
 * by store_renew(). */
int store_identity(struct store *s, uint64_t *identity, struct err *err);

/* Copies all as the open snapshot sees it into a new file, which "sqlite:PATH"
 * opens; a crash of the machine may still lose it. Writers go on meanwhile;
 * what they write is not merged into the data until the snapshot is released.
 * step() is told how many bytes of how many are copied; true: give up, with
 * -ECANCELED. `out_of_space` for the file; `bad_request` from a store that
 * lies in no file. After an error there is no file. */
struct store_copy {
	const char *path; /* borrowed */
	bool (*step)(void *data, uint64_t done, uint64_t total);
	void *data;
};
int store_copy(struct store *s, const struct store_copy *copy, struct err *err);

/* Writer: the log of each group gets a new epoch, the store a new identity.
 * What was known of it before is not true of it any more. */
int store_renew(struct store *s, struct err *err);

/* The URL as it may be shown, without a password: what stands between the
 * user's name and the @, and all that comes behind a ? if that is about one. */
void store_show(struct buf *out, const char *url);
/* What opening a store takes of the system, beside the library's own. */
struct store_needs {
	void *data;
	void (*folder)(void *data, const char *path); /* to write in */
	void (*file)(void *data, const char *path);   /* or folder, to read */
	void (*port)(void *data, uint16_t port);      /* to connect to */
};
/* Tells them for url, of each what can be known before it is opened. False:
 * there may be more ports. */
bool store_needs(const char *url, const struct store_needs *needs);
/* Whether store_exchange() can be done with url, and the name of its file,
 * appended to path: `bad_request` for a store that lies in no file. */
int store_file(const char *url, struct buf *path, struct err *err);
/*
 * Puts the store in the file `fresh` in the place of url's, which is named
 * `kept` from then on (there may be none). All lie in one file system; nobody
 * has any of them open: -EBUSY while somebody writes to url. It may be broken
 * off at any point, by a crash or by a failure, and is then called again with
 * the same names: what url names is always the one or the other store, whole,
 * or nothing. 0 also when all of it was done before.
 */
int store_exchange(const char *url, const char *fresh, const char *kept,
		   struct err *err);

/* Checks the whole store: each group's seq and offsets, each line's length
 * against its rendering (in both formats), the message of each media file, and
 * the engine's own integrity check. problem() is called with a sentence for
 * each fault. */
struct store_verify {
	void (*problem)(void *data, const char *text);
	void *data;
	/* out */
	uint64_t groups;
	uint64_t messages;
};
int store_verify(struct store *s, struct store_verify *v, struct err *err);

#endif
