// SPDX-License-Identifier: MIT
/*
 * The page of groupd: groups, their messages, and what may be done with them,
 * over the same REST and WebSocket that anybody may use (groupd-api(7)).
 *
 *   link     one WebSocket; it comes back by itself, and then subscribes to
 *            each group behind what the list of groups says there is
 *   groups   what is known of each group of mine, by name
 *   view     the open group: a window of its log, without gap, in order. It
 *            grows at both ends by pages and is cut at the other, so that a
 *            log of any length costs the same
 *   outbox   what was written and is not acknowledged: one at a time for each
 *            group, with the same client_id until it is
 *
 * What others wrote becomes text nodes, never HTML: the policy of the page
 * (Trusted Types) would refuse that, too.
 */

const BASE = new URL('./', location.href);
const PAGE = 100; // messages asked for at a time
const ROWS = 400; // messages of a window
const GAP = 300; // what was missed is fetched up to here, else begun anew
const FOLD = 30; // lines of a message that are shown at first
const HEAD = 8000; // characters of it that are there before all are asked for
const MARKS = 2000; // links, names and the like in one message; then only text
const RUN = 16; // characters told of a run of unseen ones
const ADDRESS = 2048; // what is longer is no link
const LISTED = 300; // groups in the list
const PICTURE = 12 << 20; // bytes of a picture that is shown unasked
const NOTES = 8; // comings and goings told behind one message
/* After this groupd may not know a client_id or a key any more. No answer tells
 * its dedupe_window; this is below the default of 24 h. Where it is smaller, what
 * is sent again between the two may be there twice. */
const STALE = 23 * 3600e3;

// Small tools -----------------------------------------------------------------

const $ = (id) => document.getElementById(id);

/* An element with properties and children; null children are left out. */
function el(tag, props, ...children) {
	const e = document.createElement(tag);
	for (const [name, value] of Object.entries(props ?? {})) {
		if (name in e) e[name] = value;
		else e.setAttribute(name, value);
	}
	e.append(...children.filter((c) => c !== null && c !== undefined));
	return e;
}

function icon(name) {
	const ns = 'http://www.w3.org/2000/svg';
	const svg = document.createElementNS(ns, 'svg');
	const use = document.createElementNS(ns, 'use');
	use.setAttribute('href', `#i-${name}`);
	svg.append(use);
	svg.setAttribute('aria-hidden', 'true');
	return svg;
}

