#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 300
# kill -9 of groupd in the middle of writers, 50 times: what was acknowledged
# is there once, nothing is there twice, and no reader notices.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
kills=50
[ "$LOAD" = small ] && kills=10
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
STOP=$T/stop
export TOKEN URL STOP

tail -n +1 -s 0.1 -f "$M/dev/messages" >"$T/tail" 2>"$T/tail.err" &
tail=$!
ours $tail
cat "$M/dev/live" >"$T/live" 2>"$T/live.err" &
live=$!
ours $live
ok "cat live blocks" wait_for 10 reads_file $live "$M/dev/live"
$PY "$HERE/peer.py" follow dev 0 >"$T/ws" 2>"$T/ws.err" &
ws=$!
ours $ws
ok "the WebSocket is live" wait_for 10 grep -q '"live"' "$T/ws.err"

# The ledger: a line is written once its send was acknowledged. A shell's
# send that fails was perhaps stored: it is not sent again.
writers=
for w in 1 2 3; do
	(i=0
	while [ ! -e "$STOP" ]; do
		i=$((i + 1))
		echo "sh-$w-$i" >>"$M/dev/messages" && echo "sh-$w-$i"
	done >"$T/acked-sh-$w" 2>"$T/errors-sh-$w") &
	writers="$writers $!"
	ours $!
done
for w in 1 2; do
	seq 200000 | sed "s/^/rest-$w-/" |
		$PY "$HERE/peer.py" send-rest dev rest-$w >"$T/acked-rest-$w" &
	writers="$writers $!"
	ours $!
	seq 200000 | sed "s/^/ws-$w-/" |
		$PY "$HERE/peer.py" send-ws dev ws-$w >"$T/acked-ws-$w" &
	writers="$writers $!"
	ours $!
done

acked() {
	cat "$T"/acked-* | wc -l
}

more_acked_than() {
	[ "$(acked)" -gt "$1" ]
}

round=0
stuck=0
while [ $round -lt $kills ]; do
	round=$((round + 1))
	before=$(acked)
	wait_for 20 more_acked_than $((before + 5)) || stuck=$((stuck + 1))
	sleep "0.0$(awk "BEGIN { srand($round); print int(rand() * 90) + 10 }")"
	kill9_groupd
	start_groupd
done
is "between all kills messages were acknowledged" $stuck 0
before=$(acked)
ok "and after the last" wait_for 20 more_acked_than "$before"
touch "$STOP"
for pid in $writers; do
	ok "a writer ends well" wait "$pid"
done

cp "$M/dev/messages" "$T/log"
n=$(wc -l <"$T/log")
diag "$kills kills, $n messages, $(acked) acknowledged," \
	"$(cat "$T"/errors-* | wc -l) shell errors"
cut -f1 "$T/log" >"$T/seqs"
seq 1 "$n" >"$T/wanted"
same "seq has no gap" "$T/seqs" "$T/wanted"
cut -f4 "$T/log" | sort >"$T/texts"
is "nothing is there twice" "$(uniq -d "$T/texts")" ""
cut -f1 -s "$T"/acked-rest-* "$T"/acked-ws-* >"$T/acked"
cat "$T"/acked-sh-* >>"$T/acked"
sort "$T/acked" >"$T/acked.sorted"
is "nothing acknowledged is lost" \
	"$(comm -23 "$T/acked.sorted" "$T/texts" | head -n 5)" ""
ok "many were acknowledged" test "$(acked)" -gt $((kills * 5))
awk -F'\t' '{ print $4 "\t" $1 }' "$T/log" | sort >"$T/stands"
sort "$T"/acked-rest-* "$T"/acked-ws-* >"$T/told"
is "each stands where its sender was told" \
	"$(comm -23 "$T/told" "$T/stands" | head -n 5)" ""

cut -f1,3- "$T/log" | $PY "$HERE/peer.py" canon >"$T/canon"
for reader in tail live ws; do
	ok "$reader gets all" wait_for 20 lines_at_least "$T/$reader" "$n"
done
for pid in $tail $live $ws; do
	ok "the reader is the same process as before" kill -0 "$pid"
done
kill $tail $live $ws
same "tail -f read every message once" "$T/tail" "$T/log"
same "live did" "$T/live" "$T/log"
same "the one WebSocket connection did" "$T/ws" "$T/canon"
ok "verify finds nothing wrong" ctl verify
done_testing
