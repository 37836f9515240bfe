// SPDX-License-Identifier: MIT
/*
 * The conversation of 01-two-people.sh: alice is an admin of dev, bob and carol
 * are not; the mount is root's.
 */
import fs from 'node:fs';
import zlib from 'node:zlib';
import { append, ask, end, expecting, gapless, is, live, log, MOUNT, openGroup, person, say, sees, shot, shown,
	signIn, step, synced, token, until, URL0 } from './browser.mjs';

const AWAY = /ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_NETWORK|WebSocket|status of 503/;

/* A picture of its own colour, as PNG. */
function png(width, height, shade) {
	const chunk = (type, data) => {
		const body = Buffer.concat([Buffer.from(type), data]);
		const out = Buffer.alloc(body.length + 8);
		out.writeUInt32BE(data.length);
		body.copy(out, 4);
		out.writeUInt32BE(zlib.crc32 ? zlib.crc32(body) : crc(body), body.length + 4);
		return out;
	};
	const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
	head.writeUInt32BE(width);
	head.writeUInt32BE(height, 4);
	const rows = Buffer.alloc((1 + 3 * width) * height);
	for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) rows.set([shade, 60 + x % 180, 60 + y % 180], y * (1 + 3 * width) + 1 + 3 * x);
	return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), chunk('IHDR', head), chunk('IDAT', zlib.deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}

function crc(bytes) {
	let c = ~0;
	for (const b of bytes) {
		c ^= b;
		for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (c & 1 ? 0xedb88320 : 0);
	}
	return ~c >>> 0;
}

const write = async (page, text) => {
	await page.fill('#text', text);
	await page.press('#text', 'Enter');
};
const panel = async (page) => { if (await page.isHidden('#panel')) await page.click('#panel-button'); };
const textOf = (page, id) => page.textContent(`#${id}`);
const countOf = (page, group) => page.$eval(`#groups a[href="#${group}"]`, (a) => a.getAttribute('aria-label'));

// Signing in ------------------------------------------------------------------

const alice = await person('alice');
const bob = await person('bob');
await step('a wrong token is said to be one', () => expecting(/status of 401/, async () => {
	await shot(alice, '01-sign-in');
	await alice.fill('#token', 'wrong');
	await alice.press('#token', 'Enter');
	await until('a sentence', async () => /does not accept this token/.test(await textOf(alice, 'signin-error')));
	await shot(alice, '02-wrong-token');
}));
await step('two people sign in', async () => {
	await signIn(alice, 'alice');
	await signIn(bob, 'bob', true);
});
is('a token is kept for the session', await alice.evaluate(() => [sessionStorage['groupfs.token'] !== undefined, localStorage.length]), [true, 0]);
is('or for longer, if that is ticked', await bob.evaluate(() => [sessionStorage['groupfs.token'] !== undefined, localStorage['groupfs.token'] !== undefined]), [false, true]);
await step('a reload signs in again, and catches up', async () => {
	let go;
	const held = new Promise((done) => { go = done; });
	await alice.route('**/api/groups', async (route) => { await held; await route.continue(); });
	await alice.reload();
	await alice.waitForSelector('body[data-link=catching-up]');
	is('which is said', await textOf(alice, 'link-text'), 'Catching up…');
	go();
	await live(alice);
	is('and its end', await textOf(alice, 'link-text'), 'Live');
	await alice.unroute('**/api/groups');
});
await shot(alice, '03-groups');

// A conversation --------------------------------------------------------------

