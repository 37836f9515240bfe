#!/bin/sh
# SPDX-License-Identifier: MIT
# A groupd that takes a message and does not answer: groupctl send says that it
# is not known whether it was stored, and with which id it is stored once.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$LOAD" = full ] || skip_all "waits ten seconds"
start_groupd
ctl create dev

# It has found its group and reads the text when groupd stops.
mkfifo "$T/text"
"$BUILD/groupctl" --socket "$SOCKET" send dev <"$T/text" >"$T/out" \
	2>"$T/err" &
sender=$!
ours $sender
exec 9>"$T/text"
reads() {
	grep -q pipe "/proc/$sender/wchan" ||
		grep -qE '^(0|63) 0x0 ' "/proc/$sender/syscall"
}
ok "it waits for its text" wait_for 20 reads
kill -STOP "$GROUPD"
echo "once and for all" >&9
exec 9>&-
wait $sender
is "no answer is status 3" $? 3
like "it says what to do" "$(cat "$T/err")" \
	'^groupctl: it is not known whether .* --client-id groupctl[0-9a-f]{16}, '
is "and prints nothing" "$(cat "$T/out")" ""
kill -CONT "$GROUPD"
id=$(sed -n 's/.*--client-id \([a-z0-9]*\).*/\1/p' "$T/err")
ctl send --json --client-id "$id" dev "once and for all" >"$T/out"
is "what it says is done" $? 0
is "it was stored already" "$(jq -c '[.sequence_number, .duplicate]' \
	"$T/out")" '[1,true]'
is "and once" "$(ctl follow dev --after 0 --no-follow | cut -f1,4)" \
	"1	once and for all"
done_testing
