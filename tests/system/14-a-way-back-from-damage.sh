#!/bin/sh
# SPDX-License-Identifier: MIT
# What groupd says of damage, and what its page says to do then: each of them is
# done here, as DAMAGE in groupd(8) has it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/one" "$M/two"
seq 1 400 >>"$M/one/messages"
seq 1 300 | sed "s/^/two-/" >>"$M/two/messages"
echo "a picture" >"$T/picture"
cp "$T/picture" "$M/one/media/"
ok "a backup is made" ctl backup "$T/b.tar"
stop_groupd
cp -a "$T/data" "$T/sound"

# again: a copy of the sound store, not started.
again() {
	[ -z "$GROUPD" ] || is_ended "$GROUPD" || stop_groupd
	rm -rf "$T/data"
	cp -a "$T/sound" "$T/data"
}
# does_not_start: what it says is in $T/said.
does_not_start() {
	"$BUILD/groupd" --data "$T/data" --socket "$SOCKET" --listen none \
		2>"$T/said"
	[ $? = 1 ]
}
# flip FILE BYTE: one bit.
flip() {
	$PY -c 'import sys
with open(sys.argv[1], "r+b") as f:
    f.seek(int(sys.argv[2]))
    byte = f.read(1)[0]
    f.seek(int(sys.argv[2]))
    f.write(bytes([byte ^ 1]))' "$1" "$2"
}
# restored: from the backup, into an empty folder.
restored() {
	! kill -0 "$GROUPD" 2>/dev/null || stop_groupd
	mv "$T/data" "$T/data.damaged"
	start_groupd
	ctl restore --yes "$T/b.tar" && ctl verify &&
		[ "$(wc -l <"$M/one/messages")" = 401 ]
	_rc=$?
	rm -rf "$T/data.damaged"
	return $_rc
}

# The pages of the last messages of group two, by what is in them; one of them
# may be free.
pages=$(grep -abo 'two-2[0-9][0-9]' "$T/sound/groupd.db" |
	awk -F: '{ print int($1 / 4096) + 1 }' | sort -nu)
again
for page in $pages; do
	flip "$T/data/groupd.db" $((page * 4096 - 2000))
done
start_groupd
fails "damaged pages are found" ctl verify
is "each is named, and nothing else is said" "$(grep -v groups, "$T/ok.out")" \
	"$(for page in $pages; do
		echo "Page $page of the database is damaged"
	done)"
fails "what is on them is not shown" ctl export two "$T/two.jsonl"
like "but refused, with a way back" "$(cat "$T/ok.out")" \
	"damaged in page [0-9]+: restore a backup \(DAMAGE in groupd\(8\)\)"
ok "others are read" cat "$M/one/members"
fails "nor is it written into a backup" ctl backup "$T/bad.tar"
ok "the backup of before is restored" restored

again
name=$(cd "$T/data/media" && find . -type f | grep -v incoming | head -n 1)
flip "$T/data/media/$name" 3
start_groupd
fails "a damaged media file is not shown" cat "$M/one/media/picture"
fails "verify finds it" ctl verify
like "and says which" "$(cat "$T/ok.out")" "media file ${name#./} is damaged"
ok "the backup of before is restored" restored
same "with the file" "$M/one/media/picture" "$T/picture"

# A log with some commits, and damage in the second.
again
start_groupd
for i in 1 2 3 4 5; do
	echo "late $i" >>"$M/one/messages"
done
kill9_groupd
cp -a "$T/data" "$T/killed"
flip "$T/data/groupd.db-wal" $((32 + 24 + 4120 + 100))
ok "with a damaged log groupd does not start" does_not_start
like "and says where, and what is whole" "$(cat "$T/said")" \
	'groupd.db-wal is damaged at byte [0-9]+, .* keep its first [0-9]+ bytes'
whole=$(sed -n 's/.*keep its first \([0-9]*\) bytes.*/\1/p' "$T/said")
ok "nor the next time" does_not_start
truncate -s "$whole" "$T/data/groupd.db-wal"
start_groupd
ok "cut to that, it starts" ctl verify
ok "with what was stored before" test "$(wc -l <"$M/one/messages")" -ge 401
ok "or the backup is restored" restored

again
: >"$T/data/groupd.db"
ok "an empty store is no new one" does_not_start
like "and says so" "$(cat "$T/said")" 'is empty, and was not: restore a backup'
rm "$T/data/groupd.db.lock"
start_groupd
is "without the lock it is" "$(figure groups)" 0
ok "or the backup is restored" restored

# What is counted, and what points, is made anew with the group.
stop_groupd
store_sql "UPDATE groups SET member_count=7 WHERE name='two'"
start_groupd
fails "a number that is wrong is found" ctl verify
ok "the group is exported" ctl export two "$T/two.jsonl"
ok "deleted" ctl delete two
ok "and imported" ctl import "$T/two.jsonl"
ok "then all is well" ctl verify
is "with all messages" "$(wc -l <"$M/two/messages")" 300
done_testing
