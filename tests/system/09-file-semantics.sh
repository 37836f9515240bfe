#!/bin/sh
# SPDX-License-Identifier: MIT
# What shell habits do to messages, post, last_read and unread.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
is "a group that was made leaves no refusal" "$(cat "$M/.me/error")" ""
cd "$M/dev" || exit 1
texts() {
	cut -f4- messages
}
count() {
	wc -l <messages
}

ok "echo sends" sh -c 'echo one >> messages'
is "one message" "$(texts)" one
is "it is the last seq" "$(cut -f3 "$M/.me/groups")" 1
like "a line is SEQ TIME SENDER TEXT" "$(cat messages)" \
	"^1	20[0-9-]{8}T[0-9:]{8}\.[0-9]{3}Z	$ME	one\$"

ok "printf without newline is sent at close" sh -c 'printf two >> messages'
is "as one message" "$(texts | tail -n 1)" two
ok "three lines at once" sh -c 'printf "a\nb\nc" >> messages'
is "are three messages" "$(texts | tail -n 3 | tr '\n' ' ')" "a b c "
n=$(count)
ok "children share one line" \
	sh -c '{ /usr/bin/printf "part, "; /bin/echo whole; } >> messages'
is "which is one message" "$(texts | tail -n +$((n + 1)))" "part, whole"
ok "a line in pieces" sh -c \
	'{ printf x; /usr/bin/printf y; printf z; } >> messages'
is "is one message, sent at the end" "$(texts | tail -n 1)" xyz
ok "tee -a" sh -c 'echo by tee | tee -a messages'
is "sends" "$(texts | tail -n 1)" "by tee"
ok "escapes are kept" sh -c 'printf "tab\there \\\\ back\n" >> messages'
is "and shown" "$(texts | tail -n 1)" 'tab\there \\ back'
ok "control characters are shown as bytes" \
	sh -c 'printf "red \033[31m\n" >> messages'
is "so that a terminal is safe" "$(texts | tail -n 1)" 'red \x1b[31m'

size=$(stat -c %s messages)
n=$(count)
fails "> is refused" sh -c 'echo x > messages'
fails "truncate is refused" truncate -s 0 messages
fails "opening for writing at an offset is refused" \
	dd if=/dev/zero of=messages bs=1 count=1 conv=notrunc
fails "rm is refused" rm -f messages
fails "mv is refused" mv messages other
fails "nor by truncate(1), even to the same size" \
	truncate -s "$size" messages
ok "ftruncate to the same size is nothing, for rsync --append" $PY -c "
import os
os.ftruncate(os.open('messages', os.O_WRONLY | os.O_APPEND), $size)"
ok "touch is nothing" touch messages
is "no message is gone" "$(count)" "$n"
is "no byte is gone" "$(stat -c %s messages)" "$size"
is "dd reads at an offset" \
	"$(dd if=messages bs=1 skip=2 count=4 2>/dev/null)" \
	"$(date +%Y)"
is "tail -n 1" "$(tail -n 1 messages | cut -f1)" "$n"
is "grep -c" "$(grep -c whole messages)" 1

ok "post keeps newlines" sh -c 'printf "first\nsecond\n" > post'
is "and is one message, shown on one line" "$(texts | tail -n 1)" \
	'first\nsecond'
ok "post by >>" sh -c '{ echo p; echo q; } >> post'
is "is one message, too" "$(texts | tail -n 1)" 'p\nq'
is "two more messages" "$(count)" $((n + 2))
fails "post is not read" cat post
ok "a reply" sh -c 'echo ">1 yes" >> messages'
is "is shown as one" "$(texts | tail -n 1)" '>1 yes'
fails "a reply to nothing" sh -c 'echo ">9999 no" >> messages'
last=$(count)
is "is not sent" "$last" $((n + 3))

is "posting moves my own pointer" "$(cat last_read)" "$last"
is "so nothing is unread" "$(cat unread)" ""
ok "the pointer does not go back" sh -c 'echo 1 > last_read'
is "it stays" "$(cat last_read)" "$last"
ok "another user is added" ctl user add gfs-rest
ok "as a member" sh -c 'echo gfs-rest >> members'
TOKEN=$(token gfs-rest)
send_rest dev "from elsewhere" >/dev/null
send_rest dev "and again" >/dev/null
is "what others send is unread" "$(cut -f4- unread)" "from elsewhere
and again"
is "and counted" "$(cut -f4 "$M/.me/groups")" 2
ok "reading up to the first of them" sh -c "echo $((last + 1)) > last_read"
is "leaves the second" "$(cut -f4- unread)" "and again"
ok "all" sh -c 'echo all > last_read'
is "leaves nothing" "$(cat unread)" ""
is "the pointer is the end" "$(cat last_read)" $((last + 2))
is "the size is exact" "$(stat -c %s messages)" "$(cat messages | wc -c)"
cd /
done_testing