function iconButton(name, label, onclick) {
	return el('button', { className: 'icon', type: 'button', title: label,
		'aria-label': label, tabIndex: -1, onclick }, icon(name));
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Half of it for certain, half by chance: not all come back at once. */
const jittered = (ms) => ms / 2 + Math.random() * ms / 2;

/* Calls fn once after ms without another call. */
function settled(ms, fn) {
	let timer = 0;
	return (...args) => {
		clearTimeout(timer);
		timer = setTimeout(() => fn(...args), ms);
	};
}

/* Calls fn once before the next picture; a hidden page has none. */
function drawn(fn) {
	let due = false;
	return () => {
		if (due) return;
		due = true;
		const run = () => { due = false; fn(); };
		if (document.hidden) setTimeout(run, 100);
		else requestAnimationFrame(run);
	};
}

/* A key that no other has; randomUUID() is not there without TLS. */
function randomKey() {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

function bytesOf(n) {
	if (n < 1000) return `${n} B`;
	const units = ['kB', 'MB', 'GB', 'TB'];
	let at = -1;
	while (n >= 1000 && at < units.length - 1) { n /= 1000; at++; }
	return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[at]}`;
}

const plural = (n, one, many) => `${n.toLocaleString()} ${n === 1 ? one : many}`;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
const dayOf = (time) => new Date(time).toDateString();

function dayName(time) {
	if (dayOf(time) === new Date().toDateString()) return 'Today';
	if (dayOf(time) === new Date(Date.now() - 864e5).toDateString()) return 'Yesterday';
	return calendar.format(new Date(time));
}

/* A storage may be forbidden: then nothing is kept. */
function keep(storage, key, value) {
	try {
		if (value === null || value === '') window[storage].removeItem(key);
		else window[storage].setItem(key, value);
	} catch { /* nothing is kept */ }
}

function kept(storage, key) {
	try {
		return window[storage].getItem(key);
	} catch {
		return null;
	}
}

function keptJson(storage, key, otherwise) {
	try {
		return JSON.parse(kept(storage, key)) ?? otherwise;
	} catch {
		return otherwise;
	}
}

/* A live region tells it, and the eye sees it for a while. */
function say(sentence) {
	const p = el('p', null, sentence);
	$('toasts').append(p);
	setTimeout(() => p.remove(), 5000 + sentence.length * 30);
}

// The session -----------------------------------------------------------------

const session = { token: '', me: '', stays: false };

function recallToken() {
	session.token = kept('sessionStorage', 'groupfs.token') ?? '';
	if (session.token === '') {
		session.token = kept('localStorage', 'groupfs.token') ?? '';
		session.stays = session.token !== '';
	}
	return session.token !== '';
}

function rememberToken(token, stays) {
	session.token = token;
	session.stays = stays;
	keep(stays ? 'localStorage' : 'sessionStorage', 'groupfs.token', token);
}

/* Forgets all that is known; a page that is loaded anew knows nothing. What
 * another tab signed in with is not ours to forget. */
function endSession(words) {
	if (session.token === '') return;
	if (session.stays && kept('localStorage', 'groupfs.token') === session.token) keep('localStorage', 'groupfs.token', null);
	session.token = '';
	hangUp();
	for (const key of ['token', 'user', 'drafts', 'outbox']) keep('sessionStorage', `groupfs.${key}`, null);
	const lost = outbox.items.filter((item) => item.state !== 'stored').length + uploads.items.length;
	const loss = lost === 0 ? '' : `. ${plural(lost, 'message was', 'messages were')} not sent`;
	keep('sessionStorage', 'groupfs.said', words === undefined ? null : words + loss);
	history.replaceState(null, '', BASE);
	location.reload();
}

/* What was kept in this tab was written by one person: another, whose token has
 * come meanwhile, neither sees nor sends it. */
function claimKept(user) {
	const was = kept('sessionStorage', 'groupfs.user') ?? user;
	keep('sessionStorage', 'groupfs.user', user);
	if (was === user) return;
	outbox.clear();
	composer.clear();
}

async function signIn(event) {
	event.preventDefault();
	const token = $('token').value.trim();
	const button = $('signin-button');
	$('signin-error').textContent = '';
	button.disabled = true;
	session.token = token;
	try {
		// What a header cannot have would fail without an answer.
		if (!/^[\x21-\x7e]+$/.test(token)) throw new Refusal('unauthenticated', 'This is no token: a token is one word');
		await api('GET', 'api/groups?limit=1', undefined, { quiet: true });
		rememberToken(token, $('stay').checked);
		$('token').value = '';
		enter();
	} catch (refusal) {
		session.token = '';
		$('signin-error').textContent = signInWords(refusal);
		$('token').select();
		$('token').focus();
	} finally {
		button.disabled = false;
	}
}

function signInWords(refusal) {
	if (refusal.code === 'unauthenticated' && refusal.status === 401) {
		return 'groupd does not accept this token: it is not known, was revoked, or has expired';
	}
	return refusal.message;
}

function showSignIn() {
	$('app').hidden = true;
	$('signin').hidden = false;
	$('signin-error').textContent = kept('sessionStorage', 'groupfs.said') ?? '';
	keep('sessionStorage', 'groupfs.said', null);
	$('token').focus();
}

function enter() {
	$('signin').hidden = true;
	$('app').hidden = false;
	outbox.recall();
	connect();
	route();
}

// REST ------------------------------------------------------------------------

/* What groupd says no to, in its words. */
class Refusal extends Error {
	constructor(code, message, status = 0, retryAfter = 0, problem = {}) {
		super(message);
		// Where to begin again, of epoch_changed.
		this.epoch = problem.epoch;
		this.first_seq = problem.first_seq;
		this.code = code;
		this.status = status;
		this.retryAfter = retryAfter;
	}
}

async function refusalOf(answer) {
	const problem = await answer.json().catch(() => ({}));
	return new Refusal(problem.code ?? 'unavailable',
		problem.detail ?? problem.title ?? `The answer was ${answer.status}`,
		answer.status, Number(answer.headers.get('Retry-After') ?? 0) * 1000, problem);
}

const authorization = () => ({ Authorization: `Bearer ${session.token}` });

/* The parsed answer; more.raw: the Response. Throws a Refusal. */
async function api(method, path, body, more = {}) {
	const headers = { ...authorization(), ...more.headers };
	if (body !== undefined) headers['Content-Type'] = 'application/json';
	let answer;
	try {
		answer = await fetch(new URL(path, BASE), {
			method, headers, cache: 'no-store', signal: more.signal,
			body: body === undefined ? undefined : JSON.stringify(body),
		});
	} catch (error) {
		if (error.name === 'AbortError') throw error;
		throw new Refusal('offline', 'groupd cannot be reached');
	}
	if (answer.ok) return more.raw ? answer : answer.status === 204 ? null : answer.json();
	const refusal = await refusalOf(answer);
	if (refusal.status === 401 && !more.quiet) endSession('You were signed out: the token was revoked, or has expired');
	if (refusal.code === 'unavailable') suspectCore();
	throw refusal;
}

/* What may pass, if it is asked again. */
const PASSING = ['offline', 'unavailable', 'outcome_unknown', 'rate_limited'];

const groupPath = (name, rest = '') => `api/groups/${encodeURIComponent(name)}${rest}`;

/* Again and again until it is answered, or stop() says that nobody wants it. */
async function patiently(ask, stop) {
	for (let tries = 0; ; tries++) {
		try {
			return await ask();
		} catch (refusal) {
			if (!PASSING.includes(refusal.code) || stop()) throw refusal;
			await wait(refusal.retryAfter || jittered(Math.min(500 * 2 ** tries, 8000)));
			if (stop()) throw refusal;
		}
	}
}

// The link --------------------------------------------------------------------

const link = {
	ws: null, state: 'offline', tries: 0, timer: 0, retryAt: 0, byeDelay: 0,
	why: '', heard: 0, pinged: 0, ping: 25000, core: true, away: '', probing: false, watchdog: 0,
	subscribed: false,
};

const HELLO_MS = 15000;
const PONG_MS = 10000;

/* offline, connecting, catching-up, live; waiting: groupd itself is away. */
function setLink(state) {
	link.state = state;
	drawLink();
	drawSync();
	if (outbox.items.length > 0) outbox.draw();
}

const isLinked = () => link.state === 'live' || link.state === 'catching-up';

function connect() {
	clearTimeout(link.timer);
	if (link.ws !== null || session.token === '') return;
	const url = new URL('api/ws', BASE);
	url.protocol = url.protocol.replace('http', 'ws');
	const ws = new WebSocket(url, 'groupfs.v1');
	link.ws = ws;
	link.byeDelay = 0;
	link.pinged = 0;
	link.subscribed = false;
	link.why = '';
	setLink('connecting');
	ws.onopen = () => ws.send(JSON.stringify({ type: 'auth', token: session.token }));
	ws.onmessage = (event) => {
		if (link.ws !== ws) return;
		link.heard = Date.now();
		onFrame(JSON.parse(event.data));
	};
	ws.onclose = (event) => { if (link.ws === ws) onClosed(event.code); };
	link.watchdog = setTimeout(() => { if (link.ws === ws) lose(); }, HELLO_MS);
}

function tell(frame) {
	if (link.ws?.readyState === WebSocket.OPEN) link.ws.send(JSON.stringify(frame));
}

/* The connection is no good any more, whatever the browser believes. */
function lose() {
	const ws = link.ws;
	link.ws = null;
	ws?.close();
	onClosed(1006);
}

function hangUp() {
	clearTimeout(link.timer);
	clearTimeout(link.watchdog);
	const ws = link.ws;
	link.ws = null;
	ws?.close();
}

function onClosed(code) {
	clearTimeout(link.watchdog);
	link.ws = null;
	for (const g of groups.values()) g.sync = 'offline';
	outbox.interrupted();
	if (code >= 3500 && code < 4000) {
		endSession(code === 3500 ? 'You were signed out: the token was revoked, or has expired'
			: `groupd closed the connection for good (${code})`);
		return;
	}
	link.why = code === 3009 ? 'Too many connections are open. ' : '';
	retryIn(link.byeDelay > 0 ? Math.max(link.byeDelay, link.tries > 2 ? 2000 : 0)
		: jittered(Math.min(600 * 2 ** link.tries, 30000)));
}

function retryIn(ms) {
	link.tries++;
	link.retryAt = Date.now() + ms;
	clearTimeout(link.timer);
	link.timer = setTimeout(connect, ms);
	setLink('offline');
}

function retryNow() {
	if (link.ws === null) connect();
	else if (!link.core) probeCore();
}

async function onHello(frame) {
	clearTimeout(link.watchdog);
	const ws = link.ws;
	session.me = frame.user;
	claimKept(frame.user);
	link.ping = frame.ping_interval * 1000;
	$('me').textContent = frame.user;
	setLink('catching-up');
	try {
		const stop = () => link.ws !== ws;
		const list = await patiently(() => api('GET', 'api/groups'), stop);
		if (stop()) return;
		adoptList(list.groups);
		subscribe();
		outbox.pumpAll();
	} catch {
		if (link.ws === ws) lose();
	}
}

/* Each group behind what is known of it; then all, for those to come. */
function subscribe() {
	const named = [...groups.values()].map((g) => ({
		group: g.name, after_seq: g.last_seq, ...(g.epoch ? { epoch: g.epoch } : null),
	}));
	for (const g of groups.values()) g.sync = 'catching up';
	for (let i = 0; i < named.length; i += 1000) tell({ type: 'subscribe', groups: named.slice(i, i + 1000) });
	tell({ type: 'subscribe' });
	link.subscribed = true;
	checkLive();
	refreshView();
}

function checkLive() {
	drawSync();
	drawGroups();
	if (link.state !== 'catching-up' || !link.subscribed) return;
	for (const g of groups.values()) if (g.sync === 'catching up') return;
	link.tries = 0;
	setLink('live');
	members.refreshInfo();
}

/* Nothing was heard for a while: is anybody there? A hidden page looks only once
 * a minute, so what counts is how long a ping was not answered. */
function checkHeard() {
	if (!isLinked()) return;
	const now = Date.now();
	if (link.pinged > link.heard) {
		if (now - link.pinged > PONG_MS) lose();
	} else if (now - link.heard > link.ping) {
		link.pinged = now;
		tell({ type: 'ping' });
	}
}

/* A gateway keeps us while groupd itself is away; only /readyz tells. */
async function probeCore() {
	if (link.probing || !isLinked()) return;
	link.probing = true;
	const answer = await fetch(new URL('readyz', BASE), { cache: 'no-store' }).catch(() => null);
	const was = link.core;
	link.core = answer === null || answer.status !== 503;
	link.away = link.core ? '' : (await answer.json().catch(() => ({}))).detail ?? '';
	link.probing = false;
	drawLink();
	drawSync();
	if (!link.core) setTimeout(probeCore, 1000);
	else if (!was) outbox.pumpAll();
}

const suspectCore = settled(50, probeCore);

// What the WebSocket says -----------------------------------------------------

const frames = {
	hello: onHello,
	message: onMessage,
	live: onLive,
	sent: (f) => outbox.onSent(f),
	mention: onMention,
	member: onMember,
	added: onAdded,
	removed: (f) => dropGroup(f.group, `You are no longer a member of ${f.group}, or it was deleted.`),
	read: onRead,
	error: onError,
	bye: (f) => { link.byeDelay = f.retry_after_ms ?? 0; },
};

function onFrame(frame) {
	frames[frame.type]?.(frame);
}

function onMessage(m) {
	const g = groups.get(m.group);
	if (g === undefined) {
		learnGroup(m.group, m.sequence_number);
		return;
	}
	// An answer of REST may have been quicker to tell how long the log is.
	g.last_seq = Math.max(g.last_seq, m.sequence_number);
	if (m.sender === session.me) moveRead(g, m.sequence_number);
	if (view.group === g) view.onMessage(m);
	drawGroups();
}

function onLive(f) {
	const g = groups.get(f.group);
	if (g === undefined) {
		if (learning.has(f.group)) learnGroup(f.group, f.last_seq);
		return;
	}
	if (g.epoch && g.epoch !== f.epoch) {
		restored(g, f.epoch);
		return;
	}
	g.epoch = f.epoch;
	g.sync = 'live';
	checkLive();
}

function onMention(f) {
	const g = groups.get(f.group);
	if (g === undefined || f.sequence_number <= g.counted || f.sequence_number <= g.last_read_seq) return;
	g.counted = f.sequence_number;
	g.mentions++;
	drawGroups();
	if (!$('mentions').hidden) showMentions();
}

function onMember(f) {
	const g = groups.get(f.group);
	if (g === undefined) return;
	if (f.user === session.me && f.change === 'role') g.role = f.role;
	if (view.group !== g) return;
	if (f.change === 'added') g.member_count++;
	if (f.change === 'removed') g.member_count--;
	view.note(memberNote(f));
	members.onChange(f);
	drawHead();
}

function memberNote(f) {
	const name = (who) => el('b', { className: hue(who) }, who);
	if (f.change === 'role') return [name(f.user), f.role === 'admin' ? ' is an admin now, by ' : ' is no admin any more, by ', name(f.by)];
	if (f.change === 'removed' && f.user === f.by) return [name(f.user), ' left'];
	return [name(f.user), f.change === 'added' ? ' was added by ' : ' was removed by ', name(f.by)];
}

function onAdded(f) {
	if (view.goneName === f.group) closeGone();
	learnGroup(f.group);
}

function onRead(f) {
	const g = groups.get(f.group);
	if (g === undefined) return;
	moveRead(g, f.last_read_seq);
	if (g.mentions > 0) recount(g);
}

function onError(f) {
	const g = groups.get(f.group);
	if (f.id?.startsWith?.(READ)) onReadRefused(f);
	if (f.id !== undefined && outbox.onRefused(f)) return;
	if (f.code === 'epoch_changed' && g !== undefined) {
		if (changed(g, f)) resubscribe(g);
	}
	else if (f.code === 'no_such_group' && g !== undefined) dropGroup(f.group, `You are no longer a member of ${f.group}, or it was deleted.`);
	else if (g !== undefined) { g.sync = 'live'; checkLive(); }
	if (f.code === 'unavailable') suspectCore();
}

// Groups ----------------------------------------------------------------------

const groups = new Map();

function unreadOf(g) {
	return Math.max(0, g.last_seq - g.last_read_seq);
}

function newGroup(name) {
	return { name, role: 'member', last_seq: 0, last_read_seq: 0, mentions: 0, counted: 0,
		sync: 'catching up', epoch: '', first_seq: 1, description: '', member_count: 0, online: 0, active: 0 };
}

/* What a list, or an answer about one group, says of it. */
function learn(info) {
	const g = groups.get(info.name) ?? newGroup(info.name);
	const epoch = g.epoch;
	g.last_seq = Math.max(g.last_seq, info.last_seq);
	g.last_read_seq = Math.max(g.last_read_seq, info.last_read_seq);
	g.counted = Math.max(g.counted, info.last_seq);
	for (const key of ['group_id', 'role', 'mentions', 'first_seq', 'description', 'member_count',
		'online', 'created_by', 'created_at', 'max_members']) {
		if (info[key] !== undefined) g[key] = info[key];
	}
	if (info.epoch !== undefined && epoch === '') g.epoch = info.epoch;
	groups.set(g.name, g);
	return g;
}

function adoptList(list) {
	const names = new Set(list.map((info) => info.name));
	for (const name of [...groups.keys()]) {
		if (!names.has(name)) dropGroup(name, `You are no longer a member of ${name}, or it was deleted.`);
	}
	for (const info of list) {
		const old = groups.get(info.name);
		// A log that is shorter than it was is another one.
		if (old !== undefined && (old.group_id !== info.group_id || old.last_seq > info.last_seq)) groups.delete(info.name);
		if (old !== undefined && view.group === old && !groups.has(info.name)) view.group = null;
		const g = learn(info);
		// It was read here, but that was lost with the connection.
		if (g.last_read_seq > info.last_read_seq) tellRead(g);
	}
	groups.listed = true;
	route();
	drawGroups();
}

/* Asked for once, however many frames name it meanwhile; how long they said that
 * its log is, by name. */
const learning = new Map();

async function learnGroup(name, seq = 0) {
	const asked = learning.has(name);
	learning.set(name, Math.max(learning.get(name) ?? 0, seq));
	if (asked) return;
	try {
		const info = await patiently(() => api('GET', groupPath(name)), () => !isLinked());
		const known = groups.has(name);
		const g = learn(info);
		g.last_seq = Math.max(g.last_seq, learning.get(name));
		if (!known) g.sync = 'live';
		drawGroups();
		if (view.wanted === name && view.group === null) route();
		else if (view.group === g) view.fillGap();
	} catch { /* the next list will tell */ }
	learning.delete(name);
}

/* What was my own doing is said so, whoever tells first that it is done. */
const farewells = new Map();

function dropGroup(name, otherwise) {
	const g = groups.get(name);
	const words = farewells.get(name) ?? otherwise;
	groups.delete(name);
	outbox.forget(name);
	if (g !== undefined && view.group === g) showGone(name, words);
	checkLive();
}

/* What was asked for is of another log, or not kept any more. True: it is the
 * same log, which goes on at its first message. */
function changed(g, { epoch, first_seq }) {
	if (g.epoch !== '' && epoch !== g.epoch) {
		restored(g, epoch);
		return false;
	}
	g.epoch = epoch;
	g.first_seq = first_seq;
	g.last_seq = Math.max(g.last_seq, first_seq - 1);
	drawGroups();
	if (view.group !== g) return true;
	if (view.hi < first_seq - 1) view.load(view.atEnd ? 0 : first_seq);
	else view.drawEdge();
	return true;
}

function resubscribe(g) {
	g.sync = 'catching up';
	tell({ type: 'unsubscribe', group: g.name });
	tell({ type: 'subscribe', groups: [{ group: g.name, after_seq: g.last_seq }] });
	tell({ type: 'subscribe' });
	checkLive();
}

/* Another log by the same name: nothing that was shown is certain. */
async function restored(g, epoch) {
	groups.delete(g.name);
	const open = view.group === g;
	if (open) view.close();
	checkLive();
	await learnGroup(g.name);
	const now = groups.get(g.name);
	if (now === undefined) return;
	now.epoch = epoch ?? now.epoch;
	resubscribe(now);
	if (open) {
		say(`The log of ${g.name} was restored from a backup: this is what it has now`);
		route();
	}
}

/* Refusals name either the id or the group: so the one has the other in it. */
const READ = 'read ';

function tellRead(g) {
	tell({ type: 'read', group: g.name, last_read_seq: g.last_read_seq, id: READ + g.name });
}

function onReadRefused(f) {
	const g = groups.get(f.id.slice(READ.length));
	if (g === undefined || g.retelling || !PASSING.includes(f.code)) return;
	g.retelling = true;
	setTimeout(() => {
		g.retelling = false;
		if (groups.get(g.name) === g) tellRead(g);
	}, f.retry_after_ms || jittered(10000));
}

function moveRead(g, seq) {
	if (seq <= g.last_read_seq) return;
	g.last_read_seq = seq;
	if (seq >= g.last_seq) g.mentions = 0;
	drawGroups();
	drawNewer();
}

/* How many of the unread ones mention me, only groupd knows. */
function recount(g) {
	g.recount ??= settled(400, async () => {
		const info = await api('GET', groupPath(g.name)).catch(() => null);
		if (info === null || groups.get(g.name) !== g) return;
		g.mentions = info.mentions;
		drawGroups();
	});
	g.recount();
}

/* Mentions first, then what is unread, then by name. The open one stays in
 * its place until it is left: a list that moves under the hand is no help. */
function rankOf(g) {
	if (view.group === g && view.rank !== null) return view.rank;
	return g.mentions > 0 ? 0 : unreadOf(g) > 0 ? 1 : 2;
}

function sortedGroups() {
	const all = [...groups.values()];
	const rank = new Map(all.map((g) => [g, rankOf(g)]));
	return all.sort((a, b) => rank.get(a) - rank.get(b) || (a.name < b.name ? -1 : 1));
}

const drawGroups = drawn(() => {
	const list = sortedGroups();
	const fresh = list.filter((g) => rankOf(g) < 2).length;
	const wanted = [];
	if (fresh > 0) wanted.push(headingFor('Unread'));
	list.slice(0, LISTED).forEach((g, i) => {
		if (i === fresh) wanted.push(headingFor('Groups'));
		wanted.push(groupLink(g));
	});
	if (list.length > LISTED) wanted.push(el('p', { className: 'more' }, `and ${plural(list.length - LISTED, 'more group', 'more groups')}: jump to them`));
	if (list.length === 0 && groups.listed) wanted.push(el('p', { className: 'more' }, 'You are in no group yet. Make one with +, or let somebody add you.'));
	placeChildren($('groups'), wanted);
	const mentions = list.reduce((n, g) => n + g.mentions, 0);
	$('mentions-count').hidden = mentions === 0;
	$('mentions-count').textContent = mentions;
	drawTitle();
	drawNothing();
});

const headings = new Map();

function headingFor(words) {
	if (!headings.has(words)) headings.set(words, el('h2', null, words));
	return headings.get(words);
}

/* The parent's children become these; who has his place keeps his focus. */
function placeChildren(parent, wanted) {
	const stays = new Set(wanted);
	for (const child of [...parent.children]) if (!stays.has(child)) child.remove();
	wanted.forEach((child, i) => {
		if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
	});
}

const links = new Map();

function groupLink(g) {
	let a = links.get(g.name);
	if (a === undefined) {
		a = el('a', { className: 'group', href: `#${g.name}` }, el('span', { className: 'name' }, g.name));
		links.set(g.name, a);
	}
	const unread = unreadOf(g);
	a.classList.toggle('unread', unread > 0);
	if (view.group === g) a.setAttribute('aria-current', 'page');
	else a.removeAttribute('aria-current');
	const parts = [a.firstChild];
	if (g.sync === 'catching up') parts.push(el('i', { className: 'lag', title: 'catching up' }));
	if (g.mentions > 0) parts.push(el('span', { className: 'badge', title: plural(g.mentions, 'mention', 'mentions') }, `@${g.mentions}`));
	if (unread > 0) parts.push(el('span', { className: 'count', title: `${plural(unread, 'message is', 'messages are')} not read` }, unread > 9999 ? '9999+' : `${unread}`));
	const label = parts.map((p) => p.textContent).join(' ');
	if (a.dataset.label !== `${label}${g.sync}`) {
		a.dataset.label = `${label}${g.sync}`;
		a.replaceChildren(...parts);
		a.setAttribute('aria-label', `${g.name}${unread > 0 ? `, ${unread} unread` : ''}${g.mentions > 0 ? `, ${plural(g.mentions, 'mention', 'mentions')}` : ''}`);
	}
	return a;
}