await step('a group is jumped to by its name', async () => {
	await alice.keyboard.press('Control+k');
	await alice.keyboard.type('de');
	await shot(alice, '04-jump');
	await alice.keyboard.press('Enter');
	await synced(alice, 'dev');
});
await openGroup(bob, 'dev');
await step('what a shell appends is on both pages', async () => {
	append('dev', 'from the shell\n');
	await sees(alice, 'from the shell');
	await sees(bob, 'from the shell');
});
await step('Enter sends, Shift+Enter is a new line', async () => {
	await alice.focus('#text');
	await alice.keyboard.type('first line');
	await alice.keyboard.press('Shift+Enter');
	await alice.keyboard.type('second line');
	await alice.keyboard.press('Enter');
	await sees(bob, 'first line\nsecond line');
	await sees(alice, 'first line\nsecond line');
	is('and it is in the log', log('dev').at(-1).text, 'first line\\nsecond line');
	await until('nothing is pending', async () => await alice.locator('#pending .row').count() === 0);
});
await step('a time has its exact moment', async () => {
	const time = await alice.locator('#rows time').last().evaluate((t) => [t.title, t.textContent]);
	say(new RegExp(`^${log('dev').at(-1).time} `).test(time[0]) && /^\d\d:\d\d$/.test(time[1]), 'as RFC 3339', time);
});
await step('a name is completed', async () => {
	await openGroup(bob, 'crowd');
	await alice.fill('#text', '');
	await alice.keyboard.type('@b');
	await alice.waitForSelector('#names li');
	await alice.keyboard.press('Tab');
	is('by Tab', await alice.inputValue('#text'), '@bob ');
	await alice.keyboard.type('look at this');
	await alice.keyboard.press('Enter');
	await sees(alice, '@bob look at this');
});
await step('who is mentioned is told where he is', async () => {
	await until('a count', async () => /1 mention$/.test(await countOf(bob, 'dev')));
	say(/^\(\d+\) crowd/.test(await bob.title()), 'the title has what is unread', await bob.title());
	is('and the list of mentions', await textOf(bob, 'mentions-count'), '1');
	await bob.click('#mentions-link');
	await bob.waitForSelector('.mention');
	await shot(bob, '05-mentions');
	await bob.click('.mention');
	await synced(bob, 'dev');
	const row = bob.locator('.row.me-mentioned').last();
	is('the message is marked', await row.locator('.text').textContent(), '@bob look at this');
	await until('and read', async () => await bob.isHidden('#mentions-count'));
});
await step('of a crowd, only the names that fit are asked for', async () => {
	const asked = [];
	alice.on('request', (r) => { if (r.url().includes('/members')) asked.push(r.url()); });
	await openGroup(alice, 'crowd');
	await alice.focus('#text');
	await alice.keyboard.type('@u19');
	await until('names', async () => (await alice.locator('#names li').first().textContent()) === '@u1900');
	await shot(alice, '06-completion');
	await alice.keyboard.press('ArrowDown');
	await alice.keyboard.press('Enter');
	is('the second by an arrow', await alice.inputValue('#text'), '@u1901 ');
	say(asked.length > 0 && asked.every((url) => /limit=8/.test(url)), 'a few at a time', asked.join(' '));
	await alice.keyboard.type('@u0');
	await alice.waitForSelector('#names li');
	await alice.keyboard.press('Escape');
	is('Escape closes it', await alice.locator('#names').isHidden(), true);
	await alice.fill('#text', 'a draft');
	await openGroup(alice, 'dev');
	is('a draft stays in its group', await alice.inputValue('#text'), '');
	await openGroup(alice, 'crowd');
	is('where it is', await alice.inputValue('#text'), 'a draft');
	await alice.fill('#text', '');
	await openGroup(alice, 'dev');
});
await step('a reply is made by keys alone', async () => {
	await bob.focus('#text');
	await bob.keyboard.press('ArrowUp');
	await bob.keyboard.press('r');
	await bob.keyboard.type('I see it');
	await bob.keyboard.press('Enter');
	await sees(alice, 'I see it');
	const quote = alice.locator('#rows .row').last().locator('.quote');
	await until('its original', async () => (await quote.textContent()) === 'alice@bob look at this');
	await quote.click();
	await alice.waitForSelector('.row.flash');
	is('a click goes to the original', await alice.textContent('.row.flash .text'), '@bob look at this');
});

// Text is text ----------------------------------------------------------------

