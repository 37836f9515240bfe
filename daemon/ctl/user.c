/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/commands.h"
#include "daemon/ctl/names.h"

/* Users a request; one transaction each. */
enum { BATCH = 1000 };

struct batch {
	struct ctl *ctl;
	struct buf names; /* wire list of `name` */
	size_t count;
};

static enum ctl_exit flush(struct batch *batch)
{
	struct wire_body_add_users body = { .names = buf_str(&batch->names) };
	struct wire_body_ok answer;
	enum ctl_exit rc;

	if (batch->count == 0)
		return CTL_OK;
	if (batch->names.failed) {
		ctl_complain("out of memory");
		return CTL_REFUSED;
	}
	rc = ctl_call(batch->ctl, WIRE_ADD_USERS, &body, &answer);
	buf_clear(&batch->names);
	batch->count = 0;
	return rc;
}

static enum ctl_exit add(void *data, const char *name)
{
	const struct wire_name record = { .name = str_of(name) };
	struct batch *batch = data;

	wire_put(&batch->names, &wire_schema_name, &record);
	batch->count++;
	return batch->count < BATCH ? CTL_OK : flush(batch);
}

enum ctl_exit ctl_user_add(struct ctl *ctl, const struct ctl_options *o,
			   int argc, char **argv)
{
	struct batch batch = { .ctl = ctl };
	enum ctl_exit rc;

	(void)o;
	rc = names_each(argc, argv, add, &batch);
	if (rc == CTL_OK)
		rc = flush(&batch);
	buf_release(&batch.names);
	return rc;
}
