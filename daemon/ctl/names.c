/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum ctl_exit one(names_fn fn, void *data, const char *name)
{
	return ctl_is_user_name(name) ? fn(data, name) : CTL_REFUSED;
}

static enum ctl_exit each_line(names_fn fn, void *data)
{
	enum ctl_exit rc = CTL_OK;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while (rc == CTL_OK && (len = getline(&line, &size, stdin)) >= 0) {
		if (len > 0 && line[len - 1] == '\n')
			line[--len] = '\0';
		if (len > 0 && strlen(line) == (size_t)len) {
			rc = one(fn, data, line);
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

enum ctl_exit names_each(int argc, char *const *argv, names_fn fn, void *data)
{
	enum ctl_exit rc = CTL_OK;

	for (int i = 0; i < argc && rc == CTL_OK; i++) {
		if (strcmp(argv[i], "-") == 0)
			rc = each_line(fn, data);
		else
			rc = one(fn, data, argv[i]);
	}
	return rc;
}
