/* SPDX-License-Identifier: MIT */
#include "store/schema.h"

#include "daemon/ctl/commands.h"

enum ctl_exit ctl_schema(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct buf out = { 0 };
	enum ctl_exit rc;

	(void)ctl;
	(void)argc;
	(void)argv;
	store_put_schema(&out, o->citus);
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}
