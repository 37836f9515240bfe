/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NAMES_MAX = 8 /* groups that a note names */, MARK_MS = 1000 };

void follow_note(const struct follow *f, const char *fmt, ...)
{
	struct buf line = { 0 };
	char text[512];
	va_list ap;

	if (!f->notes)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_append_str(&line, str_of(f->terminal.color ? "\033[2m-- " : "-- "));
	terminal_escape(&line, str_of(text));
	buf_append_str(&line,
		       str_of(f->terminal.color ? " --\033[0m\n" : " --\n"));
	(void)fputs(buf_cstr(&line), stderr);
	buf_release(&line);
}

struct source *follow_find(const struct follow *f, uint64_t group_id)
{
	for (struct list *l = f->sources.next; l != &f->sources; l = l->next) {
		struct source *s = container_of(l, struct source, link);

		if (s->group_id == group_id && !s->restored)
			return s;
	}
	return NULL;
}

static void wake(struct feed_sub *sub)
{
	struct source *s = sub->data;

	if (list_empty(&s->ready))
		list_push(&s->follow->ready, &s->ready);
}

int follow_add(struct follow *f, uint64_t group_id, struct str name,
	       uint64_t after_seq)
{
	struct source *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->follow = f;
	s->group_id = group_id;
	s->sub.data = s;
	/* Who only looks is not online by it. */
	s->sub.kind = f->options->no_follow ? WATCH_QUIET : WATCH_PRESENT;
	list_init(&s->link);
	list_init(&s->ready);
	(void)str_to_cstr(name, s->name, sizeof(s->name));
	if (feed_subscribe(&f->feed, &s->sub, &f->ctl->self, group_id,
			   after_seq, wake) != 0) {
		free(s);
		return -ENOMEM;
	}
	list_push(&f->sources, &s->link);
	f->live = false;
	return 0;
}

void follow_drop(struct source *s)
{
	client_cancel(&s->pull);
	feed_unsubscribe(&s->sub);
	list_remove(&s->link);
	list_remove(&s->ready);
	free(s);
}

/* A source has come to its end: removed, deleted, or the log is another one.
 */
static void source_ended(struct source *s)
{
	struct follow *f = s->follow;
	const struct err err = *s->sub.err;

	if (s->restored && !f->all) {
		/* Its number may be another group's now. */
		ctl_complain("%s: groupd restored a backup: follow it again",
			     s->name);
		f->rc = CTL_REFUSED;
	} else if (err.code == ERR_EPOCH_CHANGED && !s->restored) {
		struct str name = str_of(s->name);

		bool cut = s->sub.cut_seq > 0 && !s->sub.is_other_log;

		ctl_complain("%s: %s", s->name,
			     cut ? err.text
				 : "the log is another one (epoch_changed): it "
				   "goes on from your read pointer");
		/* What is kept no more is said; what is kept is shown. */
		if (follow_add(f, s->group_id, name,
			       cut ? s->sub.cut_seq - 1 : FEED_FROM_POINTER) !=
		    0)
			f->rc = CTL_REFUSED;
	} else if (f->all) {
		follow_note(f, "%s: %s", s->name, err.text);
	} else {
		ctl_complain("%s: %s", s->name, err.text);
		f->rc = CTL_REFUSED;
	}
	follow_drop(s);
}

/* What groupd says. */

static void on_event(void *data, const struct wire_header *header,
		     const void *body)
{
	struct follow *f = data;

	if (f->stopped)
		return;
	feed_on_event(&f->feed, header, body);
	if (header->type == WIRE_EV_MEMBER)
		follow_on_member(f, body);
}

/* Where each group goes on, as far as they are few. */
static void note_cursors(const struct follow *f)
{
	struct buf text = { 0 };
	size_t n = 0;

	for (struct list *l = f->sources.next; l != &f->sources; l = l->next) {
		const struct source *s =
			container_of(l, const struct source, link);

		if (s->sub.state == FEED_LIVE && n++ < NAMES_MAX)
			buf_printf(&text, "%s%s from %llu", n == 1 ? "" : ", ",
				   s->name,
				   (unsigned long long)s->sub.cursor + 1);
	}
	follow_note(f, "online again%s%s%s%s", n == 0 ? "" : ": ",
		    buf_cstr(&text), n == 0 ? "" : " on",
		    n > NAMES_MAX ? ", and so the others" : "");
	buf_release(&text);
}

