#!/bin/sh
# SPDX-License-Identifier: MIT
# Who is removed reads and writes nothing any more: not by a descriptor that
# was open, not in live, not on a WebSocket.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
mkdir -m 777 "$T/bob"
ok "alice makes a group with bob" as_user gfs-alice \
	'mkdir "$M/dev" && echo +gfs-bob >> "$M/dev/members" &&
	echo before >> "$M/dev/messages"'
TOKEN=$(token gfs-bob)
export TOKEN URL

cat >"$T/holder.sh" <<'END'
exec 3<"$M/dev/messages" 4>>"$M/dev/messages" 5>"$M/dev/post"
read -r line <&3 && echo "read $line" > "$1/first"
until [ -e "$1/go" ]; do sleep 0.05; done
head -c 1 <&3 2> "$1/read"; echo "rc $?" >> "$1/read"
(echo after >&4) 2> "$1/write"; echo "rc $?" >> "$1/write"
stat -L /proc/self/fd/3 > "$1/stat" 2>&1; echo "rc $?" >> "$1/stat"
echo posted >&5
exec 5>&-
touch "$1/done"
END
as_user gfs-bob "sh '$T/holder.sh' '$T/bob'" &
ours $!
# What live gives comes at once, so the file tells when it blocks.
(
	as_user gfs-bob "exec cat '$M/dev/live'" \
		>"$T/live" 2>"$T/live.err"
	echo "rc $?" >>"$T/live.err"
) &
live=$!
ours $live
as_user gfs-bob "$PY '$HERE/peer.py' follow dev" >"$T/ws" 2>"$T/ws.err" &
ours $!
ok "bob's descriptor reads" wait_for 10 test -s "$T/bob/first"
ok "bob's live reads" wait_for 10 grep -q before "$T/live"
ok "bob's WebSocket reads" wait_for 10 grep -q '"live"' "$T/ws.err"
is "and has the message" "$(wc -l <"$T/ws")" 1

ok "alice removes bob" as_user gfs-alice 'echo -gfs-bob >> "$M/dev/members"'
ok "alice goes on" as_user gfs-alice 'echo secret >> "$M/dev/messages"'
touch "$T/bob/go"
ok "bob's live ends" wait_gone 5 $live
like "with EACCES" "$(cat "$T/live.err")" 'Permission denied'
ok "bob's descriptors come back" wait_for 10 test -e "$T/bob/done"
like "reading is EACCES" "$(cat "$T/bob/read")" 'Permission denied'
like "and fails" "$(cat "$T/bob/read")" 'rc 1'
like "writing fails" "$(cat "$T/bob/write")" 'rc [12]'
like "a size is not told" "$(cat "$T/bob/stat")" 'rc 1'
ok "the WebSocket is told" wait_for 5 grep -q '"removed"' "$T/ws.err"

# A later message has arrived where it may: so those before it have, too.
ok "alice writes once more" as_user gfs-alice 'echo last >> "$M/dev/messages"'
is "the log has alice's messages only" \
	"$(as_user gfs-alice 'cut -f3- "$M/dev/messages"')" "gfs-alice	before
gfs-alice	secret
gfs-alice	last"
is "live had nothing of it" "$(grep -cE 'secret|last' "$T/live")" 0
is "the WebSocket had nothing of it" "$(grep -cE 'secret|last' "$T/ws")" 0
is "bob's folder is empty" "$(as_user gfs-bob 'ls "$M"')" ""
fails "bob cannot open it again" as_user gfs-bob 'cat "$M/dev/messages"'
like "it does not exist for him" "$(cat "$T/ok.out")" 'No such file'
is "REST neither" \
	"$(rest_status GET '/api/groups/dev/messages?after_seq=0')" 404
is "nor may he send" "$(rest_status POST /api/groups/dev/messages \
	-H 'Content-Type: application/json' -d '{"content":"x"}')" 404
done_testing
