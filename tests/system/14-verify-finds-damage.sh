#!/bin/sh
# SPDX-License-Identifier: MIT
# What somebody does to the database behind groupd's back is found by
# `groupctl verify`, with a sentence and a failing status.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
for g in one two; do
	mkdir "$M/$g"
	seq 1 20 >>"$M/$g/messages"
done
ok "verify finds nothing wrong" ctl verify
like "and says how much it looked at" "$(cat "$T/ok.out")" '\b40\b'
stop_groupd
cp -a "$T/data" "$T/sound"

damage() {
	rm -rf "$T/data"
	cp -a "$T/sound" "$T/data"
	store_sql "$2"
	start_groupd
	fails "verify finds $1" ctl verify
	like "and says where" "$(cat "$T/ok.out")" "$3"
	stop_groupd
}
# everywhere CHANGE GROUP SEQ: to a message in whichever tier it lies.
everywhere() {
	of="(SELECT group_id FROM groups WHERE name = '$2')"
	change() { echo "$1" | sed "s/TIER/$2/"; }
	change "$1 WHERE id = ($of << 32 | $3);" messages
	change "$1 WHERE group_id = $of AND seq = $3;" hot
}
damage "a message that is missing" \
	"$(everywhere "DELETE FROM TIER" two 7)" '[78]'
damage "an offset that is wrong" \
	"$(everywhere "UPDATE TIER SET off = off + 1" two 9)" 'off|9'
damage "a text of another length" \
	"$(everywhere "UPDATE TIER SET content = x'616263'" one 5)" '5|len'
rm -rf "$T/data"
cp -a "$T/sound" "$T/data"
start_groupd
ok "the sound copy is sound" ctl verify
done_testing
