/* SPDX-License-Identifier: MIT */
/*
 * The reference: what a group messenger does, in arrays, knowing nothing of
 * how groupd does it. It is told each write as it is made and says what must
 * come of it; what is rolled back is taken back. Each commit is a moment, and
 * of each message and each member it knows since when.
 */
#ifndef GROUPFS_TESTS_SIM_MODEL_H
#define GROUPFS_TESTS_SIM_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MODEL_USERS = 6,
	MODEL_GROUPS = 10,
	MODEL_LOG = 4096,     /* messages of a group */
	MODEL_CHANGES = 2048, /* of its members */
	MODEL_HISTORY = 50    /* what a new member finds unread */
};

struct model_message {
	uint64_t item;	/* which: all messages ever sent are numbered */
	uint64_t batch; /* the send that had a key for all of it, or 0 */
	uint64_t time_ms;
	uint64_t moment;
	unsigned sender;
	bool keyed; /* it had a key of its own */
};

/* change: as in enum member_change. */
struct model_change {
	uint64_t moment;
	uint64_t seq; /* the last message when it was made */
	unsigned user;
	unsigned change;
};

struct model_member {
	bool in;
	bool admin;
	uint64_t pointer;
	uint64_t joins; /* how often he was added */
};

/* What a transaction may change, but for what is only appended. */
struct model_state {
	uint64_t id;
	bool live;
	uint64_t first; /* the floor */
	uint64_t keep;	/* messages; 0: all */
	size_t last;
	size_t changes;
	struct model_member member[MODEL_USERS];
};

struct model_group {
	struct model_state now;
	struct model_state kept; /* as of the last commit */
	uint64_t born;		 /* moments */
	uint64_t died;		 /* 0: it lives */
	struct model_message log[MODEL_LOG];
	struct model_change change[MODEL_CHANGES];
};

struct model {
	uint64_t moment;
	size_t groups;
	size_t groups_kept;
	struct model_group group[MODEL_GROUPS];
};

struct model_send {
	unsigned user;
	uint64_t time_ms;
	uint64_t batch; /* 0: none */
	bool keyed;
	uint64_t reply_to;
	const uint64_t *items;
	size_t count;
	/* out */
	uint64_t first, last;
	bool duplicate;
};

struct model_edit {
	unsigned op; /* as in enum edit_op */
	unsigned user;
};

void model_reset(struct model *m);
void model_commit(struct model *m);
void model_rollback(struct model *m);
struct model_group *model_find(struct model *m, uint64_t id);

/* Each: whether it is to be done, and not refused. g may be NULL. */
bool model_append(struct model *m, struct model_group *g, struct model_send *s);
bool model_edits(struct model *m, struct model_group *g, unsigned by,
		 const struct model_edit *edits, size_t count);
bool model_read(struct model_group *g, unsigned user, uint64_t seq,
		uint64_t *stored);
struct model_group *model_create(struct model *m, uint64_t id, unsigned by,
				 const struct model_edit *edits, size_t count);
bool model_delete(struct model *m, struct model_group *g, unsigned by);
bool model_keep(struct model_group *g, unsigned by, uint64_t keep);
/* The highest floor to which a trim may move it. */
uint64_t model_trim_max(const struct model_group *g, uint64_t keep);

/* Of what is committed. */
/* Whether he was a member at one of these moments. */
bool model_was_member(const struct model_group *g, unsigned user, uint64_t from,
		      uint64_t to);
/* Whether he was none at one of them. */
bool model_was_out(const struct model_group *g, unsigned user, uint64_t from,
		   uint64_t to);
/* Whether he may have that message: he was a member when it came, or later. */
bool model_may_see(const struct model_group *g, unsigned user, uint64_t seq);
/* His pointer as he is told it. */
uint64_t model_pointer(const struct model_state *s, unsigned user);

#endif
