/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/bundle.h"
#include "daemon/ctl/commands.h"
#include "lib/text.h"

static int on_piece(void *data, const struct bundle_manifest *m,
		    const uint8_t *hash, uint64_t off, struct str piece)
{
	struct progress *progress = data;

	(void)hash;
	(void)off;
	progress->total = bundle_bytes(m);
	progress_set(progress, progress->done + piece.len);
	return 0;
}

enum ctl_exit ctl_check_backup(const char *path, struct bundle_manifest *m)
{
	struct progress progress;
	struct err err = { 0 };
	int rc;

	progress_start(&progress, "checking", PROGRESS_BYTES, NULL, 0);
	rc = bundle_read(path, m, on_piece, &progress, &err);
	progress_clear(&progress);
	if (rc == 0)
		return CTL_OK;
	ctl_complain("%s: %s", path, err.text);
	return CTL_REFUSED;
}

void ctl_put_totals(struct buf *out, uint64_t groups, uint64_t messages,
		    uint64_t users, uint64_t media)
{
	progress_put_count(out, groups);
	buf_printf(out, " groups, ");
	progress_put_count(out, messages);
	buf_printf(out, " messages, ");
	progress_put_count(out, users);
	buf_printf(out, " users, ");
	progress_put_count(out, media);
	buf_printf(out, " media files");
}

void ctl_put_manifest(struct buf *out, const struct bundle_manifest *m)
{
	char time[TEXT_TIME_LEN + 1];

	text_format_time(time, m->time_ms);
	ctl_put_totals(out, m->groups, m->messages, m->users, m->media);
	buf_printf(out, "; ");
	progress_put_bytes(out, bundle_bytes(m));
	buf_printf(out, " of %s, groupfs ", time);
	ctl_put_line(out, str_of(m->version));
}

static enum ctl_exit verify_file(const char *path)
{
	struct bundle_manifest m;
	struct buf out = { 0 };
	enum ctl_exit rc = ctl_check_backup(path, &m);

	if (rc != CTL_OK)
		return rc;
	buf_printf(&out, "a whole backup: ");
	ctl_put_manifest(&out, &m);
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}

enum ctl_exit ctl_verify(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct wire_body_verify body = { 0 };
	struct wire_body_verified answer;
	struct wire_problem problem;
	struct buf out = { 0 };
	struct progress progress;
	unsigned long long problems = 0;
	enum ctl_exit rc;

	(void)o;
	if (argc > 0)
		return verify_file(argv[0]);
	progress_start(&progress, "verifying", PROGRESS_TIME, NULL, 0);
	ctl->progress = &progress;
	rc = ctl_call_long(ctl, WIRE_VERIFY, &body, &answer);
	ctl->progress = NULL;
	progress_finish(&progress);
	if (rc != CTL_OK)
		return rc;
	while (wire_next(&answer.problems, &wire_schema_problem, &problem) ==
	       1) {
		ctl_put_line(&out, problem.text);
		problems++;
	}
	buf_printf(&out, "%llu groups, %llu messages, %llu problems\n",
		   (unsigned long long)answer.groups,
		   (unsigned long long)answer.messages, problems);
	rc = ctl_print(&out);
	buf_release(&out);
	if (rc == CTL_OK && problems > 0)
		rc = CTL_REFUSED;
	return rc;
}
