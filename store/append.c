/* SPDX-License-Identifier: MIT */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "store/backend.h"
#include "store/input.h"

static void clear_out(struct store_append *op)
{
	op->sent = (struct wire_body_sent){ 0 };
	op->end_off = 0;
	op->mentions = false;
}

/* What needs no stored data; *count is how many items there are. */
static int check(const struct store *s, const struct store_append *op,
		 size_t *count, struct err *err)
{
	int rc = store_check_actor(op->user, err);

	*count = 0;
	if (rc == 0 && op->batch_id.len > WIRE_KEY_MAX)
		rc = err_set(err, ERR_BAD_REQUEST, "The batch_id is too long");
	if (rc == 0)
		rc = input_check_items(op->items, s->options.max_content, count,
				       err);
	return rc;
}

int store_append(struct store *s, struct store_append *op, struct err *err)
{
	size_t count;
	int rc = store_check_writer(s, err);

	clear_out(op);
	if (rc == 0)
		rc = check(s, op, &count, err);
	if (rc < 0)
		return rc;
	return s->ops->append(s, op, count, err);
}

/* As the contract says it, for a back end that has no shorter way. */
static int append_each(struct store *s, struct store_append *const *ops,
		       const size_t *counts, struct err *errs, size_t n,
		       struct err *err)
{
	int rc = store_begin(s, err);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (errs[i].code != ERR_NONE)
			continue;
		if (s->ops->append(s, ops[i], counts[i], &errs[i]) < 0) {
			clear_out(ops[i]);
			if (s->broken) {
				rc = err_rc(&errs[i]);
				if (err != NULL)
					*err = errs[i];
			}
		}
	}
	if (rc == 0)
		return store_commit(s, err);
	store_rollback(s);
	return rc;
}

static void forget_all(struct store_append *const *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		clear_out(ops[i]);
}

int store_append_all(struct store *s, struct store_append *const *ops,
		     struct err *errs, size_t count, struct err *err)
{
	size_t *counts = calloc(count + 1, sizeof(*counts));
	size_t good = 0;
	int rc = 0;

	assert(!s->in_transaction && !s->in_snapshot);
	forget_all(ops, count);
	s->lost = false;
	if (s->options.read_only)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "This handle of the store only reads");
	if (rc == 0)
		rc = store_check_alive(s, err);
	if (rc == 0 && counts == NULL)
		rc = err_set(err, ERR_UNAVAILABLE, "groupd is out of memory");
	for (size_t i = 0; rc == 0 && i < count; i++) {
		errs[i] = (struct err){ .code = ERR_NONE };
		good += check(s, ops[i], &counts[i], &errs[i]) == 0;
	}
	if (rc == 0 && good > 0)
		rc = s->ops->append_all != NULL
			     ? s->ops->append_all(s, ops, counts, errs, count,
						  err)
			     : append_each(s, ops, counts, errs, count, err);
	if (rc < 0)
		forget_all(ops, count);
	free(counts);
	return rc;
}
