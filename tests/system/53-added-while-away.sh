#!/bin/sh
# SPDX-License-Identifier: MIT
# Who is added to a group while his gateway has no groupd is told of it, and
# gets its messages, on the WebSocket that was open all the time.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
ok "bob is a user" ctl user add bob
mkdir "$M/old" "$M/left" "$M/new" "$M/other"
echo bob | tee -a "$M/old/members" "$M/left/members" >"$T/tee"
TOKEN=$(token bob)
export URL TOKEN
$PY "$HERE/waits.py" >"$T/bob" 2>&1 &
ours $!
ok "he is subscribed to all of his" \
	wait_for 10 sh -c "grep -q '^live old' '$T/bob' && grep -q '^live left' '$T/bob'"
pid=$(gateway_pids)
kill -STOP "$pid"
kill9_groupd
start_groupd
echo hello >>"$M/new/messages"
ok "he is added while his gateway is away" sh -c "echo bob >>'$M/new/members'"
ok "and removed elsewhere" sh -c "echo -bob >>'$M/left/members'"
kill -CONT "$pid"
ok "he is told" wait_for 10 grep -q '^added new' "$T/bob"
ok "and that he is out there" wait_for 10 grep -q '^removed left' "$T/bob"
ok "with what was there before" wait_for 10 grep -q '^live new' "$T/bob"
is "in order, once" "$(grep ' new' "$T/bob" | tr '\n' '|')" \
	"added new |message new hello|live new |"
echo more >>"$M/new/messages"
echo still >>"$M/old/messages"
ok "what comes then comes" wait_for 10 grep -q '^message new more' "$T/bob"
ok "in the others, too" wait_for 10 grep -q '^message old still' "$T/bob"
is "nothing is told that is not new" \
	"$(grep -cE '^(added|live) old|other' "$T/bob")" 1
is "by the same gateway" "$(gateway_pids)" "$pid"
done_testing