/* What was told just before groupd went may never have been read. */
static void mark_again(struct follow *f)
{
	for (struct list *l = f->sources.next; l != &f->sources; l = l->next)
		container_of(l, struct source, link)->marked = 0;
}

static void on_state(void *data, bool online, const char *why)
{
	struct follow *f = data;

	if (f->stopped)
		return;
	feed_on_state(&f->feed, online);
	if (online)
		mark_again(f);
	if (online && f->all)
		follow_list(f);
	if (online && f->offline)
		note_cursors(f);
	else if (!online && !f->offline)
		follow_note(f, "offline: %s", why);
	f->offline = !online;
	f->live = f->live && online;
}

/* One turn. */

/* Says how much there is to catch up with, and when that is done. */
static void note_progress(struct follow *f)
{
	bool live = !f->offline && (!f->all || f->listed);
	size_t n = 0;

	for (struct list *l = f->sources.next; l != &f->sources; l = l->next) {
		struct source *s = container_of(l, struct source, link);
		uint64_t left;

		n++;
		live = live && feed_is_current(&s->sub) &&
		       feed_caught_up(&s->sub);
		if (s->started || s->sub.state != FEED_LIVE)
			continue;
		s->started = true;
		left = s->sub.start_seq - s->sub.cursor;
		if (left > 0)
			follow_note(f, "%s: catching up with %llu message%s",
				    s->name, (unsigned long long)left,
				    left == 1 ? "" : "s");
	}
	if (live && !f->live && f->out.len == 0 && list_empty(&f->ready)) {
		f->live = true;
		if (!f->options->no_follow && n == 1)
			follow_note(f, "live");
		else if (!f->options->no_follow)
			follow_note(f, "live: %zu groups", n);
	}
}

/* Moves the read pointers on to what was written; now and then, for each is a
 * commit. */
static void mark(struct follow *f)
{
	uint64_t now = uv_now(&f->ctl->loop);

	if (f->offline || now - f->mark_ms < MARK_MS)
		return;
	f->mark_ms = now;
	for (struct list *l = f->sources.next; l != &f->sources; l = l->next) {
		struct source *s = container_of(l, struct source, link);
		const struct wire_body_set_read body = { .group_id =
								 s->group_id,
							 .seq = s->shown };

		if (s->shown <= s->marked || s->sub.state != FEED_LIVE)
			continue;
		client_tell(&f->ctl->client, &f->ctl->self, WIRE_SET_READ,
			    &body);
		s->marked = s->shown;
	}
}

/* Before it ends by itself: waits for what was not told yet. */
static enum ctl_exit mark_last(struct follow *f)
{
	enum ctl_exit rc = CTL_OK;

	for (struct list *l = f->sources.next; rc == CTL_OK && l != &f->sources;
	     l = l->next) {
		struct source *s = container_of(l, struct source, link);
		const struct wire_body_set_read body = { .group_id =
								 s->group_id,
							 .seq = s->shown };
		struct wire_body_ok answer;

		if (s->shown > 0)
			rc = ctl_call(f->ctl, WIRE_SET_READ, &body, &answer);
	}
	return rc;
}

static void note_shown(struct follow *f)
{
	for (struct list *l = f->sources.next; l != &f->sources; l = l->next) {
		struct source *s = container_of(l, struct source, link);

		if (s->sub.state == FEED_LIVE)
			s->shown = s->sub.cursor;
	}
}

/* A pipe whose reader has gone says so before anything is written. */
static bool reader_is_gone(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0;
}

/* Prints what there is. False: it is over. */
static bool turn(struct follow *f)
{
	enum ctl_exit rc;

	terminal_measure(&f->terminal);
	follow_gather(f, source_ended);
	if (f->out.len > 0 || f->out.failed) {
		rc = ctl_print(&f->out);
		buf_clear(&f->out);
		if (rc != CTL_OK) {
			f->rc = rc;
			return false;
		}
		note_shown(f);
	}
	note_progress(f);
	if (f->options->mark)
		mark(f);
	if (f->stale && !f->offline)
		follow_list(f);
	if (reader_is_gone()) {
		f->rc = CTL_CLOSED;
		return false;
	}
	if (f->options->no_follow && f->ctl->lost) {
		ctl_complain("%s", f->ctl->client.why);
		f->rc = CTL_UNREACHABLE;
		return false;
	}
	if (f->options->no_follow && f->live)
		return false;
	return f->all || !list_empty(&f->sources);
}

