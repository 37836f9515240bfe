// SPDX-License-Identifier: MIT
/*
 * What the tests of the page share: browsers, rows of results ("ok WHAT",
 * "not ok WHAT: WHY"), and what a browser complained of.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NPM}/`);
const { chromium } = require('playwright-core');

export const URL0 = `${process.env.URL}/`;
export const MOUNT = process.env.M;
let browser = null;
let failed = 0;
const complaints = [];
const pages = new Set();
const expected = [];

export function say(good, what, why = '') {
	if (!good) failed++;
	const line = `${what}${good ? '' : `: ${why}`}`.replace(/\s+/g, ' ').slice(0, 800);
	console.log(`${good ? 'ok' : 'not ok'} ${line}`);
}

export function is(what, got, wanted) {
	const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
	say(a === b, what, `got ${a}, wanted ${b}`);
}

/* A step: what fails in it ends this step, and is told. */
export async function step(what, run) {
	try {
		await run();
		say(true, what);
	} catch (error) {
		say(false, what, error.message);
		for (const [i, page] of [...pages].entries()) await page.screenshot({ path: `${process.env.SHOTS}/failed-${failed}-${i}.png` }).catch(() => null);
		// What follows would wait in vain, too.
		if (failed > 3) await end();
	}
}

/* Until fn() is true (or its value is). */
export async function until(what, fn, ms = 15000) {
	const end = Date.now() + ms;
	let last;
	do {
		last = await Promise.resolve().then(fn).catch((error) => { last = error; return false; });
		if (last) return last;
		await new Promise((done) => setTimeout(done, 40));
	} while (Date.now() < end);
	throw new Error(`waited in vain: ${what}`);
}

export const token = (name) => fs.readFileSync(`${process.env.T}/token.${name}`, 'utf8').trim();
export const append = (group, text) => fs.appendFileSync(`${MOUNT}/${group}/messages`, text);
export const log = (group) => fs.readFileSync(`${MOUNT}/${group}/messages`, 'utf8').split('\n').slice(0, -1)
	.map((line) => line.split('\t')).map(([seq, time, sender, text]) => ({ seq: Number(seq), time, sender, text }));

/* The shell's side does it (01-two-people.sh). */
export async function ask(word) {
	fs.writeFileSync(`${process.env.DO}.new`, word);
	fs.renameSync(`${process.env.DO}.new`, process.env.DO);
	await until(`the shell did ${word}`, () => !fs.existsSync(process.env.DO), 40000);
}

/* While run() goes on, the browser may say what the pattern matches. */
export async function expecting(pattern, run) {
	expected.push(pattern);
	await run();
	await new Promise((done) => setTimeout(done, 100));
	expected.splice(expected.indexOf(pattern), 1);
}

function complain(name, text) {
	if (!expected.some((pattern) => pattern.test(text)) || /Content Security Policy|Trusted/i.test(text)) complaints.push(`${name}: ${text}`);
}

/* In the page: while window.deaf is true, what the WebSocket says is lost;
 * window.heard counts what is not. */
function deafness() {
	const Real = window.WebSocket;
	window.WebSocket = class extends Real {
		set onmessage(heard) {
			super.onmessage = (event) => {
				if (window.deaf) return;
				window.heard = (window.heard ?? 0) + 1;
				heard(event);
			};
		}
	};
}

/* A person: a browser context with its page. */
export async function person(name, options = {}) {
	browser ??= await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
	const context = await browser.newContext({ viewport: { width: 1100, height: 720 }, locale: 'en-GB', timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', ...options });
	await context.addInitScript(deafness);
	const page = await context.newPage();
	pages.add(page);
	page.on('close', () => pages.delete(page));
	page.setDefaultTimeout(10000);
	page.on('console', (m) => { if (m.type() === 'error' || m.type() === 'warning') complain(name, m.text()); });
	page.on('pageerror', (e) => complaints.push(`${name}: ${e.stack}`));
	page.on('dialog', (d) => { complaints.push(`${name}: a dialog: ${d.message()}`); d.dismiss(); });
	await page.goto(URL0);
	return page;
}

export async function signIn(page, name, stay = false) {
	await page.fill('#token', token(name));
	if (stay) await page.check('#stay');
	await page.press('#token', 'Enter');
	await live(page);
}

export const live = (page) => page.waitForSelector('body[data-link=live]', { state: 'attached' });

export async function openGroup(page, group) {
	await page.click(`#groups a[href="#${group}"]`);
	await synced(page, group);
}

/* The group is shown, and nothing of it is missing. */
export async function synced(page, group) {
	await until(`${group} is live`, () => page.evaluate((g) => document.getElementById('room-name').textContent === `${g}/` &&
		document.getElementById('room-sync').textContent === 'live' && document.getElementById('older').textContent !== 'Loading…', group));
}

/* The messages that are shown: [seq, text]. */
export const shown = (page) => page.$$eval('#rows .row', (rows) => rows.map((r) => [Number(r.dataset.seq), [...r.querySelectorAll(':scope .body > .text')].map((t) => t.textContent).join('')]));

export const sees = (page, text) => until(`the page shows ${text}`, async () => (await shown(page)).some(([, t]) => t === text));

export const shot = (page, name) => page.screenshot({ path: `${process.env.SHOTS}/${name}.png` });

/* Each once, in order, without gap: true, or what is wrong. */
export function gapless(rows) {
	for (let i = 1; i < rows.length; i++) if (rows[i][0] !== rows[i - 1][0] + 1) throw new Error(`#${rows[i][0]} stands behind #${rows[i - 1][0]}`);
	return rows.length > 0;
}

export async function end() {
	say(complaints.length === 0, 'no browser complained of anything', complaints.slice(0, 8).join(' | '));
	await browser?.close();
	process.exit(0);
}
