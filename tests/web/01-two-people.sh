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
# shellcheck source=tests/web/browser.sh
. "$TOP/tests/web/browser.sh"
need_browser npm-web

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
		store_sql \
			"UPDATE groups SET epoch = epoch + 1 WHERE name = 'dev'"
		start_groupd
		;;
	esac
}
talk two-people.mjs
done_testing
