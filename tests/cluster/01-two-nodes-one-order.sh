#!/bin/sh
# SPDX-License-Identifier: MIT
# What is written on one node is read on the other, by files, REST and
# WebSocket; eight writers on two nodes make one order, without a gap.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mount_b
TOKEN=$(token "$ME")
export TOKEN URL

ok "a group is made on A" mkdir "$M/dev"
ok "and is there on B" wait_for 5 test -d "$MOUNT_B/dev"
tail -n +1 -s 0.1 -f "$MOUNT_B/dev/messages" >"$T/first" 2>&1 &
tail=$!
ours $tail
ok "echo on A" sh -c "echo 'hello from A' >> '$M/dev/messages'"
ok "tail -f on B has it" wait_for 5 grep -q '^1	.*	hello from A$' "$T/first"
ok "echo on B" sh -c "echo '>1 hello from B' >> '$MOUNT_B/dev/messages'"
is_on_a() {
	[ "$(log_of dev)" = "1	$ME	hello from A
2	$ME	>1 hello from B" ]
}
ok "A has it, too" wait_for 5 is_on_a
is "and REST of A" "$(URL=$URL_A rest GET '/api/groups/dev/messages?after_seq=1' |
	head -n 1 | jq -c '.messages[] | [.content, .reply_to_seq]')" \
	'["hello from B",1]'
ok "description is written on B" \
	sh -c "echo 'of two' > '$MOUNT_B/dev/description'"
is "and read on A" "$(cat "$M/dev/description")" "of two"
ok "a file comes to A" cp /usr/share/common-licenses/BSD "$M/dev/media/LICENSE"
ok "and is on B" cmp /usr/share/common-licenses/BSD "$MOUNT_B/dev/media/LICENSE"
kill $tail

mkdir "$M/load"
begin_load load 2
more=150
[ "$LOAD" = small ] && more=20
# Shells write, too, on each node.
for node in mnt mnt-b; do
	seq -f "shell-$node-%g	0" 50
done >"$RECORD/sent"
for node in "$M" "$MOUNT_B"; do
	(for i in $(seq 50); do
		echo "shell-$(basename "$node")-$i" || exit 1
	done >>"$node/load/messages") &
	shells="${shells:-} $!"
done
ok "writers on both nodes are answered" more_acks $more 60
for pid in $shells; do
	ok "so is a shell" wait "$pid"
done
end_load
export RESULTS=sent LIMIT=10
check_load
for mount in mnt mnt-b; do
	is "the shell's lines of $mount are all there, in their order" \
		"$(cut -f4 "$T/log" | grep "^shell-$mount-[0-9]" | sed 's/.*-//' |
			tr '\n' ' ')" "$(seq 50 | tr '\n' ' ')"
done
# Of a table that PostgreSQL has not looked at yet, as after a crash.
read_by_seek() {
	sql "$POSTGRES" "begin; select * from seek_log((select group_id
		from group_names where name = 'load'), false,
		$(($(wc -c <"$T/log") / 2)));
		select sum(seq_tup_read + idx_tup_fetch)
		from pg_stat_xact_user_tables where relname like 'messages%';
		commit" "$(basename "$T")" | tail -n 1
}
ok "a place in the log is found without a walk: $(read_by_seek) rows" \
	test "$(read_by_seek)" -lt 30
ok "verify finds nothing wrong" ctl verify
done_testing