static void run(struct follow *f)
{
	uv_loop_t *loop = &f->ctl->loop;

	while (turn(f))
		(void)uv_run(loop, list_empty(&f->ready) ? UV_RUN_ONCE
							 : UV_RUN_NOWAIT);
}

/* Start and end. */

/* Ctrl-C may come in the middle of a coloured line. Then the process dies of
 * it, as a shell that runs us in a loop wants to see. */
static void interrupted(int number)
{
	if (write(STDOUT_FILENO, "\033[0m", 4) < 0)
		_exit(128 + number);
	(void)signal(number, SIG_DFL);
	(void)raise(number);
}

static enum ctl_exit add_named(struct follow *f, const char *name)
{
	const struct ctl_options *o = f->options;
	struct wire_body_group g;
	uint64_t after = FEED_FROM_POINTER;
	enum ctl_exit rc = ctl_find_group(f->ctl, name, &g);

	if (rc != CTL_OK || follow_find(f, g.group_id) != NULL)
		return rc;
	if (o->from_seq && o->after > g.last_seq) {
		ctl_complain("%s ends at message %llu", name,
			     (unsigned long long)g.last_seq);
		return CTL_REFUSED;
	}
	if (o->from_seq)
		after = o->after;
	else if (o->from_tail)
		after = g.last_seq > o->tail ? g.last_seq - o->tail : 0;
	if (after != FEED_FROM_POINTER && after + 1 < g.first_seq)
		after = g.first_seq - 1;
	if (follow_add(f, g.group_id, g.name, after) == 0)
		return CTL_OK;
	ctl_complain("out of memory");
	return CTL_REFUSED;
}

static void closed_cb(struct feed *feed)
{
	struct follow *f = container_of(feed, struct follow, feed);

	f->stopped = true;
}

static void stop(struct follow *f)
{
	client_cancel(&f->listing);
	while (!list_empty(&f->sources))
		follow_drop(container_of(f->sources.next, struct source, link));
	feed_close(&f->feed, closed_cb);
	while (!f->stopped)
		(void)uv_run(&f->ctl->loop, UV_RUN_ONCE);
	f->ctl->watcher = NULL;
	buf_release(&f->out);
}

static void on_restored(void *data)
{
	struct follow *f = data;

	if (f->stopped)
		return;
	for (struct list *l = f->sources.next; l != &f->sources; l = l->next)
		container_of(l, struct source, link)->restored = true;
	feed_on_restored(&f->feed);
}

static enum ctl_exit start(struct follow *f, struct ctl *ctl,
			   const struct ctl_options *o)
{
	f->ctl = ctl;
	f->options = o;
	f->watcher = (struct ctl_watcher){ .data = f,
					   .on_event = on_event,
					   .on_state = on_state,
					   .on_restored = on_restored };
	list_init(&f->sources);
	list_init(&f->ready);
	terminal_init(&f->terminal, o->color);
	f->form = o->json ? FOLLOW_JSON
		  : f->terminal.is_tty || o->color == COLOR_ALWAYS
			  ? FOLLOW_PEOPLE
			  : FOLLOW_LINES;
	f->notes = isatty(STDERR_FILENO) == 1;
	f->show = (struct show){ .terminal = &f->terminal,
				 .me = ctl->self.name,
				 .utc = o->utc,
				 .several = f->several };
	if (feed_start(&f->feed, &ctl->loop, &ctl->client) != 0) {
		ctl_complain("out of memory");
		return CTL_REFUSED;
	}
	ctl->watcher = &f->watcher;
	if (f->form == FOLLOW_PEOPLE && f->terminal.color)
		(void)signal(SIGINT, interrupted);
	return CTL_OK;
}

enum ctl_exit ctl_follow(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct follow f = { .all = argc == 0, .several = argc != 1 };
	enum ctl_exit rc;

	if (o->from_seq && (o->from_tail || argc != 1)) {
		ctl_complain("--after is for one group, and not with --tail");
		return CTL_USAGE;
	}
	rc = start(&f, ctl, o);
	if (rc != CTL_OK)
		return rc;
	for (int i = 0; i < argc && rc == CTL_OK; i++)
		rc = add_named(&f, argv[i]);
	if (rc == CTL_OK) {
		if (f.all)
			follow_list(&f);
		run(&f);
		rc = f.rc;
		if (rc == CTL_OK && o->mark)
			rc = mark_last(&f);
	}
	stop(&f);
	return rc;
}
