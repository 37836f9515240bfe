#!/bin/sh
# SPDX-License-Identifier: MIT
# groupctl from the command line to the answer: each command as root, as two
# users and as nobody in particular; refusals, exit codes, JSON.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd

# exits STATUS SENTENCE COMMAND...: with that status; what it said is in
# $T/out and $T/err.
exits() {
	_wanted=$1
	_what=$2
	shift 2
	"$@" >"$T/out" 2>"$T/err" </dev/null
	is "$_what" $? "$_wanted"
}
# says SENTENCE EXTENDED-REGEX: the last one, on stderr.
says() {
	like "$1" "$(cat "$T/err")" "$2"
}
# as NAME ARG...: groupctl of a user.
as() {
	_user=$1
	shift
	setpriv --reuid="$_user" --regid="$(id -g "$_user")" --init-groups \
		"$BUILD/groupctl" --socket "$SOCKET" "$@"
}
alice() {
	as gfs-alice "$@"
}
bob() {
	as gfs-bob "$@"
}

# The command line, a row each: status, what stderr says, arguments.
while IFS='|' read -r status says arguments; do
	# shellcheck disable=SC2086
	exits "$status" "status of: groupctl $arguments" ctl $arguments
	says "and why" "$says"
done <<'ROWS'
2|no command is named|
2|no command 'folow'; did you mean 'follow'\?|folow dev
2|did you mean 'token list'\?|token lsit
2|did you mean 'user list'\?|users list
2|'token' needs one of these behind it: create, list, revoke|token
2|no command 'xyzzy'; see 'groupctl --help'|xyzzy
2|'status' has no option --jsn; did you mean --json\?|status --jsn
2|'groups' has no option --tail|groups --tail 3
2|'send' has no option -x|send dev -x
2|--after takes the number of a message, not 'x'|follow dev --after x
2|--color takes auto, always or never|follow --color green
2|--expires needs a value|token create bob --expires
2|--json takes no value|status --json=yes
2|usage: groupctl send \[OPTION...\] GROUP \[TEXT...\]|send
2|usage: groupctl delete GROUP|delete a b
2|--after is for one group|follow --after 3
2|--after is for one group, and not with --tail|follow dev --after 3 --tail 1
2|--lines reads standard input|send --lines dev text
2|--lines is for plain messages|send --lines --reply 1 dev
2|a file cannot be a reply|send --media x --reply 1 dev
2|no message's number|read dev many
1|you are in no group 'nothing'|send nothing x
1|cannot be a group's name|info Dev
1|cannot be a user's name|user add Bob
ROWS
exits 3 "no groupd" "$BUILD/groupctl" --socket "$T/none" groups
says "and where" "$T/none"
exits 0 "help" ctl --help
exits 0 "help of a command" ctl send --help
like "says what it takes" "$(cat "$T/out")" '^  --reply SEQ  +it is a reply'
ctl help send >"$T/help"
same "and so does help send" "$T/out" "$T/help"
exits 2 "help of no command" ctl help xyzzy
exits 0 "the version" ctl --version

# Groups, by two users who are not root.
exits 0 "a group" alice create dev
exits 1 "is made once" bob create dev
says "it exists" "exists already"
exits 0 "with a member" alice add dev gfs-bob
exits 1 "nobody else can be one" alice add dev gfs-bob nobody-here
says "no such user" "nobody-here"
exits 1 "a member adds nobody" bob add dev root
says "only admins" "Only an admin"
is "members are listed as the file has them" "$(bob members dev)" \
	"gfs-alice admin
gfs-bob member"
exits 0 "one is promoted" alice add dev --role admin gfs-bob
is "and is an admin" "$(bob members dev --json | jq -r '.user + " " + .role' |
	tail -n 1)" "gfs-bob admin"
