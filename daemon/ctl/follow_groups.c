/* SPDX-License-Identifier: MIT */
/*
 * Which groups are followed where none is named: those that groupd lists at
 * first and after each time that it was away, and those that I am added to.
 * A group that I left ends by the feed. It is what .me/live is in the mount.
 */
#include <errno.h>

#include "daemon/ctl/follow.h"

static void list_page(struct follow *f);

static void page_came(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct follow *f = req->data;
	const struct wire_body_group_list *page = body;
	struct str list;
	struct wire_group g;
	bool any = false;

	f->stale = err != NULL;
	if (err != NULL)
		return;
	list = page->groups;
	while (wire_next(&list, &wire_schema_group, &g) == 1) {
		uint64_t after = FEED_FROM_POINTER;

		any = true;
		(void)str_to_cstr(g.name, f->after, sizeof(f->after));
		if (f->options->from_tail && !f->listed)
			after = g.last_seq > f->options->tail
					? g.last_seq - f->options->tail
					: 0;
		if (after != FEED_FROM_POINTER && after + 1 < g.first_seq)
			after = g.first_seq - 1;
		if (follow_find(f, g.group_id) == NULL &&
		    follow_add(f, g.group_id, g.name, after) != 0)
			f->stale = true;
	}
	if (page->complete == 0 && any)
		list_page(f);
	else
		f->listed = true;
}

static void list_page(struct follow *f)
{
	const struct wire_body_list_groups body = { .after = str_of(f->after),
						    .limit = WIRE_GROUPS_MAX };

	f->listing.data = f;
	if (client_submit(&f->ctl->client, &f->listing, &f->ctl->self,
			  WIRE_LIST_GROUPS, &body, 0, page_came) != 0)
		f->stale = true;
}

void follow_list(struct follow *f)
{
	client_cancel(&f->listing);
	f->stale = false;
	f->after[0] = '\0';
	list_page(f);
}

void follow_on_member(struct follow *f, const struct wire_body_ev_member *ev)
{
	if (!f->all || ev->change != MEMBER_ADDED ||
	    !str_eq(ev->user, str_of(f->ctl->self.name)) ||
	    follow_find(f, ev->group_id) != NULL)
		return;
	if (follow_add(f, ev->group_id, ev->group, ev->last_read_seq) != 0)
		f->stale = true;
}
