/* SPDX-License-Identifier: MIT */
#include "daemon/import_keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/text.h"

struct import {
	struct list link; /* in keeper->imports */
	struct import_keeper *keeper;
	uint64_t id;
	uint64_t session;	      /* 0: being taken away */
	char user[WIRE_USER_MAX + 1]; /* whose upload; empty: unknown */
	struct sequencer_op drop;
	bool more;
	bool left; /* by another node, it seems */
	bool kept; /* which has come back to it */
};

static struct import *find(const struct import_keeper *k, uint64_t id)
{
	for (struct list *el = k->imports.next; el != &k->imports;
	     el = el->next) {
		struct import *i = container_of(el, struct import, link);

		if (i->id == id)
			return i;
	}
	return NULL;
}

/* The notes. */

enum { NAME_MAX_DIGITS = 20 };

int import_keeper_note(const struct import_keeper *k, uint64_t import_id,
		       struct err *err)
{
	char name[NAME_MAX_DIGITS + 1];
	int fd;

	if (k->notes < 0)
		return 0;
	(void)snprintf(name, sizeof(name), "%" PRIu64, import_id);
	fd = openat(k->notes, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(err, ERR_UNAVAILABLE,
			       "The import cannot be noted: %s",
			       strerror(errno));
	close(fd);
	return 0;
}

static void drop_note(const struct import_keeper *k, uint64_t import_id)
{
	char name[NAME_MAX_DIGITS + 1];

	(void)snprintf(name, sizeof(name), "%" PRIu64, import_id);
	if (k->notes >= 0)
		(void)unlinkat(k->notes, name, 0);
}

static void forget(struct import *i)
{
	i->keeper->count--;
	list_remove(&i->link);
	free(i);
}

/* Taking away. */

/* Whether nobody has come back to it since it was looked for. 1: so it is. */
static int still_left(struct import *i, struct store *store, struct err *err)
{
	uint64_t id;
	int rc = store_next_import(store, i->id - 1, &id, err);

	if (rc < 0)
		return rc;
	i->kept = rc == 0 || id != i->id;
	return i->kept ? 0 : 1;
}

static int run_drop(struct sequencer_op *op, struct store *store,
		    struct list *events, struct err *err)
{
	struct import *i = container_of(op, struct import, drop);
	const struct media_upload u = { .group_id = i->id,
					.user = str_of(i->user),
					.key = str_of(IMPORT_KEEPER_UPLOAD) };
	int rc = i->left ? still_left(i, store, err) : 1;

	(void)events;
	i->more = false;
	if (rc <= 0)
		return rc;
	rc = store_import_drop(store, i->id, err);
	i->more = rc > 0;
	if (rc == 0 && i->user[0] != '\0')
		media_drop(i->keeper->media, &u, NULL);
	return rc < 0 ? rc : 0;
}

static void submit_drop(struct import *i);

static void drop_done(struct sequencer_op *op)
{
	struct import *i = container_of(op, struct import, drop);
	struct import_keeper *k = i->keeper;

	if (op->err.code != ERR_NONE)
		log_warn("cannot take the rest of an import or of a deleted "
			 "group away: id=%llu why=\"%s\"",
			 (unsigned long long)i->id, op->err.text);
	else if (i->more && !k->stopping) {
		/* What is half gone nobody comes back to. */
		i->left = false;
		submit_drop(i);
		return;
	} else if (!i->more && !i->kept) {
		drop_note(k, i->id);
		log_info("took the rest of an import or of a deleted group "
			 "away: id=%llu",
			 (unsigned long long)i->id);
	}
	forget(i);
	if (!k->stopping)
		k->on_gone(k->data);
}

/* What cannot be submitted, or not be taken away, is found at the next start,
 * or by a later look. */
static void submit_drop(struct import *i)
{
	struct import_keeper *k = i->keeper;

	i->session = 0;
	i->drop = (struct sequencer_op){ .run = run_drop, .done = drop_done };
	if (k->stopping || sequencer_submit(k->sequencer, i->id, &i->drop) < 0)
		forget(i);
}

/* NULL: no memory. */
static struct import *new_import(struct import_keeper *k, uint64_t import_id,
				 uint64_t session, struct str user)
{
	struct import *i = calloc(1, sizeof(*i));

	if (i == NULL) {
		log_warn("no memory for an import: id=%llu",
			 (unsigned long long)import_id);
		return NULL;
	}
	i->keeper = k;
	i->id = import_id;
	i->session = session;
	str_to_cstr(user, i->user, sizeof(i->user));
	list_push(&k->imports, &i->link);
	k->count++;
	return i;
}

/* session 0: nobody's any more, so it is taken away. */
static void add(struct import_keeper *k, uint64_t import_id, uint64_t session,
		struct str user)
{
	struct import *i = new_import(k, import_id, session, user);

