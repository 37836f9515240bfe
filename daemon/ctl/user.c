/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/commands.h"
#include "daemon/ctl/names.h"
#include "lib/json.h"

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

static void put_user(struct buf *out, bool json, struct str name)
{
	if (json)
		buf_append_str(out, str_of("{\"user\":"));
	if (json)
		json_put_str(out, name);
	else
		buf_append_str(out, name);
	buf_append_str(out, str_of(json ? "}\n" : "\n"));
}

enum ctl_exit ctl_user_list(struct ctl *ctl, const struct ctl_options *o,
			    int argc, char **argv)
{
	struct wire_body_list_users body = { .limit = WIRE_PAGE_MAX };
	struct wire_body_user_list page = { 0 };
	char after[WIRE_USER_MAX + 1] = "";
	struct buf out = { 0 };
	enum ctl_exit rc = CTL_OK;

	(void)argc;
	(void)argv;
	while (rc == CTL_OK && page.complete == 0) {
		struct wire_name n;
		bool any = false;

		body.after = str_of(after);
		rc = ctl_call(ctl, WIRE_LIST_USERS, &body, &page);
		while (rc == CTL_OK &&
		       wire_next(&page.names, &wire_schema_name, &n) == 1) {
			any = true;
			put_user(&out, o->json, n.name);
			(void)str_to_cstr(n.name, after, sizeof(after));
		}
		if (rc != CTL_OK || !any)
			break;
		rc = ctl_print(&out);
		buf_clear(&out);
	}
	buf_release(&out);
	return rc;
}
