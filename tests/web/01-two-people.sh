#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 240
# Two people talk on the page, each in a browser of his own, while a shell
# writes through the mount: sent, received, mentioned, replied to; files up and
# down; a log of thousands scrolled back; members and admins; somebody removed;
# gateways and core killed, groupd away and back, each message there once and in
# order; a token revoked; a log restored; all by the keyboard, too. What is
# written is shown as text, whatever it is, and the browser complains of
# nothing. The pictures of it are in $GROUPFS_TEST_SHOTS, if that is set.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../system/lib.sh"
[ "$LOAD" = full ] || skip_all "the page is the same with sanitizers"
PACKAGE=playwright-core
VERSION=1.65.1
# Its own folder: two npm at work in one lose what the other brings.
NPM=$TOP/build/npm-web
SHOTS=${GROUPFS_TEST_SHOTS:-$T/shots}
DO=$T/do
export NPM SHOTS DO M T

for program in chromium npm node; do
	command -v $program >/dev/null || skip_all "$program is not here"
done
mkdir -p "$SHOTS"
ok "npm has $PACKAGE $VERSION" npm install --prefix "$NPM" --no-audit \
	--no-fund --prefer-offline "$PACKAGE@$VERSION"

start_groupd
mount_fs
export URL
ok "there are users" sh -c "{ printf '%s\n' alice bob carol dave
	seq -f 'u%04.0f' 0 1999; } |
	'$BUILD/groupctl' --socket '$SOCKET' user add -"
for name in alice bob carol; do
	token "$name" >"$T/token.$name"
done
mkdir "$M/dev" "$M/history" "$M/crowd"
ok "there are members" sh -c "printf 'alice admin\nbob\n' >'$M/dev/members'
	printf 'alice\nbob\ncarol\n' >'$M/history/members'
	{ echo alice; echo bob; seq -f 'u%04.0f' 0 1999; } >'$M/crowd/members'"
ok "there is a history" sh -c "seq -f 'line %.0f' 3000 >>'$M/history/messages'"
ok "and what was said" sh -c "printf '%s\n' 'good morning' 'who is in?' \
	>>'$M/dev/messages'"

# What the browsers' side asks for: a word in $DO, which goes when it is done.
serve() {
	case $1 in
	kill-core)
		kill9_groupd
		start_groupd
		;;
	kill-gateway)
		for _pid in $(gateways); do kill -KILL "$_pid"; done
		;;
	stop) stop_groupd ;;
	start) start_groupd ;;
	revoke-bob) ctl token list bob | awk 'NR > 1 || /^[0-9]/ { print $1 }' |
		grep -E '^[0-9]+$' | while read -r id; do ctl token revoke "$id"; done ;;
	other-epoch)
		stop_groupd
		sqlite3 "$T/data/groupd.db" \
			"UPDATE groups SET epoch = epoch + 1 WHERE name = 'dev'"
		start_groupd
		;;
	esac
}
node "$TOP/tests/web/two-people.mjs" >"$T/rows" 2>"$T/browser.log" &
ours $!
browsers=$!
until is_ended $browsers; do
	[ ! -e "$DO" ] || {
		serve "$(cat "$DO")" 2>>"$T/serve.log"
		rm "$DO"
	}
	sleep 0.05
done
wait $browsers
is "the conversation came to its end" $? 0
results "$T/rows"
done_testing
