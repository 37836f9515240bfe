/* SPDX-License-Identifier: MIT */
/* The files and ports that libpq will ask for, by a URL and the environment. */
#include "store/store.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "store/backend.h"

/* What libpq takes where there is none, DEF_PGPORT of its build. */
enum { DEFAULT_PORT = 5432 };

/* "5432,5433", a port for each host; of a URL "db1,db2" they are ",". */
static void tell_ports(const struct store_needs *needs, const char *list)
{
	const char *end;

	for (;; list = end + 1) {
		uint64_t port = DEFAULT_PORT;

		end = list + strcspn(list, ",");
		if (end == list ||
		    (text_parse_u64(str_make(list, (size_t)(end - list)),
				    &port) &&
		     port > 0 && port <= UINT16_MAX))
			needs->port(needs->data, (uint16_t)port);
		if (*end == '\0')
			return;
	}
}

/* Of the URL, else of the environment, else libpq's own. */
static const char *value_of(const PQconninfoOption *parsed,
			    const PQconninfoOption *defaults)
{
	if (parsed->val != NULL || defaults == NULL)
		return parsed->val;
	for (; defaults->keyword != NULL; defaults++) {
		if (strcmp(defaults->keyword, parsed->keyword) == 0)
			return defaults->val;
	}
	return NULL;
}

static void tell_home(const struct store_needs *needs)
{
	static const char *const names[] = { ".pgpass", ".postgresql",
					     ".pg_service.conf" };
	const char *home = getenv("HOME");
	struct buf path = { 0 };

	for (size_t i = 0; home != NULL && i < 3; i++) {
		buf_clear(&path);
		buf_printf(&path, "%s/%s", home, names[i]);
		if (!path.failed)
			needs->file(needs->data, buf_cstr(&path));
	}
	buf_release(&path);
}

bool postgres_store_needs(const char *url, const struct store_needs *needs)
{
	PQconninfoOption *parsed = PQconninfoParse(url, NULL);
	PQconninfoOption *defaults = PQconndefaults();
	bool all = parsed != NULL;

	for (PQconninfoOption *o = parsed; all && o->keyword != NULL; o++) {
		const char *value = value_of(o, defaults);

		if (value == NULL || value[0] == '\0')
			continue;
		if (strcmp(o->keyword, "service") == 0)
			all = false;
		else if (strcmp(o->keyword, "port") == 0)
			tell_ports(needs, value);
		else if (value[0] == '/' && strcmp(o->keyword, "host") != 0)
			needs->file(needs->data, value);
	}
	tell_home(needs);
	PQconninfoFree(parsed);
	PQconninfoFree(defaults);
	return all;
}