/* The group above or below in the list. */
function stepGroup(by) {
	const names = sortedGroups().slice(0, LISTED).map((g) => g.name);
	const at = names.indexOf(view.group?.name);
	const next = names[at < 0 ? 0 : (at + by + names.length) % names.length];
	if (next !== undefined) location.hash = next;
}

// States, said honestly -------------------------------------------------------

function linkWords() {
	if (link.state === 'offline') return 'Offline';
	if (link.state === 'connecting') return 'Connecting…';
	if (!link.core) return 'groupd is away';
	return link.state === 'live' ? 'Live' : 'Catching up…';
}

/* At length: what groupd, or the gateway in its place, says of itself. */
const awayWords = () => (isLinked() && !link.core && link.away !== '' ? link.away : linkWords());

/* Only what has changed is written: what is read out would be again. */
function setText(id, text) {
	if ($(id).textContent !== text) $(id).textContent = text;
}

function drawLink() {
	const state = isLinked() && !link.core ? 'waiting' : link.state;
	const offline = link.state === 'offline';
	const left = Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000));
	document.body.dataset.link = state;
	setText('link-text', linkWords());
	setText('link-left', offline ? `${left} s` : '');
	$('retry').hidden = !offline;
	const notice = offline || state === 'waiting' || (state === 'connecting' && link.tries > 0);
	$('notice').hidden = !notice;
	$('notice-retry').hidden = !offline;
	setText('notice-text', notice ? `${link.why}${awayWords()}. What you write now is sent as soon as it is back.` : '');
	setText('notice-left', offline ? `Next try in ${left} s.` : '');
}

function drawSync() {
	const g = view.group;
	if (g === null) return;
	const sync = !isLinked() || !link.core ? 'offline' : view.behind() ? 'catching up' : g.sync;
	$('room-sync').dataset.sync = sync;
	setText('room-sync', sync);
}

function drawTitle() {
	const all = [...groups.values()];
	const unread = all.reduce((n, g) => n + unreadOf(g), 0);
	const mentions = all.reduce((n, g) => n + g.mentions, 0);
	const where = view.group === null ? 'groupfs' : `${view.group.name} · groupfs`;
	document.title = `${unread > 0 ? `(${unread}) ` : ''}${where}`;
	drawFavicon(mentions > 0 ? '#d0a53a' : unread > 0 ? '#2b8a57' : '');
}

const favicons = new Map(); // colour of the mark -> promise of a blob: URL

/* A directory, with a mark when something is unread. */
function paintFavicon(mark) {
	const canvas = el('canvas', { width: 32, height: 32 });
	const c = canvas.getContext('2d');
	const shape = (color, trace) => {
		c.fillStyle = color;
		c.beginPath();
		trace();
		c.fill();
	};
	shape('#13684a', () => c.roundRect(0, 0, 32, 32, 7));
	c.font = '700 26px monospace';
	c.fillStyle = '#ffffff';
	c.fillText('g/', 1, 23);
	if (mark !== '') shape(mark, () => c.arc(25, 7, 7, 0, 7));
	return new Promise((done) => canvas.toBlob((blob) => done(URL.createObjectURL(blob))));
}

async function drawFavicon(mark) {
	const link = $('favicon');
	if (link.dataset.mark === mark) return;
	link.dataset.mark = mark;
	if (!favicons.has(mark)) favicons.set(mark, paintFavicon(mark));
	const url = await favicons.get(mark);
	if (link.dataset.mark === mark) link.href = url;
}

// Where we are: the part behind # ---------------------------------------------

/* #group, #group/123 (a message of it), #@mentions or nothing. */
function route() {
	const [name, seq] = safeDecode(location.hash.slice(1)).split('/');
	if (session.token === '' || !groups.listed) return;
	view.wanted = name;
	showPane(name === '' ? 'list' : 'room');
	if (name === '@mentions') {
		view.close();
		showMentions();
	} else if (name === '') {
		view.close();
		showSection('nothing');
	} else if (groups.has(name)) {
		view.open(groups.get(name), Number(seq) || 0);
		// Gone to once, not again with each reconnect.
		if (seq !== undefined) history.replaceState(null, '', `#${name}`);
	} else if (view.goneName !== name) {
		showGone(name, `There is no group ${name}, or you are not a member of it.`);
	}
	drawGroups();
}

function showPane(pane) {
	document.body.dataset.pane = pane;
}

function showSection(id) {
	for (const section of $('room').children) section.hidden = section.id !== id;
	if (id !== 'chat') members.close();
	if (id === 'mentions') $('mentions-link').setAttribute('aria-current', 'page');
	else $('mentions-link').removeAttribute('aria-current');
}

function drawNothing() {
	$('nothing-text').textContent = groups.size > 0 ? 'Choose a group, or press Ctrl K.'
		: groups.listed ? 'You are in no group yet.' : '';
}

function showGone(name, words) {
	view.close();
	view.goneName = name;
	$('gone-text').textContent = words;
	showSection('gone');
	drawGroups();
}

function closeGone() {
	view.goneName = null;
	if (location.hash !== '') location.hash = '';
	else route();
}

// Text: never HTML ------------------------------------------------------------

/* What can be seen wrongly or not at all: C0, DEL, C1, line separators, bidi
 * controls, invisible characters. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]+/gu;
const PARTS = /```\n?([^]*?)```\n?|`([^`\n]+)`|(https?:\/\/[^\s<>"'`\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+)|(?<![\w.-])@([a-z0-9_][a-z0-9._-]*)/gu;

function unseenWords(run) {
	const all = [...run];
	const codes = all.slice(0, RUN).map((c) => `U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}`);
	return codes.join('') + (all.length > RUN ? ` and ${(all.length - RUN).toLocaleString()} more ` : '');
}

/* Text nodes, and between them what shows the unseen, as long as there is room
 * for it; behind that, it is in the text itself. */
function plain(text, room = { left: MARKS }) {
	const out = [];
	let from = 0;
	for (const hit of text.matchAll(UNSEEN)) {
		if (room.left-- <= 0) break;
		if (hit.index > from) out.push(text.slice(from, hit.index));
		out.push(el('span', { className: 'ctl', title: 'What would not be seen' }, unseenWords(hit[0])));
		from = hit.index + hit[0].length;
	}
	if (from < text.length) out.push(text.slice(from).replace(UNSEEN, unseenWords));
	return out;
}

/* A full stop behind an address is not part of it, nor is a bracket that was
 * opened before it. */
function trimUrl(url) {
	const excess = (close, open) => url.split(close).length - url.split(open).length;
	const foreign = { ')': excess(')', '('), ']': excess(']', '[') };
	let end = url.length;
	while (end > 0) {
		const last = url[end - 1];
		if (!'.,;:!?*_'.includes(last) && !(foreign[last]-- > 0)) break;
		end--;
	}
	return url.slice(0, end);
}

function linkTo(url, room) {
	try {
		const parsed = new URL(url);
		return el('a', { href: parsed.href, target: '_blank', rel: 'noopener noreferrer', title: parsed.href, tabIndex: -1 }, ...plain(url, room));
	} catch {
		return el('span', null, ...plain(url, room));
	}
}

/* A name with the dots of a sentence behind it. */
function mentionedIn(name, mentions) {
	for (let end = Math.min(name.length, 32); end > 0; end--) {
		if (mentions.includes(name.slice(0, end))) return name.slice(0, end);
	}
	return null;
}

function mentionOf(name) {
	const me = name === session.me || name === 'everyone';
	return el('span', { className: me ? 'at me' : 'at' }, `@${name}`);
}

/* The parts of a text as nodes: what they show is what was written. */
function textNodes(text, mentions) {
	const room = { left: MARKS };
	const out = [];
	let from = 0;
	const upTo = (index) => { if (index > from) out.push(...plain(text.slice(from, index), room)); };
	for (const hit of text.matchAll(PARTS)) {
		const [whole, block, code, url, name] = hit;
		const known = name === undefined ? null : mentionedIn(name, mentions);
		if (name !== undefined && known === null) continue;
		if (url?.length > ADDRESS) continue;
		upTo(hit.index);
		from = hit.index;
		if (room.left-- <= 0) break;
		from += whole.length;
		if (block !== undefined) out.push(el('code', { className: 'block' }, ...plain(block.replace(/\n$/, ''), room)));
		else if (code !== undefined) out.push(el('code', null, ...plain(code, room)));
		else if (url !== undefined) {
			const address = trimUrl(url);
			out.push(linkTo(address, room));
			from = hit.index + address.length;
		} else {
			out.push(mentionOf(known));
			from = hit.index + 1 + known.length;
		}
	}
	upTo(text.length);
	return out;
}

/* Lines that stand below one another: the output of a command. */
function looksLikeTable(text) {
	const lines = text.split('\n');
	if (lines.length < 2) return false;
	return lines.filter((line) => /\S(\t| {2,})\S|^( {4}|\t)\S/.test(line)).length >= 2;
}

function excerpt(text) {
	const line = text.replace(/\s+/g, ' ').trim();
	return line.length > 140 ? `${line.slice(0, 140)}…` : line;
}

function hue(name) {
	let hash = 0x811c9dc5;
	for (const c of name) hash = Math.imul(hash ^ c.codePointAt(0), 0x01000193);
	return `n${((hash >>> 16) ^ (hash >>> 3)) & 7}`;
}

// Rows ------------------------------------------------------------------------

const isMention = (m) => m.sender !== session.me && (m.mentions ?? []).some((n) => n === session.me || n === 'everyone');

function timeOf(m) {
	return el('time', { dateTime: m.timestamp, title: `${m.timestamp}  #${m.sequence_number}` }, clock.format(new Date(m.timestamp)));
}

/* What can be seen of a folded text, up to the end of a word. */
function headOf(text) {
	const head = text.split('\n', 3 * FOLD).join('\n').slice(0, HEAD);
	const end = head.search(/\s\S*$/);
	return end > 0 ? head.slice(0, end) : head;
}

function textOf(m) {
	const lines = m.content.split('\n').length;
	const folded = lines > FOLD || m.content.length > 4000;
	const nodes = (text) => textNodes(text, m.mentions ?? []);
	const div = el('div', { className: 'text', dir: 'auto' }, ...nodes(folded ? headOf(m.content) : m.content));
	if (looksLikeTable(m.content)) div.classList.add('table');
	if (!folded) return [div];
	div.classList.add('folded');
	const more = el('button', { className: 'quiet unfold', type: 'button', tabIndex: -1 }, `Show all ${lines > FOLD ? plural(lines, 'line', 'lines') : bytesOf(m.content.length)}`);
	more.onclick = () => keepPlace(() => {
		div.replaceChildren(...nodes(m.content));
		div.classList.remove('folded');
		more.remove();
	});
	return [div, more];
}

function quoteOf(m) {
	const quote = el('button', { className: 'quote', type: 'button', title: `Go to #${m.reply_to_seq}`, tabIndex: -1 },
		el('b', null, `#${m.reply_to_seq}`), el('span', null, '…'));
	quote.onclick = () => view.goTo(m.reply_to_seq);
	fillQuote(quote, view.group, m.reply_to_seq);
	return quote;
}

