#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 400
# Three times as many senders as it takes to have the most messages a second
# stored (95 % of it: from there on they only wait for each other), measured in
# turn in one run: what is stored then, beside the most; the p99 of an answer,
# beside that of before; and the memory of groupd and the gateway. A connection
# each, over groupd's socket, REST and WebSocket. The figures are comments: a time
# is no test. What is refused when more comes than can wait:
# tests/system/75-too-much-is-refused.sh.
#
# ROUNDS (5), BENCH_SLICE_MS (2000), SENDERS ("16 32 64 128 256 512"), SIDES
# ("groupd rest websocket").
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
rounds=${ROUNDS:-5}
SENDERS=${SENDERS:-16 32 64 128 256 512}
export BENCH_SLICE_MS="${BENCH_SLICE_MS:-2000}" BENCH_WARM_MS=500
groups=100
mkdir -p "$T/data"
ok "groups are made" "$BUILD/bench/sendbench" scene \
	"sqlite:$T/data/groupd.db" $groups 20
start_groupd
TOKEN=$(token "$ME")
export TOKEN

# load SIDE SENDERS ADDRESS
load() {
	"$BUILD/bench/sendbench" load "$2" "$1" "$1" "$3" "$2" "$2" $groups \
		>>"$T/samples" 2>>"$T/bench.err"
}
# of SIDE SENDERS WHAT: the median.
of() {
	awk -F'\t' -v what="$2, $3" -v side="$1" \
		'$1 == what && $2 == side { print $4 }' "$T/samples" |
		sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
memory() {
	for pid in "$GROUPD" $(gateway_pids); do
		awk '/^VmRSS/ { print $2 }' "/proc/$pid/status"
	done | tr '\n' ' '
}
for side in ${SIDES:-groupd rest websocket}; do
	address=$SOCKET
	[ $side = groupd ] || address=${LISTEN##*:}
	: >"$T/samples"
	for n in $SENDERS; do
		load $side "$n" "$address"
	done
	best=$(for n in $SENDERS; do
		echo "$(of $side "$n" messages) $n"
	done | awk '{ got[NR] = $1; n[NR] = $2; most = $1 > most ? $1 : most }
		END { for (i = 1; got[i] < 0.95 * most; i++); print n[i] }')
	three=$((best * 3))
	: >"$T/samples"
	before=$(memory)
	for _ in $(seq "$rounds"); do
		load $side "$best" "$address"
		load $side $three "$address"
	done
	is "$side: all were answered" "$(cat "$T/bench.err")" ""
	is "in all of $rounds rounds" \
		"$(grep -c ', messages' "$T/samples")" $((rounds * 2))
	echo "$(of $side "$best" messages) $(of $side $three messages)" \
		"$(of $side "$best" p99) $(of $side $three p99)" |
		awk -v side=$side -v n="$best" '{
			printf "# %s: %d senders %d a second, p99 %.1f ms; ", \
				side, n, $1, $3
			printf "%d: %d, %.1f ms: %.2f of the most (aim: 0.9), ", \
				n * 3, $2, $4, $2 / $1
			printf "p99 %.1f x (aim: 5)\n", $4 / $3 }'
	diag "memory, KiB: $before, then $(memory)"
done
done_testing
