/* SPDX-License-Identifier: MIT */
#include "tests/support/import_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct wire_port_group import_group_named(const char *name, uint64_t last_seq)
{
	return (struct wire_port_group){
		.name = str_of(name),
		.description = str_of("where we talk"),
		.avatar_url = str_of("https://a/b"),
		.created_by = str_of("gone"),
		.created_ms = UINT64_C(1763000000000),
		.max_members = 10,
		.settings = str_of("{\"a\":1}"),
		.first_seq = 1,
		.last_seq = last_seq,
	};
}

uint64_t import_begin(struct store_fixture *f, const char *name,
		      uint64_t last_seq)
{
	const struct wire_port_group group = import_group_named(name, last_seq);
	uint64_t id;

	if (store_import_begin(f->s, &group, &id, &f->err) < 0)
		fail_msg("begin: %s", f->err.text);
	return id;
}

int import_give(struct store_fixture *f, import_verb_fn verb, uint64_t id,
		const struct buf *records)
{
	const struct store_import op = { .import_id = id,
					 .records = buf_str(records),
					 .line = IMPORT_LINE };

	f->err.code = ERR_NONE;
	return verb(f->s, &op, &f->err);
}

void import_must(struct store_fixture *f, int rc)
{
	if (rc < 0)
		fail_msg("%s", f->err.text);
}

int import_end(struct store_fixture *f, uint64_t id, const char *name,
	       const char *key)
{
	struct store_import_end op = { .import_id = id,
				       .name = str_of(name),
				       .key = str_of(key) };
	int rc = store_import_end(f->s, &op, &f->err);

	if (rc == 0)
		assert_int_equal(op.group_id, id);
	return rc == 0 ? op.existed : rc;
}