/* What a reply replies to may be anywhere in the log. */
const originals = new Map();

async function originalOf(g, seq) {
	const near = view.at(seq);
	if (near !== undefined) return near;
	const key = `${g.name}/${g.epoch}/${seq}`;
	if (!originals.has(key)) {
		if (originals.size > 1000) originals.clear();
		originals.set(key, api('GET', groupPath(g.name, `/messages?after_seq=${seq - 1}&limit=1`)).then((page) => page.messages[0]));
	}
	return originals.get(key).catch(() => { originals.delete(key); });
}

async function fillQuote(quote, g, seq) {
	const m = await originalOf(g, seq);
	if (m === undefined) return;
	quote.replaceChildren(el('b', { className: hue(m.sender) }, m.sender), el('span', { dir: 'auto' }, ...plain(excerpt(m.content || safeDecode(fileOf(m))))));
}

/* What can be done with a message, once somebody points at it. */
function showActs(event) {
	const row = event.target.closest?.('.row[data-seq]');
	const m = row && view.at(Number(row.dataset.seq));
	if (!m || row.querySelector('.acts') !== null) return;
	row.querySelector('.line0').append(actsOf(m));
}

function actsOf(m) {
	return el('span', { className: 'acts' },
		iconButton('reply', 'Reply', () => composer.reply(m)),
		iconButton('copy', 'Copy the text', () => copyText(m.content)));
}

function newRow(m) {
	const line = el('div', { className: 'line0' }, timeOf(m),
		el('span', { className: `who ${hue(m.sender)}`, title: m.sender }, m.sender),
		el('div', { className: 'body' },
			m.reply_to_seq ? quoteOf(m) : null,
			m.media_url ? media.show(view.group, m) : null,
			...(m.content !== '' || !m.media_url ? textOf(m) : [])));
	const row = el('article', { className: 'row', tabIndex: -1, 'aria-label': `${m.sender}, ${clock.format(new Date(m.timestamp))}` }, line);
	row.dataset.seq = m.sequence_number;
	row.classList.toggle('me-mentioned', isMention(m));
	return row;
}

/* What a row has because of the one before it. */
function decorate(row, m, before) {
	for (const mark of row.querySelectorAll(':scope > .day, :scope > .divider')) mark.remove();
	const newDay = before === undefined || dayOf(before.timestamp) !== dayOf(m.timestamp);
	const isFirstUnread = view.divider > 0 && m.sequence_number === view.divider + 1;
	if (isFirstUnread) row.prepend(el('p', { className: 'divider' }, 'Unread'));
	if (newDay) row.prepend(el('p', { className: 'day' }, dayName(m.timestamp)));
	row.classList.toggle('cont', !newDay && !isFirstUnread && !m.reply_to_seq && before.sender === m.sender &&
		new Date(m.timestamp) - new Date(before.timestamp) < 5 * 60e3);
}

async function copyText(text) {
	try {
		await navigator.clipboard.writeText(text);
		say('Copied');
	} catch {
		say('The browser does not allow to copy here');
	}
}

// The view: a window of one log -----------------------------------------------

/* Runs fn, after which the first row in sight is where it was; or the end, if
 * that was in sight. */
function keepPlace(fn) {
	const log = $('log');
	const stuck = view.stuck;
	const row = stuck ? null : view.firstInSight();
	const top = row?.getBoundingClientRect().top;
	fn();
	if (stuck) log.scrollTop = log.scrollHeight;
	else if (row?.isConnected) log.scrollTop += row.getBoundingClientRect().top - top;
}

/* What is put there by hundreds is not read out. */
function silently(fn) {
	const log = $('log');
	log.setAttribute('aria-live', 'off');
	fn();
	setTimeout(() => log.setAttribute('aria-live', 'polite'), 200);
}

const view = {
	group: null, wanted: '', goneName: null, rank: null, serial: 0,
	msgs: [], rows: new Map(), queue: [], atEnd: false, divider: 0,
	stuck: true, loading: { older: false, newer: false }, filling: false, due: false,
	flushing: false, cost: 0, // of the last change, in ms

	get lo() { return this.msgs[0]?.sequence_number ?? 0; },
	get hi() { return this.msgs.at(-1)?.sequence_number ?? 0; },
	at(seq) { return this.msgs[seq - this.lo]; },
	/* What is queued will be there with the next picture. */
	get next() { return (this.queue.at(-1)?.sequence_number ?? this.hi) + 1; },
	behind() { return this.group !== null && this.atEnd && this.next <= this.group.last_seq; },

	close() {
		if (this.group !== null) composer.leave();
		this.serial++;
		this.group = null;
		this.clear();
	},

	clear() {
		this.msgs = [];
		this.queue = [];
		this.rows.clear();
		this.atEnd = false;
		this.filling = false;
		this.loading = { older: false, newer: false };
		$('rows').replaceChildren();
		$('pending').replaceChildren();
		$('older').textContent = '';
		media.forgetUnseen();
	},

	async open(g, seq) {
		if (this.group === g) {
			if (seq > 0) this.goTo(seq);
			return;
		}
		this.close();
		this.goneName = null;
		this.rank = null;
		this.rank = rankOf(g);
		this.group = g;
		this.divider = unreadOf(g) > 0 ? g.last_read_seq : 0;
		showSection('chat');
		drawHead();
		members.follow();
		composer.enter(g);
		await this.load(seq);
	},

	/* A window around seq; or what is unread; or the end. */
	async load(seq) {
		const g = this.group;
		const serial = ++this.serial;
		const stop = () => this.serial !== serial;
		let from = seq > 0 ? seq : unreadOf(g) > PAGE ? g.last_read_seq + 1 : 0;
		this.clear();
		outbox.draw();
		$('older').textContent = 'Loading…';
		try {
			const info = await patiently(() => api('GET', groupPath(g.name)), stop);
			if (stop()) return;
			const was = g.last_seq;
			learn(info);
			if (was > info.last_seq) g.last_seq = was;
			if (from > 0) from = Math.max(from, g.first_seq);
			drawHead();
			const pages = await patiently(() => Promise.all(from > 0
				? [this.page(`before_seq=${from}&limit=40`), this.page(`after_seq=${from - 1}&limit=${PAGE}`)]
				: [this.page(`before_seq=${g.last_seq + 1}&limit=${PAGE}`)]), stop);
			if (stop()) return;
			this.show(pages, seq, from === 0 || pages[1].complete);
		} catch (refusal) {
			if (!stop()) this.failed(refusal);
		}
	},

	page(query) {
		const g = this.group;
		const epoch = g.epoch === '' ? '' : `&epoch=${g.epoch}`;
		return api('GET', groupPath(g.name, `/messages?${query}${epoch}`));
	},

	failed(refusal) {
		const g = this.group;
		if (g === null) return;
		if (refusal.code === 'epoch_changed') changed(g, refusal);
		else if (refusal.code === 'no_such_group') dropGroup(g.name, `You are no longer a member of ${g.name}, or it was deleted.`);
		else $('older').textContent = refusal.message;
	},

	/* atEnd: up to what was the end when it was asked for; what came since is
	 * behind it. */
	show(pages, seq, atEnd) {
		silently(() => this.put(pages.flatMap((page) => page.messages), false));
		this.atEnd = atEnd;
		this.fillGap();
		const row = seq > 0 ? this.rows.get(seq) : this.divider > 0 ? this.rows.get(this.divider + 1) : undefined;
		this.stuck = this.atEnd && (row === undefined || (seq === 0 && this.fits(row)));
		if (this.stuck) $('log').scrollTop = $('log').scrollHeight;
		else row?.scrollIntoView({ block: seq > 0 ? 'center' : 'start' });
		if (!this.stuck && seq === 0) $('log').scrollTop -= 40;
		if (seq > 0) this.flash(seq);
		this.drawEdge();
		drawSync();
		drawNewer();
		this.scrolled();
	},

	/* All from the row on is in sight at once. */
	fits(row) {
		return $('rows').getBoundingClientRect().bottom - row.getBoundingClientRect().top < $('log').clientHeight - 30;
	},

	/* Messages before or behind those that are there, without gap. */
	put(msgs, before) {
		const fresh = before ? msgs.filter((m) => m.sequence_number < this.lo)
			: msgs.filter((m) => m.sequence_number > this.hi);
		if (fresh.length === 0) return;
		const nodes = fresh.map((m) => {
			const row = newRow(m);
			this.rows.set(m.sequence_number, row);
			return row;
		});
		const next = this.msgs[0];
		this.msgs = before ? [...fresh, ...this.msgs] : [...this.msgs, ...fresh];
		fresh.forEach((m, i) => decorate(nodes[i], m, this.at(m.sequence_number - 1)));
		if (before) {
			$('rows').prepend(...nodes);
			if (next !== undefined) decorate(this.rows.get(next.sequence_number), next, fresh.at(-1));
		} else {
			$('rows').append(...nodes);
		}
		outbox.arrived(fresh);
	},

	/* Cuts the end that is out of sight. */
	trim(fromStart) {
		const extra = this.msgs.length - ROWS;
		if (extra <= 0) return;
		const gone = fromStart ? this.msgs.splice(0, extra) : this.msgs.splice(ROWS, extra);
		for (const m of gone) {
			this.rows.get(m.sequence_number).remove();
			this.rows.delete(m.sequence_number);
		}
		if (!fromStart) this.atEnd = false;
		else decorate(this.rows.get(this.lo), this.msgs[0], undefined);
		media.forgetUnseen();
		this.drawEdge();
	},

	async loadOlder() {
		if (this.loading.older || this.msgs.length === 0 || this.lo <= this.group.first_seq) return;
		await this.grow('older', `before_seq=${this.lo}&limit=${PAGE}`, (page) => {
			if (page.messages.at(-1)?.sequence_number !== this.lo - 1) return;
			this.put(page.messages, true);
			this.trim(false);
		});
	},

	async loadNewer() {
		if (this.loading.newer || this.atEnd || this.msgs.length === 0) return;
		await this.grow('newer', `after_seq=${this.hi}&limit=${PAGE}`, (page) => {
			this.put(page.messages, false);
			this.trim(true);
			this.atEnd = this.hi >= page.last_seq;
		});
		this.fillGap();
	},

	async grow(end, query, put) {
		const serial = this.serial;
		const stop = () => this.serial !== serial;
		this.loading[end] = true;
		this.drawEdge();
		try {
			const page = await patiently(() => this.page(query), stop);
			if (stop()) return;
			this.group.first_seq = page.first_seq;
			keepPlace(() => silently(() => put(page)));
		} catch (refusal) {
			if (!stop()) this.failed(refusal);
			return;
		} finally {
			if (!stop()) this.loading[end] = false;
		}
		this.drawEdge();
		drawNewer();
		this.scrolled();
	},

	drawEdge() {
		if (this.group === null) return;
		const first = this.lo <= this.group.first_seq;
		$('older').textContent = this.loading.older ? 'Loading…'
			: this.msgs.length === 0 ? (this.group.last_seq === 0 ? 'Nothing was said here yet.'
				: this.group.first_seq > this.group.last_seq ? 'Nothing of it is kept any more.' : 'Loading…')
				: !first ? '' : this.group.first_seq > 1 ? 'Older messages are not kept.' : 'This is the beginning.';
	},

	/* A new message: shown where its place is loaded, else only counted. */
	onMessage(m) {
		if (!this.atEnd) {
			drawNewer();
			return;
		}
		if (m.sequence_number > this.next) this.fillGap();
		if (m.sequence_number !== this.next) return;
		this.queue.push(m);
		this.flush();
	},

	/* However many come at once, the page changes only so often that it has
	 * time for other things, too. */
	flush() {
		if (this.flushing) return;
		this.flushing = true;
		setTimeout(() => {
			const began = performance.now();
			this.flushing = false;
			this.takeQueue();
			this.cost = performance.now() - began;
		}, Math.min(4 * this.cost, 400));
	},

	takeQueue() {
		const msgs = this.queue.filter((m) => m.sequence_number > this.hi);
		this.queue = [];
		if (this.group === null || msgs.length === 0) return;
		if (msgs.length > ROWS) this.leap();
		else if (!this.atEnd || msgs[0].sequence_number !== this.hi + 1) this.fillGap();
		else this.add(msgs);
	},

	add(msgs) {
		if (msgs.length === 0) return;
		const first = msgs[0].sequence_number;
		if (!this.isSeen() && this.divider < this.group.last_read_seq && this.group.last_read_seq === first - 1) this.divider = first - 1;
		keepPlace(() => {
			this.put(msgs, false);
			if (this.stuck) this.trim(true);
			else if (this.msgs.length > 2 * ROWS) this.trim(false);
		});
		if (this.msgs.length === msgs.length) this.drawEdge();
		drawNewer();
		drawSync();
		this.sawSoon();
	},

	/* What is there and was not told: after a time without connection. */
	async fillGap() {
		if (this.filling || !this.behind()) return;
		if (this.group.last_seq - this.hi > ROWS && this.msgs.length > 0) {
			this.leap();
			return;
		}
		const serial = this.serial;
		const stop = () => this.serial !== serial;
		this.filling = true;
		drawSync();
		try {
			while (!stop() && this.behind()) {
				const page = await patiently(() => this.page(`after_seq=${this.hi}&limit=${PAGE}`), stop);
				if (stop() || page.messages.length === 0) break;
				this.add(page.messages.filter((m) => m.sequence_number > this.hi));
			}
		} catch (refusal) {
			if (!stop()) this.failed(refusal);
		}
		if (!stop()) this.filling = false;
		drawSync();
	},

	/* A line that no log has: who came and went. */
	note(parts) {
		const row = $('rows').lastElementChild;
		if (!this.atEnd || row === null) return;
		keepPlace(() => {
			const notes = row.querySelectorAll(':scope > .notes');
			if (notes.length >= NOTES) notes[0].remove();
			row.append(el('p', { className: 'notes' }, ...parts));
		});
	},

	// Where it stands.

	/* The index of the first row that ends below y of the log. */
	indexAt(y) {
		let from = 0;
		let to = this.msgs.length;
		while (from < to) {
			const middle = (from + to) >> 1;
			const row = this.rows.get(this.msgs[middle].sequence_number);
			if (row.offsetTop + row.offsetHeight > y) to = middle;
			else from = middle + 1;
		}
		return from;
	},

	firstInSight() {
		const m = this.msgs[this.indexAt($('log').scrollTop + 1)];
		return m === undefined ? undefined : this.rows.get(m.sequence_number);
	},

	/* The last message that is in sight as a whole. */
	lastInSight() {
		if (this.stuck) return this.hi;
		const log = $('log');
		const m = this.msgs[this.indexAt(log.scrollTop + log.clientHeight + 4) - 1];
		return m?.sequence_number ?? 0;
	},

	scrolled() {
		if (this.group === null) return;
		const log = $('log');
		const left = log.scrollHeight - log.scrollTop - log.clientHeight;
		this.stuck = this.atEnd && left < 40;
		if (log.scrollTop < 900) this.loadOlder();
		if (left < 900) this.loadNewer();
		drawNewer();
		this.sawSoon();
	},

	isSeen() {
		return this.stuck && !document.hidden;
	},

	sawSoon() {
		if (this.due) return;
		this.due = true;
		setTimeout(() => { this.due = false; this.saw(); }, 250);
	},

	/* What was in sight is read. */
	saw() {
		const g = this.group;
		if (g === null || document.hidden || $('log').offsetParent === null || this.msgs.length === 0) return;
		const seq = this.lastInSight();
		if (seq <= g.last_read_seq || !isLinked()) return;
		const all = seq >= g.last_seq;
		moveRead(g, seq);
		if (!all && g.mentions > 0) recount(g);
		tellRead(g);
	},

	/* The end of the log, wherever we are. */
	toEnd() {
		if (this.group === null) return Promise.resolve();
		if (!this.atEnd) {
			this.divider = 0;
			return this.loadEnd();
		}
		this.stuck = true;
		$('log').scrollTop = $('log').scrollHeight;
		this.scrolled();
		return Promise.resolve();
	},

	/* More came than a window holds. */
	leap() {
		if (this.stuck) {
			this.loadEnd();
			return;
		}
		this.atEnd = false;
		drawNewer();
	},

	async loadEnd() {
		const serial = ++this.serial;
		const stop = () => this.serial !== serial;
		try {
			const page = await patiently(() => this.page(`before_seq=${this.group.last_seq + 1}&limit=${PAGE}`), stop);
			if (stop()) return;
			this.clear();
			outbox.draw();
			this.show([page], 0, true);
			this.stuck = true;
			$('log').scrollTop = $('log').scrollHeight;
			this.scrolled();
		} catch (refusal) {
			if (!stop()) this.failed(refusal);
		}
	},

	goTo(seq) {
		const row = this.rows.get(seq);
		if (row === undefined) {
			this.load(seq);
			return;
		}
		this.stuck = false;
		row.scrollIntoView({ block: 'center' });
		this.flash(seq);
	},

	flash(seq) {
		const row = this.rows.get(seq);
		if (row === undefined) return;
		row.classList.add('flash');
		setTimeout(() => row.classList.remove('flash'), 2000);
	},
};

