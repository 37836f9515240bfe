/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/progress.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <uv.h>

enum {
	APPEAR_MS = 500,
	REDRAW_MS = 100,
	MARK_MS = 5000, /* the rate is of the last 5 to 10 s */
	COLUMNS = 80,	/* of a terminal that does not say */
	BAR_MIN = 10,
	BAR_MAX = 40,
	PARTS = 4
};

static const char clear_line[] = "\r\033[K";

static uint64_t now(void)
{
	return uv_hrtime() / 1000000;
}

void progress_put_bytes(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = {
		"kB", "MB", "GB", "TB", "PB", "EB"
	};
	uint64_t unit = 1000;
	size_t i = 0;
	uint64_t tenths;

	if (bytes < 1000) {
		buf_printf(out, "%" PRIu64 " B", bytes);
		return;
	}
	while (bytes / unit >= 1000) {
		unit *= 1000;
		i++;
	}
	tenths = bytes / (unit / 10);
	if (tenths < 1000)
		buf_printf(out, "%" PRIu64 ".%" PRIu64 " %s", tenths / 10,
			   tenths % 10, units[i]);
	else
		buf_printf(out, "%" PRIu64 " %s", tenths / 10, units[i]);
}

void progress_put_count(struct buf *out, uint64_t count)
{
	if (count >= 1000) {
		progress_put_count(out, count / 1000);
		buf_printf(out, ",%03" PRIu64, count % 1000);
	} else {
		buf_printf(out, "%" PRIu64, count);
	}
}

static void put_amount(struct buf *out, const struct progress *p, uint64_t n)
{
	if (p->kind == PROGRESS_BYTES)
		progress_put_bytes(out, n);
	else
		progress_put_count(out, n);
}

static void put_time(struct buf *out, uint64_t seconds)
{
	if (seconds >= 3600)
		buf_printf(out, "%" PRIu64 ":%02u:%02u", seconds / 3600,
			   (unsigned)(seconds / 60 % 60),
			   (unsigned)(seconds % 60));
	else
		buf_printf(out, "%u:%02u", (unsigned)(seconds / 60),
			   (unsigned)(seconds % 60));
}

/* What is done a second; 0 when nobody can say yet. */
static uint64_t rate_since(const struct progress *p,
			   const struct progress_mark *mark, uint64_t now_ms)
{
	uint64_t ms = now_ms - mark->ms;

	if (ms == 0 || p->done < mark->done)
		return 0;
	return (uint64_t)((double)(p->done - mark->done) * 1000 / (double)ms);
}

/* The parts of the line behind the bar, the most important first. */
struct parts {
	struct buf text[PARTS];
	size_t count;
};

static struct buf *next_part(struct parts *parts)
{
	assert(parts->count < PARTS);
	return &parts->text[parts->count++];
}

static unsigned percent(const struct progress *p)
{
	if (p->done >= p->total)
		return 100;
	return (unsigned)((double)p->done * 100 / (double)p->total);
}

static void put_parts(struct parts *parts, const struct progress *p,
		      uint64_t now_ms)
{
	uint64_t rate = rate_since(p, &p->marks[0], now_ms);
	struct buf *part;

	if (p->total > 0)
		buf_printf(next_part(parts), "%3u%%", percent(p));
	if (p->kind != PROGRESS_TIME) {
		part = next_part(parts);
		put_amount(part, p, p->done);
		if (p->total > 0) {
			buf_printf(part, " of ");
			put_amount(part, p, p->total);
		}
		if (p->kind == PROGRESS_COUNT)
			buf_printf(part, " %s", p->noun);
		part = next_part(parts);
		put_amount(part, p, rate);
		buf_printf(part, "/s");
	}
	if (p->total == 0) {
		put_time(next_part(parts), (now_ms - p->started_ms) / 1000);
	} else if (rate > 0 && p->done < p->total) {
		part = next_part(parts);
		put_time(part, (p->total - p->done + rate - 1) / rate);
		buf_printf(part, " left");
	}
}

static void put_bar(struct buf *out, const struct progress *p, size_t room)
{
	size_t width = room < BAR_MAX ? room : BAR_MAX;
	size_t full = (size_t)percent(p) * width / 100;

	buf_printf(out, "  [");
	for (size_t i = 0; i < width; i++)
		buf_append_char(out, i < full ? '#' : '-');
	buf_append_char(out, ']');
}