const EVIL = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script> &lt;b&gt; javascript:alert(1) "\'`';
await step('HTML is text', async () => {
	append('dev', `${EVIL}\n`);
	await sees(alice, EVIL);
	const row = alice.locator('#rows .row').last();
	is('nothing of it is an element', await row.locator('.text').evaluate((t) => t.children.length), 0);
	is('nothing ran', await alice.evaluate(() => window.pwned), undefined);
});
await step('what cannot be seen is shown', async () => {
	fs.writeFileSync(`${MOUNT}/dev/post`, 'a\u202egpj.exe\u202c b\u0007\u200b\u0085');
	await sees(alice, 'aU+202Egpj.exeU+202C bU+0007U+200BU+0085');
	is('as marks', await alice.locator('#rows .row').last().locator('.ctl').count(), 3);
});
await step('no message freezes the page, whatever is in it', async () => {
	for (const text of [`http://a${')'.repeat(60000)}`, '\u0001'.repeat(60000), 'a\u0001'.repeat(30000), '`a` '.repeat(15000), `@${'a'.repeat(60000)}`]) {
		fs.writeFileSync(`${MOUNT}/dev/post`, text);
	}
	append('dev', 'still here\n');
	await sees(alice, 'still here');
	const before = (await shown(alice)).length;
	const sizes = () => alice.$$eval('#rows .row', (rows) => rows.slice(-6).map((r) => r.querySelectorAll('*').length));
	say(Math.max(...await sizes()) < 2100, 'its rows are small', await sizes());
	await alice.evaluate(() => document.querySelectorAll('#rows .unfold').forEach((b) => b.click()));
	say(Math.max(...await sizes()) < 2100, 'unfolded, too', await sizes());
	is('all is there then', (await shown(alice)).at(-2)[1].length, 60001);
	is('the last of what cannot be seen is still shown', (await shown(alice)).at(-4)[1].slice(-7), 'aU+0001');
	is('no row is lost', (await shown(alice)).length, before);
});
await step('an address is a link, and no other', async () => {
	append('dev', 'see https://example.org/a?b=c#d, (http://x.test/y_(z)) javascript:alert(1) http://\n');
	await sees(alice, 'see https://example.org/a?b=c#d, (http://x.test/y_(z)) javascript:alert(1) http://');
	const found = await alice.locator('#rows .row').last().locator('a').evaluateAll((all) => all.map((a) => [a.href, a.rel, a.target]));
	is('which knows nothing of us', found, ['https://example.org/a?b=c#d', 'http://x.test/y_(z)'].map((url) => [url, 'noopener noreferrer', '_blank']));
});
await step('long words wrap, columns stay', async () => {
	append('dev', `${'x'.repeat(3000)}\n`);
	fs.writeFileSync(`${MOUNT}/dev/post`, 'Filesystem      Size  Used Avail Use% Mounted on\n/dev/nvme0n1p2  457G  211G  223G  49% /\n/dev/md0         11T  7.9T  2.6T  76% /srv\n');
	await alice.waitForSelector('.text.table');
	is('within the page', await alice.evaluate(() => document.getElementById('log').scrollWidth <= document.getElementById('log').clientWidth), true);
});

// Files -----------------------------------------------------------------------

await step('a picture is sent with words and shown', async () => {
	await alice.setInputFiles('#files', { name: 'graph.png', mimeType: 'image/png', buffer: png(400, 240, 40) });
	await alice.fill('#text', 'the last hour');
	await shot(alice, '07-tray');
	await alice.press('#text', 'Enter');
	for (const page of [alice, bob]) {
		await sees(page, 'the last hour');
		await until('it is shown', () => page.$eval('#rows .row:last-child .photo img', (i) => i.naturalWidth === 400 && i.src.startsWith('blob:')));
	}
	say(fs.readFileSync(`${MOUNT}/dev/media/graph.png`).equals(png(400, 240, 40)), 'the same bytes are in the mount');
});
await step('words of any length and of several lines go with a file', async () => {
	const words = `${'ü'.repeat(9000)}\nand a second line`;
	await alice.setInputFiles('#files', { name: 'words.txt', mimeType: 'text/plain', buffer: Buffer.from('\r\n--file\r\n') });
	await alice.fill('#text', words);
	await alice.press('#text', 'Enter');
	await until('they are stored', () => log('dev').some((m) => m.text.endsWith('and a second line') && m.text.includes(`${words.replace('\n', '\\n')}`)));
	is('with the bytes of the file', fs.readFileSync(`${MOUNT}/dev/media/words.txt`, 'utf8'), '\r\n--file\r\n');
	await until('nothing is pending', async () => await alice.locator('#pending .row').count() === 0);
});
await step('its name is taken: another is offered', () => expecting(/status of 409/, async () => {
	await alice.setInputFiles('#files', { name: 'graph.png', mimeType: 'image/png', buffer: png(300, 200, 200) });
	await alice.press('#text', 'Enter');
	await until('the sentence', async () => /graph.png is there already/.test(await textOf(alice, 'pending')));
	await shot(alice, '08-file-exists');
	await alice.click('text=Send as graph-2.png');
	await until('it is there', () => fs.existsSync(`${MOUNT}/dev/media/graph-2.png`));
	await until('nothing is pending', async () => await alice.locator('#pending .row').count() === 0);
}));
await step('a file is downloaded', async () => {
	fs.writeFileSync(`${process.env.T}/notes.bin`, Buffer.alloc(200000, 'groupfs'));
	fs.copyFileSync(`${process.env.T}/notes.bin`, `${MOUNT}/dev/media/notes.bin`);
	await bob.waitForSelector('text=notes.bin');
	const [download] = await Promise.all([bob.waitForEvent('download'), bob.click('button:has-text("notes.bin")')]);
	is('by its name', download.suggestedFilename(), 'notes.bin');
	say(fs.readFileSync(await download.path()).equals(fs.readFileSync(`${process.env.T}/notes.bin`)), 'with its bytes');
});
const giveFiles = (page, kind) => page.evaluate(([type, bytes]) => {
	const data = new DataTransfer();
	data.items.add(new File([new Uint8Array(bytes)], type === 'paste' ? 'image.png' : 'dropped.txt', { type: type === 'paste' ? 'image/png' : 'text/plain' }));
	const target = document.getElementById('text');
	target.dispatchEvent(type === 'paste' ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
		: new DragEvent('drop', { dataTransfer: data, bubbles: true, cancelable: true }));
}, [kind, [...(kind === 'paste' ? png(64, 48, 90) : Buffer.from('dropped'))]]);
await step('files are pasted and dropped', async () => {
	await giveFiles(bob, 'paste');
	await giveFiles(bob, 'drop');
	is('two wait', await bob.locator('#tray li').count(), 2);
	await bob.press('#text', 'Enter');
	await until('both are stored', () => {
		const names = fs.readdirSync(`${MOUNT}/dev/media`);
		return names.includes('dropped.txt') && names.some((n) => /^pasted-\d+\.png$/.test(n));
	});
	await until('and shown', () => alice.locator('#rows .row').last().locator('text=dropped.txt').count());
});
await alice.mouse.move(5, 5);
await shot(alice, '09-conversation');

