#!/bin/sh
# SPDX-License-Identifier: MIT
# An import that is broken off, by the end of groupctl or of groupd, is seen by
# nobody, leaves nothing, and can be begun again; others write meanwhile.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
$PY "$HERE/big_export.py" 20000 >"$T/big.jsonl"
# sql QUERY: its one value.
sql() {
	$PY -c 'import sqlite3, sys
db = sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True)
print(db.execute(sys.argv[2]).fetchone()[0])' "$T/data/groupd.db" "$1"
}
stored() {
	sql "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM hot)"
}
many_stored() {
	[ "$(stored)" -ge 8000 ]
}
only_dev() {
	[ "$(sql "SELECT (SELECT count(*) FROM meta WHERE k LIKE 'import/%') +
		(SELECT count(*) FROM members WHERE name<>'$ME') +
		(SELECT count(*) FROM mentions) +
		(SELECT count(*) FROM messages WHERE id >> 32 > 1)")" = 0 ]
}
# half_import: groupctl (pid $IMPORT) has been given a bit more than half of
# it, and groupd has stored some; its standard input stays open, on 5.
half_import() {
	rm -f "$T/fifo"
	mkfifo "$T/fifo"
	ctl import --add-users <"$T/fifo" >"$T/import.out" 2>&1 &
	IMPORT=$!
	ours $IMPORT
	exec 5>"$T/fifo"
	head -n 13000 "$T/big.jsonl" >&5
	wait_for 10 many_stored
}

ok "half of an import is stored" half_import
is "nobody sees it" "$(ls "$M")" dev
is "nor counts it" "$(figure groups)" 1
fails "it cannot be exported" ctl export big
is "the store is sound" "$(ctl verify)" "1 groups, 0 messages, 0 problems"
ok "others write meanwhile" sh -c "echo 'meanwhile 1' >> '$M/dev/messages'"
# The trap of groupctl's shell is not to be run: the process alone.
kill -KILL "$(pgrep -P $IMPORT 2>/dev/null || echo $IMPORT)"
exec 5>&-
ok "groupctl is killed: nothing is left" wait_for 10 only_dev
is "but for what is of others" "$(stored)" 1

ok "half of the next is stored" half_import
kill9_groupd
# It must not keep the pipe open.
start_groupd 5>&-
ok "groupd is killed: nothing is left" wait_for 10 only_dev
tail -n +13001 "$T/big.jsonl" 2>/dev/null >&5
exec 5>&-
fails "what comes then is refused" wait $IMPORT
is "and groupctl says why" "$(cat "$T/import.out")" "groupctl: This import was \
broken off and nothing of it is left: begin it again"
is "there is no such group" "$(ls "$M")" dev

ok "half of a third is stored" half_import
stop_groupd
exec 5>&-
start_groupd
wait $IMPORT
ok "groupd is stopped: nothing is left" wait_for 10 only_dev

# All of it, while another group is written to.
ctl import --add-users "$T/big.jsonl" >"$T/import.out" 2>&1 &
IMPORT=$!
ours $IMPORT
writes=0
until is_ended $IMPORT; do
	echo "meanwhile $writes" >>"$M/dev/messages"
	writes=$((writes + 1))
done
ok "begun again, it comes in" wait $IMPORT
ok "others wrote meanwhile" test $writes -ge 3
is "it is there" "$(ls "$M" | tr '\n' ' ')" "big dev "
is "as a whole" "$(wc -l <"$M/big/messages")" 20000
is "with its last message" "$(tail -n 1 "$M/big/messages" | cut -f1,3-)" \
	"20000	u00	>19999 message number 20000 of a long talk, with some words in it @u01"
is "and unread ones" "$(grep '^big' "$M/.me/groups")" "big	admin	20000	50	0"
like "the store is sound" "$(ctl verify)" "^2 groups, .* 0 problems"
done_testing
