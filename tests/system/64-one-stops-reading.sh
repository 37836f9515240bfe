#!/bin/sh
# SPDX-License-Identifier: MIT
# Of 100 subscribers one stops reading, then 30: the others get all, what the
# gateway holds does not grow with what flows, and who stopped misses nothing:
# he reads on, or was closed with 3008 after 30 s and resumes.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
n=3000
[ "$LOAD" = full ] || n=900
start_groupd
mount_fs
mkdir "$M/dev" "$M/nap"
TOKEN=$(token "$ME")
export URL M TOKEN
# value FILE WORD
value() {
	sed -n "s/^$2 *//p" "$T/$1"
}
$PY "$HERE/stopped.py" nap nap 1000 >"$T/nap" 2>"$T/nap.err" &
nap=$!
ours $nap
ok "100 subscribers, of which some stop" sh -c "exec $PY \
	'$HERE/stopped.py' crowd dev $n '$(gateways)' >'$T/crowd'"
is "each message came once, in order, to each" "$(value crowd wrong)" ""
is "none of the others was closed" "$(value crowd others)" 0
base=$(value crowd base)
one=$(($(value crowd one) - base))
thirty=$(($(value crowd thirty) - base))
more=$(($(value crowd more) - base))
diag "the gateway's memory: $base KiB; with 1 stopped $one more, with 30" \
	"$thirty, after as much again $more"
case $BUILD in
*build-*) ;; # sanitizers keep what is freed
*)
	# Who is behind may hold a page of the log, however he came to be; what
	# the thirty missed is 150 MiB (with less load 45).
	room=$((100 * 130))
	ok "one that stopped costs a page of the log" test $one -lt $room
	ok "and so do thirty" test $thirty -lt $room
	ok "however much flows" test $more -lt $room
	;;
esac
like "if one of them was closed, with 3008" "$(value crowd closes)" '^(3008 ?)*$'

ok "those who slept for 30 s and more" wait $nap
diag "$(cat "$T/nap.err")$(tr '\n' ' ' <"$T/nap")"
is "have each message once, in order" "$(value nap wrong)" ""
is "all of them" $(($(value nap kept) + $(value nap told) + $(value nap cut))) 16
ok "who woke in time kept his connection" test "$(value nap kept)" -gt 0
ok "who woke later was told 3008" test "$(value nap told)" -gt 0
done_testing