// History ---------------------------------------------------------------------

await step('a log of 3,000 is scrolled back', async () => {
	await openGroup(bob, 'history');
	is('who has not read opens it where he is', (await shown(bob))[0], [1, 'line 1']);
	await bob.click('#newer');
	await until('it is at the end', async () => (await shown(bob)).at(-1)?.[0] === 3000);
	let rows = 0;
	let moved = 0;
	await until('the beginning', async () => {
		// Where the topmost message is before its elders come, and after.
		const jump = await bob.evaluate(() => new Promise((done) => {
			const list = document.getElementById('log');
			list.scrollTop = 300;
			const first = document.querySelector('#rows .row');
			const was = first.getBoundingClientRect().top;
			setTimeout(() => done(first.isConnected && document.querySelector('#rows .row') !== first ? Math.abs(first.getBoundingClientRect().top - was) : 0), 120);
		}));
		moved = Math.max(moved, jump);
		const now = await shown(bob);
		gapless(now);
		rows = Math.max(rows, now.length);
		return /This is the beginning/.test(await textOf(bob, 'older'));
	}, 40000);
	is('to its first message', (await shown(bob))[0], [1, 'line 1']);
	say(rows <= 400, 'with a bounded page', rows);
	// The first row loses its day, which stands above the new first one.
	say(moved <= 60, 'and what was in sight stays there', moved);
});
await step('and down again, to the end', async () => {
	await bob.evaluate(() => { const list = document.getElementById('log'); list.scrollTop = list.scrollHeight; });
	await until('newer ones come', async () => (await shown(bob)).at(-1)[0] > 400);
	gapless(await shown(bob));
	await shot(bob, '10-history');
	await bob.click('#newer');
	await until('the end', async () => (await shown(bob)).at(-1)[0] === 3000);
});
await step('what comes while one reads above does not move him', async () => {
	await until('all is read', async () => !/unread/.test(await countOf(bob, 'history')));
	await bob.evaluate(() => { document.getElementById('log').scrollTop = 1200; });
	await bob.waitForSelector('#newer:not([hidden])');
	const top = await bob.evaluate(() => document.getElementById('log').scrollTop);
	append('history', 'behind your back\n');
	await until('it is counted', async () => /^1 new/.test(await textOf(bob, 'newer')));
	is('he is where he was', await bob.evaluate(() => document.getElementById('log').scrollTop), top);
	say(/1 unread/.test(await countOf(bob, 'history')), 'it is not read', await countOf(bob, 'history'));
	await bob.click('#newer');
	await sees(bob, 'behind your back');
	await until('then it is', async () => !/unread/.test(await countOf(bob, 'history')));
	is('and a line was drawn before it', await bob.locator('.divider + .line0 .text').textContent(), 'behind your back');
});