	if (i != NULL && session == 0)
		submit_drop(i);
}

/* Whether the session that has begun one is still there when that was
 * committed. */
static bool is_open(const struct import_keeper *k, uint64_t session)
{
	for (const struct list *el = k->host->sessions.next;
	     el != &k->host->sessions; el = el->next) {
		const struct session *s =
			container_of(el, const struct session, link);

		if (s->serial == session)
			return session_is_open(s);
	}
	return false;
}

static void end(struct import_keeper *k, uint64_t import_id)
{
	struct import *i = find(k, import_id);

	/* Its session is gone, so it is being taken away; that finds a group
	 * and leaves it. */
	if (i != NULL && i->session != 0)
		forget(i);
}

void import_keeper_event(struct import_keeper *k, const struct event *e)
{
	if (e->kind == EVENT_IMPORTING)
		add(k, e->group_id, is_open(k, e->session) ? e->session : 0,
		    str_of(e->by));
	if (e->kind == EVENT_DELETED && e->more)
		add(k, e->group_id, 0, str_of(""));
	if (e->kind == EVENT_IMPORTED) {
		drop_note(k, e->group_id);
		end(k, e->group_id);
	}
}

void import_keeper_lost(struct import_keeper *k, uint64_t session)
{
	struct list *next;

	for (struct list *el = k->imports.next; el != &k->imports; el = next) {
		struct import *i = container_of(el, struct import, link);

		next = el->next;
		if (i->session == session)
			submit_drop(i);
	}
}

bool import_keeper_has_room(const struct import_keeper *k)
{
	return k->count < IMPORT_KEEPER_MAX;
}

bool import_keeper_owns(const struct import_keeper *k, uint64_t session,
			uint64_t import_id)
{
	const struct import *i = find(k, import_id);

	return i != NULL && i->session == session;
}

/* The start. */

/* Ours alone, among those of all nodes. */
static void find_notes(struct import_keeper *k)
{
	int fd = dup(k->notes);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	rewinddir(dir);
	while (k->nfound < IMPORT_KEEPER_MAX &&
	       (entry = readdir(dir)) != NULL) {
		uint64_t id;

		if (text_parse_u64(str_of(entry->d_name), &id) && id > 0)
			k->found[k->nfound++] = id;
	}
	closedir(dir);
}

static int run_find(struct sequencer_op *op, struct store *store,
		    struct list *events, struct err *err)
{
	struct import_keeper *k = container_of(op, struct import_keeper, find);
	uint64_t id = 0;
	int rc = 1;

	(void)events;
	k->nfound = 0;
	if (k->notes >= 0) {
		find_notes(k);
		return 0;
	}
	while (rc > 0 && k->nfound < IMPORT_KEEPER_MAX) {
		rc = store_next_import(store, id, &id, err);
		if (rc > 0)
			k->found[k->nfound++] = id;
	}
	return rc < 0 ? rc : 0;
}

static void find_done(struct sequencer_op *op)
{
	struct import_keeper *k = container_of(op, struct import_keeper, find);

	if (op->err.code != ERR_NONE)
		log_warn("cannot look for unfinished imports: why=\"%s\"",
			 op->err.text);
	for (size_t i = 0; op->err.code == ERR_NONE && i < k->nfound; i++)
		add(k, k->found[i], 0, str_of(""));
}

/* The looks for what other nodes left. */

/* The handle has begun none, so these nobody has been at for long. */
static void run_look(struct readers_job *job, struct store *store)
{
	struct import_keeper *k = container_of(job, struct import_keeper, look);
	uint64_t id = 0;
	struct err err;
	int rc = 1;

	k->nleft = 0;
	while (rc > 0 && k->nleft < IMPORT_KEEPER_MAX) {
		rc = store_next_import(store, id, &id, &err);
		if (rc > 0)
			k->left[k->nleft++] = id;
	}
	if (rc < 0 && !k->failing)
		log_warn("cannot look for imports that were left: why=\"%s\"",
			 err.text);
	k->failing = rc < 0;
}

static void look_done(struct readers_job *job)
{
	struct import_keeper *k = container_of(job, struct import_keeper, look);
	struct import *i;

	k->looking = false;
	for (size_t n = 0; n < k->nleft && !k->stopping; n++) {
		if (find(k, k->left[n]) != NULL || !import_keeper_has_room(k))
			continue;
		i = new_import(k, k->left[n], 0, str_of(""));
		if (i == NULL)
			return;
		i->left = true;
		submit_drop(i);
	}
}

void import_keeper_tick(struct import_keeper *k, uint64_t now_ms)
{
	if (k->readers == NULL || k->stopping || k->looking ||
	    now_ms < k->next_ms)
		return;
	k->next_ms = now_ms + IMPORT_KEEPER_MS;
	k->look = (struct readers_job){ .run = run_look, .done = look_done };
	k->looking = readers_submit(k->readers, &k->look) == 0;
}

static int open_notes(struct import_keeper *k, const char *path,
		      struct err *err)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		k->notes = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return k->notes >= 0
		       ? 0
		       : err_set(err, ERR_UNAVAILABLE, "Cannot make %s: %s",
				 path, strerror(errno));
}

int import_keeper_start(struct import_keeper *k, struct session_host *host,
			struct sequencer *sequencer, struct media *media,
			const struct import_keeper_shared *shared,
			struct err *err)
{
	int rc = 0;

	*k = (struct import_keeper){ .host = host,
				     .sequencer = sequencer,
				     .media = media,
				     .notes = -1,
				     .on_gone = k->on_gone,
				     .data = k->data };
	list_init(&k->imports);
	k->find = (struct sequencer_op){ .run = run_find, .done = find_done };
	if (shared != NULL) {
		k->readers = shared->readers;
		rc = open_notes(k, shared->notes, err);
	}
	/* The first of the lane: there is room. */
	if (rc == 0)
		sequencer_submit(sequencer, 0, &k->find);
	return rc;
}

void import_keeper_stop(struct import_keeper *k)
{
	k->stopping = true;
}

void import_keeper_release(struct import_keeper *k)
{
	if (k->sequencer == NULL)
		return;
	while (!list_empty(&k->imports))
		forget(container_of(k->imports.next, struct import, link));
	if (k->notes >= 0)
		close(k->notes);
	k->notes = -1;
}
