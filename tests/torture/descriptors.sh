#!/bin/sh
# SPDX-License-Identifier: MIT
# groupd, and a gateway, have no descriptors left (descriptors.py).
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
scene dev
for how in wire rest; do
	pid=$GROUPD
	[ $how = wire ] || pid=$(gateway_pids)
	$PY "$TORTURE_HERE/descriptors.py" "$pid" $how >"$T/done" 2>"$T/d.err"
	is "it came to its end: $how" "$(tail -n 3 "$T/d.err")" ""
	results "$T/done"
	ok "and lives" kill -0 "$pid"
done
done_testing
