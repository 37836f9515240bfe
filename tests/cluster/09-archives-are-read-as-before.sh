#!/bin/sh
# SPDX-License-Identifier: MIT
# What is old is archived by two nodes while it is read on both: nobody sees
# another byte, and the tables that it lay in go.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
N=3000
SOME="--retention_interval 1s"
# shellcheck disable=SC2086
start_groupd $SOME
mount_fs
mount_b
TOKEN=$(token "$ME")
export TOKEN URL
database=$(basename "$T")
ask() {
	sql "$POSTGRES" "$1" "$database"
}

# Some days of messages, of long ago; one of the groups is left as it is then.
for name in $(seq -f 'u%02g' 0 99); do
	echo "$name"
done | xargs "$BUILD/groupctl" --socket "$SOCKET" user add >/dev/null
$PY "$HERE/big_export.py" $N | jq -c --argjson from $(($(date +%s) - 8640000)) \
	'if .type == "message" then .timestamp = ($from + .sequence_number * 100 |
	todate | sub("Z$"; ".007Z")) else . end' >"$T/big"
for group in big left; do
	ok "a group of old messages is imported" \
		sh -c "sed '1s/\"big\"/\"$group\"/' '$T/big' >'$T/in' &&
		'$BUILD/groupctl' --socket '$SOCKET' import '$T/in'"
done
cat "$M/big/messages" >"$T/messages"
cat "$M/big/messages.jsonl" >"$T/jsonl"
# The first line says when, and the last has a sum of that.
export_big() {
	rm -f "$T/whole"
	ctl export big "$T/whole" >/dev/null && sed '1d;$d' "$T/whole" >"$1"
}
export_big "$T/export"
$PY "$HERE/peer.py" pages big >"$T/pages"
ls "$M/big/media" >"$T/media"
days=$(ask "select count(distinct bucket) from messages")
like "they are of several days" "$days" '^[4-5]$'
# compare WHEN
compare() {
	cat "$M/big/messages" >"$T/now"
	same "$1: messages" "$T/messages" "$T/now"
	cat "$MOUNT_B/big/messages" >"$T/now"
	same "$1: messages on the other node" "$T/messages" "$T/now"
	cat "$MOUNT_B/big/messages.jsonl" >"$T/now"
	same "$1: messages.jsonl" "$T/jsonl" "$T/now"
	$PY "$HERE/peer.py" pages big >"$T/now"
	same "$1: REST" "$T/pages" "$T/now"
	export_big "$T/now-export"
	same "$1: what is exported" "$T/export" "$T/now-export"
	dd if="$M/big/messages" bs=100 skip=777 count=1 2>/dev/null >"$T/now"
	dd if="$T/messages" bs=100 skip=777 count=1 2>/dev/null >"$T/then"
	same "$1: some bytes of it" "$T/then" "$T/now"
}
compare "before"

# Reads all the time, on both nodes; a difference stays in $T/differs.
stop_groupd
ask "create function refuse() returns trigger language plpgsql
		as 'begin raise exception ''not this one''; end';
	create trigger refuse before insert on archives for each row
		when (new.group_id = $(ask "select group_id from groups
			where name = 'big'"))
		execute function refuse()"
# shellcheck disable=SC2086
start_groupd $SOME --archive_after 30d
ok "both are there again" wait_for 20 grep -qx online "$MOUNT_B/.me/state"
(
	while [ ! -e "$STOP" ]; do
		for mount in "$M" "$MOUNT_B"; do
			# Not while PostgreSQL is away.
			cat "$mount/big/messages" 2>/dev/null >"$T/meanwhile" &&
				cmp "$T/meanwhile" "$T/messages" >>"$T/differs" 2>&1
		done
		echo >>"$T/reads"
	done
) &
reader=$!
ours $reader
is_archived() {
	[ "$(ask "select count(*) from messages")" = 0 ]
}
has_read() {
	[ "$(wc -l <"$T/reads")" -ge "$1" ]
}
ok "someone reads" wait_for 20 has_read 1
is_passed() {
	[ "$(ask "select count(*) from messages")" = $N ]
}
ok "a group that cannot be archived is passed over" wait_for 20 is_passed
like "which is told" "$(cat "$T"/groupd-[ab].log)" \
	'cannot archive old messages: .*not this one'
is "it is read as before" "$(cksum <"$M/big/messages")" \
	"$(cksum <"$T/messages")"
ask "drop trigger refuse on archives"
is_begun() {
	[ "$(ask "select count(*) from messages")" -lt $N ]
}
ok "archiving begins" wait_for 20 is_begun
postgres_stop "$POSTGRES" immediate
postgres_again "$POSTGRES"
ok "PostgreSQL was killed, and is there again" wait_for 20 is_begun
ok "all of it is archived" wait_for 60 is_archived
compare "archived"
is "in no row are too many" "$(ask "select max(cardinality(lines)) <= 256,
	sum(cardinality(lines)) from archives")" "t|$((2 * N))"

old_partitions() {
	ask "select count(*) from partitions where parent = 'messages'
		and hi < extract(epoch from now()) / 86400 - 30"
}
like "what it lay in is still there" "$(old_partitions)" '^[12]$'
is_told() {
	[ "$(ask "select count(*) from pg_class
		where reloptions::text like '%vacuum_threshold=0%'")" != 0 ]
}
ok "and PostgreSQL is told to clean it up" wait_for 20 is_told
# Which it does within a minute. Nobody has asked for room for an hour.
ask "vacuum messages"
gone() {
	ask "update partitions set used = '2000-01-01'"
	[ "$(old_partitions)" = 0 ]
}
ok "the partitions go" wait_for 60 gone
more=$(($(wc -l <"$T/reads") + 2))
ok "and someone reads" wait_for 20 has_read $more
: >"$STOP"
wait $reader
is "who reads meanwhile reads the same" "$(cat "$T/differs")" ""
compare "dropped"
ok "one goes on writing" sh -c "echo more >> '$M/left/messages'"
is "and gets the next number" "$(tail -n 1 "$MOUNT_B/left/messages" |
	cut -f1,4)" "$((N + 1))	more"
like "the audit finds nothing" "$(ctl verify 2>&1)" "$((2 * N + 1)) messages"
like "it is said how many they were" "$(cat "$T"/groupd-[ab].log)" \
	'archived old messages: count='

# A store of one machine says that it does not.
fails "SQLite refuses" "$BUILD/groupd" --check --data "$T/data" \
	--archive_after 30d
like "in words" "$("$BUILD/groupd" --check --data "$T/data" \
	--archive_after 30d 2>&1)" 'archive_after: it is for nodes that share'
done_testing
