/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fs/mount.h"
#include "fs/options.h"

/* The words of line are the arguments. */
static int parse(struct mount_options *o, const char *line, struct err *err)
{
	char copy[256];
	char *argv[16] = { copy };
	int argc = 1;

	*o = (struct mount_options){ 0 };
	assert_true(str_to_cstr(str_of(line), copy, sizeof(copy)));
	for (char *sp = strchr(copy, ' '); sp != NULL; sp = strchr(sp, ' ')) {
		*sp++ = '\0';
		argv[argc++] = sp;
	}
	return mount_options_parse(o, argc, argv, err);
}

static void a_mountpoint_is_enough(void **state)
{
	struct mount_options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o, "groupfs /mnt", &err), 0);
	assert_string_equal(buf_cstr(&o.mountpoint), "/mnt");
	assert_string_equal(buf_cstr(&o.socket), "/run/test.sock");
	assert_int_equal(o.rest.len, 0);
	assert_false(o.foreground);
	mount_options_release(&o);
}

static void options_of_ours_are_taken_and_others_passed_on(void **state)
{
	struct mount_options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o,
			       "groupfs -f -o allow_other,socket=/s,ro -oauto "
			       "/mnt",
			       &err),
			 0);
	assert_string_equal(buf_cstr(&o.socket), "/s");
	assert_string_equal(buf_cstr(&o.rest), "allow_other,ro");
	assert_true(o.foreground);
	mount_options_release(&o);
}

static void mount_8_may_call_it(void **state)
{
	struct mount_options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o,
			       "groupfs deploy /mnt -o "
			       "rw,_netdev,x-systemd.automount,dev,suid",
			       &err),
			 0);
	assert_string_equal(buf_cstr(&o.source), "deploy");
	assert_string_equal(buf_cstr(&o.mountpoint), "/mnt");
	assert_string_equal(buf_cstr(&o.rest), "rw");
	mount_options_release(&o);
}

static void what_is_wrong_is_refused(void **state)
{
	static const char *const BAD[] = { "groupfs",
					   "groupfs -f",
					   "groupfs a b c",
					   "groupfs -x /mnt",
					   "groupfs /mnt -o",
					   "groupfs --no /m",
					   "groupfs -o socket= /m" };

	(void)state;
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct mount_options o;
		struct err err = { 0 };

		assert_int_equal(parse(&o, BAD[i], &err), -EINVAL);
		assert_true(err.text[0] != '\0');
		mount_options_release(&o);
	}
}

static void help_and_version_need_nothing_else(void **state)
{
	struct mount_options o;
	struct err err;

	(void)state;
	assert_int_equal(parse(&o, "groupfs --help", &err), 0);
	assert_true(o.help);
	assert_int_equal(parse(&o, "groupfs --version", &err), 0);
	assert_true(o.version);
}

static void the_topmost_mount_of_a_path_is_found(void **state)
{
	static const char TEXT[] =
		"22 1 8:1 / / rw - ext4 /dev/sda rw\n"
		"40 22 0:5 / /mnt/a\\040b rw,nosuid shared:1 - fuse.sshfs x "
		"rw\n"
		"41 40 0:6 / /mnt/a\\040b rw - fuse.groupfs groupfs rw\n";

	(void)state;
	assert_true(str_eq(mount_type_of(str_of(TEXT), "/mnt/a b"),
			   str_of("fuse.groupfs")));
	assert_true(str_eq(mount_type_of(str_of(TEXT), "/"), str_of("ext4")));
	assert_int_equal(mount_type_of(str_of(TEXT), "/mnt").len, 0);
	assert_int_equal(mount_type_of(str_of("x\n - \n"), "/").len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mountpoint_is_enough),
		cmocka_unit_test(
			options_of_ours_are_taken_and_others_passed_on),
		cmocka_unit_test(mount_8_may_call_it),
		cmocka_unit_test(what_is_wrong_is_refused),
		cmocka_unit_test(help_and_version_need_nothing_else),
		cmocka_unit_test(the_topmost_mount_of_a_path_is_found),
	};

	setenv("GROUPD_SOCKET", "/run/test.sock", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
