/* SPDX-License-Identifier: MIT */
#include "store/keep.h"

#include <assert.h>
#include <inttypes.h>

#include "lib/json.h"
#include "store/backend.h"

/* One bound: a whole number from 1 to max. */
static int get_bound(const struct json *j, const char *key, uint64_t max,
		     uint64_t *out, struct err *err)
{
	int rc = json_get_u64(j, key, max, out, NULL);

	if (rc == 0 || (rc > 0 && *out > 0))
		return 0;
	return err_set(err, ERR_BAD_REQUEST,
		       "retention: \"%s\" must be a whole number from 1 to "
		       "%" PRIu64,
		       key, max);
}

static int get_retention(const struct json *j, struct store_keep *out,
			 struct err *err)
{
	static const char *const keys[] = { "days", "messages", "bytes", NULL };
	uint64_t days = 0;
	int rc = json_check_keys(j, keys, NULL);

	if (rc < 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "retention has \"days\", \"messages\" and "
			       "\"bytes\", and nothing else");
	rc = get_bound(j, "days", KEEP_DAYS_MAX, &days, err);
	if (rc == 0)
		rc = get_bound(j, "messages", KEEP_NUMBER_MAX, &out->messages,
			       err);
	if (rc == 0)
		rc = get_bound(j, "bytes", KEEP_NUMBER_MAX, &out->bytes, err);
	out->age_ms = days * KEEP_DAY_MS;
	return rc;
}

int keep_of_settings(struct str settings, struct store_keep *out,
		     struct err *err)
{
	const struct json *retention = NULL;
	struct json *json;
	int rc;

	*out = (struct store_keep){ 0 };
	if (settings.len == 0)
		return 0;
	if (json_parse(&json, settings, WIRE_SETTINGS_MAX, NULL) < 0)
		return err_set(err, ERR_BAD_REQUEST,
			       "The settings must be a JSON object");
	rc = json_get_object(json, "retention", &retention, NULL);
	if (rc < 0)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "retention must be an object, such as "
			     "{\"days\":30}");
	else if (rc > 0)
		rc = get_retention(retention, out, err);
	json_free(json);
	if (rc < 0)
		*out = (struct store_keep){ 0 };
	return rc;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a == 0 || (b > 0 && b < a) ? b : a;
}

struct store_keep keep_both(const struct store_keep *a,
			    const struct store_keep *b)
{
	return (struct store_keep){ .age_ms = less(a->age_ms, b->age_ms),
				    .messages = less(a->messages, b->messages),
				    .bytes = less(a->bytes, b->bytes) };
}

bool keep_has_bound(const struct store_keep *keep)
{
	return keep->age_ms > 0 || keep->messages > 0 || keep->bytes > 0;
}

/* The verbs. */

int store_archive(struct store *s, struct store_archive *op, struct err *err)
{
	int rc = store_check_writer(s, err);

	op->archived = 0;
	if (rc == 0 && s->ops->archive == NULL)
		rc = err_set(err, ERR_BAD_REQUEST,
			     "This store does not archive: it is for one that "
			     "machines share");
	return rc < 0 ? rc : s->ops->archive(s, op, err);
}

int store_trim(struct store *s, struct store_trim *op, struct err *err)
{
	int rc = store_check_writer(s, err);

	assert(op->limit > 0);
	op->first_seq = 0;
	op->first_off = 0;
	op->first_jsonl_off = 0;
	op->trimmed = 0;
	op->left = 0;
	return rc < 0 ? rc : s->ops->trim(s, op, err);
}

int store_list_overdue(struct store *s, const struct store_keep *keep,
		       size_t count, uint64_t *after_id, store_overdue_fn fn,
		       void *data, struct err *err)
{
	int rc = store_check_alive(s, err);

	return rc < 0 ? rc
		      : s->ops->list_overdue(s, keep, count, after_id, fn, data,
					     err);
}
