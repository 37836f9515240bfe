/* SPDX-License-Identifier: MIT */
#include "store/postgres.h"

#include "store/input.h"

int pg_lock_group(struct postgres_store *s, uint64_t group_id,
		  uint64_t *member_count, struct err *err)
{
	struct pg_call c;
	PGresult *r;
	int rc;

	if (group_id > PG_NUMBER_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	pg_use(&c, PG_LOCK_GROUP);
	pg_add(&c, group_id);
	rc = pg_run(s, &c, &r, err);
	if (rc > 0)
		*member_count = pg_column(r, 0, 0);
	PQclear(r);
	if (rc == 0)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	return rc < 0 ? rc : 0;
}

static int hold_info(struct postgres_store *s, struct wire_info *out,
		     struct err *err)
{
	struct str *const strs[] = { &out->name, &out->description,
				     &out->avatar_url, &out->created_by,
				     &out->settings };

	return pg_hold(s, strs, sizeof(strs) / sizeof(strs[0]), err);
}

int pg_get_info(struct store *base, uint64_t group_id, struct str user,
		struct wire_info *out, struct err *err)
{
	struct postgres_store *s = pg_of(base);
	struct pg_call c;
	PGresult *r;
	int rc;

	if (group_id > PG_NUMBER_MAX)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	pg_use(&c, PG_INFO);
	pg_add(&c, group_id);
	pg_add_text(&c, user);
	rc = pg_run(s, &c, &r, err);
	if (rc == 0 || (rc > 0 && user.len > 0 && pg_is_null(r, 0, 10)))
		rc = err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (rc > 0) {
		*out = (struct wire_info){
			.group_id = pg_column(r, 0, 0),
			.name = pg_column_str(r, 0, 1),
			.description = pg_column_str(r, 0, 2),
			.avatar_url = pg_column_str(r, 0, 3),
			.created_by = pg_column_str(r, 0, 4),
			.created_ms = pg_column(r, 0, 5),
			.info_ms = pg_column(r, 0, 6),
			.max_members = pg_column(r, 0, 7),
			.first_off = pg_column(r, 0, 8),
			.settings = pg_column_str(r, 0, 9),
		};
		rc = hold_info(s, out, err);
	}
	PQclear(r);
	return rc < 0 ? rc : 0;
}

/* Whether `by` may, with the group locked. */
static int check_admin(struct postgres_store *s,
		       const struct store_set_info *op, struct err *err)
{
	uint64_t count = 0;
	enum role role;
	int rc = pg_lock_group(s, op->group_id, &count, err);

	/* Asked for behind the lock: who waited for it may be none any more. */
	if (rc == 0)
		rc = pg_role(&s->base, op->group_id, op->by, &role, err);
	if (rc < 0)
		return rc;
	if (role == ROLE_NONE)
		return err_set(err, ERR_NO_SUCH_GROUP, NULL);
	if (role != ROLE_ADMIN)
		return err_set(err, ERR_NOT_ADMIN, NULL);
	if ((op->set & INFO_MAX_MEMBERS) != 0 && op->max_members < count)
		return input_refuse_max_members(count, err);
	return 0;
}

int pg_set_info(struct store *base, const struct store_set_info *op,
		struct err *err)
{
	const unsigned texts =
		INFO_DESCRIPTION | INFO_AVATAR_URL | INFO_SETTINGS;
	struct postgres_store *s = pg_of(base);
	/* What is not named may be anything. */
	struct str avatar_url =
		op->set & INFO_AVATAR_URL ? op->avatar_url : str_of("");
	uint64_t max_members = op->set & INFO_MAX_MEMBERS ? op->max_members : 0;
	struct pg_call c;
	int rc = check_admin(s, op, err);

	if (rc < 0 || op->set == 0)
		return rc;
	pg_use(&c, PG_SET_INFO_GROUP);
	pg_add(&c, op->group_id);
	pg_add(&c, op->set);
	pg_add(&c, max_members);
	pg_add(&c, env_now_ms(base->options.env));
	rc = pg_run(s, &c, NULL, err);
	if (rc < 0 || (op->set & texts) == 0)
		return rc < 0 ? rc : 0;
	pg_use(&c, PG_SET_INFO);
	pg_add(&c, op->group_id);
	pg_add(&c, op->set);
	pg_add_bytes(&c, op->description);
	pg_add_text(&c, avatar_url);
	pg_add_bytes(&c, op->settings);
	rc = pg_run(s, &c, NULL, err);
	if (rc < 0 || (op->set & INFO_SETTINGS) == 0)
		return rc < 0 ? rc : 0;
	return pg_set_keep(s, op->group_id, op->settings, err);
}

struct members {
	store_port_member_fn fn;
	void *data;
};

static int give_member(void *data, const PGresult *r, int row)
{
	const struct members *m = data;
	const struct wire_port_member member = {
		.name = pg_column_str(r, row, 0),
		.role = pg_column(r, row, 1),
		.joined_ms = pg_column(r, row, 2),
		.joined_seq = pg_column(r, row, 3),
		.last_read_seq = pg_column(r, row, 4),
	};

	return m->fn(m->data, &member);
}

int pg_export_members(struct store *base, uint64_t group_id, struct str after,
		      store_port_member_fn fn, void *data, struct err *err)
{
	struct members m = { fn, data };
	char room[PG_AFTER_MAX];
	struct pg_call c;

	if (group_id > PG_NUMBER_MAX)
		return 0;
	pg_use(&c, PG_EXPORT_MEMBERS);
	pg_add_after(&c, after, room);
	pg_add(&c, group_id);
	return pg_walk(pg_of(base), &c, give_member, &m, err);
}
