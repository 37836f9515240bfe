#!/bin/sh
# SPDX-License-Identifier: MIT
# PostgreSQL loses what it had acknowledged, as by a failover to a standby that
# was behind: who reads a group is told so, and is not given all of it again.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
TOKEN=$(token "$ME")
export TOKEN URL
mkdir "$M/dev"
for text in one two three; do
	echo $text >>"$M/dev/messages"
done
epoch=$(rest GET /api/groups/dev | head -n 1 | jq -r .epoch)
ctl follow dev --after 0 >"$T/follow" 2>"$T/follow.err" &
ours $!
ok "one follows" wait_for 10 lines_at_least "$T/follow" 3
cat "$M/dev/live" >"$T/live" 2>"$T/live.err" &
live=$!
ours $live
cat "$M/.me/live" >"$T/all" 2>/dev/null &
ours $!
ok "one reads .me/live" wait_for 10 reads_file $! "$M/.me/live"
ok "and one live" wait_for 10 reads_file $live "$M/dev/live"
ctl send dev four >/dev/null
for file in follow live all; do
	ok "all read: $file" wait_for 10 grep -q four "$T/$file"
done

sql "$POSTGRES" "UPDATE groups g SET last_seq=2,last_off=m.off,
	last_jsonl_off=m.jsonl_off FROM messages m WHERE m.seq=3;
	DELETE FROM messages WHERE seq>2" "$(basename "$T")"
ok "node A says so" \
	wait_for 10 grep -q 'has lost what it had acknowledged' "$T/groupd-a.log"
ok "live ends" wait_for 10 is_ended $live
like "with ESTALE" "$(cat "$T/live.err")" 'Stale file handle'
ok "follow is told" wait_for 10 grep -q epoch_changed "$T/follow.err"
goes_on() {
	ctl send dev other
	grep -q other "$T/follow" && grep -q other "$T/all"
}
ok "it goes on, and so does .me/live" wait_for 10 goes_on
is "nothing is read twice" "$(grep -c one "$T/follow")$(grep -c one "$T/live"
)$(grep -c one "$T/all")" 100
is "who has more by REST is told" "$(rest_status GET \
	"/api/groups/dev/messages?after_seq=1000&epoch=$epoch")" 410
done_testing
