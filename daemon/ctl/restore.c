/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ctl/bundle.h"
#include "daemon/ctl/commands.h"
#include "lib/env.h"

struct restore {
	struct ctl *ctl;
	struct progress progress;
	uint64_t id;
	uint64_t done;
	enum ctl_exit rc; /* of the piece that failed */
};

static bool is_yes(void)
{
	char *line = NULL;
	size_t size = 0;
	bool yes = getline(&line, &size, stdin) > 0 &&
		   (strcmp(line, "y\n") == 0 || strcmp(line, "yes\n") == 0);

	free(line);
	return yes;
}

static enum ctl_exit confirm(const struct bundle_manifest *m,
			     const struct wire_body_to_restore *now)
{
	struct buf out = { 0 };

	if (isatty(STDIN_FILENO) != 1) {
		ctl_complain("this replaces all that groupd has: say --yes");
		return CTL_USAGE;
	}
	buf_printf(&out, "This replaces all that groupd has.\nnow:    ");
	ctl_put_totals(&out, now->groups, now->messages, now->users,
		       now->media);
	buf_printf(&out, "\nbackup: ");
	ctl_put_manifest(&out, m);
	buf_printf(&out, "Go on? [y/N] ");
	if (out.failed) {
		ctl_complain("out of memory");
		return CTL_REFUSED;
	}
	(void)fputs(buf_cstr(&out), stderr);
	buf_release(&out);
	if (is_yes())
		return CTL_OK;
	ctl_complain("nothing was changed");
	return CTL_REFUSED;
}

static int send_piece(void *data, const struct bundle_manifest *m,
		      const uint8_t *hash, uint64_t off, struct str piece)
{
	struct restore *r = data;
	struct wire_body_write_restore body = { .id = r->id,
						.offset = off,
						.data = piece };
	struct wire_body_ok answer;

	(void)m;
	if (hash != NULL)
		body.hash = str_make((const char *)hash, WIRE_HASH);
	r->rc = ctl_call_long(r->ctl, WIRE_WRITE_RESTORE, &body, &answer);
	if (r->rc != CTL_OK)
		return -ECANCELED;
	r->done += piece.len;
	progress_set(&r->progress, r->done);
	return 0;
}

static enum ctl_exit send_all(struct restore *r, const char *path,
			      const struct bundle_manifest *checked)
{
	struct bundle_manifest m;
	struct err err = { 0 };
	int rc;

	progress_start(&r->progress, "restore", PROGRESS_BYTES, NULL,
		       bundle_bytes(checked));
	r->ctl->progress = &r->progress;
	rc = bundle_read(path, &m, send_piece, r, &err);
	if (r->rc != CTL_OK)
		return r->rc;
	if (rc == 0 && memcmp(m.hash, checked->hash, WIRE_HASH) != 0)
		rc = err_set(&err, ERR_BAD_REQUEST, "it has changed meanwhile");
	if (rc == 0)
		return CTL_OK;
	progress_clear(&r->progress);
	ctl_complain("%s: %s", path, err.text);
	return CTL_REFUSED;
}

static enum ctl_exit commit(struct restore *r, const struct bundle_manifest *m,
			    struct buf *out)
{
	const struct wire_body_commit_restore body = {
		.id = r->id,
		.size = m->size,
		.hash = str_make((const char *)m->hash, WIRE_HASH),
		.groups = m->groups,
		.messages = m->messages,
		.media = m->media,
	};
	uint64_t instance = r->ctl->client.instance;
	struct wire_body_restored answer;
	enum ctl_exit rc;

	progress_finish(&r->progress);
	progress_start(&r->progress, "groupd checks it, and starts anew",
		       PROGRESS_TIME, NULL, 0);
	rc = ctl_call_long(r->ctl, WIRE_COMMIT_RESTORE, &body, &answer);
	if (rc == CTL_OK) {
		buf_printf(out, "The store of before is kept, as ");
		ctl_put_line(out, answer.kept);
		rc = ctl_await_restart(r->ctl, instance);
	}
	progress_clear(&r->progress);
	return rc;
}

static enum ctl_exit run(struct restore *r, const char *path,
			 const struct bundle_manifest *m, bool yes)
{
	const struct wire_body_restore body = { .id = r->id,
						.bytes = bundle_bytes(m) };
	struct wire_body_to_restore now;
	struct buf out = { 0 };
	enum ctl_exit rc = ctl_call_long(r->ctl, WIRE_RESTORE, &body, &now);

	if (rc == CTL_OK && !yes)
		rc = confirm(m, &now);
	if (rc == CTL_OK)
		rc = send_all(r, path, m);
	if (rc == CTL_OK) {
		buf_printf(&out, "restored ");
		ctl_put_manifest(&out, m);
		rc = commit(r, m, &out);
	}
	if (rc == CTL_OK)
		rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}

enum ctl_exit ctl_restore(struct ctl *ctl, const struct ctl_options *o,
			  int argc, char **argv)
{
	struct restore r = { .ctl = ctl, .id = env_random_u64(env_system()) };
	struct bundle_manifest m;
	enum ctl_exit rc = ctl_check_backup(argv[0], &m);

	(void)argc;
	if (rc == CTL_OK)
		rc = run(&r, argv[0], &m, o->yes);
	ctl->progress = NULL;
	return rc;
}
