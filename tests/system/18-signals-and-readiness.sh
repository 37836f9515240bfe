#!/bin/sh
# SPDX-License-Identifier: MIT
# groupd says when it is ready and when it stops; SIGHUP reads the
# configuration again, and keeps the old one where the new one is wrong.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
$PY "$HERE/notified.py" "$T/notify" >"$T/told" 2>"$T/notified.log" &
ours $!
wait_for 10 test -S "$T/notify"
echo 'max_message_bytes = 2000' >"$T/groupd.conf"
NOTIFY_SOCKET=$T/notify start_groupd -c "$T/groupd.conf"
mount_fs
mkdir "$M/dev"
ok "it says that it is ready" wait_for 10 grep -q '^READY=1' "$T/told"

read_again() {
	[ "$(grep -c 'configuration' "$T/groupd.log")" -gt "$1" ]
}
hup() {
	before=$(grep -c 'configuration' "$T/groupd.log")
	kill -HUP "$GROUPD"
	wait_for 10 read_again "$before"
}

TOKEN=$(token "$ME")
accepts() {
	[ "$(send_rest dev "$(head -c "$1" /dev/zero | tr '\0' x)" |
		tail -n 1)" = 201 ]
}
ok "2,000 bytes are a message" accepts 2000
fails "2,001 are not" accepts 2001
echo 'max_message_bytes = 1000' >"$T/groupd.conf"
ok "SIGHUP is heard" hup
ok "1,000 bytes still are a message" accepts 1000
fails "1,001 are none any more" accepts 1001
printf 'max_message_bytes = 1500\nnonsense = 1\n' >"$T/groupd.conf"
ok "SIGHUP with a wrong file is heard" hup
like "the line is named" "$(tail -n 3 "$T/groupd.log")" 'groupd.conf:2'
ok "what held goes on" accepts 1000
fails "and nothing of the wrong file does" accepts 1001
ok "SIGTERM ends it" stop_groupd
ok "and it says so before" wait_for 10 grep -q '^STOPPING=1' "$T/told"
GROUPD=
done_testing
