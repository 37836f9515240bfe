/* SPDX-License-Identifier: MIT */
#include "fs/ops.h"

#include "fs/file.h"
#include "fs/op.h"

static const struct file_ops *const FILES[KIND_COUNT] = {
	[KIND_ME_NAME] = &file_me_name_ops,
	[KIND_ME_GROUPS] = &file_me_groups_ops,
	[KIND_ME_ERROR] = &file_me_error_ops,
	[KIND_ME_STATE] = &file_me_state_ops,
	[KIND_MESSAGES] = &file_messages_ops,
	[KIND_POST] = &file_post_ops,
	[KIND_LIVE] = &file_live_ops,
	[KIND_UNREAD] = &file_unread_ops,
	[KIND_LAST_READ] = &file_last_read_ops,
	[KIND_MEMBERS] = &file_members_ops,
	[KIND_MEDIA_FILE] = &file_media_ops,
	[KIND_UPLOAD] = &file_upload_ops,
	[KIND_SCRATCH] = &file_scratch_ops,
	[KIND_ME_MENTIONS] = &file_me_mentions_ops,
	[KIND_ME_LIVE] = &file_me_live_ops,
	[KIND_JSONL] = &file_messages_ops,
	[KIND_DESCRIPTION] = &file_description_ops,
	[KIND_SETTINGS] = &file_settings_ops,
};

const struct file_ops *file_ops_of(enum kind kind)
{
	if (kind <= KIND_NONE || kind >= KIND_COUNT)
		return NULL;
	return FILES[kind];
}

static void ops_init(void *userdata, struct fuse_conn_info *conn)
{
	struct groupfs *fs = userdata;

	conn->want &=
		~(unsigned int)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				FUSE_CAP_SPLICE_MOVE | FUSE_CAP_READDIRPLUS |
				FUSE_CAP_READDIRPLUS_AUTO |
				FUSE_CAP_WRITEBACK_CACHE);
	conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
	fs->initialised = true;
}

/* Numbers are computed, so there is nothing to forget: libfuse answers for
 * what is not here. */
const struct fuse_lowlevel_ops fs_ops = {
	.init = ops_init,
	.lookup = ops_lookup,
	.getattr = ops_getattr,
	.setattr = ops_setattr,
	.access = ops_access,
	.statfs = ops_statfs,
	.mknod = ops_mknod,
	.mkdir = ops_mkdir,
	.unlink = ops_unlink,
	.rmdir = ops_rmdir,
	.readlink = ops_readlink,
	.symlink = ops_symlink,
	.rename = ops_rename,
	.link = ops_link,
	.create = ops_create,
	.open = ops_open,
	.read = ops_read,
	.write = ops_write,
	.flush = ops_flush,
	.fsync = ops_fsync,
	.release = ops_release,
	.opendir = ops_opendir,
	.readdir = ops_readdir,
	.releasedir = ops_release,
	.poll = ops_poll,
};
