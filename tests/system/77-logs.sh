#!/bin/sh
# SPDX-License-Identifier: MIT
# What strangers and members say does not come into a log: no token, no
# content, no line that is forged, no control character; and no log, full,
# closed or not read, stops the service.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ -z "${GROUPFS_TEST_CLUSTER:-}" ] || skip_all "once is enough"
conf=$T/groupd.conf
esc=$(printf '\033')
echo "rate_messages_per_second = 0" >"$conf"
start_groupd -c "$conf" -v
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
SECRET=the-content-of-$$-is-nobodys
export TOKEN SECRET
$PY "$HERE/logged.py" "${LISTEN%:*}" "${LISTEN##*:}" "$SOCKET" "$M" \
	>"$T/logged" 2>&1
is "all of it is said" "$?$(cat "$T/logged")" 0
ok "some of it is a message" grep -q "$SECRET" "$M/dev/messages"
ctl token create "${esc}[2J$SECRET" >/dev/null 2>&1
ctl user add "${esc}[2J" >/dev/null 2>&1

# What an administrator writes may be shown, and is escaped.
kept() {
	[ "$(grep -c 'kept the old configuration' "$T/groupd.log")" -ge "$1" ]
}
n=0
for line in "${esc}[2J = 1" "bus = redis://u:$SECRET@${esc}[2J" \
	"tls_cert = /${esc}[2J" "trusted_users = ${esc}[2J" "max_message_bytes = $esc"; do
	n=$((n + 1))
	echo "$line" >"$conf"
	kill -HUP "$GROUPD"
	wait_for 5 kept $n
done
"$BUILD/groupd" --check -c "$T/${esc}[2J
groupd: error: forged" 2>>"$T/groupd.log"
"$BUILD/groupd" --data "$T/data" --store "${esc}[2J" 2>>"$T/groupd.log"
kill9_groupd
: >"$conf"
start_groupd -c "$conf" -v
rest_answers() {
	[ "$(rest_status GET /api/groups)" = 200 ]
}
ok "REST goes on" wait_for 20 rest_answers

grep -h . "$T/groupd.log" "$T/groupfs.log" >"$T/all.log"
ok "something of it is in the log, escaped" grep -qF '\x1b[2J' "$T/all.log"
ok "no token is in it" sh -c "! grep -F '$TOKEN' '$T/all.log'"
ok "nor what was said" sh -c "! grep -F '$SECRET' '$T/all.log'"
ok "nor a control character, nor what is no UTF-8" sh -c \
	"! LC_ALL=C.UTF-8 grep -naP '[\\x00-\\x09\\x0b-\\x1f\\x7f]' '$T/all.log' &&
	iconv -f UTF-8 -t UTF-8 '$T/all.log' >'$T/utf8'"
is "each line is one of ours" "$(grep -vE \
	'^(groupd|groupd-gateway|groupfs): (debug|info|warning|error): ' \
	"$T/all.log" | head -n 5)" ""
is "and none is forged" "$(grep -E '^groupd: error: forged' "$T/all.log")" ""

# Logs that take nothing.
works() {
	wait_for 20 rest_answers && echo "$1" >>"$M/dev/messages" &&
		grep -q "$1" "$M/dev/messages"
}
unlogged() {
	"$BUILD/groupd" --data "$T/data" --socket "$SOCKET" --listen "$LISTEN" \
		-v &
	GROUPD=$!
	ours $GROUPD
}
stop_groupd
unlogged 2>/dev/full
ok "where the disk of the log is full, all goes on" works full
stop_groupd
unlogged 2>&-
ok "where stderr is closed too" works closed
is "and no connection has its number" "$(readlink "/proc/$GROUPD/fd/2")" \
	/dev/null
stop_groupd
mkfifo "$T/pipe"
# shellcheck disable=SC2217 # it keeps the other end open, and does not read
sleep 1000 <"$T/pipe" &
reader=$!
ours $reader
exec 9>"$T/pipe"
# To the last byte.
dd if=/dev/zero of="$T/pipe" bs=1024 count=1024 oflag=nonblock 2>/dev/null
unlogged 2>&9
ok "where nobody reads the pipe as well" works pipe
stop_groupd
exec 9>&-
GROUPD=
done_testing
