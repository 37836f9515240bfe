/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/migrate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/ctl/checksum.h"
#include "daemon/ctl/commands.h"
#include "lib/env.h"

/* Opening. */

static void on_alive(void *data)
{
	progress_tick(data);
}

static int open_store(struct migration *m, struct store **out, const char *url,
		      bool read_only, bool moving)
{
	const struct store_options options = { .env = env_system(),
					       .max_content = WIRE_CONTENT_MAX,
					       .read_only = read_only,
					       .moving = moving,
					       .alive = on_alive,
					       .alive_data = &m->progress };

	return store_open(out, url, &options, &m->err);
}

/* The writer's handle is the lock, and brings an older format up to date. It
 * would make a store that is not there. */
static int open_old(struct migration *m, const char *url)
{
	struct buf path = { 0 };
	int rc = store_file(url, &path, &m->err);

	if (rc == 0 && access(buf_cstr(&path), R_OK | W_OK) < 0)
		rc = err_set(&m->err, ERR_BAD_REQUEST,
			     "There is no store at %s", buf_cstr(&path));
	buf_release(&path);
	if (rc == 0)
		rc = open_store(m, &m->locked, url, false, false);
	if (rc == 0)
		rc = open_store(m, &m->from, url, true, false);
	return rc < 0 ? err_wrap(&m->err, "the old store") : 0;
}

static int open_new(struct migration *m, const char *url)
{
	int rc = open_store(m, &m->to, url, false, true);

	if (rc == 0)
		rc = open_store(m, &m->read, url, true, true);
	return rc < 0 ? err_wrap(&m->err, "the new store") : 0;
}

/* Media. */

struct looking {
	struct migrated_media *out;
	const char *data;
};

