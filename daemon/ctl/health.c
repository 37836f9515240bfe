/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "lib/wire.h"

enum {
	DISK_BAD_PERCENT = 5,
	DISK_NOTE_PERCENT = 10,
	QUEUE_NOTE = 1000, /* requests that wait */
	COMMIT_NOTE_MS = 250,
	LABEL_WIDTH = 10
};

static struct str text_of(struct str figures, const char *name)
{
	struct wire_figure f;

	while (wire_next(&figures, &wire_schema_figure, &f) == 1) {
		if (str_eq(f.name, str_of(name)))
			return f.value;
	}
	return str_of("");
}

static uint64_t number_of(struct str figures, const char *name)
{
	uint64_t v = 0;

	(void)text_parse_u64(text_of(figures, name), &v);
	return v;
}

static double decimal_of(struct str figures, const char *name)
{
	char text[32];

	return str_to_cstr(text_of(figures, name), text, sizeof(text))
		       ? strtod(text, NULL)
		       : 0;
}

void health_put_bytes(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB",
					     "PiB" };
	double v = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		buf_printf(out, "%" PRIu64 " bytes", bytes);
		return;
	}
	while (v >= 1023.95 && unit < 4) {
		v /= 1024;
		unit++;
	}
	buf_printf(out, "%.1f %s", v, units[unit]);
}

void health_put_span(struct buf *out, uint64_t seconds)
{
	uint64_t minutes = seconds / 60, hours = minutes / 60;
	uint64_t days = hours / 24;

	if (seconds < 60)
		buf_printf(out, "%" PRIu64 " s", seconds);
	else if (hours == 0)
		buf_printf(out, "%" PRIu64 " min", minutes);
	else if (days == 0)
		buf_printf(out, "%" PRIu64 " h %" PRIu64 " min", hours,
			   minutes % 60);
	else
		buf_printf(out, "%" PRIu64 " day%s %" PRIu64 " h", days,
			   days == 1 ? "" : "s", hours % 24);
}

/* Warnings. */

struct warnings {
	struct buf *out;
	const struct terminal *t;
	enum health only; /* those that are that bad */
	enum health worst;
};

static void warn(struct warnings *w, enum health how, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void warn(struct warnings *w, enum health how, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (how > w->worst)
		w->worst = how;
	if (how != w->only || w->out == NULL)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (w->t != NULL)
		terminal_on(w->t, w->out, how == HEALTH_BAD ? "1;31" : "33");
	buf_append_str(w->out, str_of(how == HEALTH_BAD ? "!! " : "!  "));
	terminal_escape(w->out, str_of(text));
	if (w->t != NULL)
		terminal_off(w->t, w->out);
	buf_append_char(w->out, '\n');
}

static void warn_gateways(struct warnings *w, struct str figures)
{
	uint64_t wanted = number_of(figures, "gateways_configured");

	if (wanted == 0)
		warn(w, HEALTH_NOTE,
		     "no gateway is configured: there is no HTTP and no "
		     "WebSocket");
	else if (number_of(figures, "gateways") == 0)
		warn(w, HEALTH_BAD,
		     "no gateway is up: there is no HTTP and no WebSocket");
	for (uint64_t i = 0; number_of(figures, "gateways") > 0 && i < wanted;
	     i++) {
		char name[32];
		struct str state;

		(void)snprintf(name, sizeof(name), "gateway_%" PRIu64, i);
		state = text_of(figures, name);
		if (state.len > 0 && !str_eq(state, str_of("up")))
			warn(w,
			     str_eq(state, str_of("down")) ? HEALTH_BAD
							   : HEALTH_NOTE,
			     "gateway %" PRIu64 " is %.*s", i, (int)state.len,
			     state.data);
	}
	if (number_of(figures, "gateway_restarts") > 0)
		warn(w, HEALTH_NOTE,
		     "gateways that were started again: %" PRIu64
		     " (the log says why)",
		     number_of(figures, "gateway_restarts"));
}

static void warn_disk(struct warnings *w, struct str figures)
{
	uint64_t all = number_of(figures, "disk_bytes");
	uint64_t left = number_of(figures, "disk_free_bytes");
	uint64_t percent = all < 100 ? 100 : left / (all / 100);
	struct buf size = { 0 };

	health_put_bytes(&size, left);
	if (percent < DISK_NOTE_PERCENT)
		warn(w, percent < DISK_BAD_PERCENT ? HEALTH_BAD : HEALTH_NOTE,
		     "the disk of the store is nearly full: %s left (%" PRIu64
		     "%%)",
		     buf_cstr(&size), percent);
	buf_release(&size);
}

static void warn_load(struct warnings *w, struct str figures)
{
	static const struct {
		const char *figure;
		const char *what;
	} queues[] = { { "writes_queued", "writes" },
		       { "reads_queued", "reads" },
		       { "media_queued", "pieces of files" } };

	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		uint64_t n = number_of(figures, queues[i].figure);

		if (n >= QUEUE_NOTE)
			warn(w, HEALTH_NOTE, "%" PRIu64 " %s wait", n,
			     queues[i].what);
	}
	if (decimal_of(figures, "commit_p99_ms") >= COMMIT_NOTE_MS)
		warn(w, HEALTH_NOTE,
		     "commits are slow: one in a hundred takes over %.0f ms",
		     decimal_of(figures, "commit_p99_ms"));
	if (number_of(figures, "lagging_subscribers") > 0)
		warn(w, HEALTH_NOTE,
		     "subscribers that read slower than is sent: %" PRIu64,
		     number_of(figures, "lagging_subscribers"));
	if (number_of(figures, "lagging_sessions") > 0)
		warn(w, HEALTH_NOTE,
		     "connections to the socket that do not read: %" PRIu64,
		     number_of(figures, "lagging_sessions"));
}