/* After a reconnect: fetches what was missed, or begins anew. */
function refreshView() {
	const g = view.group;
	if (g === null) return;
	if (view.msgs.length === 0) view.load(0);
	else if (view.atEnd && g.last_seq - view.hi > GAP) {
		view.divider = g.last_read_seq;
		view.load(0);
	} else view.fillGap();
	drawNewer();
}

function drawHead() {
	const g = view.group;
	if (g === null) return;
	$('room-name').textContent = `${g.name}/`;
	$('room-about').replaceChildren(...plain(g.description));
	$('room-about').title = g.description;
	$('room-members').textContent = g.member_count > 0 ? `${g.member_count.toLocaleString()}${g.online > 0 ? ` · ${g.online.toLocaleString()} on` : ''}` : '';
	drawSync();
	members.drawAbout();
}

function drawNewer() {
	const g = view.group;
	if (g === null || view.msgs.length === 0) {
		$('newer').hidden = true;
		return;
	}
	const unread = unreadOf(g);
	$('newer').hidden = view.stuck;
	$('newer').classList.toggle('unread', unread > 0);
	$('newer-text').textContent = unread > 0 ? `${unread.toLocaleString()} new` : 'To the end';
}

// The outbox: written, not acknowledged ---------------------------------------

const isStale = (item) => Date.now() - item.at > STALE;
const TOO_LATE = 'It waited for too long: nobody knows any more whether it was stored. Retry sends it as a new one';

const outbox = {
	items: [], // {client_id, group, content, reply_to_seq, at, state, why, until}
	inFlight: new Set(), // client_ids

	recall() {
		this.items = keptJson('sessionStorage', 'groupfs.outbox', []);
		for (const item of this.items) if (isStale(item)) this.fail(item, TOO_LATE);
	},

	save() {
		keep('sessionStorage', 'groupfs.outbox', this.items.length > 0 ? JSON.stringify(this.items) : null);
	},

	add(group, content, replyTo) {
		this.items.push({ client_id: randomKey(), group, content, reply_to_seq: replyTo, at: Date.now(), state: 'waits', why: '', until: 0 });
		this.save();
		this.draw();
		this.pump(group);
	},

	find(id) { return this.items.find((item) => item.client_id === id); },

	pumpAll() {
		for (const group of new Set(this.items.map((item) => item.group))) this.pump(group);
	},

	/* The first that may be sent, when nothing of the group is under way: so
	 * they are stored in the order in which they were written. */
	pump(group) {
		const item = this.items.find((i) => i.group === group && i.state === 'waits');
		if (item === undefined || !isLinked() || !groups.has(group)) return;
		if (this.inFlight.has(item.client_id)) return;
		// A page may sleep for days and go on where it was.
		if (isStale(item)) {
			this.fail(item, TOO_LATE);
			this.save();
			this.draw();
			this.pump(group);
			return;
		}
		const pause = item.until - Date.now();
		if (pause > 0) {
			setTimeout(() => this.pump(group), pause);
			return;
		}
		this.inFlight.add(item.client_id);
		tell({ type: 'send', id: item.client_id, client_id: item.client_id, group, content: item.content,
			...(item.reply_to_seq ? { reply_to_seq: item.reply_to_seq } : null) });
	},

	interrupted() { this.inFlight.clear(); },

	onSent(f) {
		const item = this.find(f.id);
		if (item === undefined) return;
		this.inFlight.delete(f.id);
		if (f.warnings?.includes('mention_dropped')) say('Sent, but not everybody was mentioned: in a group of over 100 only an admin mentions @everyone');
		item.state = 'stored';
		item.seq = f.sequence_number;
		if (view.group?.name !== item.group || view.hi >= item.seq) this.remove(item);
		else setTimeout(() => this.overdue(item), 1500);
		this.save();
		this.pump(f.group);
	},

	/* It is stored, but has not been seen since: the log is asked. */
	overdue(item) {
		if (!this.items.includes(item)) return;
		const g = groups.get(item.group);
		if (g !== undefined) g.last_seq = Math.max(g.last_seq, item.seq);
		if (view.group === g) view.fillGap();
		if (!view.atEnd || view.group !== g) this.remove(item);
	},

	/* True: it was about one of these. */
	onRefused(f) {
		const item = this.find(f.id);
		if (item === undefined) return false;
		this.inFlight.delete(f.id);
		if (PASSING.includes(f.code)) {
			item.tries = (item.tries ?? 0) + 1;
			item.until = Date.now() + (f.retry_after_ms || jittered(Math.min(500 * 2 ** item.tries, 10000)));
			item.why = f.code === 'rate_limited' ? f.message : '';
			if (f.code !== 'rate_limited') suspectCore();
		} else {
			this.fail(item, f.message);
		}
		this.save();
		this.draw();
		this.pump(item.group);
		return true;
	},

	fail(item, why) {
		item.state = 'failed';
		item.why = why;
	},

	/* Again, and as another message if groupd cannot know it any more. */
	retry(item) {
		if (isStale(item)) Object.assign(item, { client_id: randomKey(), at: Date.now() });
		Object.assign(item, { state: 'waits', why: '', until: 0 });
		this.save();
		this.draw();
		this.pump(item.group);
	},

	remove(item) {
		this.items = this.items.filter((i) => i !== item);
		this.save();
		this.draw();
	},

	forget(group) {
		this.items = this.items.filter((i) => i.group !== group);
		this.save();
	},

	clear() {
		this.items = [];
		this.inFlight.clear();
		this.save();
		this.draw();
	},

	/* Messages that came: some of them were ours. */
	arrived(msgs) {
		const ids = new Set(msgs.filter((m) => m.sender === session.me && m.client_id).map((m) => m.client_id));
		const before = this.items.length;
		this.items = this.items.filter((i) => !ids.has(i.client_id) && !(i.state === 'stored' && i.group === view.group.name && i.seq <= view.hi));
		if (this.items.length === before) return;
		for (const id of ids) this.inFlight.delete(id);
		this.save();
		this.draw();
		this.pump(view.group.name);
	},

	draw() {
		const name = view.group?.name;
		const rows = this.items.filter((i) => i.group === name).map((i) => this.row(i));
		const more = uploads.rows(name);
		keepPlace(() => $('pending').replaceChildren(...rows, ...more));
	},

	row(item) {
		const failed = item.state === 'failed';
		const state = failed ? el('p', { className: 'state', role: 'alert' }, `Not sent: ${item.why}`,
			el('button', { type: 'button', onclick: () => this.retry(item) }, 'Retry'),
			el('button', { type: 'button', onclick: () => this.edit(item) }, 'Edit'),
			el('button', { type: 'button', onclick: () => this.remove(item) }, 'Discard'))
			: item.state === 'stored' ? null : el('p', { className: 'state' }, item.why !== '' ? `${item.why}: sent again soon` : isLinked() && link.core ? 'sending…' : 'waits for the connection');
		return pendingRow(failed ? 'failed' : 'waits', item.reply_to_seq ? el('span', { className: 'quote' }, el('b', null, `#${item.reply_to_seq}`)) : null,
			...textOf({ content: item.content }), state);
	},

	edit(item) {
		this.remove(item);
		composer.put(item.content);
	},
};

function pendingRow(state, ...parts) {
	return el('article', { className: `row pending ${state}` }, el('div', { className: 'line0' },
		el('time', null, '··:··'), el('span', { className: `who ${hue(session.me)}` }, session.me),
		el('div', { className: 'body' }, ...parts.filter((p) => p !== null))));
}

// Files: up -------------------------------------------------------------------

