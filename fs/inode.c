/* SPDX-License-Identifier: MIT */
#include "fs/inode.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

static const struct kind_info KINDS[KIND_COUNT] = {
	[KIND_ROOT] = { NULL, KIND_NONE, S_IFDIR | 0755 },
	[KIND_ME] = { ".me", KIND_ROOT, S_IFDIR | 0555 },
	[KIND_GROUP] = { NULL, KIND_ROOT, S_IFDIR | 0755 },
	[KIND_ME_NAME] = { "name", KIND_ME, S_IFREG | 0400 },
	[KIND_ME_GROUPS] = { "groups", KIND_ME, S_IFREG | 0400 },
	[KIND_ME_ERROR] = { "error", KIND_ME, S_IFREG | 0400 },
	[KIND_ME_STATE] = { "state", KIND_ME, S_IFREG | 0400 },
	[KIND_MESSAGES] = { "messages", KIND_GROUP, S_IFREG | 0600 },
	[KIND_POST] = { "post", KIND_GROUP, S_IFREG | 0200 },
	[KIND_LIVE] = { "live", KIND_GROUP, S_IFREG | 0400 },
	[KIND_UNREAD] = { "unread", KIND_GROUP, S_IFREG | 0400 },
	[KIND_LAST_READ] = { "last_read", KIND_GROUP, S_IFREG | 0600 },
	[KIND_MEMBERS] = { "members", KIND_GROUP, S_IFREG | 0600 },
	[KIND_ME_MENTIONS] = { "mentions", KIND_ME, S_IFREG | 0400 },
	[KIND_ME_LIVE] = { "live", KIND_ME, S_IFREG | 0400 },
	[KIND_JSONL] = { "messages.jsonl", KIND_GROUP, S_IFREG | 0600 },
	[KIND_DESCRIPTION] = { "description", KIND_GROUP, S_IFREG | 0600 },
	[KIND_SETTINGS] = { "settings.json", KIND_GROUP, S_IFREG | 0600 },
	[KIND_MEDIA] = { "media", KIND_GROUP, S_IFDIR | 0755 },
	[KIND_MEDIA_FILE] = { NULL, KIND_MEDIA, S_IFREG | 0400 },
	[KIND_SCRATCH] = { NULL, KIND_GROUP, S_IFREG | 0600 },
	[KIND_UPLOAD] = { NULL, KIND_MEDIA, S_IFREG | 0600 },
	[KIND_CUT_MESSAGES] = { NULL, KIND_GROUP, S_IFREG | 0600 },
	[KIND_CUT_JSONL] = { NULL, KIND_GROUP, S_IFREG | 0600 },
};

const struct kind_info *kind_info(enum kind kind)
{
	if (kind <= KIND_NONE || kind >= KIND_COUNT)
		return NULL;
	return &KINDS[kind];
}

enum kind kind_lookup(enum kind parent, const char *name)
{
	for (int k = KIND_ROOT; k < KIND_COUNT; k++) {
		if (KINDS[k].parent == parent && KINDS[k].name != NULL &&
		    strcmp(KINDS[k].name, name) == 0)
			return (enum kind)k;
	}
	return KIND_NONE;
}

bool kind_is_dir(enum kind kind)
{
	const struct kind_info *info = kind_info(kind);

	return info != NULL && S_ISDIR(info->mode);
}

uint32_t kind_mode(enum kind kind, bool admin)
{
	bool for_admins = kind == KIND_DESCRIPTION || kind == KIND_SETTINGS;
	uint32_t mode = kind_info(kind)->mode;

	return for_admins && !admin ? mode & ~(uint32_t)0222 : mode;
}

/* Whether this kind lies in a group, or is one. */
static bool has_id(enum kind kind)
{
	return kind == KIND_GROUP || KINDS[kind].parent == KIND_GROUP ||
	       KINDS[kind].parent == KIND_MEDIA;
}

uint64_t inode_of(uint64_t id, enum kind kind)
{
	assert(kind > KIND_NONE && kind < KIND_COUNT);
	assert(id <= INODE_ID_MAX);
	assert(has_id(kind) == (id != 0));
	return id << 8 | (uint64_t)kind;
}

bool inode_split(uint64_t ino, uint64_t *id, enum kind *kind)
{
	uint64_t k = ino & 0xff;

	if (k == KIND_NONE || k >= KIND_COUNT)
		return false;
	*kind = (enum kind)k;
	*id = ino >> 8;
	return has_id(*kind) == (*id != 0);
}

enum { GENERATION_SHIFT = 48 };

uint64_t inode_mark(uint64_t ino, uint16_t generation)
{
	if (ino >> 8 == 0)
		return ino;
	return ino | (uint64_t)generation << GENERATION_SHIFT;
}

bool inode_unmark(uint64_t marked, uint16_t generation, uint64_t *ino)
{
	*ino = marked & ((UINT64_C(1) << GENERATION_SHIFT) - 1);
	return inode_mark(*ino, generation) == marked;
}