exits 0 "being added again changes nothing" alice add dev gfs-bob
exits 0 "or demoted" bob add dev --role member gfs-bob
is "and is none" "$(alice members dev | tail -n 1)" "gfs-bob member"
exits 1 "the last admin stays" alice remove dev gfs-alice
says "he is the last" "last admin"
exits 0 "a group has a description" alice describe dev "What we	build"
exits 1 "that members do not change" bob describe dev x
like "info has it" "$(bob info dev)" '^description  What we\\tbuild$'
is "in JSON too" "$(bob info dev --json | jq -r '.description, .member_count')" \
	"What we	build
2"
exits 0 "it may be removed" alice describe dev ''
exits 1 "a stranger finds no group" ctl info dev
says "as if there were none" "you are in no group 'dev'"

# send.
exits 0 "words are a message" alice send dev hello to   you
is "nothing is printed" "$(cat "$T/out")" ""
printf 'two\nlines\n\n' | alice send dev
is "stdin is one" "$(alice follow dev --tail 1 --no-follow --json |
	jq -c .content)" '"two\nlines\n"'
: | alice send dev
is "nothing is none" "$(alice groups | cut -f1,3)" "dev	2"
exits 0 "a reply" bob send dev --reply 1 'hello @gfs-alice'
is "has its number" "$(alice follow dev --after 2 --no-follow --json |
	jq -r .reply_to_seq)" 1
exits 1 "a reply to what is not there" bob send dev --reply 99 x
says "is refused" "99"
exits 0 "an answer in JSON" bob send dev --json --client-id job-1 'done'
is "has what REST has" "$(jq -r 'keys | join(" ")' "$T/out")" \
	"duplicate epoch offset sequence_number timestamp"
exits 0 "the same again" bob send dev --json --client-id job-1 'done'
is "is the first one" "$(jq -c '[.sequence_number, .duplicate]' "$T/out")" \
	'[4,true]'
seq 1200 >"$T/lines"
bob send --lines dev <"$T/lines"
is "lines are messages" "$(bob follow dev --after 4 --no-follow | cut -f4)" \
	"$(cat "$T/lines")"
# As they come: the first is there while the pipe is still open.
mkfifo "$T/slow"
bob send --lines dev <"$T/slow" &
sender=$!
ours $sender
exec 9>"$T/slow"
printf 'early\nhal' >&9
came() {
	[ "$(bob follow dev --tail 1 --no-follow | cut -f4)" = "$1" ]
}
ok "a line is sent before the next" wait_for 10 came early
printf 'f' >&9
exec 9>&-
wait $sender
ok "and what has no newline at the end" came half
printf 'caf\351\n' >"$T/latin"
bob send dev <"$T/latin" >"$T/out" 2>"$T/err"
is "what is no UTF-8 is refused" $? 1
says "in words" "UTF-8"
head -c 70000 /dev/zero | tr '\0' x >"$T/big"
bob send dev <"$T/big" >"$T/out" 2>"$T/err"
is "and what is too large" $? 1
says "with its size" "65537|70000"
printf 'png' >"$T/chart.png"
chmod 644 "$T/chart.png"
exits 0 "a file" bob send dev --media "$T/chart.png" 'the @gfs-alice chart'
is "is a media message" "$(alice follow dev --tail 1 --no-follow | cut -f4)" \
	"[media media/chart.png] the @gfs-alice chart"
exits 1 "of a name there is one" bob send dev --media "$T/chart.png"
says "it exists" "chart.png is there already"
exits 1 "a file that is not there" bob send dev --media "$T/nothing.png"
exits 0 "a file is resent" bob send dev --json --client-id f1 --media "$T/latin"
exits 0 "by its id" bob send dev --json --client-id f1 --media "$T/latin"
is "once" "$(jq -r .duplicate "$T/out")" true

# Reading.
is "unread and mentions are counted" "$(alice groups)" \
	"dev	admin	1208	1206	2"
is "in JSON too" "$(alice groups --json | jq -c '[.name, .unread, .mentions]')" \
	'["dev",1206,2]'
is "they are listed" "$(alice mentions | cut -f1,2,5)" \
	"dev	3	>1 hello @gfs-alice
