#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 300
# A hundred thousand lines that nobody made up go in by cat, and come out the
# same by the mount, by REST and by a WebSocket that was there before.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
export TOKEN URL

$PY "$HERE/peer.py" follow dev 0 >"$T/ws" 2>"$T/ws.err" &
follower=$!
ours $follower
ok "the WebSocket is live before" wait_for 10 grep -q '"live"' "$T/ws.err"

cat /var/lib/dpkg/info/*.list >"$T/all"
if [ "$LOAD" = small ]; then
	head -n 10000 "$T/all" >"$T/input"
else
	mv "$T/all" "$T/input"
fi
n=$(wc -l <"$T/input")
diag "$n lines, $(wc -c <"$T/input") bytes"
ok "there is input" test "$n" -gt 1000

began=$(date +%s%N)
ok "cat takes it all" sh -c "cat '$T/input' >> '$M/dev/messages'"
diag "sent in $((($(date +%s%N) - began) / 1000000)) ms"

cp "$M/dev/messages" "$T/log"
is "the size is exact" "$(stat -c %s "$M/dev/messages")" "$(wc -c <"$T/log")"
is "wc -l is the number of lines" "$(wc -l <"$M/dev/messages")" "$n"
is "and the last seq" "$(cut -f3 "$M/.me/groups")" "$n"
cut -f1 "$T/log" >"$T/seqs"
seq 1 "$n" >"$T/wanted"
same "seq runs from 1 without a gap" "$T/seqs" "$T/wanted"
cut -f4- "$T/log" | $PY "$HERE/peer.py" unescape >"$T/output"
same "the texts are the input, byte for byte" "$T/output" "$T/input"
# From any offset, as tail -c +N and dd do.
middle=$(($(wc -c <"$T/log") / 2))
tail -c "+$middle" "$M/dev/messages" >"$T/tail"
tail -c "+$middle" "$T/log" >"$T/tail.wanted"
same "the second half from its offset" "$T/tail" "$T/tail.wanted"

cut -f1,3- "$T/log" | $PY "$HERE/peer.py" canon >"$T/canon"
$PY "$HERE/peer.py" pages dev >"$T/rest"
same "GET ?after_seq pages say the same" "$T/rest" "$T/canon"
ok "the WebSocket gets as many" wait_for 60 lines_at_least "$T/ws" "$n"
kill $follower
same "and the same" "$T/ws" "$T/canon"
ok "verify finds nothing wrong" ctl verify
done_testing