await step('an answer that is ahead of the WebSocket costs no message', async () => {
	const info = '**/api/groups/history';
	await bob.route(info, async (route) => {
		const answer = await route.fetch();
		const body = await answer.json();
		await route.fulfill({ response: answer, json: { ...body, last_seq: body.last_seq + 1 } });
	});
	const asked = bob.waitForResponse(info);
	await panel(bob);
	await asked;
	await bob.unroute(info);
	append('history', 'told late\n');
	await sees(bob, 'told late');
	await bob.keyboard.press('Escape');
});

// Members and admins ----------------------------------------------------------

await step('an admin adds, promotes and demotes', async () => {
	await openGroup(bob, 'dev');
	await panel(alice);
	await alice.fill('#member-name', 'carol');
	await alice.press('#member-name', 'Enter');
	await alice.waitForSelector('#members li[data-user=carol]');
	await bob.waitForSelector('.notes:has-text("carol was added by alice")');
	await expecting(/status of 404/, async () => {
		await alice.fill('#member-name', 'nobody-here');
		await alice.press('#member-name', 'Enter');
		await until('the refusal', async () => /There is no user nobody-here/.test(await textOf(alice, 'panel-error')));
	});
	await alice.hover('#members li[data-user=carol]');
	await alice.click('button[aria-label="Promote carol"]');
	await until('an admin', async () => /admin$/.test(await alice.textContent('#members li[data-user=carol]')));
	await shot(alice, '11-members');
	await alice.hover('#members li[data-user=carol]');
	await alice.click('button[aria-label="Demote carol"]');
	await until('it is in the mount', () => /^carol member$/m.test(fs.readFileSync(`${MOUNT}/dev/members`, 'utf8')));
	await alice.click('#description-edit');
	await alice.fill('#description-text', 'What we build');
	await alice.click('#description-form .primary');
	await until('the description', async () => (await textOf(alice, 'room-about')) === 'What we build');
	is('in the mount, too', fs.readFileSync(`${MOUNT}/dev/description`, 'utf8').trim(), 'What we build');
});
await step('of 2,000 members, one is found by his name', async () => {
	await openGroup(alice, 'crowd');
	await panel(alice);
	await alice.fill('#member-find', 'u150');
	await until('ten', async () => await alice.locator('#members li').count() === 10);
	is('the first', await alice.locator('#members .name').first().textContent(), 'u1500');
	await alice.fill('#member-find', '');
	await until('pages', async () => await alice.locator('#members li').count() === 100);
	await alice.evaluate(() => { const p = document.getElementById('panel'); p.scrollTop = p.scrollHeight; });
	await until('the next page', async () => await alice.locator('#members li').count() === 200);
	await alice.keyboard.press('Escape');
	is('Escape closes it', await alice.isHidden('#panel'), true);
});
await step('a group is made, cannot lose its last admin, and is deleted', () => expecting(/status of 409/, async () => {
	await alice.click('#new-button');
	await alice.fill('#create-name', 'dev');
	await alice.press('#create-name', 'Enter');
	await until('it exists', async () => /exists already/.test(await textOf(alice, 'create-error')));
	await alice.fill('#create-name', 'fresh');
	await alice.fill('#create-about', 'new and short-lived');
	await alice.fill('#create-members', 'bob, carol');
	await shot(alice, '12-new-group');
	await alice.press('#create-members', 'Enter');
	await until('it is open', async () => (await textOf(alice, 'room-name')) === 'fresh/');
	await bob.waitForSelector('#groups a[href="#fresh"]');
	await panel(alice);
	await alice.click('#leave');
	await alice.click('#confirm-button');
	await until('the sentence', async () => /alice is the last admin and can neither leave/.test(await textOf(alice, 'confirm-error')));
	await alice.click('#confirm .closes');
	await alice.click('#delete');
	is('its name is asked for', await alice.isDisabled('#confirm-button'), true);
	await alice.fill('#confirm-name', 'fresh');
	await shot(alice, '13-delete');
	await alice.click('#confirm-button');
	await until('it is gone', async () => await bob.locator('#groups a[href="#fresh"]').count() === 0);
	say(/fresh was deleted/.test(await textOf(alice, 'gone-text')), 'and said so', await textOf(alice, 'gone-text'));
}));
await step('who is removed is told in words, and sees nothing more', async () => {
	await openGroup(alice, 'dev');
	await panel(alice);
	await alice.hover('#members li[data-user=bob]');
	await alice.click('button[aria-label="Remove bob"]');
	await alice.click('#confirm-button');
	await until('words', async () => /no longer a member of dev/.test(await textOf(bob, 'gone-text')));
	await shot(bob, '14-removed');
	is('the group is gone', await bob.locator('#groups a[href="#dev"]').count(), 0);
	append('dev', 'without bob\n');
	await sees(alice, 'without bob');
	is('he has none of it', await bob.locator('text=without bob').count(), 0);
	fs.appendFileSync(`${MOUNT}/dev/members`, 'bob\n');
	await bob.waitForSelector('#groups a[href="#dev"]');
	await openGroup(bob, 'dev');
	await sees(bob, 'without bob');
	await alice.keyboard.press('Escape');
});