static bool is_down(struct str bus)
{
	static const char down[] = "down";

	return bus.len >= sizeof(down) - 1 &&
	       memcmp(bus.data, down, sizeof(down) - 1) == 0;
}

static void warn_nodes(struct warnings *w, struct str figures)
{
	struct str bus = text_of(figures, "bus");
	struct str away = text_of(figures, "store_away");

	if (away.len > 0)
		warn(w, HEALTH_BAD, "the store is away: %.*s", (int)away.len,
		     away.data);
	else if (str_eq(text_of(figures, "store_silent"), str_of("yes")))
		warn(w, HEALTH_BAD,
		     "the store does not answer: mounts are cut off until it "
		     "does");
	if (is_down(bus))
		warn(w, HEALTH_NOTE,
		     "the bus is %.*s; what other nodes write comes up to a "
		     "second late",
		     (int)bus.len, bus.data);
}

enum health health_warnings(struct buf *out, const struct terminal *t,
			    struct str figures)
{
	struct warnings w = { .out = out, .t = t };

	for (w.only = HEALTH_BAD; w.only > HEALTH_GOOD; w.only--) {
		warn_gateways(&w, figures);
		warn_nodes(&w, figures);
		warn_disk(&w, figures);
		warn_load(&w, figures);
	}
	return w.worst;
}

/* The screen. */

static void label(struct buf *out, const struct terminal *t, const char *name)
{
	terminal_on(t, out, "2");
	buf_printf(out, "%-*s", LABEL_WIDTH, name);
	terminal_off(t, out);
}

static void count(struct buf *out, uint64_t n, const char *what)
{
	buf_printf(out, "%" PRIu64 " %s%s", n, what, n == 1 ? "" : "s");
}

static void put_head(struct buf *out, const struct terminal *t,
		     struct str figures, enum health how)
{
	static const char *const sgr[] = { [HEALTH_GOOD] = "32",
					   [HEALTH_NOTE] = "33",
					   [HEALTH_BAD] = "1;31" };
	static const char *const words[] = { [HEALTH_GOOD] = "all is well",
					     [HEALTH_NOTE] = "worth a look",
					     [HEALTH_BAD] = "needs attention" };

	terminal_on(t, out, "1");
	buf_append_str(out, str_of("groupd "));
	terminal_escape(out, text_of(figures, "version"));
	terminal_off(t, out);
	buf_append_str(out, str_of(", up "));
	health_put_span(out, number_of(figures, "uptime_s"));
	buf_append_str(out, str_of(": "));
	terminal_put(t, out, sgr[how], str_of(words[how]));
	buf_append_char(out, '\n');
}

static void put_store(struct buf *out, const struct terminal *t,
		      struct str figures)
{
	label(out, t, "store");
	terminal_escape(out, text_of(figures, "store"));
	if (text_of(figures, "store_away").len > 0) {
		buf_append_str(out, str_of(", away\n"));
		return;
	}
	buf_append_str(out, str_of(", "));
	health_put_bytes(out, number_of(figures, "store_bytes"));
	if (number_of(figures, "disk_bytes") > 0) {
		buf_append_char(out, '\n');
		label(out, t, "disk");
		health_put_bytes(out, number_of(figures, "disk_free_bytes"));
		buf_append_str(out, str_of(" free of "));
		health_put_bytes(out, number_of(figures, "disk_bytes"));
	}
	buf_append_char(out, '\n');
	label(out, t, "groups");
	buf_printf(out, "%" PRIu64 "; ", number_of(figures, "groups"));
	count(out, number_of(figures, "users"), "user");
	buf_append_char(out, '\n');
}

