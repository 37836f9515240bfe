#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 1200
# Each allocation fails in turn: of groupd's start, and of what groupd, a gateway
# and a mount do for one request of each kind. Nobody ends by a signal, and the
# next request is answered as ever. With SAN=address,undefined, too.
#
# POINTS (500: at most so many of each thing; TORTURE=short: 2), WHERE ("start
# groupd gateway groupfs"), THINGS (what the name of each has in it).
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
short_or 2 500
points=${POINTS:-$SIZE}

scene dev
seq 100 >>"$M/dev/messages"
stop_groupd
for where in ${WHERE:-start groupd gateway groupfs}; do
	case $where in
	start) set -- start "$points" ;;
	groupfs) set -- groupfs "$points" dev "$T/mnt2" ;;
	*) set -- "$where" "$points" dev ;;
	esac
	MOUNTS="$MOUNTS $T/mnt2"
	$PY "$TORTURE_HERE/memory.py" "$@" >"$T/done" 2>"$T/memory.err"
	is "$where came to its end" "$(tail -n 3 "$T/memory.err")" ""
	results "$T/done"
done
start_groupd
ok "verify finds nothing wrong" ctl verify
done_testing