// What breaks -----------------------------------------------------------------

/* Both pages have the end of the log as the mount has it. */
async function whole(group) {
	const wanted = log(group).map((m) => m.seq);
	for (const [name, page] of [['alice', alice], ['bob', bob]]) {
		await until(`${name} has all of ${group}`, async () => (await shown(page)).at(-1)[0] === wanted.at(-1));
		const seqs = (await shown(page)).map(([seq]) => seq);
		is(`${name} has each once and in order`, seqs, wanted.slice(-seqs.length));
	}
}
await step('the gateway is killed: both come back, with what was said meanwhile', () => expecting(AWAY, async () => {
	await ask('kill-gateway');
	await alice.waitForSelector('body[data-link=offline]', { state: 'attached' });
	append('dev', Array.from({ length: 20 }, (_, i) => `while away ${i}\n`).join(''));
	await live(alice);
	await live(bob);
	await whole('dev');
}));
await step('an answer is lost: it is sent again, and stored once', () => expecting(AWAY, async () => {
	await alice.evaluate(() => { window.deaf = true; });
	await write(alice, 'nobody answers');
	await until('it is stored', () => log('dev').some((m) => m.text === 'nobody answers'));
	await alice.evaluate(() => { window.resent = 0; const send = WebSocket.prototype.send; WebSocket.prototype.send = function (text) { if (/nobody answers/.test(text)) window.resent++; send.call(this, text); }; });
	await ask('kill-gateway');
	await alice.waitForSelector('body:not([data-link=live])', { state: 'attached' });
	await alice.evaluate(() => { window.deaf = false; });
	await live(alice);
	await until('nothing is pending', async () => await alice.locator('#pending .row').count() === 0);
	say(true, `(it was sent again ${await alice.evaluate(() => window.resent)} times)`);
	await whole('dev');
	is('it is there once', log('dev').filter((m) => m.text === 'nobody answers').length, 1);
}));
await step('the core is killed while alice writes', () => expecting(AWAY, async () => {
	const done = ask('kill-core');
	for (let i = 0; i < 25; i++) await write(alice, `burst ${i}`);
	await done;
	await until('nothing is pending', async () => await alice.locator('#pending .row').count() === 0, 30000);
	const burst = log('dev').filter((m) => m.text.startsWith('burst '));
	is('each is stored once, in order', burst.map((m) => m.text), Array.from({ length: 25 }, (_, i) => `burst ${i}`));
	await whole('dev');
}));
await step('groupd is stopped: the pages say so, and when they try again', () => expecting(AWAY, async () => {
	await ask('stop');
	await until('offline', async () => /^Offline.*\. Next try in \d+ s\.$/.test(`${await textOf(alice, 'notice-text')} ${await textOf(alice, 'notice-left')}`));
	is('the group, too', await textOf(alice, 'room-sync'), 'offline');
	await write(alice, 'written while away');
	await until('it is marked', async () => /written while away.*waits for the connection/.test(await textOf(alice, 'pending')));
	await shot(alice, '15-offline');
	await ask('start');
	await alice.click('#notice-retry').catch(() => { /* it was back already */ });
	await live(alice);
	await sees(alice, 'written while away');
	await live(bob);
	await sees(bob, 'written while away');
	await until('nothing is pending', async () => await alice.locator('#pending .row').count() === 0);
	is('it is stored once', log('dev').filter((m) => m.text === 'written while away').length, 1);
	await whole('dev');
}));
await step('a message that waits survives a reload', () => expecting(AWAY, async () => {
	await alice.evaluate(() => { WebSocket.prototype.send = () => {}; });
	await write(alice, 'over a reload');
	await until('it is pending', async () => /over a reload/.test(await textOf(alice, 'pending')));
	await alice.reload();
	await live(alice);
	await sees(alice, 'over a reload');
	await until('nothing is pending', async () => await alice.locator('#pending .row').count() === 0);
	is('and is stored once', log('dev').filter((m) => m.text === 'over a reload').length, 1);
}));
await step('what waited for days in a sleeping page is not sent by itself', () => expecting(AWAY, async () => {
	await ask('stop');
	await alice.waitForSelector('body[data-link=offline]', { state: 'attached' });
	await write(alice, 'of the day before yesterday');
	await alice.evaluate(() => { const now = Date.now; window.awake = () => { Date.now = now; }; Date.now = () => now() + 48 * 3600e3; });
	await ask('start');
	await alice.click('#retry').catch(() => { /* it was back already */ });
	await until('it is said', async () => /Not sent: It waited for too long.*Retry sends it as a new one/.test(await textOf(alice, 'pending')));
	await alice.click('#pending button:has-text("Retry")');
	await sees(alice, 'of the day before yesterday');
	await alice.evaluate(() => window.awake());
	await live(alice);
	await live(bob);
	await whole('dev');
	is('it is there once', log('dev').filter((m) => m.text === 'of the day before yesterday').length, 1);
}));
await step('what is refused is marked, and can be tried again', async () => {
	await write(alice, 'y'.repeat(70000));
	await until('the sentence', async () => /Not sent: The message is too large/.test(await textOf(alice, 'pending')));
	await shot(alice, '16-refused');
	await alice.click('#pending button:has-text("Retry")');
	await until('again', async () => /Not sent: The message is too large/.test(await textOf(alice, 'pending')));
	await alice.click('#pending button:has-text("Discard")');
	is('or given up', await alice.locator('#pending .row').count(), 0);
});
await step('what was read is told again, if that was lost', async () => {
	await bob.evaluate(() => { const send = WebSocket.prototype.send; window.heal = () => { WebSocket.prototype.send = send; }; WebSocket.prototype.send = function (text) { if (!/"type":"read"/.test(text)) send.call(this, text); }; });
	append('dev', 'read, but nobody was told\n');
	await sees(bob, 'read, but nobody was told');
	await until('it is read here', async () => !/unread/.test(await countOf(bob, 'dev')));
	const unread = () => bob.evaluate(async () => (await (await fetch('api/groups/dev', { headers: { Authorization: `Bearer ${localStorage['groupfs.token']}` } })).json()).unread);
	is('groupd knows nothing of it', await unread(), 1);
	await bob.evaluate(() => { window.heal(); window.dispatchEvent(new Event('offline')); });
	await until('now it does', async () => await unread() === 0);
	await live(bob);
});
await step('a page whose timers are late asks before it gives up', () => expecting(AWAY, async () => {
	// The clock goes on by so much, and the page looks.
	const later = (seconds) => alice.evaluate((ms) => {
		const now = Date.now;
		Date.now = () => now() + ms;
		document.dispatchEvent(new Event('visibilitychange'));
		return document.body.dataset.link;
	}, seconds * 1000);
	const heard = await alice.evaluate(() => window.heard);
	is('after an hour it is still live', await later(3600), 'live');
	await until('it has its answer', () => alice.evaluate((before) => window.heard > before, heard));
	is('and goes on to be', await later(11), 'live');
	await alice.evaluate(() => { window.deaf = true; });
	is('without one', await later(3600), 'live');
	is('it is not', await later(11), 'offline');
	await alice.evaluate(() => { window.deaf = false; });
	await live(alice);
}));
await step('a log that was restored is shown anew', () => expecting(/ERR_|WebSocket|status of (503|410)/, async () => {
	await ask('other-epoch');
	await until('it is said', async () => /was restored/.test(await textOf(alice, 'toasts')), 20000);
	await synced(alice, 'dev');
	await whole('dev');
	await write(alice, 'in the new log');
	await sees(bob, 'in the new log');
}));

