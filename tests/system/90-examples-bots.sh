#!/bin/sh
# SPDX-License-Identifier: MIT
# The bots in Python and Node, and the notice of a CI job: over HTTP, with
# groupd, the gateways and the bots killed under them; each answer once.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/examples.sh
. "$HERE/examples.sh"

ctl user add dicebot reminder ci
GROUPFS_URL=$URL
export GROUPFS_URL GROUPFS_TOKEN
group play gfs-alice dicebot reminder
dice="GROUPFS_TOKEN=$(token dicebot) exec $PY $EX/bots/bot.py play state.json"
remind="GROUPFS_TOKEN=$(token reminder) exec node $EX/bots/bot.mjs play"
# program NAME COMMAND: sets PID.
program() {
	(cd "$T/home-gfs-bob" && exec setpriv --reuid=gfs-bob --clear-groups \
		sh -c "$2") >>"$T/$1.log" 2>&1 </dev/null &
	PID=$!
	ours $PID
}
# answers SENDER: the numbers of the messages that it has answered.
answers() {
	log play | sed -n "s/^[0-9]*	$1	>\([0-9]*\) .*/\1/p" | tr '\n' ' '
}
answered() {
	[ "$(answers "$1")" = "$2" ]
}

say gfs-alice play '!roll 2d6' 'before they came'
program dice "$dice"
dice_pid=$PID
program remind "$remind"
remind_pid=$PID
ok "bot.py is there" wait_for 10 test -s "$T/home-gfs-bob/state.json"
say gfs-alice play '!roll 3d1' 'words' '!remind 1s tea is ready' '!roll 0d6' \
	'!roll 1d6!'
ok "bot.py answers what is said from then on" wait_for 10 answered dicebot "3 "
like "with dice" "$(log play)" '	dicebot	>3 1 \+ 1 \+ 1 = 3$'
ok "bot.mjs answers when it is time" wait_for 10 answered reminder "5 "
like "with a mention" "$(log play)" '	reminder	>5 @gfs-alice tea is ready$'

# Killed, and asked meanwhile.
stop $dice_pid KILL
stop $remind_pid KILL
say gfs-alice play '!roll 1d6' '!remind 1s due while it was away' \
	'!remind 1h not yet'
program dice "$dice"
dice_pid=$PID
program remind "$remind"
remind_pid=$PID
ok "bot.py answers what it missed" wait_for 10 answered dicebot "3 10 "
ok "and so does bot.mjs" wait_for 10 answered reminder "5 11 "

# groupd killed, then stopped, and its gateways gone for a while.
kill9_groupd
start_groupd
say gfs-alice play '!roll 2d6' '!remind 1s groupd was killed'
ok "bot.py goes on when groupd was killed" wait_for 20 answered dicebot "3 10 15 "
ok "and so does bot.mjs" wait_for 20 answered reminder "5 11 16 "
stop_groupd
start_groupd
say gfs-alice play '!roll 2d6' '!remind 1s groupd was stopped'
ok "and when it was stopped" wait_for 20 answered dicebot "3 10 15 19 "
ok "both" wait_for 20 answered reminder "5 11 16 20 "

# As if they had died between the answer and what they know of it.
stop $dice_pid KILL
stop $remind_pid KILL
sed -i 's/"done": [0-9]*/"done": 2/' "$T/home-gfs-bob/state.json"
say gfs-alice play '!roll 2d6' '!remind 1s the last one'
program dice "$dice"
dice_pid=$PID
program remind "$remind"
remind_pid=$PID
ok "bot.py asks again for what it has answered" \
	wait_for 20 answered dicebot "3 10 15 19 23 "
ok "and bot.mjs" wait_for 20 answered reminder "5 11 16 20 24 "
is "nothing is answered twice, and nothing else" \
	"$(log play | cut -f2 | grep -c 'dicebot\|reminder')" 10
like "bot.py remembers" "$(cat "$T/home-gfs-bob/state.json")" '"done": 23'

# A backup is restored: the log ends before what they have read.
ok "a backup" ctl backup "$T/backup.tar"
say gfs-alice play '!roll 2d6' '!remind 1s lost by the restore'
ok "bot.py answers behind it" \
	wait_for 20 answered dicebot "3 10 15 19 23 27 "
