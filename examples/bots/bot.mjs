#!/usr/bin/env node
// SPDX-License-Identifier: MIT
// bot.mjs GROUP: reminds: "!remind 10m tea is ready" is answered, as a reply,
// ten minutes later (s, m or h), once, whatever happens meanwhile.
//
//   groupctl user add reminder; echo +reminder >> /groups/dev/members
//   GROUPFS_URL=https://chat.example.org GROUPFS_TOKEN=$(groupctl token create \
//       reminder) ./bot.mjs dev
//
// Node 18 or later, no package. It keeps no file: at each start it reads what
// was said in the last 25 hours and what it has answered of that. A reminder
// that fell due while it was away comes late, not never. The client_id makes
// an answer that is sent twice one message. Only what is no reply is a
// question, so bots never answer bots.
const base = process.env.GROUPFS_URL ?? "http://127.0.0.1:7480";
const token = process.env.GROUPFS_TOKEN;
const group = process.argv[2];
if (!token || !group || process.argv.length !== 3) {
  console.error("usage: GROUPFS_TOKEN=... bot.mjs GROUP");
  process.exit(2);
}
const unit = { s: 1e3, m: 60e3, h: 3600e3 };
const longest = 24 * unit.h; // groupd remembers a client_id so long
const idOf = (seq) => `bot.mjs-${seq}`;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const waiting = new Map(); // sequence number of a question -> its timer
let epoch; // of the log that those numbers are of

async function request(path, options = {}) {
  const answer = await fetch(
    `${base}/api/groups/${encodeURIComponent(group)}${path}`, {
      ...options,
      headers: { authorization: `Bearer ${token}`, ...options.headers },
    });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const error = new Error(problem.detail ?? `status ${answer.status}`);
  error.status = answer.status;
  error.seconds = Number(answer.headers.get("retry-after") ?? 1);
  throw error;
}

// Until it is stored: the same client_id each time. In another log that number
// is another message's.
async function reply(seq, content, asked) {
  while (asked === epoch) {
    try {
      await request("/messages", {
        method: "POST",
        signal: AbortSignal.timeout(30e3),
        headers: { "content-type": "application/json" },
        body: JSON.stringify(
          { content, reply_to_seq: seq, client_id: idOf(seq) }),
      });
      return;
    } catch (error) {
      if (error.status >= 400 && ![429, 503].includes(error.status)) {
        console.error(`bot.mjs: ${seq}: ${error.message}`);
        return;
      }
      await sleep((error.seconds ?? 1) * 1e3);
    }
  }
}

function hear(m) {
  if (m.reply_to_seq !== undefined) {
    // An answer of ours: that question is done with.
    if (m.client_id === idOf(m.reply_to_seq)) {
      clearTimeout(waiting.get(m.reply_to_seq));
      waiting.delete(m.reply_to_seq);
    }
    return;
  }
  const ask = /^!remind (\d{1,5})([smh]) (.+)$/s.exec(m.content);
  const delay = ask ? Number(ask[1]) * unit[ask[2]] : Infinity;
  if (delay > longest || waiting.has(m.sequence_number)) return;
  const due = Date.parse(m.timestamp) + delay;
  waiting.set(m.sequence_number, setTimeout(
    reply, Math.max(0, due - Date.now()), m.sequence_number,
    `@${m.sender} ${ask[3]}`, epoch));
}

// The last page and those before it, as far as a question may be open.
async function recent() {
  const pages = [];
  const oldest = Date.now() - longest - unit.h;
  let before = Number.MAX_SAFE_INTEGER;
  for (;;) {
    const page = await (await request(
      `/messages?limit=1000&before_seq=${before}`)).json();
    pages.unshift(page.messages);
    const first = page.messages[0];
    if (!first || first.sequence_number <= page.first_seq ||
        Date.parse(first.timestamp) < oldest) return pages.flat();
    before = first.sequence_number;
  }
}

// What is said from here on, until the connection is lost.
async function follow(after) {
  const lost = new AbortController();
  const { body } = await request(
    `/stream?after_seq=${after}`, { signal: lost.signal });
  const text = new TextDecoder();
  let rest = "";
  let alive;
  const watch = () => {
    clearTimeout(alive);
    alive = setTimeout(() => lost.abort(), 60e3);
  };
  watch();
  try {
    for await (const bytes of body) {
      watch(); // an empty line is a sign of life
      const lines = (rest + text.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const m = line.trim() ? JSON.parse(line) : {};
        if (m.sequence_number === undefined) continue;
        hear(m);
        done = m.sequence_number;
      }
    }
  } finally {
    clearTimeout(alive);
  }
}

let done;
for (let pause = 100; ; pause = Math.min(pause * 2, 30e3)) {
  const began = Date.now();
  try {
    const now = (await (await request("")).json()).epoch;
    if (epoch !== now) { // the start, or a backup was restored
      epoch = now;
      done = undefined;
      waiting.forEach(clearTimeout);
      waiting.clear();
    }
    if (done === undefined) {
      const messages = await recent();
      // Answers first, so that nothing that is answered is asked again.
      const answered = new Set(messages.filter(
        (m) => m.reply_to_seq && m.client_id === idOf(m.reply_to_seq))
        .map((m) => m.reply_to_seq));
      messages.filter((m) => !answered.has(m.sequence_number)).forEach(hear);
      done = messages.at(-1)?.sequence_number ?? 0;
    }
    await follow(done);
  } catch (error) {
    console.error(`bot.mjs: ${error.message}; coming back`);
    if ([401, 403, 404].includes(error.status)) process.exit(1);
  }
  if (Date.now() - began > 10e3) pause = 100;
  // At random, so that not all bots come back at once.
  await sleep(pause * (0.5 + Math.random() / 2));
}