static int look(void *data, const uint8_t hash[STORE_HASH], uint64_t size)
{
	const struct looking *l = data;
	struct buf name = { 0 };
	struct buf path = { 0 };
	struct stat st;

	l->out->contents++;
	l->out->bytes += size;
	if (l->data == NULL)
		return 0;
	checksum_put(&name, hash);
	buf_printf(&path, "%s/media/%.2s/%s", l->data, buf_cstr(&name),
		   buf_cstr(&name));
	if (path.failed || stat(buf_cstr(&path), &st) < 0 ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		l->out->missing++;
	buf_release(&name);
	buf_release(&path);
	return 0;
}

int migrate_look_for_media(struct migration *m, const char *data,
			   struct migrated_media *out)
{
	struct looking l = { out, data };
	int rc;

	*out = (struct migrated_media){ 0 };
	rc = store_list_contents(m->from, look, &l, &m->err);
	if (rc == 0 && out->missing > 0)
		rc = err_set(&m->err, ERR_BAD_REQUEST,
			     "%s/media does not have %" PRIu64 " of %" PRIu64
			     " media files: copy them there first",
			     data, out->missing, out->contents);
	return rc;
}

/* Moving. */

static int begin(struct migration *m)
{
	uint64_t identity;
	int rc = store_identity(m->from, &identity, &m->err);

	if (rc == 0)
		rc = store_begin(m->to, &m->err);
	if (rc < 0)
		return rc;
	rc = store_move_begin(m->to, identity, &m->resumed, &m->err);
	if (rc == 0)
		return store_commit(m->to, &m->err);
	store_rollback(m->to);
	return rc;
}

static int reset(struct migration *m)
{
	int rc = store_begin(m->to, &m->err);

	if (rc == 0)
		rc = store_move_reset(m->to, &m->err);
	if (rc == 0)
		return store_commit(m->to, &m->err);
	store_rollback(m->to);
	return rc;
}

static int end(struct migration *m)
{
	struct store_numbers numbers;
	int rc = store_get_numbers(m->from, &numbers, &m->err);

	if (rc == 0)
		rc = store_begin(m->to, &m->err);
	if (rc < 0)
		return rc;
	rc = store_move_end(m->to, &numbers, &m->err);
	if (rc == 0)
		return store_commit(m->to, &m->err);
	store_rollback(m->to);
	return rc;
}

static int copy(struct migration *m, uint64_t messages)
{
	struct store_totals there;
	int rc = store_count_all(m->to, &there, &m->err);

	if (rc < 0)
		return rc;
	progress_start(&m->progress, "moving", PROGRESS_COUNT, "messages",
		       messages);
	m->done = there.messages;
	rc = migrate_copy(m);
	if (rc == 0)
		progress_finish(&m->progress);
	progress_clear(&m->progress);
	return rc;
}

static int compare(struct migration *m, uint64_t messages)
{
	int rc;

	progress_start(&m->progress, "comparing", PROGRESS_COUNT, "messages",
		       messages);
	m->done = 0;
	m->differences = 0;
	buf_clear(&m->different);
	rc = migrate_compare(m);
	if (rc == 0)
		progress_finish(&m->progress);
	progress_clear(&m->progress);
	return rc;
}

static void on_problem(void *data, const char *text)
{
	struct migration *m = data;

	m->differences++;
	buf_printf(&m->different, "%s\n", text);
}

static int verify(struct migration *m)
{
	struct store_verify v = { .problem = on_problem, .data = m };
	int rc;

	progress_start(&m->progress, "verifying", PROGRESS_TIME, NULL, 0);
	rc = store_verify(m->read, &v, &m->err);
	progress_clear(&m->progress);
	return rc;
}

/* What was refused, or is not the same, because the old store was written to
 * since the move was broken off, is moved anew. */
static bool is_stale(const struct migration *m, int rc)
{
	if (!m->resumed)
		return false;
	if (rc < 0)
		return m->err.code != ERR_UNAVAILABLE &&
		       m->err.code != ERR_OUT_OF_SPACE &&
		       m->err.code != ERR_OUTCOME_UNKNOWN;
	return m->differences > 0;
}

static int copy_and_compare(struct migration *m, uint64_t messages)
{
	int rc = copy(m, messages);

	if (rc == 0)
		rc = compare(m, messages);
	if (!is_stale(m, rc))
		return rc;
	ctl_complain("the old store has changed since this was broken off: "
		     "moving it anew");
	m->resumed = false;
	rc = reset(m);
	if (rc == 0)
		rc = copy(m, messages);
	return rc == 0 ? compare(m, messages) : rc;
}

static int move(struct migration *m, const char *data,
		const struct store_totals *totals)
{
	struct migrated_media media;
	int rc = migrate_look_for_media(m, data, &media);

	if (rc == 0)
		rc = begin(m);
	if (rc == 0 && m->resumed)
		ctl_complain("going on where it was broken off");
	if (rc == 0)
		rc = copy_and_compare(m, totals->messages);
	if (rc == 0 && m->differences == 0)
		rc = verify(m);
	if (rc == 0 && m->differences == 0)
		rc = migrate_look_for_media(m, data, &media);
	if (rc == 0 && m->differences > 0) {
		(void)fputs(buf_cstr(&m->different), stderr);
		return err_set(&m->err, ERR_UNAVAILABLE,
			       "the new store is not as the old one: it stays "
			       "closed");
	}
	return rc == 0 ? end(m) : rc;
}

static enum ctl_exit print_end(struct migration *m, const char *data,
			       const struct store_totals *totals)
{
	struct buf out = { 0 };
	struct migrated_media media;
	enum ctl_exit rc;

	buf_printf(&out, "moved: ");
	ctl_put_totals(&out, totals->groups, totals->messages, totals->users,
		       totals->media);
	buf_printf(&out, "\n");
	if (data == NULL && migrate_look_for_media(m, NULL, &media) == 0 &&
	    media.contents > 0) {
		progress_put_count(&out, media.contents);
		buf_printf(&out, " media files (");
		progress_put_bytes(&out, media.bytes);
		buf_printf(&out, ") lie in the folder media of the old groupd: "
				 "copy it to the new one\n");
	}
	rc = ctl_print(&out);
	buf_release(&out);
	return rc;
}

enum ctl_exit ctl_migrate(struct ctl *ctl, const struct ctl_options *o,
			  int argc, char **argv)
{
	struct migration m = { 0 };
	struct store_totals totals;
	enum ctl_exit result = CTL_REFUSED;
	int rc;

	(void)ctl;
	(void)argc;
	if (strcmp(argv[0], argv[1]) == 0) {
		ctl_complain("the old store and the new one are the same");
		return CTL_USAGE;
	}
	rc = open_old(&m, argv[0]);
	if (rc == 0)
		rc = open_new(&m, argv[1]);
	if (rc == 0)
		rc = store_count_all(m.from, &totals, &m.err);
	if (rc == 0)
		rc = move(&m, o->data, &totals);
	if (rc == 0)
		result = print_end(&m, o->data, &totals);
	else
		ctl_complain("%s", m.err.text);
	store_close(m.read);
	store_close(m.to);
	store_close(m.from);
	store_close(m.locked);
	buf_release(&m.different);
	return result;
}
