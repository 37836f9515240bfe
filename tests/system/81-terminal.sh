#!/bin/sh
# SPDX-License-Identifier: MIT
# What a person sees of groupctl in a terminal: the page of follow with its
# colours, quotes and states, Ctrl-C, the tables, status.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
command -v tmux >/dev/null || skip_all "needs tmux"
start_groupd
ctl user add ann ben
ctl create dev ann ben
ctl create ops ann
TOKEN=$(token ann)
ESC=$(printf '\033')
export GROUPD_SOCKET="$SOCKET" PATH="$BUILD:$PATH" TMUX_TMPDIR="$T"

# says GROUP JSON: ann does.
says() {
	[ "$(rest POST "/api/groups/$1/messages" -H 'Content-Type: application/json' \
		-d "$2" | tail -n 1)" = 201 ] || diag "not sent: $2"
}
# pane [OPTION]: the screen, the colours gone but with -e.
pane() {
	tmux -L terminal capture-pane -p ${1:+"$1"} -t 0 | sed 's/ *$//' |
		grep -v '^$'
}
shows() {
	pane | grep -qE -- "$1"
}
paints() {
	pane -e | grep -qF -- "$1"
}
# types LINE: on a clear screen.
types() {
	tmux -L terminal send-keys -t 0 C-c
	tmux -L terminal send-keys -t 0 -l "clear; $1"
	tmux -L terminal send-keys -t 0 Enter
}
# looks SENTENCE REGEX: the screen has such a line.
looks() {
	wait_for 10 shows "$2"
	pass_or_fail $? "$1" || diag "$(pane)"
}
# colours SENTENCE TEXT: it has that, sequences and all.
colours() {
	wait_for 10 paints "$2"
	pass_or_fail $? "$1" || diag "$(pane -e | cat -v)"
}

tmux -L terminal -f /dev/null new-session -d -x 80 -y 30 \
	"env -u NO_COLOR TERM=screen-256color TZ=UTC bash --norc"
tmux -L terminal send-keys -t 0 "PS1='ready> '" Enter
looks "a shell is there" '^ready>$'

# follow.
says dev "{\"content\":\"@$ME who takes the deploy? It has to go out before noon, so that there is time to look at it\"}"
says dev '{"content":"evil \u001b[2J\u009b31m\u202e text\n    and a second line","reply_to_seq":1}'
types "groupctl follow --after 0 dev"
looks "it says how much there is" '^-- dev: catching up with 2 messages --$'
looks "the day" '^-- [A-Z][a-z]+day [0-9]{2} [A-Z][a-z]+ 20[0-9]{2} --$'
looks "a line of it, with the star of a mention" \
	"^\* +1 [0-9]{2}:[0-9]{2} ann +@$ME who takes the deploy\? It has to go out before noon,\$"
looks "goes on below itself" '^ {23}so that there is time to look at it$'
looks "a reply quotes" "^ +2 [0-9:]{5} ann +> ann: @$ME who takes .*\.\.\.\$"
looks "nothing steers the terminal" \
	'^ {23}evil \\x1b\[2J\\xc2\\x9b31m\\xe2\\x80\\xae text$'
looks "a second line is indented, as it was" '^ {27}and a second line$'
looks "then it is live" '^-- live --$'
colours "a mention stands out" "${ESC}[1;7m@$ME${ESC}[0m"
colour=$(ctl follow dev --tail 1 --no-follow --color always |
	sed -n "s/.*$ESC\[\([0-9]*\)mann$ESC.*/\1/p")
colours "a name has the colour that it has everywhere" "${ESC}[${colour}m"
says dev '{"content":"a word to all"}'
looks "a new one comes by itself" '^ +3 [0-9:]{5} ann +a word to all$'
kill9_groupd
looks "it says when groupd goes" '^-- offline: .*groupd.* --$'
start_groupd
looks "and from where it goes on" '^-- online again: dev from 4 on --$'
says dev '{"content":"welcome back"}'
looks "as it does" '^ +4 [0-9:]{5} ann +welcome back$'
tmux -L terminal send-keys -t 0 C-c
ended() {
	[ "$(pane | tail -n 1)" = 'ready>' ]
}
ok "Ctrl-C ends it" wait_for 10 ended
types 'groupctl follow --tail 1 --no-follow; echo "status $?"'
looks "several groups have their names" '^ +4 [0-9:]{5} dev +ann +welcome back$'
looks "it ended by itself" '^status 0$'
types 'NO_COLOR=1 groupctl follow --tail 1 --no-follow dev'
looks "NO_COLOR leaves the page" '^ +4 [0-9:]{5} ann +welcome back$'
plain() {
	! paints "${ESC}["
}
ok "without colours" wait_for 10 plain
tmux -L terminal resize-window -t 0 -x 44 -y 30
types "groupctl follow --after 0 --no-follow dev"
looks "a narrow terminal has the text below" '^    who takes the deploy\? It has to go out|^    @'
tmux -L terminal resize-window -t 0 -x 80 -y 30

# Tables and status.
types "groupctl groups"
looks "groups stand in columns" '^group  role   last  unread  mentions$'
looks "with the numbers to the right" '^dev    admin     4       4         1$'
types "groupctl members dev"
looks "so do members" '^ann +member$'
types "groupctl status"
looks "status has a screen" '^groupd [0-9.]+, up .*: all is well$'
colours "green" "${ESC}[32mall is well"
for pid in $(gateway_pids); do
	kill -KILL "$pid"
done
types "groupctl status --watch 1"
looks "it tells what happened" '^!  gateways that were started again: 1'
colours "in yellow" "${ESC}[33mworth a look"
looks "and is shown again" 'up ([3-9]|[0-9][0-9]) s'
ok "in the same place" test "$(pane | grep -c '^groupd ')" = 1
tmux -L terminal kill-server
done_testing
