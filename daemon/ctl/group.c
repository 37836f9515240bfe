/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "daemon/ctl/commands.h"
#include "lib/env.h"

enum ctl_exit ctl_create(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct wire_body_create_group body = { .name = str_of(argv[0]) };
	struct wire_body_group answer;
	struct buf members = { 0 };
	struct buf key = { 0 };
	enum ctl_exit rc = CTL_REFUSED;

	(void)o;
	if (!ctl_is_group_name(argv[0]))
		return CTL_REFUSED;
	for (int i = 1; i < argc; i++) {
		struct wire_edit edit = { .op = EDIT_ADD,
					  .name = str_of(argv[i]) };

		if (!ctl_is_user_name(argv[i]))
			goto release;
		wire_put(&members, &wire_schema_edit, &edit);
	}
	/* So a resend after a restart of groupd finds the group that it made,
	 * and is not told that it exists. */
	buf_printf(&key, "groupctl-%016llx",
		   (unsigned long long)env_random_u64(env_system()));
	if (members.failed || key.failed) {
		ctl_complain("out of memory");
		goto release;
	}
	body.members = buf_str(&members);
	body.key = buf_str(&key);
	if (members.len > WIRE_FRAME_MAX / 2)
		ctl_complain("too many members at once");
	else
		rc = ctl_call(ctl, WIRE_CREATE_GROUP, &body, &answer);
release:
	buf_release(&members);
	buf_release(&key);
	return rc;
}

enum ctl_exit ctl_delete(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct wire_body_find_group find = { .name = str_of(argv[0]) };
	struct wire_body_group group;
	struct wire_body_delete_group body;
	struct wire_body_ok answer;
	enum ctl_exit rc;

	(void)o;
	(void)argc;
	if (!ctl_is_group_name(argv[0]))
		return CTL_REFUSED;
	rc = ctl_call(ctl, WIRE_FIND_GROUP, &find, &group);
	if (rc != CTL_OK)
		return rc;
	body.group_id = group.group_id;
	return ctl_call(ctl, WIRE_DELETE_GROUP, &body, &answer);
}
