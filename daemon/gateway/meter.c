/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/meter.h"

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

static void read_clock(struct meter *m, uint64_t turn, uint64_t time_ms)
{
	uint64_t now = env_now_ms(m->env);

	put_shared(m);
	m->turn = turn;
	m->time_ms = time_ms;
	m->delay_ms = now > time_ms ? now - time_ms : 0;
}

void meter_fanout(struct meter *m, uint64_t turn, uint64_t time_ms)
{
	if (m->shared == 0 || m->shared == METER_CLOCK_EVERY ||
	    turn != m->turn || time_ms != m->time_ms)
		read_clock(m, turn, time_ms);
	m->shared++;
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