// Looks -----------------------------------------------------------------------

await step('dark, and the keys', async () => {
	await alice.emulateMedia({ colorScheme: 'dark' });
	await alice.evaluate(() => { document.getElementById('log').scrollTop -= 900; });
	await shot(alice, '17-dark');
	await alice.evaluate(() => document.activeElement.blur());
	await alice.keyboard.press('?');
	await shot(alice, '18-keys-dark');
	await alice.keyboard.press('Escape');
	await alice.emulateMedia({ colorScheme: 'light' });
});
await step('a phone shows one pane at a time', async () => {
	const phone = await person('phone', { viewport: { width: 360, height: 720 }, colorScheme: 'dark', hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
	await shot(phone, '19-phone-sign-in');
	await signIn(phone, 'carol');
	is('the list', [await phone.isVisible('#side'), await phone.isVisible('#room')], [true, false]);
	await shot(phone, '20-phone-groups');
	await phone.tap('#groups a[href="#dev"]');
	await synced(phone, 'dev');
	is('or the messages', [await phone.isVisible('#side'), await phone.isVisible('#room')], [false, true]);
	await phone.waitForTimeout(300);
	await shot(phone, '21-phone-messages');
	is('nothing is wider than the screen', await phone.evaluate(() => document.documentElement.scrollWidth), 360);
	await phone.tap('#panel-button');
	await phone.waitForSelector('#members li');
	await shot(phone, '22-phone-members');
	await phone.tap('#panel-close');
	await phone.tap('#chat .to-list');
	await until('and back', async () => await phone.isVisible('#side') && !await phone.isVisible('#room'));
	await phone.context().close();
});

// By keys alone ---------------------------------------------------------------

await step('a person without a mouse', async () => {
	const carol = await person('carol');
	const keys = carol.keyboard;
	await keys.type(token('carol'));
	await keys.press('Enter');
	await live(carol);
	await keys.press('/');
	await keys.type('dev');
	await keys.press('Enter');
	await synced(carol, 'dev');
	await until('the line has the focus', () => carol.evaluate(() => document.activeElement.id === 'text'));
	await keys.type('no mouse');
	await keys.press('Enter');
	await sees(bob, 'no mouse');
	const order = [];
	for (const key of ['Tab', 'Shift+Tab', 'Shift+Tab', 'Shift+Tab', 'Shift+Tab']) {
		await keys.press(key);
		order.push(await carol.evaluate(() => document.activeElement.id));
	}
	is('Tab goes through what there is', order, ['send', 'text', 'attach', 'log', 'panel-button']);
	await carol.focus('#text');
	await keys.press('Alt+ArrowDown');
	await until('another group', async () => !['dev/', ''].includes(await textOf(carol, 'room-name')));
	const focus = await carol.evaluate(() => getComputedStyle(document.activeElement.closest('.line')).borderColor);
	say(focus !== 'rgb(226, 222, 212)', 'the focus is seen', focus);
	await until('what is new is read out', () => carol.evaluate(() => document.querySelector('#log[role=log][aria-live=polite]') !== null));
	await carol.context().close();
});

// One tab, two people ---------------------------------------------------------

await step('who comes after another sees and sends nothing of his', async () => {
	const tab = await person('tab');
	const as = async (name, run) => {
		await tab.evaluate(run, token(name));
		await tab.reload();
		await until(`${name} is there`, async () => (await textOf(tab, 'me')) === name);
		await live(tab);
	};
	await signIn(tab, 'carol', true);
	await as('alice', (t) => { sessionStorage['groupfs.token'] = t; });
	await openGroup(tab, 'dev');
	await tab.fill('#text', 'a draft of alice');
	await as('carol', () => {
		sessionStorage.removeItem('groupfs.token');
		sessionStorage['groupfs.outbox'] = JSON.stringify([{ client_id: 'left-by-alice', group: 'dev', content: 'left by alice', at: Date.now(), state: 'waits', why: '', until: 0 }]);
	});
	await openGroup(tab, 'dev');
	is('no draft', await tab.inputValue('#text'), '');
	await write(tab, 'by carol herself');
	await until('it is stored', () => log('dev').some((m) => m.text === 'by carol herself'));
	is('no message', log('dev').filter((m) => m.text === 'left by alice').length, 0);
	await as('alice', (t) => { sessionStorage['groupfs.token'] = t; });
	await tab.click('#signout');
	await until('who stays signed in is not signed out by him', async () => (await textOf(tab, 'me')) === 'carol');
	await live(tab);
	await tab.context().close();
});

// The end ---------------------------------------------------------------------

await step('a revoked token is said to be one', () => expecting(/WebSocket|status of 401/, async () => {
	await bob.evaluate(() => { WebSocket.prototype.send = () => {}; });
	await write(bob, 'too late');
	await ask('revoke-bob');
	await until('words', async () => /signed out: the token was revoked.* 1 message was not sent/.test(await textOf(bob, 'signin-error')));
	await shot(bob, '23-revoked');
	is('and forgotten', await bob.evaluate(() => [localStorage.length, sessionStorage.length]), [0, 0]);
}));
await step('signing out forgets all', async () => {
	await alice.fill('#text', 'a draft');
	await alice.click('#signout');
	await alice.waitForSelector('#signin:not([hidden])');
	is('token and drafts', await alice.evaluate(() => [localStorage.length, sessionStorage.length, location.hash, document.title]), [0, 0, '', 'groupfs']);
	is('the page is as at first', await alice.url(), URL0);
});
await end();
