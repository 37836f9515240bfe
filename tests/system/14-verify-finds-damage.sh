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
	sqlite3 "$T/data/groupd.db" "$2"
	start_groupd
	fails "verify finds $1" ctl verify
	like "and says where" "$(cat "$T/ok.out")" "$3"
	stop_groupd
}
of='group_id FROM groups WHERE name ='
damage "a message that is missing" \
	"DELETE FROM messages WHERE id = ((SELECT $of 'two') << 32 | 7)" \
	'[78]'
damage "an offset that is wrong" \
	"UPDATE messages SET off = off + 1 WHERE id = ((SELECT $of 'two') << 32 | 9)" \
	'off|9'
damage "a text of another length" \
	"UPDATE messages SET content = x'616263' WHERE id = ((SELECT $of 'one') << 32 | 5)" \
	'5|len'
rm -rf "$T/data"
cp -a "$T/sound" "$T/data"
start_groupd
ok "the sound copy is sound" ctl verify
done_testing
