#!/bin/sh
# SPDX-License-Identifier: MIT
# The shortest of the examples, echo-bot and the alerts, each as it is meant to
# be started, by users who are not root. All are named, and run by some test.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/examples.sh
. "$HERE/examples.sh"

# All files are named, and run by a test.
find "$EX" -type f ! -name README.md -printf '%P\n' | sort >"$T/files"
missing=$(while read -r file; do
	grep -qF "($file)" "$EX/README.md" || echo "$file: not in README.md"
	grep -qF "\$EX/$file" "$HERE"/89-*.sh "$HERE"/90-*.sh \
		"$TOP"/tests/cluster/[0-9]*.sh ||
		echo "$file: not run by a test"
done <"$T/files")
is "README.md names each file, and a test runs it" "$missing" ""
missing=$(grep -o '](\([^)]*\))' "$EX/README.md" | tr -d '()]' | sort |
	comm -13 "$T/files" -)
is "and names none that there is not" "$missing" ""
missing=$(sed -n 's/^```sh \(.*\)/\1/p' "$EX/README.md" | while read -r block; do
	grep -q "inline $block" "$HERE"/89-*.sh "$HERE"/90-*.sh || echo "$block"
done)
is "each of its blocks is run, too" "$missing" ""

# groupd.conf: each key is there, and each default is one.
ok "groupd.conf" "$BUILD/groupd" --check -c "$EX/groupd.conf"
sed -E '/^#(tls_|store|bus|data|socket)/d; s/^#([a-z_]+ = )/\1/; s/= groupfs$/= root/' \
	"$EX/groupd.conf" \
	>"$T/all.conf"
ok "what is commented out in it is right" sh -c \
	"grep -q '^gateways = 1' '$T/all.conf' && '$BUILD/groupd' --check -c '$T/all.conf'"

# The bot in five lines.
group dev gfs-alice gfs-bob
inline bot >"$T/five"
is "a bot has five lines" "$(wc -l <"$T/five")" 5
background gfs-bob "sh '$T/five'"
say gfs-alice dev 'a line' '!uptime' 'another'
five() {
	log dev | grep -q '	gfs-bob	>2 .*load average'
}
ok "the bot in five lines answers" wait_for 10 five
stop $PID
is "and nothing else" "$(log dev | wc -l)" 4

# echo-bot: over restarts, each question once.
group echo gfs-alice gfs-bob
bot="sh '$EX/bots/echo-bot' '$M/echo'"
say gfs-alice echo 'before it came' '!echo first'
background gfs-bob "$bot"
ok "echo-bot answers what was asked before it came" \
	wait_for 10 has echo '3	gfs-bob	>2 first'
printf '!echo two\nlines\t\\n "quoted" %%s $HOME `x` \001 -n' >"$T/odd"
as_user gfs-alice "cat > '$M/echo/post'" <"$T/odd"
ok "odd text comes back as it was" wait_for 10 has echo \
	'5	gfs-bob	>4 two\nlines\t\\n "quoted" %s $HOME `x` \x01 -n'
say gfs-alice echo '!echo !echo loop' '!echo -n'
ok "its own answers it does not answer" wait_for 10 has echo \
	'9	gfs-bob	>7 -n'
stop $PID KILL
say gfs-alice echo '!echo while it was away'
# Moves its pointer over that question, as the answer to an earlier one does.
say gfs-bob echo 'its own words'
background gfs-bob "$bot"
ok "started again, it answers what came meanwhile" wait_for 10 has echo \
	'12	gfs-bob	>10 while it was away'
kill9_groupd
start_groupd
say gfs-alice echo '!echo after a restart' '!uptime' 'end' '!echo end'
ok "it goes on when groupd was restarted" wait_for 15 has echo \
	'19	gfs-bob	>16 end'
stop $PID TERM
stop_groupd
background gfs-bob "$bot"
start_groupd
say gfs-alice echo '!echo last'
ok "and when it is started first" wait_for 15 has echo \
	'21	gfs-bob	>20 last'
is "each question has one answer" "$(log echo | sed -n \
	's/^.*	gfs-bob	>\([0-9]*\) .*/\1/p' | tr '\n' ' ')" \
	"2 4 6 7 10 13 14 16 20 "
# The answer to 2 is not in the log, as far as this bot is told: it must be
# the client_id that keeps it from being stored twice.
as_user gfs-bob "cd '$M/echo' && jq -cn '{content: \"again\",
	reply_to_seq: 2, client_id: \"echo-bot-2\"}' >>messages.jsonl"
is "an answer that is sent twice is stored once" "$(count echo 'gfs-bob	>2 again')" 0
stop $PID TERM
left() {
	! pgrep -f "^tail --pid=$PID "
}
ok "nothing of it is left" wait_for 5 left

