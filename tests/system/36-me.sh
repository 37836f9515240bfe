#!/bin/sh
# SPDX-License-Identifier: MIT
# .me/live: all my groups in one stream, those too that I am added to while it
# runs. .me/mentions: what is unread and concerns me.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
ok "alice has two groups with bob" as_user gfs-alice 'cd "$M" && mkdir one two &&
	for g in one two; do echo gfs-bob >> $g/members; echo "first in $g" >> $g/messages; done'
as_user gfs-bob 'exec cat "$M/.me/live"' >"$T/live" 2>&1 &
live=$!
ours $live
has() {
	grep -q "$1" "$T/live"
}
ok "bob's stream begins with what is unread" wait_for 10 has '^one	1	.*first in one$'
ok "of all groups" wait_for 10 has '^two	1	.*first in two$'
ok "alice writes" as_user gfs-alice 'echo second >> "$M/one/messages"'
ok "it comes" wait_for 10 has '^one	2	.*second$'
ok "a group that bob is added to" as_user gfs-alice \
	'mkdir "$M/three" && echo "before bob" >> "$M/three/messages" &&
	echo gfs-bob >> "$M/three/members" && echo "after" >> "$M/three/messages"'
ok "joins his stream" wait_for 10 has '^three	2	.*after$'
ok "with its last messages" has '^three	1	.*before bob$'
ok "a group that he is removed from" as_user gfs-alice \
	'echo -gfs-bob >> "$M/two/members" && echo secret >> "$M/two/messages" &&
	echo "go on" >> "$M/one/messages"'
ok "leaves it" wait_for 10 has '^one	3	.*go on$'
fails "and nothing of it comes" has secret
ok "he is added again" as_user gfs-alice \
	'echo gfs-bob >> "$M/two/members" && echo "back" >> "$M/two/messages"'
ok "and it is there again" wait_for 10 has '^two	3	.*back$'
stop_groupd
start_groupd
ok "groupd was restarted" as_user gfs-alice 'echo again >> "$M/three/messages"'
ok "the stream goes on" wait_for 10 has '^three	3	.*again$'
ok "its reader is the same" kill -0 $live
is "each message of a group came once, in order" \
	"$(grep '^one' "$T/live" | cut -f2 | tr '\n' ' ')" "1 2 3 "
kill9_groupd
start_groupd
ok "a group made after that" as_user gfs-alice 'mkdir "$M/four" &&
	echo gfs-bob >> "$M/four/members" && echo new >> "$M/four/messages"'
ok "is found, too" wait_for 10 has '^four	1	.*new$'
# All that is unread, of whichever group first.
is "poll tells when there is something" "$(as_user gfs-bob "$PY -c '
import os, select
fd = os.open(\"$M/.me/live\", os.O_RDONLY | os.O_NONBLOCK)
p = select.poll()
p.register(fd, select.POLLIN)
data = b\"\"
while data.count(b\"\n\") < 10:
    assert p.poll(10000), data
    try:
        data += os.read(fd, 7)
    except BlockingIOError:
        pass
print(sorted({l.split(b\"\t\")[0].decode() for l in data.split(b\"\n\")[:10]}))
'")" "['four', 'one', 'three', 'two']"
kill $live

# Mentions.
M0=$(as_user gfs-bob 'cat "$M/.me/mentions"')
is "nobody mentioned bob" "$M0" ""
ok "alice mentions him twice, and everyone" as_user gfs-alice 'cd "$M" &&
	echo "@gfs-bob look" >> two/messages && echo "no one" >> two/messages &&
	echo "hi @everyone" >> one/messages && echo "(@gfs-bob)" >> four/messages'
is "he sees where and what" "$(as_user gfs-bob 'cut -f1,2,4,5 "$M/.me/mentions"')" \
	"four	2	gfs-alice	(@gfs-bob)
one	4	gfs-alice	hi @everyone
two	4	gfs-alice	@gfs-bob look"
is "its size is exact" "$(as_user gfs-bob 'stat -c %s "$M/.me/mentions"')" \
	"$(as_user gfs-bob 'cat "$M/.me/mentions" | wc -c')"
is "groups counts them" "$(as_user gfs-bob 'cut -f1,5 "$M/.me/groups"' | tr '\n' ' ')" \
	"four	1 one	1 three	0 two	1 "
is "alice has none of her own" "$(as_user gfs-alice 'cat "$M/.me/mentions"')" ""
ok "what is read" as_user gfs-bob 'echo all > "$M/two/last_read"'
is "is not shown any more" "$(as_user gfs-bob 'cut -f1 "$M/.me/mentions"' |
	tr '\n' ' ')" "four one "
ok "who is removed" as_user gfs-alice 'echo -gfs-bob >> "$M/four/members"'
is "sees nothing of that group" "$(as_user gfs-bob 'cut -f1 "$M/.me/mentions"')" one
done_testing
