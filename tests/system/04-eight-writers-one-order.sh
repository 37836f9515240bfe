#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# Shell loops, REST and WebSocket write at once; tail -f, live, cat, REST and
# WebSocket read one and the same order.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
export TOKEN URL
each=100
[ "$LOAD" = small ] && each=25
n=$((each * 8))

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

writers=
for w in 1 2; do
	(for i in $(seq $each); do
		echo "open-$w $i" >>"$M/dev/messages" || exit 1
	done) &
	writers="$writers $!"
	(for i in $(seq $each); do
		echo "held-$w $i" || exit 1
	done >>"$M/dev/messages") &
	writers="$writers $!"
	seq $each | sed "s/^/rest-$w /" |
		$PY "$HERE/peer.py" send-rest dev rest-$w >"$T/rest-$w" &
	writers="$writers $!"
	seq $each | sed "s/^/ws-$w /" |
		$PY "$HERE/peer.py" send-ws dev ws-$w >"$T/ws-$w" &
	writers="$writers $!"
done
for pid in $writers; do
	ok "a writer succeeds" wait "$pid"
done

cp "$M/dev/messages" "$T/log"
is "each message is there" "$(wc -l <"$T/log")" $n
cut -f1 "$T/log" >"$T/seqs"
seq 1 $n >"$T/wanted"
same "seq has no gap" "$T/seqs" "$T/wanted"
for w in open-1 open-2 held-1 held-2 rest-1 rest-2 ws-1 ws-2; do
	cut -f4 "$T/log" | grep "^$w " >"$T/mine"
	seq $each | sed "s/^/$w /" >"$T/wanted"
	same "the messages of $w are in its order, each once" \
		"$T/mine" "$T/wanted"
done
# What a sender was told is where it stands.
cat "$T"/rest-[12] "$T"/ws-[12] | sort >"$T/told"
awk -F'\t' '$4 ~ /^(rest|ws)-/ { t = $4; sub(" ", "-", t); print t "\t" $1 }' \
	"$T/log" | sort >"$T/stands"
same "the acknowledged seq is the seq in the log" "$T/told" "$T/stands"

cut -f1,3- "$T/log" | $PY "$HERE/peer.py" canon >"$T/canon"
$PY "$HERE/peer.py" pages dev 7 >"$T/pages"
same "REST in pages of 7 reads that order" "$T/pages" "$T/canon"
for reader in tail live ws; do
	ok "$reader gets all" wait_for 15 lines_at_least "$T/$reader" $n
done
kill $tail $live $ws
same "tail -f read that order" "$T/tail" "$T/log"
same "live read that order" "$T/live" "$T/log"
same "the WebSocket read that order" "$T/ws" "$T/canon"
done_testing