ok "and so does bot.mjs" wait_for 20 answered reminder "5 11 16 20 24 28 "
ok "it is restored" ctl restore --yes "$T/backup.tar"
ok "the log ends where it did" wait_for 10 answered reminder "5 11 16 20 24 "
ok "bot.py begins at its end" \
	wait_for 20 grep -q '"done": 26' "$T/home-gfs-bob/state.json"
say gfs-alice play 'words' '!roll 2d6' '!remind 1s after the restore'
ok "bot.py goes on in the restored log" \
	wait_for 40 answered dicebot "3 10 15 19 23 28 "
ok "and so does bot.mjs" wait_for 40 answered reminder "5 11 16 20 24 29 "

# Told that they are members no more, and that their token holds no more.
as_user gfs-carol "echo -dicebot >> '$M/play/members'"
ok "bot.py ends when it is removed" wait_for 15 is_ended $dice_pid
wait $dice_pid
is "with an error" $? 1
for id in $(ctl token list reminder | cut -f1); do
	ctl token revoke "$id"
done
ok "bot.mjs ends when its token is revoked" wait_for 15 is_ended $remind_pid
wait $remind_pid
is "with an error, too" $? 1

# CI: by HTTP, and by the mount; once, however often.
group code gfs-alice ci
began=$(($(date +%s) - 90))
cat >"$T/gitlab" <<END
export GROUPFS_URL='$URL' GROUPFS_TOKEN=$(token ci) GROUPFS_GROUP=code
export CI_JOB_NAME='unit "tests" %s' CI_PROJECT_PATH=it/tool CI_JOB_ID=17
export CI_COMMIT_SHA=0123456789abcdef CI_COMMIT_REF_NAME='fix/\$(x)"q'
export CI_JOB_URL=https://ci.example.org/17
sh $EX/ci/ci-notify passed $began
END
as_user gfs-bob "sh '$T/gitlab' && sh '$T/gitlab'" >"$T/out" 2>&1
is "ci-notify by HTTP" "$?$(cat "$T/out")" 0
like "says commit, branch, duration and where, once" "$(log code)" \
	'^1	ci	it/tool unit "tests" %s passed: 0123456789ab on fix/\$\(x\)"q, 9[0-9] s\\nhttps://ci.example.org/17$'
is "only once" "$(log code | wc -l)" 1
cat >"$T/github" <<END
export GROUPFS_GROUP='$M/code' GITHUB_JOB=build GITHUB_REPOSITORY=it/tool
export GITHUB_RUN_ID=5 GITHUB_RUN_ATTEMPT=1 GITHUB_SHA=89abcdef01234567
export GITHUB_REF_NAME=main GITHUB_SERVER_URL=https://git.example.org
sh $EX/ci/ci-notify failure && sh $EX/ci/ci-notify failure
END
as_user gfs-alice "sh '$T/github'" >"$T/out" 2>&1
is "by the mount" "$?$(cat "$T/out")" 0
is "says so, too" "$(log code | tail -n +2)" \
	'2	gfs-alice	it/tool build failure: 89abcdef0123 on main\nhttps://git.example.org/it/tool/actions/runs/5'
cat >"$T/jenkins" <<END
export GROUPFS_GROUP='$M/code' JOB_NAME=nightly BUILD_TAG=jenkins-nightly-3
export GIT_COMMIT=abcdef0123456789 GIT_BRANCH=origin/main BUILD_URL=
sh $EX/ci/ci-notify SUCCESS
END
as_user gfs-alice "sh '$T/jenkins'" >"$T/out" 2>&1
is "and for Jenkins" "$(log code | tail -n +3)" \
	'3	gfs-alice	nightly SUCCESS: abcdef012345 on origin/main'
sed -i 's/TOKEN=[^ ]*/TOKEN=gfs_wrong/' "$T/gitlab"
fails "what is refused is an error" as_user gfs-bob "sh '$T/gitlab'"
mkdir "$T/bin"
printf '#!/bin/sh\ntr "\\0" " " </proc/self/cmdline; echo "$@"; cat >/dev/null\n' \
	>"$T/bin/curl"
chmod +x "$T/bin/curl"
as_user gfs-bob "PATH='$T/bin':\$PATH sh '$T/gitlab'" >"$T/out" 2>&1
fails "no argument of curl has the token" grep -q gfs_wrong "$T/out"
ok "though it was asked" grep -q Idempotency-Key "$T/out"
done_testing
