/* SPDX-License-Identifier: MIT */
#include "daemon/page.h"

uint64_t page_limit(uint64_t limit)
{
	return limit == 0 ? WIRE_PAGE_MAX : limit;
}

int page_add(struct page *page, const struct wire_schema *schema,
	     const void *record)
{
	if (page->limit == 0) {
		page->complete = false;
		return 1;
	}
	page->limit--;
	wire_put(&page->records, schema, record);
	return 0;
}

int page_add_message(void *data, const struct wire_message *m)
{
	struct page *page = data;
	size_t before = page->records.len;

	if (page->before != 0 && m->seq >= page->before)
		return 1;
	wire_put(&page->records, &wire_schema_message, m);
	if (page->records.len - page->start > page->max_bytes &&
	    before > page->start) {
		buf_truncate(&page->records, before);
		return 1;
	}
	return --page->limit == 0 ? 1 : 0;
}

int page_error(struct request *r, const struct page *page, int rc)
{
	if (rc < 0)
		return rc;
	return page->records.failed ? request_no_memory(r) : 0;
}
