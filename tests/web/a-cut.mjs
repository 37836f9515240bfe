// SPDX-License-Identifier: MIT
/*
 * The page of 02-a-cut.sh, on node B; the mount is node A's.
 */
import { append, ask, end, expecting, gapless, is, live, log, openGroup, person, say, sees, shown, signIn, step, until } from './browser.mjs';

const AWAY = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_NETWORK|WebSocket|status of 503/;
const write = async (page, text) => {
	await page.fill('#text', text);
	await page.press('#text', 'Enter');
};
const textOf = (page, id) => page.textContent(`#${id}`);

const alice = await person('alice');
await step('alice signs in and reads', async () => {
	await signIn(alice, 'alice');
	await openGroup(alice, 'dev');
	await sees(alice, 'good morning');
	append('dev', 'over from A\n');
	await sees(alice, 'over from A');
});

/* All that is in the log is shown, each once, and nothing waits. */
async function whole(...texts) {
	for (const text of texts) await sees(alice, text);
	await until('nothing is pending', async () => await alice.locator('#pending .row').count() === 0);
	const rows = await shown(alice);
	say(gapless(rows), 'without a gap');
	is('as in the log', rows.map(([seq, text]) => [seq, text]), log('dev').map((m) => [m.seq, m.text]));
	for (const text of texts) is(`"${text}" is there once`, rows.filter(([, t]) => t === text).length, 1);
}

await step('its node is cut off from PostgreSQL: the page says so', () => expecting(AWAY, async () => {
	await ask('cut');
	await write(alice, 'into the cut');
	append('dev', 'said meanwhile\n');
	await until('a sentence', async () => /^The store cannot be reached now\. What you write now is sent as soon as it is back\.$/.test(await textOf(alice, 'notice-text')));
	is('the group, too', await textOf(alice, 'room-sync'), 'offline');
	await write(alice, 'still in the cut');
	await until('it is marked', async () => /into the cut.*still in the cut/.test(await textOf(alice, 'pending')));
	is('what the other node has is not shown yet', (await shown(alice)).some(([, t]) => t === 'said meanwhile'), false);
	await ask('heal');
	await whole('said meanwhile', 'into the cut', 'still in the cut');
	await live(alice);
}));
await step('its node is killed: the page says so, and comes back', () => expecting(AWAY, async () => {
	await ask('kill-b');
	await until('offline', async () => /^Offline/.test(await textOf(alice, 'notice-text')));
	await write(alice, 'to nobody');
	append('dev', 'while it was dead\n');
	await ask('start-b');
	await alice.click('#notice-retry').catch(() => { /* it was back already */ });
	await live(alice);
	await whole('while it was dead', 'to nobody');
}));
await end();