dev	1207	[media media/chart.png] the @gfs-alice chart"
is "in JSON too" "$(alice mentions --json | jq -c '[.group, .reply_to_seq]')" \
	'["dev",1]
["dev",null]'
like "for people too" "$(alice mentions --color always | tail -n 1)" '^.*\*.*1207'
is "nobody else has any" "$(bob mentions)" ""
is "the pointer" "$(alice read dev)" 2
exits 0 "moves" alice read dev 100
is "forward" "$(alice read dev)" 100
exits 0 "and not back" alice read dev 3
is "never" "$(alice read dev)" 100
exits 1 "nor beyond the end" alice read dev 99999
is "follow begins there" "$(alice follow dev --no-follow | head -n 1 |
	cut -f1)" 101
is "and moves nothing" "$(alice read dev)" 100
alice follow dev --no-follow --mark >"$T/out"
is "but with --mark" "$(alice read dev)" 1208
exits 0 "all is read" alice read dev all
is "nothing is left" "$(alice follow dev --no-follow)" ""
exits 0 "a second group" alice create ops gfs-bob
alice send ops 'first of ops'
is "all groups have their names" "$(bob follow --tail 1 --no-follow |
	cut -f1,5 | sort)" "dev	[media media/latin] 
ops	first of ops"
is "in JSON too" "$(bob follow --tail 1 --no-follow --json |
	jq -r .group | sort | tr '\n' ' ')" "dev ops "
is "JSON of one has the fields of REST" \
	"$(bob follow ops --tail 1 --no-follow --json | jq -c 'keys')" \
	'["client_id","content","message_type","sender","sequence_number","timestamp"]'
exits 1 "a number that is not there yet" bob follow ops --after 7
says "is refused" "ops ends at message 1"
ESC=$(printf '\033')
alice send ops "$(printf 'a\033[2Jb \302\2331m')"
fails "an escape never reaches a pipe" sh -c "
	setpriv --reuid=gfs-bob --regid=$(id -g gfs-bob) --init-groups \
	'$BUILD/groupctl' --socket '$SOCKET' follow ops --tail 1 --no-follow |
	grep -q '$ESC'"
is "nor a terminal that reads JSON" "$(bob follow ops --tail 1 --no-follow \
	--json | jq -R 'test("[\u0080-\u009f]")')" false
like "a page for people has its colours and no other escapes" \
	"$(bob follow ops --tail 1 --no-follow --color always | tail -n 1)" \
	"gfs-alice$ESC\[0m +a.x1b\[2Jb .xc2.x9b1m\$"
is "in the time zone of TZ" "$(TZ=XXX-5:30 bob follow ops --tail 1 \
	--no-follow --color always | grep -c "$(TZ=XXX-5:30 date +%H:)")" 1
is "or in UTC" "$(TZ=XXX-5:30 bob follow ops --tail 1 --no-follow --utc \
	--color always | grep -c "$(date -u +%H:)")" 1

# Users and tokens.
exits 1 "only root adds users" alice user add ann
exits 1 "and lists them" alice user list
printf 'ann\nben\n' >"$T/names"
ok "root does" sh -c "'$BUILD/groupctl' --socket '$SOCKET' user add - < '$T/names'"
is "they are listed" "$(ctl user list | grep -cxE 'ann|ben|gfs-alice')" 3
is "in JSON too" "$(ctl user list --json | jq -r .user | grep -cxE 'ann|ben')" 2
ok "all become members" sh -c "
	setpriv --reuid=gfs-alice --regid=$(id -g gfs-alice) --init-groups \
	'$BUILD/groupctl' --socket '$SOCKET' add ops - < '$T/names'"
exits 0 "and go" alice remove ops ann ben
is "two are left" "$(alice members ops | wc -l)" 2
exits 0 "a token for oneself" bob token create gfs-bob --expires 1h
exits 1 "not for others" bob token create gfs-alice
is "it is listed" "$(bob token list --json | jq -r '.user, (.expires_at != null)')" \
	"gfs-bob
