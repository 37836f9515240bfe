/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/commands.h"

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
	(void)argc;
	(void)argv;
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