const uploads = {
	items: [], // {key, at, group, file, name, caption, sent, state, why, tries, xhr}

	add(group, file, name, caption) {
		const item = { key: randomKey(), at: Date.now(), group, file, name, caption, sent: 0, state: 'waits', why: '', tries: 0, xhr: null };
		this.items.push(item);
		outbox.draw();
		this.pump();
	},

	/* One after the other, in the order in which they were chosen. */
	pump() {
		if (this.items.some((i) => i.state === 'sends')) return;
		const item = this.items.find((i) => i.state === 'waits');
		if (item !== undefined) this.start(item);
	},

	start(item) {
		if (isStale(item)) {
			this.fail(item, 'stale', TOO_LATE);
			return;
		}
		const xhr = new XMLHttpRequest();
		item.xhr = xhr;
		item.state = 'sends';
		item.sent = 0;
		xhr.open('POST', new URL(`${groupPath(item.group, '/media')}?${new URLSearchParams({ name: item.name })}`, BASE));
		xhr.setRequestHeader('Authorization', authorization().Authorization);
		xhr.setRequestHeader('Idempotency-Key', item.key);
		xhr.setRequestHeader('Content-Type', item.caption === '' ? 'application/octet-stream' : `multipart/form-data; boundary=${item.key}`);
		xhr.upload.onprogress = (e) => this.progress(item, e.loaded);
		xhr.onload = () => this.answered(item, xhr);
		xhr.onerror = () => this.again(item);
		xhr.send(item.caption === '' ? item.file : this.form(item));
		outbox.draw();
	},

	/* A query has no room for a long caption, and FormData would make CR LF of
	 * its line ends. The boundary is random: nothing in it can be meant so. */
	form(item) {
		const part = (disposition) => `--${item.key}\r\nContent-Disposition: form-data; ${disposition}\r\n\r\n`;
		return new Blob([part('name="content"'), item.caption, '\r\n', part('name="file"; filename="file"'), item.file, `\r\n--${item.key}--\r\n`]);
	},

	progress(item, sent) {
		item.sent = sent;
		const bar = $('pending').querySelector(`progress[data-key="${item.key}"]`);
		if (bar !== null) bar.value = sent;
	},

	answered(item, xhr) {
		let problem = {};
		try { problem = JSON.parse(xhr.responseText); } catch { /* no JSON */ }
		if (xhr.status === 201) this.remove(item);
		else if (xhr.status === 503 || xhr.status === 429) this.again(item, Number(xhr.getResponseHeader('Retry-After') ?? 0) * 1000);
		else if (xhr.status === 401) endSession('You were signed out: the token was revoked, or has expired');
		else this.fail(item, problem.code, problem.detail ?? `The answer was ${xhr.status}`);
	},

	/* The same key: it is stored once, whatever came of the first try. */
	again(item, ms = 0) {
		item.tries++;
		item.state = 'pauses';
		item.why = 'interrupted: sent again soon';
		outbox.draw();
		setTimeout(() => {
			if (!this.items.includes(item) || item.state !== 'pauses') return;
			item.state = 'waits';
			item.why = '';
			this.pump();
		}, ms || jittered(Math.min(1000 * 2 ** item.tries, 15000)));
	},

	fail(item, code, why) {
		item.state = 'failed';
		item.code = code;
		item.why = why;
		outbox.draw();
		this.pump();
	},

	remove(item) {
		this.items = this.items.filter((i) => i !== item);
		item.xhr?.abort();
		outbox.draw();
		this.pump();
	},

	retry(item, name) {
		if (name !== item.name || isStale(item)) Object.assign(item, { name, key: randomKey(), at: Date.now() });
		Object.assign(item, { state: 'waits', why: '' });
		outbox.draw();
		this.pump();
	},

	rows(group) {
		return this.items.filter((i) => i.group === group).map((i) => this.row(i));
	},

	row(item) {
		const bar = el('progress', { max: Math.max(1, item.file.size), value: item.sent, 'aria-label': `Sending ${item.name}` });
		bar.dataset.key = item.key;
		const cancel = el('button', { type: 'button', onclick: () => this.remove(item) }, item.state === 'failed' ? 'Discard' : 'Cancel');
		const state = item.state === 'failed' ? el('p', { className: 'state', role: 'alert' }, `Not sent: ${item.why}`, this.retryButton(item), cancel)
			: el('p', { className: 'state' }, bar, item.why, cancel);
		return pendingRow(item.state === 'failed' ? 'failed' : 'waits',
			el('p', { className: 'attached' }, icon('file'), el('span', null, item.name), bytesOf(item.file.size)), state);
	},

	retryButton(item) {
		const name = item.code === 'file_exists' ? otherName(item.name) : item.name;
		return el('button', { type: 'button', onclick: () => this.retry(item, name) }, name === item.name ? 'Retry' : `Send as ${name}`);
	},
};

/* photo.png, photo-2.png, photo-3.png */
function otherName(name) {
	const [, stem, number, ending] = name.match(/^(.*?)(?:-(\d+))?(\.[^.]*)?$/);
	return `${stem}-${Number(number ?? 1) + 1}${ending ?? ''}`;
}

// Files: down -----------------------------------------------------------------

