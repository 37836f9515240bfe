#!/bin/sh
# SPDX-License-Identifier: MIT
# Who may do what: each operation by admin, member, ex-member, stranger, nobody
# and with an expired token, through files, the Unix socket, REST and
# WebSocket, against the table in rights.py, which is written by hand.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users gfs-carol gfs-dave
start_groupd
mount_fs
ok "there are users" ctl user add gfs-eve gfs-second gfs-new gfs-late
TOKEN_ADMIN=$(token gfs-alice)
TOKEN_MEMBER=$(token gfs-bob)
TOKEN_LEFT=$(token gfs-carol)
TOKEN_CUT=$(token gfs-carol)
TOKEN_STRANGER=$(token gfs-dave)
TOKEN_LATE=$(ctl token create gfs-late --expires 1s)
export URL TOKEN_ADMIN TOKEN_MEMBER TOKEN_LEFT TOKEN_CUT TOKEN_STRANGER \
	TOKEN_LATE TOKEN=$TOKEN_ADMIN
sleep 1.5
$PY "$HERE/rights.py" "$M" "$SOCKET" >"$T/cells" 2>"$T/cells.err"
is "the table is tried to its end" "$?" 0
diag "$(tail -n 20 "$T/cells.err")"
while IFS='	' read -r rc what detail; do
	pass_or_fail "$rc" "$what" || diag "$detail"
done <"$T/cells"
ok "there are 350 cells and more" lines_at_least "$T/cells" 350
done_testing