void progress_put_line(struct buf *out, const struct progress *p,
		       uint64_t now_ms, size_t columns)
{
	size_t room = columns > 0 ? columns - 1 : 0;
	struct str what = str_of(p->what);
	struct parts parts = { 0 };
	size_t shown = 0;

	put_parts(&parts, p, now_ms);
	if (what.len > room)
		what.len = room;
	room -= what.len;
	while (shown < parts.count && parts.text[shown].len + 2 <= room)
		room -= parts.text[shown++].len + 2;
	buf_append_str(out, what);
	/* Its frame and the blanks before it are 4 columns. */
	if (p->total > 0 && shown == parts.count && room >= BAR_MIN + 4)
		put_bar(out, p, room - 4);
	for (size_t i = 0; i < shown; i++)
		buf_printf(out, "  %s", buf_cstr(&parts.text[i]));
	for (size_t i = 0; i < parts.count; i++) {
		out->failed = out->failed || parts.text[i].failed;
		buf_release(&parts.text[i]);
	}
}

void progress_put_summary(struct buf *out, const struct progress *p,
			  uint64_t now_ms)
{
	const struct progress_mark begun = { .ms = p->started_ms };

	buf_printf(out, "%s: ", p->what);
	put_amount(out, p, p->done);
	if (p->kind == PROGRESS_COUNT)
		buf_printf(out, " %s", p->noun);
	buf_printf(out, " in ");
	put_time(out, (now_ms - p->started_ms) / 1000);
	buf_printf(out, " (");
	put_amount(out, p, rate_since(p, &begun, now_ms));
	buf_printf(out, "/s)");
}

static size_t terminal_columns(void)
{
	struct winsize size = { 0 };

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return COLUMNS;
	return size.ws_col;
}

static void draw(struct progress *p, uint64_t now_ms)
{
	struct buf line = { 0 };

	progress_put_line(&line, p, now_ms, terminal_columns());
	if (!line.failed)
		(void)fprintf(stderr, "%s%s", clear_line, buf_cstr(&line));
	buf_release(&line);
	p->drawn_ms = now_ms;
	p->shown = true;
}

/* The shell's prompt must not stand in the middle of our line. The signal was
 * given back its default: raised again, it ends us, and our parent sees why. */
static void on_signal(int number)
{
	ssize_t n = write(STDERR_FILENO, clear_line, sizeof(clear_line) - 1);

	(void)n;
	(void)raise(number);
}

static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = (int)SA_RESETHAND };
	struct sigaction old;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		/* What nohup(1) has set stays so. */
		if (sigaction(numbers[i], NULL, &old) == 0 &&
		    old.sa_handler == SIG_DFL)
			(void)sigaction(numbers[i], &action, NULL);
	}
}

void progress_start(struct progress *p, const char *what,
		    enum progress_kind kind, const char *noun, uint64_t total)
{
	assert((kind == PROGRESS_COUNT) == (noun != NULL));
	*p = (struct progress){ .what = what,
				.noun = noun,
				.kind = kind,
				.total = total,
				.started_ms = now(),
				.terminal = isatty(STDERR_FILENO) == 1 };
	p->marks[0].ms = p->started_ms;
	p->marks[1].ms = p->started_ms;
	if (p->terminal)
		catch_signals();
}

void progress_set(struct progress *p, uint64_t done)
{
	p->done = done;
	progress_tick(p);
}

void progress_tick(struct progress *p)
{
	uint64_t now_ms;

	if (p == NULL || !p->terminal)
		return;
	now_ms = now();
	if (now_ms - p->marks[1].ms >= MARK_MS) {
		p->marks[0] = p->marks[1];
		p->marks[1] = (struct progress_mark){ now_ms, p->done };
	}
	if (now_ms - p->started_ms >= APPEAR_MS &&
	    now_ms - p->drawn_ms >= REDRAW_MS)
		draw(p, now_ms);
}

void progress_clear(struct progress *p)
{
	if (p == NULL || !p->shown)
		return;
	(void)fputs(clear_line, stderr);
	p->shown = false;
}

void progress_finish(struct progress *p)
{
	struct buf line = { 0 };

	progress_clear(p);
	if (!p->terminal || p->kind == PROGRESS_TIME)
		return;
	progress_put_summary(&line, p, now());
	if (!line.failed)
		(void)fprintf(stderr, "%s\n", buf_cstr(&line));
	buf_release(&line);
}