const fileOf = (m) => m.media_url.replace(/^media\//, '');

const media = {
	pictures: new Map(), // path -> blob: URL
	watcher: null,

	isPicture: (m) => /^media\/[^/]+\.(png|jpe?g|gif|webp)$/i.test(m.media_url),

	show(g, m) {
		// Elsewhere than here a message may point to anything: then it is a link.
		if (!/^media\/[^/]+$/.test(m.media_url)) {
			return /^https?:\/\//.test(m.media_url) ? el('p', { className: 'attached' }, icon('file'), linkTo(m.media_url))
				: el('p', { className: 'attached' }, icon('file'), el('span', null, ...plain(m.media_url)));
		}
		// What is behind # is not sent. Another log may have another file there.
		const path = `${groupPath(g.name, `/${m.media_url}`)}#${g.group_id}/${g.epoch}`;
		const name = safeDecode(fileOf(m));
		return this.isPicture(m) ? this.photo(path, name) : this.attachment(path, name);
	},

	photo(path, name) {
		const box = el('button', { className: 'photo waits', type: 'button', tabIndex: -1, title: name, 'aria-label': `Picture ${name}` }, name);
		box.dataset.path = path;
		box.onclick = () => { if (this.pictures.has(path)) showPicture(path, name); };
		if (this.pictures.has(path)) this.fill(box, path, name);
		else this.watch(box);
		return box;
	},

	/* Fetched when it comes near. */
	watch(box) {
		this.watcher ??= new IntersectionObserver((entries) => {
			for (const entry of entries) {
				if (!entry.isIntersecting) continue;
				this.watcher.unobserve(entry.target);
				this.fetchPicture(entry.target);
			}
		}, { root: $('log'), rootMargin: '600px' });
		this.watcher.observe(box);
	},

	async fetchPicture(box, asked = false) {
		const path = box.dataset.path;
		const name = box.title;
		const stop = new AbortController();
		try {
			const answer = await patiently(() => api('GET', path, undefined, { raw: true, signal: stop.signal }), () => !box.isConnected);
			const size = Number(answer.headers.get('Content-Length'));
			if (size > PICTURE && !asked) {
				stop.abort();
				box.replaceChildren(`${name}: ${bytesOf(size)}, show it`);
				box.onclick = () => this.fetchPicture(box, true);
				return;
			}
			const url = URL.createObjectURL(await answer.blob());
			if (this.pictures.has(path)) URL.revokeObjectURL(url);
			else this.pictures.set(path, url);
			this.fill(box, path, name);
			box.onclick = () => showPicture(path, name);
		} catch (refusal) {
			keepPlace(() => box.replaceWith(el('p', { className: 'attached' }, icon('file'), `${name}: ${refusal.message}`)));
		}
	},

	async fill(box, path, name) {
		const img = el('img', { alt: name, src: this.pictures.get(path) });
		const good = await img.decode().then(() => true, () => false);
		if (!good) {
			keepPlace(() => box.replaceWith(this.attachment(path, name)));
			return;
		}
		keepPlace(() => {
			box.classList.remove('waits');
			box.replaceChildren(img);
		});
	},

	/* Pictures of rows that are gone. */
	forgetUnseen() {
		if (this.pictures.size < 60) return;
		const seen = new Set([...$('rows').querySelectorAll('.photo')].map((box) => box.dataset.path));
		for (const [path, url] of this.pictures) {
			if (seen.has(path)) continue;
			URL.revokeObjectURL(url);
			this.pictures.delete(path);
		}
	},

	attachment(path, name) {
		const button = el('button', { className: 'attached', type: 'button', tabIndex: -1, title: `Download ${name}` }, icon('file'), el('span', null, name), icon('down'));
		button.onclick = () => download(path, name, button);
		return button;
	},
};

function safeDecode(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

async function download(path, name, button) {
	button.disabled = true;
	try {
		const answer = await api('GET', path, undefined, { raw: true });
		const url = URL.createObjectURL(await answer.blob());
		el('a', { href: url, download: name }).click();
		setTimeout(() => URL.revokeObjectURL(url), 60e3);
	} catch (refusal) {
		say(`${name}: ${refusal.message}`);
	}
	button.disabled = false;
}

function showPicture(path, name) {
	$('picture-image').src = media.pictures.get(path);
	$('picture-image').alt = name;
	$('picture-name').textContent = name;
	$('picture-save').onclick = () => download(path, name, $('picture-save'));
	$('picture').showModal();
}

// The composer ----------------------------------------------------------------

const composer = {
	drafts: keptJson('sessionStorage', 'groupfs.drafts', {}), // group -> {text, replyTo}
	replyTo: null,
	tray: [], // {file, name, url}

	enter(g) {
		const draft = this.drafts[g.name];
		this.replyTo = draft?.replyTo ?? null;
		$('text').value = draft?.text ?? '';
		$('text').placeholder = `Write to ${g.name}`;
		this.drawReply();
		this.drawTray();
		this.resize();
		if (matchMedia('(hover: hover)').matches) $('text').focus();
	},

	leave() {
		this.saveDraft();
		this.dropTray();
		completion.close();
	},

	saveDraft() {
		const name = view.group?.name;
		if (name === undefined) return;
		const text = $('text').value;
		if (text === '' && this.replyTo === null) delete this.drafts[name];
		else this.drafts[name] = { text, replyTo: this.replyTo };
		keep('sessionStorage', 'groupfs.drafts', JSON.stringify(this.drafts));
	},

	clear() {
		this.drafts = {};
		this.replyTo = null;
		keep('sessionStorage', 'groupfs.drafts', null);
		this.dropTray();
		this.drawReply();
		this.put('');
	},

	put(text) {
		$('text').value = text;
		this.resize();
		this.saveDraft();
		$('text').focus();
	},

	resize() {
		const text = $('text');
		const stuck = view.stuck;
		text.style.height = 'auto';
		text.style.height = `${text.scrollHeight}px`;
		if (stuck && view.group !== null) $('log').scrollTop = $('log').scrollHeight;
	},

	reply(m) {
		this.replyTo = { seq: m.sequence_number, sender: m.sender, text: excerpt(m.content || (m.media_url ?? '')) };
		this.drawReply();
		this.saveDraft();
		$('text').focus();
	},

	endReply() {
		this.replyTo = null;
		this.drawReply();
		this.saveDraft();
		$('text').focus();
	},

	drawReply() {
		const to = this.replyTo;
		$('replying').hidden = to === null;
		if (to !== null) $('replying-text').replaceChildren('Reply to ', el('b', { className: hue(to.sender) }, to.sender), ': ', ...plain(to.text));
	},

	async send() {
		const g = view.group;
		const text = $('text').value.replace(/\n+$/, '');
		const files = this.tray;
		if (g === null || (text.trim() === '' && files.length === 0)) return;
		const to = this.replyTo?.seq ?? 0;
		// A file takes the text with it, unless that replies.
		const caption = files.length > 0 && to === 0 ? text : '';
		this.tray = [];
		this.replyTo = null;
		view.divider = 0;
		this.drawTray();
		this.drawReply();
		this.put('');
		if (text.trim() !== '' && caption === '') outbox.add(g.name, text, to);
		files.forEach((f, i) => {
			uploads.add(g.name, f.file, f.name, i === 0 ? caption : '');
			if (f.url) URL.revokeObjectURL(f.url);
		});
		await view.toEnd();
	},

	// Files that go with it.

	addFiles(list) {
		for (const file of list) {
			const url = file.type.startsWith('image/') ? URL.createObjectURL(file) : '';
			this.tray.push({ file, name: fileName(file), url });
		}
		this.drawTray();
		$('text').focus();
	},

	dropTray() {
		for (const f of this.tray) if (f.url) URL.revokeObjectURL(f.url);
		this.tray = [];
		this.drawTray();
	},

	drawTray() {
		$('tray').hidden = this.tray.length === 0;
		$('tray').replaceChildren(...this.tray.map((f) => el('li', null,
			f.url ? el('img', { src: f.url, alt: '' }) : icon('file'),
			el('span', { className: 'mono' }, f.name), el('small', null, bytesOf(f.file.size)),
			iconButton('close', `Do not send ${f.name}`, () => {
				this.tray = this.tray.filter((other) => other !== f);
				if (f.url) URL.revokeObjectURL(f.url);
				this.drawTray();
			}))));
		this.resize();
	},
};

/* What is pasted is called image.png, each time: then the time is its name. */
function fileName(file) {
	if (!/^image\.\w+$/.test(file.name)) return file.name;
	const stamp = new Date().toISOString().replace(/\D/g, '').slice(0, 17);
	return `pasted-${stamp}.${file.name.split('.').at(-1)}`;
}

// Completion of @names --------------------------------------------------------

/* The last name before all that begin with the prefix: pages are by name, and
 * '-' < '.' < '0'-'9' < '_' < 'a'-'z'. Empty: the first page. */
function nameBefore(prefix) {
	const order = '-.0123456789_abcdefghijklmnopqrstuvwxyz';
	const stem = prefix.slice(0, -1);
	const before = order[order.indexOf(prefix.at(-1)) - 1];
	if (before === undefined || (stem === '' && '-.'.includes(before))) return stem;
	return (stem + before).padEnd(32, 'z');
}

async function membersFrom(g, prefix, limit, signal) {
	const after = prefix === '' ? '' : nameBefore(prefix);
	const page = await api('GET', groupPath(g.name, `/members?limit=${limit}${after === '' ? '' : `&after=${after}`}`), undefined, { signal });
	return { ...page, members: page.members.filter((m) => m.user.startsWith(prefix)),
		complete: page.complete || page.members.some((m) => !m.user.startsWith(prefix)) };
}

const completion = {
	names: [], at: 0, from: 0, stop: null, timer: 0,

	get isOpen() { return !$('names').hidden; },

	/* The @word that the caret is behind. */
	word() {
		const text = $('text');
		if (text.selectionStart !== text.selectionEnd) return null;
		return text.value.slice(0, text.selectionStart).match(/(?<![\w.-])@([a-z0-9_][a-z0-9._-]{0,31}|)$/);
	},

	update() {
		clearTimeout(this.timer);
		this.stop?.abort();
		const hit = this.word();
		if (hit === null || view.group === null) {
			this.close();
			return;
		}
		this.from = hit.index + 1;
		this.timer = setTimeout(() => this.ask(view.group, hit[1]), this.isOpen ? 60 : 20);
	},

	async ask(g, prefix) {
		this.stop = new AbortController();
		try {
			const page = await membersFrom(g, prefix, 8, this.stop.signal);
			if (view.group !== g || this.word()?.[1] !== prefix) return;
			const names = page.members.filter((m) => m.user !== session.me).slice(0, 7);
			if (prefix !== '' && 'everyone'.startsWith(prefix) && (g.role === 'admin' || g.member_count <= 100)) names.push({ user: 'everyone', role: 'all members' });
			this.names = names;
			this.at = 0;
			this.draw();
		} catch { /* another letter came, or groupd is away */ }
	},

	draw() {
		$('names').hidden = this.names.length === 0;
		$('names').replaceChildren(...this.names.map((m, i) => {
			const li = el('li', { id: `name-${i}`, role: 'option', 'aria-selected': `${i === this.at}` }, `@${m.user}`, el('small', null, m.role === 'member' ? '' : m.role));
			li.onmousedown = (event) => { event.preventDefault(); this.at = i; this.take(); };
			return li;
		}));
		if (this.isOpen) $('text').setAttribute('aria-activedescendant', `name-${this.at}`);
		else $('text').removeAttribute('aria-activedescendant');
	},

	move(by) {
		this.at = (this.at + by + this.names.length) % this.names.length;
		this.draw();
	},

	take() {
		const text = $('text');
		const name = `${this.names[this.at].user} `;
		text.setRangeText(name, this.from, text.selectionStart, 'end');
		this.close();
		composer.saveDraft();
		text.focus();
	},

	close() {
		clearTimeout(this.timer);
		this.stop?.abort();
		this.names = [];
		this.draw();
	},

	/* True: the key was for the list. */
	onKey(event) {
		if (!this.isOpen) return false;
		if (event.key === 'ArrowDown') this.move(1);
		else if (event.key === 'ArrowUp') this.move(-1);
		else if (event.key === 'Tab' || event.key === 'Enter') this.take();
		else if (event.key === 'Escape') this.close();
		else return false;
		event.preventDefault();
		event.stopPropagation();
		return true;
	},
};

// Members and settings --------------------------------------------------------

const members = {
	list: [], complete: true, prefix: '', serial: 0, loading: false,

	get isOpen() { return !$('panel').hidden; },

	toggle() {
		if (this.isOpen) this.close();
		else this.open();
	},

	open() {
		if (view.group === null) return;
		$('panel').hidden = false;
		$('panel-button').setAttribute('aria-expanded', 'true');
		this.follow();
		if (matchMedia('(hover: hover)').matches) $('member-find').focus();
	},

	/* What is open shows the group that is open now. */
	follow() {
		if (!this.isOpen) return;
		$('member-find').value = '';
		$('member-name').value = '';
		this.prefix = '';
		this.fail('');
		this.editAbout(false);
		this.reload();
		this.refreshInfo();
	},

	close() {
		if (!this.isOpen) return;
		$('panel').hidden = true;
		$('panel-button').setAttribute('aria-expanded', 'false');
		this.serial++;
		$('members').replaceChildren();
	},

	fail(words) { $('panel-error').textContent = words; },

	reload() {
		this.list = [];
		this.complete = false;
		this.serial++;
		this.loading = false;
		$('members').replaceChildren();
		return this.more();
	},

	async more() {
		const g = view.group;
		const serial = this.serial;
		if (this.complete || this.loading || g === null) return;
		this.loading = true;
		try {
			const last = this.list.at(-1)?.user;
			const page = last === undefined ? await membersFrom(g, this.prefix, PAGE)
				: await membersAfter(g, this.prefix, last);
			if (this.serial !== serial) return;
			this.list.push(...page.members);
			this.complete = page.complete;
			g.member_count = page.total;
			$('members').append(...page.members.map((m) => this.row(m)));
			this.drawEnd();
			drawHead();
		} catch (refusal) {
			if (this.serial === serial) this.fail(refusal.message);
		}
		if (this.serial === serial) this.loading = false;
	},

	drawEnd() {
		$('members').querySelector('.edge')?.remove();
		if (this.list.length === 0) $('members').append(el('li', { className: 'edge' }, this.prefix === '' ? 'Nobody' : `Nobody’s name begins with ${this.prefix}`));
	},

	row(m) {
		const g = view.group;
		const acts = el('span', { className: 'acts2' });
		const act = (words, label, run) => acts.append(el('button', { type: 'button', 'aria-label': `${label} ${m.user}`, onclick: run }, words));
		if (g.role === 'admin') {
			const other = m.role === 'admin' ? 'member' : 'admin';
			act(m.role === 'admin' ? 'Demote' : 'Promote', m.role === 'admin' ? 'Demote' : 'Promote',
				() => this.change('PATCH', m.user, { role: other }));
			if (m.user !== session.me) act('Remove', 'Remove', () => this.remove(m.user));
		}
		const li = el('li', null, el('span', { className: `name ${hue(m.user)}` }, m.user, m.user === session.me ? ' (you)' : ''), acts,
			el('span', { className: 'role' }, m.role === 'admin' ? 'admin' : ''));
		li.dataset.user = m.user;
		return li;
	},

	/* Shown at once; what others hear of it comes as a member frame. */
	async change(method, user, body) {
		const g = view.group;
		this.fail('');
		try {
			const now = await api(method, groupPath(g.name, `/members/${encodeURIComponent(user)}`), body);
			if (view.group === g) this.onChange({ user, change: method === 'DELETE' ? 'removed' : 'role', role: now?.role });
			return true;
		} catch (refusal) {
			if (view.group === g) this.fail(refusal.message);
			return false;
		}
	},

	async remove(user) {
		const g = view.group;
		await confirmed({ title: `Remove ${user}?`, text: `He hears and sees nothing of ${g.name} any more. What he wrote stays.`, button: 'Remove',
			run: () => api('DELETE', groupPath(g.name, `/members/${encodeURIComponent(user)}`)) });
	},

	async add(event) {
		event.preventDefault();
		const name = $('member-name').value.trim();
		if (name === '') return;
		const g = view.group;
		this.fail('');
		try {
			await api('PUT', groupPath(g.name, `/members/${encodeURIComponent(name)}`), {});
			$('member-name').value = '';
			this.refreshInfo();
			await this.reload();
		} catch (refusal) {
			this.fail(`${name}: ${refusal.message}`);
		}
	},

	/* Somebody came, went, or has another role. */
	onChange(f) {
		if (!this.isOpen) return;
		const at = this.list.findIndex((m) => m.user === f.user);
		const li = at < 0 ? null : $('members').children[at];
		if (f.change === 'removed' && at >= 0) {
			this.list.splice(at, 1);
			li.remove();
		} else if (f.change !== 'removed' && at >= 0) {
			this.list[at].role = f.role;
			li.replaceWith(this.row(this.list[at]));
		} else if (f.change === 'added') {
			this.insert({ user: f.user, role: f.role });
		}
		if (f.user === session.me) this.redraw();
		this.drawEnd();
		this.drawAbout();
	},

	insert(m) {
		if (!m.user.startsWith(this.prefix)) return;
		const at = this.list.findIndex((other) => other.user > m.user);
		if (at < 0 && !this.complete) return;
		const where = at < 0 ? this.list.length : at;
		$('members').insertBefore(this.row(m), $('members').children[where] ?? null);
		this.list.splice(where, 0, m);
	},

	/* What may be done has changed with my role. */
	redraw() {
		$('members').replaceChildren(...this.list.map((m) => this.row(m)));
	},

	// About the group.

	async refreshInfo() {
		const g = view.group;
		if (g === null) return;
		const info = await api('GET', groupPath(g.name)).catch(() => null);
		if (info === null || view.group !== g) return;
		const role = g.role;
		learn(info);
		if (role !== g.role) this.redraw();
		drawHead();
		view.fillGap();
	},

	drawAbout() {
		const g = view.group;
		if (!this.isOpen || g === null) return;
		const admin = g.role === 'admin';
		$('panel-count').textContent = `${g.member_count.toLocaleString()}${g.online > 0 ? `, ${g.online.toLocaleString()} online` : ''}`;
		$('member-add').hidden = !admin;
		$('description-edit').hidden = !admin || !$('description-form').hidden;
		$('delete').hidden = !admin;
		$('description').replaceChildren(...(g.description === '' ? ['No description.'] : textNodes(g.description, [])));
		for (const a of $('description').querySelectorAll('a')) a.tabIndex = 0;
		const fact = (name, value) => [el('dt', null, name), el('dd', null, value)];
		$('facts').replaceChildren(
			...fact('you are', admin ? 'an admin' : 'a member'),
			...fact('messages', g.last_seq.toLocaleString()),
			...fact('made', g.created_at ? `${calendar.format(new Date(g.created_at))}, by ${g.created_by}` : ''),
			...fact('path', el('code', null, `${g.name}/messages`)));
	},

	editAbout(on) {
		$('description-form').hidden = !on;
		$('description').hidden = on;
		if (on) {
			$('description-text').value = view.group.description;
			$('description-text').focus();
		}
		this.drawAbout();
	},

	async saveAbout(event) {
		event.preventDefault();
		const g = view.group;
		this.fail('');
		try {
			learn(await api('PATCH', groupPath(g.name), { description: $('description-text').value }));
			if (view.group !== g) return;
			this.editAbout(false);
			drawHead();
		} catch (refusal) {
			this.fail(refusal.message);
		}
	},

	leave() {
		const g = view.group;
		confirmed({ title: `Leave ${g.name}?`, text: 'Only an admin can let you in again.', button: 'Leave',
			run: async () => {
				await bidFarewell(g.name, `/members/${encodeURIComponent(session.me)}`, `You left ${g.name}.`);
			} });
	},

	deleteGroup() {
		const g = view.group;
		confirmed({ title: `Delete ${g.name}?`, text: `Its ${plural(g.last_seq, 'message', 'messages')} and files are gone then, for all ${plural(g.member_count, 'member', 'members')}, and do not come back. Type its name to do it.`,
			button: 'Delete', name: g.name,
			run: async () => {
				await bidFarewell(g.name, '', `${g.name} was deleted.`);
			} });
	},
};

async function membersAfter(g, prefix, last) {
	const page = await api('GET', groupPath(g.name, `/members?limit=${PAGE}&after=${encodeURIComponent(last)}`));
	return { ...page, members: page.members.filter((m) => m.user.startsWith(prefix)),
		complete: page.complete || page.members.some((m) => !m.user.startsWith(prefix)) };
}

async function bidFarewell(name, path, words) {
	farewells.set(name, words);
	try {
		await api('DELETE', groupPath(name, path));
		dropGroup(name, words);
	} finally {
		farewells.delete(name);
	}
}

/* A question before what cannot be undone; run()'s refusal is shown in it. */
function confirmed({ title, text, button, name = '', run }) {
	$('confirm-title').textContent = title;
	$('confirm-text').textContent = text;
	$('confirm-button').textContent = button;
	$('confirm-error').textContent = '';
	$('confirm-name').hidden = name === '';
	$('confirm-name').value = '';
	$('confirm-button').disabled = name !== '';
	$('confirm-name').oninput = () => { $('confirm-button').disabled = $('confirm-name').value !== name; };
	$('confirm-form').onsubmit = async (event) => {
		event.preventDefault();
		try {
			await run();
			$('confirm').close();
		} catch (refusal) {
			$('confirm-error').textContent = refusal.message;
		}
	};
	$('confirm').showModal();
	(name === '' ? $('confirm-button') : $('confirm-name')).focus();
}

// A new group -----------------------------------------------------------------

function openCreate() {
	$('create-form').reset();
	$('create-error').textContent = '';
	$('create-form').dataset.key = randomKey();
	$('create').showModal();
	$('create-name').focus();
}

async function createGroup(event) {
	event.preventDefault();
	const name = $('create-name').value.trim();
	const ids = $('create-members').value.split(/[\s,]+/).filter((id) => id !== '');
	$('create-error').textContent = '';
	try {
		// The same form sent twice makes one group.
		await api('POST', 'api/groups', { name, description: $('create-about').value, member_ids: ids },
			{ headers: { 'Idempotency-Key': `${$('create-form').dataset.key}` } });
		$('create').close();
		await learnGroup(name);
		location.hash = name;
	} catch (refusal) {
		$('create-error').textContent = refusal.message;
		// Only where it is certain that nothing was made, the next is another one.
		if (!PASSING.includes(refusal.code)) $('create-form').dataset.key = randomKey();
	}
}

// Mentions --------------------------------------------------------------------

const MENTIONS = 200;

async function showMentions() {
	showSection('mentions');
	const list = $('mentions-list');
	try {
		const page = await api('GET', `api/mentions?limit=${MENTIONS}`);
		list.replaceChildren(...page.mentions.map(mentionRow));
		if (page.mentions.length === 0) list.append(el('p', { className: 'edge' }, 'Nothing that you have not read mentions you.'));
		if (!page.complete) list.append(el('p', { className: 'edge' }, `The first ${MENTIONS}; read some of them to see more.`));
	} catch (refusal) {
		list.replaceChildren(el('p', { className: 'edge' }, refusal.message));
	}
}

function mentionRow(m) {
	return el('button', { className: 'mention', type: 'button', onclick: () => { location.hash = `${m.group}/${m.sequence_number}`; } },
		el('span', { className: 'meta' }, el('b', null, `${m.group}/`), el('b', { className: hue(m.sender) }, m.sender),
			el('time', { dateTime: m.timestamp, title: m.timestamp }, `${dayName(m.timestamp)}, ${clock.format(new Date(m.timestamp))}`)),
		el('div', { className: 'text', dir: 'auto' }, ...textNodes(excerpt(m.content), m.mentions ?? [])));
}

// Jumping ---------------------------------------------------------------------

const jump = {
	hits: [], at: 0,

	open() {
		$('jump-text').value = '';
		this.update();
		$('jump').showModal();
		$('jump-text').focus();
	},

	/* Those that begin so, then those that have it anywhere. */
	update() {
		const want = $('jump-text').value.trim().toLowerCase();
		const all = sortedGroups();
		const first = all.filter((g) => g.name.startsWith(want));
		const then = all.filter((g) => !g.name.startsWith(want) && g.name.includes(want));
		this.hits = [...first, ...then].slice(0, 50);
		this.at = 0;
		this.draw();
	},

	draw() {
		$('jump-list').replaceChildren(...this.hits.map((g, i) => {
			const unread = unreadOf(g);
			const li = el('li', { id: `jump-${i}`, role: 'option', 'aria-selected': `${i === this.at}` }, g.name,
				el('small', null, [g.mentions > 0 ? `@${g.mentions}` : '', unread > 0 ? `${unread} unread` : ''].join(' ')));
			li.onclick = () => { this.at = i; this.go(); };
			return li;
		}));
		if (this.hits.length === 0) $('jump-list').append(el('li', { role: 'option' }, 'No group is called so'));
		$('jump-text').setAttribute('aria-activedescendant', `jump-${this.at}`);
		$('jump-list').children[this.at]?.scrollIntoView({ block: 'nearest' });
	},

	go() {
		const g = this.hits[this.at];
		if (g === undefined) return;
		$('jump').close();
		location.hash = g.name;
		if (view.group === g) $('text').focus();
	},

	onKey(event) {
		const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
		if (by !== undefined && this.hits.length > 0) {
			this.at = (this.at + by + this.hits.length) % this.hits.length;
			this.draw();
			event.preventDefault();
		} else if (event.key === 'Enter') {
			event.preventDefault();
			this.go();
		}
	},
};

// Keys ------------------------------------------------------------------------

const isTyping = (e) => e instanceof HTMLTextAreaElement || (e instanceof HTMLInputElement && e.type !== 'checkbox');

function onKey(event) {
	if ($('app').hidden || event.isComposing) return;
	const open = document.querySelector('dialog[open]');
	if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
		event.preventDefault();
		open?.close();
		jump.open();
		return;
	}
	if (open !== null) return;
	if (event.altKey && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
		event.preventDefault();
		stepGroup(event.key === 'ArrowUp' ? -1 : 1);
		return;
	}
	if (event.key === 'Escape') escape();
	else if (!isTyping(event.target) && !event.ctrlKey && !event.altKey && !event.metaKey) onPlainKey(event);
}

/* Closes what is open, one thing at a time, and ends in the line. */
function escape() {
	if (members.isOpen) members.close();
	else if (!$('replying').hidden) composer.endReply();
	else if (!$('gone').hidden) closeGone();
	else if (view.group !== null && document.activeElement === $('text')) view.toEnd();
	if (view.group !== null) $('text').focus();
}

function onPlainKey(event) {
	const row = event.target.closest?.('.row[data-seq]');
	const keys = { '/': () => jump.open(), '?': () => $('keys').showModal(), m: () => members.toggle() };
	const onRow = {
		ArrowUp: () => focusRow(row.previousElementSibling),
		ArrowDown: () => (row.nextElementSibling === null ? $('text').focus() : focusRow(row.nextElementSibling)),
		Home: () => focusRow($('rows').firstElementChild),
		End: () => view.toEnd().then(() => focusRow($('rows').lastElementChild)),
		r: () => composer.reply(view.at(Number(row.dataset.seq))),
		Enter: () => composer.reply(view.at(Number(row.dataset.seq))),
		c: () => copyText(view.at(Number(row.dataset.seq)).content),
		o: () => row.querySelector('.photo, button.attached, .text a, .unfold, .quote')?.click(),
	};
	const run = keys[event.key] ?? (row === event.target ? onRow[event.key] : undefined);
	if (run === undefined) return;
	event.preventDefault();
	run();
}

function focusRow(row) {
	if (row === null || row === undefined) return;
	view.stuck = false;
	row.focus({ preventScroll: true });
	row.scrollIntoView({ block: 'nearest' });
}

function onTextKey(event) {
	if (event.isComposing || completion.onKey(event)) return;
	if (event.key === 'Enter' && !event.shiftKey) {
		event.preventDefault();
		composer.send();
	} else if (event.key === 'ArrowUp' && $('text').value === '' && !event.altKey) {
		event.preventDefault();
		focusRow($('rows').lastElementChild);
	} else if (event.key === 'PageUp' || event.key === 'PageDown') {
		event.preventDefault();
		$('log').scrollBy(0, (event.key === 'PageUp' ? -0.85 : 0.85) * $('log').clientHeight);
	}
}

// Wiring ----------------------------------------------------------------------

function wireComposer() {
	const text = $('text');
	text.addEventListener('keydown', onTextKey);
	text.addEventListener('input', () => {
		composer.resize();
		composer.saveDraft();
		completion.update();
	});
	text.addEventListener('click', () => completion.update());
	text.addEventListener('blur', () => completion.close());
	text.addEventListener('paste', (event) => {
		if (event.clipboardData.files.length === 0) return;
		event.preventDefault();
		composer.addFiles(event.clipboardData.files);
	});
	$('composer').onsubmit = (event) => { event.preventDefault(); composer.send(); };
	$('replying-end').onclick = () => composer.endReply();
	$('attach').onclick = () => $('files').click();
	$('files').onchange = () => {
		composer.addFiles($('files').files);
		$('files').value = '';
	};
}

function wireDrop() {
	const hasFiles = (event) => view.group !== null && event.dataTransfer?.types.includes('Files');
	let depth = 0;
	const show = (by) => {
		depth = Math.max(0, depth + by);
		$('drop').hidden = depth === 0;
	};
	document.addEventListener('dragenter', (event) => { if (hasFiles(event)) show(1); });
	document.addEventListener('dragleave', (event) => { if (hasFiles(event)) show(-1); });
	// A file that is dropped beside must not replace the page.
	document.addEventListener('dragover', (event) => event.preventDefault());
	document.addEventListener('drop', (event) => {
		event.preventDefault();
		depth = 0;
		$('drop').hidden = true;
		if (hasFiles(event)) composer.addFiles(event.dataTransfer.files);
	});
}

function wireLog() {
	const log = $('log');
	$('rows').addEventListener('pointerover', showActs, { passive: true });
	$('rows').addEventListener('focusin', showActs);
	log.addEventListener('scroll', () => view.scrolled(), { passive: true });
	log.addEventListener('keydown', (event) => {
		if (event.target !== log || event.key !== 'ArrowUp') return;
		event.preventDefault();
		focusRow(view.firstInSight());
	});
	// What grows or shrinks leaves the end in sight.
	const watcher = new ResizeObserver(() => {
		if (view.stuck && view.group !== null) log.scrollTop = log.scrollHeight;
	});
	watcher.observe(log);
	watcher.observe($('rows'));
	$('newer').onclick = () => {
		view.toEnd();
		$('text').focus();
	};
}

function wirePanel() {
	$('panel-button').onclick = () => members.toggle();
	$('panel-close').onclick = () => { members.close(); $('panel-button').focus(); };
	$('member-find').oninput = settled(120, () => {
		const prefix = $('member-find').value.trim().toLowerCase();
		members.prefix = /^[a-z0-9_][a-z0-9._-]{0,31}$/.test(prefix) ? prefix : '';
		members.reload();
	});
	$('member-add').onsubmit = (event) => members.add(event);
	$('panel').addEventListener('scroll', () => {
		const panel = $('panel');
		if ($('members').getBoundingClientRect().bottom < panel.clientHeight + 600) members.more();
	}, { passive: true });
	$('description-edit').onclick = () => members.editAbout(true);
	$('description-cancel').onclick = () => members.editAbout(false);
	$('description-form').onsubmit = (event) => members.saveAbout(event);
	$('leave').onclick = () => members.leave();
	$('delete').onclick = () => members.deleteGroup();
}

function wireDialogs() {
	for (const button of document.querySelectorAll('dialog .closes')) button.onclick = () => button.closest('dialog').close();
	for (const dialog of document.querySelectorAll('dialog')) {
		dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
	}
	$('jump-button').onclick = () => jump.open();
	$('jump-text').addEventListener('input', () => jump.update());
	$('jump-text').addEventListener('keydown', (event) => jump.onKey(event));
	$('new-button').onclick = openCreate;
	$('create-form').onsubmit = createGroup;
	$('create-form').oninput = () => { $('create-error').textContent = ''; };
	$('keys-button').onclick = () => $('keys').showModal();
	$('picture').addEventListener('close', () => $('picture-image').removeAttribute('src'));
}

function wirePage() {
	document.addEventListener('keydown', onKey);
	window.addEventListener('hashchange', route);
	window.addEventListener('online', retryNow);
	window.addEventListener('offline', () => { if (link.ws !== null) lose(); });
	document.addEventListener('visibilitychange', () => {
		if (document.hidden) return;
		retryNow();
		checkHeard();
		view.scrolled();
	});
	// Another tab signed out.
	window.addEventListener('storage', (event) => {
		if (event.key === 'groupfs.token' && event.newValue === null && session.stays) endSession('You signed out in another window');
	});
	setInterval(() => { if (link.state === 'offline' && session.token !== '') drawLink(); }, 500);
	setInterval(checkHeard, 5000);
	setInterval(() => { if (!document.hidden) probeCore(); }, 10000);
	setInterval(() => { if (!document.hidden && link.state === 'live') members.refreshInfo(); }, 60000);
	$('retry').onclick = retryNow;
	$('notice-retry').onclick = retryNow;
	$('gone-button').onclick = closeGone;
	$('signout').onclick = () => endSession();
	for (const button of document.querySelectorAll('.to-list')) button.onclick = () => { location.hash = ''; };
}

$('signin-form').onsubmit = signIn;
wireComposer();
wireDrop();
wireLog();
wirePanel();
wireDialogs();
wirePage();
drawFavicon('');
if (recallToken()) enter();
else showSignIn();
