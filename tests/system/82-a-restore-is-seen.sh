#!/bin/sh
# SPDX-License-Identifier: MIT
# Over a restore of another store, in which the same numbers are other groups:
# nobody reads or writes what he did not ask for. What was open is stale, a
# WebSocket that resumes is told epoch_changed, a gateway that outlived groupd
# leaves, and who comes anew sees the restored store.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# fill LETTER GROUP...: groups in this order, each with lines of its own.
fill() {
	letter=$1
	shift
	for g in "$@"; do
		mkdir "$M/$g"
		seq 1 200 | sed "s/^/$letter-$g-/" >>"$M/$g/messages"
		echo "$letter-$g-file" >"$M/$g/media/old"
	done
}

start_groupd
mount_fs
fill B ops dev
TOKEN=$(token "$ME")
ok "a backup is made" ctl backup "$T/b.tar"
cp "$M/dev/messages" "$T/b-dev"
kill "$GROUPFS"
wait "$GROUPFS"
stop_groupd

rm -rf "$T/data"
start_groupd
mount_fs
fill A dev ops
OLD_TOKEN=$(token "$ME")
GO=$T/go
STOP=$T/stop
export M GO STOP URL
epoch_of() {
	rest GET "/api/groups/$1" | head -n 1 | jq -r .epoch
}
tail -n +1 -s 0.1 -f "$M/dev/messages" >"$T/tail" 2>"$T/tail.err" &
tail=$!
ours $tail
tail -n +1 -s 0.1 -F "$M/dev/messages" >"$T/tailF" 2>/dev/null &
follow=$!
ours $follow
cat "$M/dev/live" >"$T/live" 2>"$T/live.err" &
live=$!
ours $live
cat "$M/.me/live" >"$T/melive" 2>"$T/melive.err" &
melive=$!
ours $melive
$PY "$HERE/stale.py" dev ops >"$T/stale" 2>"$T/stale.err" &
stale=$!
ours $stale
ok "files are open" wait_for 10 grep -q ready "$T/stale"
ok "cat live blocks" wait_for 10 reads_file $live "$M/dev/live"
ok ".me/live too" wait_for 10 reads_file $melive "$M/.me/live"
export TOKEN
TOKEN=$OLD_TOKEN
epoch=$(epoch_of dev)
$PY "$HERE/resume.py" dev "$epoch" "$TOKEN" >"$T/ws" 2>"$T/ws.err" &
ws=$!
ours $ws
ok "a WebSocket is live" wait_for 10 grep -q live "$T/ws"
echo "A-dev-last" >>"$M/dev/messages"
ok "all have the last line" wait_for 10 grep -q A-dev-last "$T/live"
ok "tail, too" wait_for 10 grep -q A-dev-last "$T/tail"
fds=$(ls "/proc/$GROUPD/fd" | wc -l)
pid=$GROUPD
ok "the backup of another store is restored" ctl restore --yes "$T/b.tar"
is "by the same process" "$(readlink "/proc/$pid/exe")" "$BUILD/groupd"
ok "which leaks no descriptor" test "$(ls "/proc/$pid/fd" | wc -l)" -le $((fds + 4))
touch "$GO"
ok "who holds files comes to an end" wait_for 20 is_ended $stale
wait $stale
is "well" "$? $(cat "$T/stale.err")" "0 "
grep -v ready "$T/stale" >"$T/results"
results "$T/results"

ok "cat live ends" wait_for 10 is_ended $live
like "and says why" "$(cat "$T/live.err")" 'Stale file handle'
ok "cat .me/live ends" wait_for 10 is_ended $melive
like "and says why" "$(cat "$T/melive.err")" 'Stale file handle'
kill $tail 2>/dev/null
follows() {
	[ "$(tail -n 201 "$T/tailF" | cmp - "$T/b-dev" 2>&1)" = "" ]
}
ok "tail -F goes on with the restored log" wait_for 10 follows
kill $follow
for f in tail live melive; do
	is "$f showed nothing of the other store" "$(grep -c 'B-' "$T/$f")" 0
done
same "a new reader sees the restored log" "$M/dev/messages" "$T/b-dev"
is "and the mount has said so" \
	"$(grep -c 'restored a backup' "$T/groupfs.log")" 1
is "nothing was stored by what was open" \
	"$(grep -hc -e whom -e half "$M/dev/messages" "$M/ops/messages" | xargs)" "0 0"

# The token of before is not known, the backup's is.
is "a token made since the backup is gone" "$(rest_status GET /api/groups)" 401
TOKEN=$(token "$ME")
is "the epoch is another one" "$([ "$(epoch_of dev)" != "$epoch" ] && echo yes)" yes
is "REST with the old one is refused" \
	"$(rest_status GET "/api/groups/dev/messages?after_seq=5&epoch=$epoch")" 410
echo "$TOKEN" >"$T/token"
mv "$T/token" "$STOP"
ok "the WebSocket's client comes to an end" wait_for 20 is_ended $ws
is "told epoch_changed, with where to begin" "$(tail -n 1 "$T/ws")" \
	"epoch_changed 1 $(epoch_of dev)"
is "and by no other frame without" "$(grep -c '^error' "$T/ws")" 0
is "after nothing of the other store" "$(grep -c 'B-' "$T/ws")" 0

# A gateway that lives on, since groupd is killed just when all is ready.
gateway=$(gateways | head -n 1)
watch_for "$T/data/restore.ready"
ctl restore --yes "$T/b.tar" >/dev/null 2>&1 &
restore=$!
ok "groupd is killed when a restore is ready" is_killed
start_groupd
ok "it is done by the next groupd" wait $restore
ok "a gateway of before is replaced" wait_for 20 is_ended "$gateway"
healthy() {
	[ "$(rest_status GET /healthz)" = 200 ]
}
ok "by one that answers" wait_for 20 healthy

# Who waits meanwhile: here, for a groupd that was killed, and comes with
# another store.
TOKEN=$(token "$ME")
is "REST reads" "$(rest_status GET /api/groups/dev/messages)" 200
kill -9 "$GROUPD"
wait "$GROUPD" 2>/dev/null
mv "$T/data" "$T/data.old"
rest GET '/api/groups/dev/messages?after_seq=5' >"$T/waits" &
waits=$!
ours $waits
asked() {
	ss -Htn state established "dport = :${URL##*:}" | grep -q .
}
ok "somebody asks while groupd is away" wait_for 10 asked
start_groupd
wait $waits
is "and is to come again, since nobody knows where to begin" \
	"$(tail -n 1 "$T/waits") $(head -n 1 "$T/waits" | jq -r .code)" \
	"503 unavailable"
done_testing
