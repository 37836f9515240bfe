/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/commands.h"

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

static enum ctl_exit add(struct batch *batch, const char *name)
{
	struct wire_name record = { .name = str_of(name) };

	if (!ctl_is_user_name(name))
		return CTL_REFUSED;
	wire_put(&batch->names, &wire_schema_name, &record);
	batch->count++;
	return batch->count < BATCH ? CTL_OK : flush(batch);
}

static enum ctl_exit add_lines(struct batch *batch)
{
	enum ctl_exit rc = CTL_OK;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while (rc == CTL_OK && (len = getline(&line, &size, stdin)) >= 0) {
		if (len > 0 && line[len - 1] == '\n')
			line[--len] = '\0';
		if (len > 0 && strlen(line) == (size_t)len) {
			rc = add(batch, line);
		} else if (len > 0) {
			ctl_complain("a name cannot hold a NUL byte");
			rc = CTL_REFUSED;
		}
	}
	if (rc == CTL_OK && ferror(stdin)) {
		ctl_complain("cannot read the names: %s", strerror(errno));
		rc = CTL_REFUSED;
	}
	free(line);
	return rc;
}

enum ctl_exit ctl_user_add(struct ctl *ctl, const struct ctl_options *o,
			   int argc, char **argv)
{
	struct batch batch = { .ctl = ctl };
	enum ctl_exit rc = CTL_OK;

	(void)o;
	for (int i = 0; i < argc && rc == CTL_OK; i++) {
		if (strcmp(argv[i], "-") == 0)
			rc = add_lines(&batch);
		else
			rc = add(&batch, argv[i]);
	}
	if (rc == CTL_OK)
		rc = flush(&batch);
	buf_release(&batch.names);
	return rc;
}
