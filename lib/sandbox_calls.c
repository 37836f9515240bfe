/* SPDX-License-Identifier: MIT */
#include "lib/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>

/* Other processes, the kernel itself, the machine, and what is mounted. */
const char *const sandbox_deadly[] = { "ptrace",
				       "process_vm_readv",
				       "process_vm_writev",
				       "process_madvise",
				       "pidfd_getfd",
				       "kcmp",
				       "perf_event_open",
				       "bpf",
				       "userfaultfd",
				       "init_module",
				       "finit_module",
				       "delete_module",
				       "kexec_load",
				       "kexec_file_load",
				       "reboot",
				       "iopl",
				       "ioperm",
				       "syslog",
				       "acct",
				       "swapon",
				       "swapoff",
				       "settimeofday",
				       "clock_settime",
				       "adjtimex",
				       "clock_adjtime",
				       "sethostname",
				       "setdomainname",
				       "mount",
				       "umount2",
				       "pivot_root",
				       "chroot",
				       "move_mount",
				       "open_tree",
				       "fsopen",
				       "fsmount",
				       "fsconfig",
				       "fspick",
				       "mount_setattr",
				       "unshare",
				       "setns",
				       "open_by_handle_at",
				       "add_key",
				       "request_key",
				       "keyctl",
				       "quotactl",
				       "mknod",
				       "mknodat",
				       "move_pages",
				       "migrate_pages",
				       NULL };

static int add_name(scmp_filter_ctx ctx, uint32_t action, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);

	/* Negative too where another machine has it: a pseudo number. */
	if (number < 0)
		return 0;
	return seccomp_rule_add(ctx, action, number, 0);
}

static int add_condition(scmp_filter_ctx ctx, const struct sandbox_condition *c)
{
	int number = seccomp_syscall_resolve_name(c->call);
	const struct scmp_arg_cmp only =
		SCMP_CMP64(c->argument, SCMP_CMP_MASKED_EQ, c->mask, c->value);

	return number < 0
		       ? 0
		       : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 1, only);
}

/* A rule that says the same as the default is refused, and not needed. */
static int add_names(scmp_filter_ctx ctx, const char *const *names,
		     uint32_t action, uint32_t rest)
{
	int rc = 0;

	for (; names != NULL && *names != NULL && rc == 0; names++) {
		if (action != rest)
			rc = add_name(ctx, action, *names);
	}
	return rc;
}

static int fill(scmp_filter_ctx ctx, const struct sandbox_filter *f,
		uint32_t deadly, uint32_t rest)
{
	uint32_t no_such_call = SCMP_ACT_ERRNO(ENOSYS);
	int rc = add_names(ctx, f->allowed, SCMP_ACT_ALLOW, rest);

	for (size_t i = 0; i < f->condition_count && rc == 0; i++)
		rc = add_condition(ctx, &f->conditions[i]);
	/* Its flags are in memory, where no filter sees them: threads are made
	 * by clone(2) then. */
	if (rc == 0)
		rc = add_name(ctx, no_such_call, "clone3");
	if (rc == 0)
		rc = add_names(ctx, f->refused, SCMP_ACT_ERRNO(EPERM), rest);
	if (rc == 0)
		rc = add_names(ctx, f->deadly, deadly, rest);
	return rc;
}

int sandbox_calls(const struct sandbox_filter *f)
{
#ifdef SANDBOX_OFF
	(void)f;
	(void)fill;
	return -EOPNOTSUPP;
#else
	uint32_t rest = f->rest_is_deadly ? SCMP_ACT_KILL_PROCESS
					  : SCMP_ACT_ERRNO(EPERM);
	scmp_filter_ctx ctx;
	int rc;

	if (sandbox_sanitized())
		return 0;
	ctx = seccomp_init(rest);
	if (ctx == NULL)
		return -ENOMEM;
	rc = fill(ctx, f, SCMP_ACT_KILL_PROCESS, rest);
	/* No call of another machine's numbers; all threads; a tree, not a
	 * list. */
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
				      SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
#endif
}