true"
exits 0 "it ends" bob token revoke "$(bob token list | cut -f1)"
is "and is gone" "$(bob token list)" ""
exits 2 "a number is needed" bob token revoke x

# status.
exits 1 "status is for root" alice status
exits 0 "all is well" ctl status --check
like "and says so" "$(cat "$T/out")" '^groupd [0-9.]+, up [0-9]+ .*: all is well$'
ctl follow >/dev/null 2>&1 &
ours $!
is_connected() {
	ctl status --json >"$T/status" &&
		jq -e '.users_connected == 1' "$T/status"
}
ok "who follows is connected" wait_for 10 is_connected
kill $!
ok "every figure that is a number is one" jq -e '
	(.commits | type) == "number" and (.commit_p99_ms | type) == "number" and
	(.disk_free_bytes | type) == "number" and .gateway_0 == "up" and
	.gateways_configured == 1' "$T/status"
is "messages are counted" "$(jq .messages "$T/status")" 1210
# A groupd whose gateway dies and cannot be started again.
stop_groupd
mkdir "$T/bin"
cp "$BUILD/groupd" "$BUILD/groupd-gateway" "$BUILD/groupctl" "$T/bin"
tests_build=$BUILD
BUILD=$T/bin
start_groupd
mv "$T/bin/groupd-gateway" "$T/bin/aside"
for pid in $(marked_pids); do
	[ "$(readlink "/proc/$pid/exe")" = "$T/bin/aside" ] && kill -KILL "$pid"
done
down() {
	ctl status --check >"$T/out" 2>&1
	[ $? = 1 ]
}
ok "without a gateway it is not well" wait_for 10 down
like "it says what is wrong first" "$(sed -n 2p "$T/out")" \
	'^!! no gateway is up'
mv "$T/bin/aside" "$T/bin/groupd-gateway"
restarted() {
	ctl status --check | grep -q 'started again: [0-9]'
}
ok "then what happened" wait_for 20 restarted
BUILD=$tests_build
ctl status --json --watch 1 >"$T/watch" &
watch=$!
ours $watch
ok "it is watched" wait_for 10 lines_at_least "$T/watch" 2
kill9_groupd
# So that it asks meanwhile.
sleep 1.2
start_groupd
is_watched_again() {
	jq -se '[.[].instance] | unique | length == 2' "$T/watch"
}
ok "over a restart, too" wait_for 10 is_watched_again
ok "and goes on" kill $watch

# The page has it all.
ctl help | awk -F '  +' '/^  [a-z]/ { sub(/ [[A-Z].*/, "", $2); print $2 }' \
	>"$T/commands"
ok "there are commands" lines_at_least "$T/commands" 18
PAGE=$TOP/man/groupctl.1
missing=$(while read -r command; do
	grep -qE "^\.(It )?Cm $command( |\$)" "$PAGE" || echo "$command"
done <"$T/commands")
is "groupctl(1) names each command" "$missing" ""
missing=$(while read -r command; do
	# shellcheck disable=SC2086
	ctl help $command | sed -nE 's/^  -(-[a-z-]+).*/\1/p'
done <"$T/commands" | sort -u | while read -r option; do
	grep -qE "Fl $option( |\$)" "$PAGE" || echo "-$option"
done)
is "and each option" "$missing" ""

# A limit that lets no batch through as a whole.
stop_groupd
start_groupd --rate_messages_per_second 40
exits 0 "a group under a limit" alice create slow
seq 70 | alice send --lines slow
is "lines wait for their turn" "$(alice follow slow --after 0 --no-follow |
	cut -f4 | tr '\n' ' ')" "$(seq 70 | tr '\n' ' ')"

exits 1 "a member deletes no group" bob delete ops
exits 0 "an admin does" alice delete ops
exits 1 "it is gone" alice info ops
ok "verify finds nothing wrong" ctl verify
done_testing
