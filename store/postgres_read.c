/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

int pg_role(struct store *base, uint64_t group_id, struct str user,
	    enum role *role, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	*role = ROLE_NONE;
	if (group_id > PG_NUMBER_MAX || user.len == 0)
		return 0;
	pg_use(&c, PG_ROLE);
	pg_add(&c, group_id);
	pg_add_text(&c, user);
	rc = pg_run(pg_of(base), &c, &r, err);
	if (rc > 0)
		*role = pg_column(r, 0, 0) == ROLE_ADMIN ? ROLE_ADMIN
							 : ROLE_MEMBER;
	PQclear(r);
	return rc < 0 ? rc : 0;
}

int pg_identity(struct store *base, uint64_t *identity, struct err *err)
{
	return pg_get_meta(pg_of(base), "identity", identity, err);
}
