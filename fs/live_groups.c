/* SPDX-License-Identifier: MIT */
/*
 * Which groups .me/live shows: those that groupd lists when it is opened and
 * after each time that groupd was away, and those that its opener is added to.
 * A group that he left ends by the feed.
 */
#include <errno.h>

#include "fs/live.h"

enum { AGAIN_MS = 100 };

static void list_page(struct live *live);

static void on_again(uv_timer_t *timer)
{
	file_live_list(container_of(timer, struct groupfs, relist), false);
}

void live_relist(struct live *live)
{
	struct groupfs *fs = live->handle->fs;

	live->stale = true;
	if (!uv_is_active((uv_handle_t *)&fs->relist))
		uv_timer_start(&fs->relist, on_again, AGAIN_MS, 0);
}

/* One that ended while nobody read is begun anew. */
static int add_group(struct live *live, uint64_t group_id, struct str name,
		     uint64_t after_seq)
{
	struct source *s = live_find(live, group_id);

	if (s != NULL && s->sub.state != FEED_ENDED)
		return 0;
	if (s != NULL)
		source_free(s);
	return live_add(live, group_id, name, after_seq);
}

static void page_came(struct client_request *req, const struct err *err,
		      const void *body)
{
	struct live *live = req->data;
	const struct wire_body_group_list *page = body;
	struct str list = { 0 };
	struct wire_group g;
	bool any = false;

	/* A user who is refused has no groups. */
	if (err != NULL) {
		if (err->code != ERR_UNAUTHENTICATED)
			live_relist(live);
		return;
	}
	list = page->groups;
	while (wire_next(&list, &wire_schema_group, &g) == 1) {
		any = true;
		str_to_cstr(g.name, live->after, sizeof(live->after));
		if (add_group(live, g.group_id, g.name, FEED_FROM_POINTER) !=
		    0) {
			live_relist(live);
			return;
		}
	}
	if (page->complete == 0 && any)
		list_page(live);
}

static void list_page(struct live *live)
{
	const struct wire_body_list_groups body = { .after =
							    str_of(live->after),
						    .limit = WIRE_GROUPS_MAX };
	struct handle *h = live->handle;

	live->listing.data = live;
	if (client_submit(&h->fs->client, &live->listing, &h->owner->principal,
			  WIRE_LIST_GROUPS, &body, 0, page_came) != 0)
		live_relist(live);
}

void live_list_groups(struct live *live)
{
	client_cancel(&live->listing);
	live->stale = false;
	live->after[0] = '\0';
	list_page(live);
}

void file_live_on_member(struct groupfs *fs,
			 const struct wire_body_ev_member *ev)
{
	if (ev->change != MEMBER_ADDED)
		return;
	for (struct list *l = fs->streams.next; l != &fs->streams;
	     l = l->next) {
		struct live *live = container_of(l, struct live, of_fs);
		const char *name = live->handle->owner->principal.name;

		if (str_eq(str_of(name), ev->user) &&
		    add_group(live, ev->group_id, ev->group,
			      ev->last_read_seq) != 0)
			live_relist(live);
	}
}

void file_live_list(struct groupfs *fs, bool all)
{
	for (struct list *l = fs->streams.next; l != &fs->streams;
	     l = l->next) {
		struct live *live = container_of(l, struct live, of_fs);

		if (all || live->stale)
			live_list_groups(live);
	}
}
