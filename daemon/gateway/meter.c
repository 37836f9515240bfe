/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/meter.h"

#include <assert.h>

#include "daemon/gateway/ws.h"

void meter_init(struct meter *m, const struct env *env)
{
	*m = (struct meter){ .env = env,
			     .started_ms = env_now_ms(env),
			     .fanout.kind = HISTOGRAM_DELAY };
}

void meter_request(struct meter *m, bool write, int status)
{
	if (status >= 100 && status < 100 * (METER_STATUSES + 1))
		m->requests[write][status / 100 - 1]++;
}

void meter_refused(struct meter *m, enum err_code code)
{
	m->refused[code]++;
}

void meter_closed(struct meter *m, int code)
{
	m->slow += code == WS_BYE_SLOW;
	m->silent += code == WS_BYE_SILENT;
}

static void put_shared(struct meter *m)
{
	if (m->shared > 0)
		histogram_add(&m->fanout, m->delay_ms * 1000000, m->shared);
	m->shared = 0;
}

static uint64_t delay_ms(uint64_t now_ms, uint64_t time_ms)
{
	return now_ms > time_ms ? now_ms - time_ms : 0;
}

static void read_clock(struct meter *m, uint64_t turn, uint64_t time_ms)
{
	put_shared(m);
	m->turn = turn;
	m->time_ms = time_ms;
	m->delay_ms = delay_ms(env_now_ms(m->env), time_ms);
}

void meter_fanout(struct meter *m, uint64_t turn, uint64_t time_ms)
{
	if (m->shared == 0 || m->shared == METER_CLOCK_EVERY ||
	    turn != m->turn || time_ms != m->time_ms)
		read_clock(m, turn, time_ms);
	m->shared++;
}

static void put_run(struct meter *m)
{
	struct meter_run *run = &m->run;

	for (size_t i = 0; i < run->ntimes && run->given > 0; i++)
		histogram_add(&m->fanout,
			      delay_ms(run->now_ms, run->times[i].ms) * 1000000,
			      run->times[i].messages * run->given);
	run->given = 0;
}

void meter_run_begin(struct meter *m)
{
	put_run(m);
	m->run.ntimes = 0;
}

bool meter_run_add(struct meter *m, uint64_t time_ms)
{
	struct meter_run *run = &m->run;

	assert(run->given == 0);
	if (run->ntimes == 0 || run->times[run->ntimes - 1].ms != time_ms) {
		if (run->ntimes == METER_RUN_TIMES)
			return false;
		run->times[run->ntimes].ms = time_ms;
		run->times[run->ntimes++].messages = 0;
	}
	run->times[run->ntimes - 1].messages++;
	return true;
}

void meter_run_given(struct meter *m, uint64_t turn)
{
	struct meter_run *run = &m->run;

	if (run->given == 0 || run->given == METER_CLOCK_EVERY ||
	    run->turn != turn) {
		put_run(m);
		run->turn = turn;
		run->now_ms = env_now_ms(m->env);
	}
	run->given++;
}

static void put_requests(struct buf *b, const struct meter *m)
{
	for (uint64_t write = 0; write < 2; write++) {
		for (uint64_t i = 0; i < METER_STATUSES; i++) {
			const struct wire_http_count c = {
				.write = write,
				.status = i + 1,
				.count = m->requests[write][i]
			};

			wire_put(b, &wire_schema_http_count, &c);
		}
	}
}

static void put_refused(struct buf *b, const struct meter *m)
{
	for (int code = ERR_NONE + 1; code < ERR_COUNT; code++) {
		const struct wire_count c = { .value = m->refused[code] };

		wire_put(b, &wire_schema_count, &c);
	}
}

void meter_report(struct meter *m, struct wire_body_report *out,
		  struct buf *lists)
{
	size_t refused, fanout;

	put_shared(m);
	put_run(m);
	buf_clear(lists);
	put_requests(lists, m);
	refused = lists->len;
	put_refused(lists, m);
	fanout = lists->len;
	histogram_put(lists, &m->fanout);
	*out = (struct wire_body_report){
		.started_ms = m->started_ms,
		.websockets = m->websockets,
		.streams = m->streams,
		.deliveries = m->deliveries,
		.written = m->written,
		.slow = m->slow,
		.silent = m->silent,
	};
	if (lists->failed)
		return;
	out->requests = str_make(lists->data, refused);
	out->refused = str_make(lists->data + refused, fanout - refused);
	out->fanout = str_make(lists->data + fanout, lists->len - fanout);
}