# Alerts. A full file system, in a namespace of its own.
group ops gfs-alice
mkdir "$T/a 'b"
full() {
	unshare -m sh -c 'mount -t tmpfs -o size=64k tmpfs "$1" || exit 99
		head -c 1000000 /dev/zero >"$1/full" 2>/dev/null
		shift; exec "$@"' sh "$T/a 'b" \
		setpriv --reuid=gfs-alice --clear-groups \
		sh "$EX/alert/disk-alert" "$M/$1" "$2" 2>"$T/err"
}
full ops 100
is "disk-alert" "$?$(cat "$T/err")" 0
full ops 100
text="$(uname -n): $T/a 'b is 100% full, 0 MiB are left"
is "tells of a full disk, once a day" \
	"$(count ops "gfs-alice	$text")" 1
is "nothing else is that full" "$(log ops | wc -l)" 1
full ops 101
is "nor fuller" "$?$(cat "$T/err")$(log ops | wc -l)" 01
full none 100
is "what cannot be sent" $? 1
like "cron mails" "$(cat "$T/err")" "a 'b is 100% full"
as_user gfs-alice "sh '$EX/alert/job-alert' '$M/ops' sh -c 'echo quiet'" >"$T/out" 2>&1
is "a job that does well is silent" "$?$(cat "$T/out")$(log ops | wc -l)" 01
as_user gfs-alice "sh '$EX/alert/job-alert' '$M/ops' sh -c 'seq 40; printf \"%%s \\377\"; exit 7'" >"$T/out" 2>&1
is "one that fails keeps its status, and is silent here" "$?$(cat "$T/out")" 7
like "the group has the end of what it said" "$(log ops | tail -n 1)" \
	'gfs-alice	[^ ]*: sh -c seq 40.* failed with status 7 after [0-9]+ s\\n12\\n13\\n.*\\n40\\n%s '
as_user gfs-alice "sh '$EX/alert/job-alert' '$M/none' false" >"$T/out" 2>/dev/null
is "where no group can be told it keeps its status" $? 1
like "and says so to cron" "$(cat "$T/out")" \
	'^false failed with status 1, and no group could be told:'
mkdir "$T/bin"
cp "$EX"/alert/*-alert "$T/bin"
printf '#!/bin/sh\nexit 2\n' >"$T/bin/getent"
printf '#!/bin/sh\necho "$@" $(cat) >>"%s"\n' "$T/mail" >"$T/bin/mail"
chmod +x "$T/bin"/*
touch "$T/mail"
chmod 666 "$T/mail"
# As cron does: the sixth field and what follows, with sh.
sed -nE "s|/groups/|$M/|g; s/^([0-9*/,-]+ +){5}(.*)/\2/p" "$EX/alert/crontab" \
	>"$T/cron"
is "the crontab has three jobs" "$(wc -l <"$T/cron")" 3
before=$(log ops | wc -l)
as_user gfs-alice "PATH=$T/bin:\$PATH sh '$T/cron'" >"$T/out" 2>&1
like "the job that fails is told" "$(log ops | tail -n +$((before + 1)))" \
	': tar -C /srv .* failed with status'
ok "and what is one line" has ops \
	"$(log ops | wc -l)	gfs-alice	No name server"
inline or-mail >"$T/or-mail"
as_user gfs-alice "PATH=$T/bin:\$PATH sh '$T/or-mail'"
is "what can be sent is not mailed" "$(cat "$T/mail")" ""
echo '-gfs-alice' >"$T/members"
as_user gfs-carol "cat >> '$M/ops/members'" <"$T/members"
as_user gfs-alice "PATH=$T/bin:\$PATH sh '$T/or-mail'" 2>/dev/null
is "what cannot is" "$(cat "$T/mail")" "-s backup root backup failed"

# A build as one message, and lines of vim.
printf 'all:\n\t@seq 40\n\t@false\n' >"$T/Makefile"
inline build >"$T/build"
before=$(log dev | wc -l)
# Not as a part of the make that runs the tests.
as_user gfs-alice "cd '$T' && env -u MAKELEVEL -u MAKEFLAGS sh '$T/build'"
like "a build is one message" "$(log dev | tail -n +$((before + 1)))" \
	'^5	gfs-alice	[0-9]+\\n.*\\n40\\nmake: .*Error 1$'
seq 4 >"$T/lines"
vim=$(sed -n "s/.*\`:'<,'>\(write.*\)\`.*/2,3\1/p" "$EX/README.md" |
	sed "s|/groups|$M|")
as_user gfs-alice "vim -Nesu NONE -c '$vim' -c 'q!' '$T/lines'" >/dev/null 2>&1
ok "vim's lines are one message" has dev '6	gfs-alice	2\n3'
inline one-person | sed 's/alice/gfs-alice/' >"$T/one"
background gfs-bob "sh '$T/one'"
ok "who follows one person" wait_for 10 opened "$M/dev/live"
say gfs-carol dev 'not this'
say gfs-alice dev 'but this'
ok "hears of him" wait_for 10 grep -q '	but this$' "$T/background.log"
fails "and of nobody else" grep -q 'not this' "$T/background.log"
stop $PID
inline curl >"$T/curl"
ok "curl needs no token here" as_user gfs-alice "sh '$T/curl'"
ok "and is who he is" has dev '9	gfs-alice	hello from curl'
done_testing
