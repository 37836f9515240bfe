/* SPDX-License-Identifier: MIT */
#include "store/postgres_functions.h"

#include <stddef.h>

const char *const pg_functions_1[] = {
	NULL,
};