static void put_online(struct buf *out, const struct terminal *t,
		       struct str figures)
{
	label(out, t, "online");
	count(out, number_of(figures, "users_connected"), "user");
	buf_append_str(out, str_of(": "));
	count(out, number_of(figures, "mounts"), "mount");
	buf_append_str(out, str_of(", "));
	count(out, number_of(figures, "websockets"), "WebSocket");
	buf_append_str(out, str_of(", "));
	count(out, number_of(figures, "streams"), "stream");
	buf_append_str(out, str_of("; "));
	count(out, number_of(figures, "live_groups"), "group");
	buf_append_str(out, str_of(" watched\n"));
}

static void put_times(struct buf *out, struct str figures, const char *p50,
		      const char *p99)
{
	buf_printf(out, "half within %.3g ms, 99%% within %.3g ms\n",
		   decimal_of(figures, p50), decimal_of(figures, p99));
}

static void put_work(struct buf *out, const struct terminal *t,
		     struct str figures)
{
	label(out, t, "messages");
	buf_printf(out, "%" PRIu64 " since the start, in ",
		   number_of(figures, "messages"));
	count(out, number_of(figures, "commits"), "commit");
	buf_printf(out, " (%.3g each)\n",
		   decimal_of(figures, "messages_per_commit"));
	if (number_of(figures, "commits") > 0) {
		label(out, t, "commits");
		put_times(out, figures, "commit_p50_ms", "commit_p99_ms");
	}
	if (number_of(figures, "deliveries_live") > 0) {
		label(out, t, "fan-out");
		buf_printf(out, "%" PRIu64 " deliveries, ",
			   number_of(figures, "deliveries_live"));
		put_times(out, figures, "fanout_p50_ms", "fanout_p99_ms");
	}
	label(out, t, "waiting");
	count(out, number_of(figures, "writes_queued"), "write");
	buf_append_str(out, str_of(", "));
	count(out, number_of(figures, "reads_queued"), "read");
	buf_append_str(out, str_of(", "));
	count(out, number_of(figures, "media_queued"), "file transfer");
	buf_append_str(out, str_of("; "));
	count(out, number_of(figures, "lagging_subscribers"), "subscriber");
	buf_append_str(out, str_of(" behind\n"));
}

static void put_gateways(struct buf *out, const struct terminal *t,
			 struct str figures)
{
	bool tls = str_eq(text_of(figures, "tls"), str_of("yes"));

	label(out, t, "gateways");
	buf_printf(out, "%" PRIu64 " of %" PRIu64 " up; ",
		   number_of(figures, "gateways"),
		   number_of(figures, "gateways_configured"));
	if (str_eq(text_of(figures, "listen"), str_of("none"))) {
		buf_append_str(out, str_of("no TCP"));
	} else {
		buf_append_str(out, str_of(tls ? "https://" : "http://"));
		terminal_escape(out, text_of(figures, "listen"));
	}
	buf_append_str(out, str_of("\n"));
	label(out, t, "socket");
	terminal_escape(out, text_of(figures, "socket"));
	buf_append_char(out, '\n');
}

/* Where there is more than one. */
static void put_nodes(struct buf *out, const struct terminal *t,
		      struct str figures)
{
	struct str bus = text_of(figures, "bus");

	if (!str_eq(text_of(figures, "store_shared"), str_of("yes")))
		return;
	label(out, t, "nodes");
	if (number_of(figures, "nodes") > 0)
		buf_printf(out, "%" PRIu64 "; ", number_of(figures, "nodes"));
	buf_append_str(out, str_of("bus "));
	terminal_escape(out, bus);
	buf_append_char(out, '\n');
	label(out, t, "");
	count(out, number_of(figures, "remote_messages"), "message");
	buf_append_str(out, str_of(" of others"));
	if (number_of(figures, "remote_messages") > 0) {
		buf_append_str(out, str_of(": "));
		put_times(out, figures, "remote_lag_p50_ms",
			  "remote_lag_p99_ms");
	} else {
		buf_append_char(out, '\n');
	}
}

enum health health_screen(struct buf *out, const struct terminal *t,
			  struct str figures)
{
	struct buf warnings = { 0 };
	enum health how = health_warnings(&warnings, t, figures);

	put_head(out, t, figures, how);
	buf_append_str(out, buf_str(&warnings));
	buf_append_char(out, '\n');
	put_store(out, t, figures);
	put_online(out, t, figures);
	put_work(out, t, figures);
	put_nodes(out, t, figures);
	put_gateways(out, t, figures);
	out->failed = out->failed || warnings.failed;
	buf_release(&warnings);
	return how;
}
