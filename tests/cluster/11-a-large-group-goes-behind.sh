#!/bin/sh
# SPDX-License-Identifier: MIT
# A group of many members is deleted: at once for all, while what it held goes
# behind that, also when the node that does it is killed.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mount_b
mkdir "$M/dev" "$M/large"
ok "a message" sh -c "echo one >>'$M/large/messages'"
db=$(basename "$T")
sql "$POSTGRES" "INSERT INTO members SELECT group_id,'user'||n,0,0,0,0
	FROM groups,generate_series(1,6000) n WHERE name='large'" "$db"
left() {
	sql "$POSTGRES" "SELECT (SELECT count(*) FROM imports)+(SELECT count(*)
		FROM members WHERE name LIKE 'user%')+(SELECT count(*) FROM
		messages m WHERE content='one')" "$db"
}
ok "it is on B" wait_for 5 test -d "$MOUNT_B/large"
ok "it is deleted" ctl delete large
ok "and gone on A" test ! -d "$M/large"
ok "and on B" wait_for 5 test ! -d "$MOUNT_B/large"
ok "others go on" sh -c "echo two >>'$M/dev/messages'"
ok "its name is free" mkdir "$M/large"
is "a rest is left" "$(left | grep -c '^[1-9]')" 1
kill9_node_a
start_node_a
ok "which goes" wait_for 30 eval '[ "$(left)" = 0 ]'
ok "the log says so" wait_for 5 grep -q \
	'the rest of an import or of a deleted group' "$T/groupd-a.log"
ok "verify finds nothing wrong" ctl verify
done_testing
