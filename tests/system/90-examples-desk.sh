#!/bin/sh
# SPDX-License-Identifier: MIT
# Examples for a person's desk, in a real terminal: fzf's picker, and tmux's
# status line.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/examples.sh
. "$HERE/examples.sh"

# The terminal: a tmux of its own, as alice.
terminal() {
	as_user gfs-alice "SHELL=/bin/sh tmux -S '$T/home-gfs-alice/tmux' -f /dev/null $1"
}
screen() {
	terminal "capture-pane -p -t desk"
}
shows() {
	screen | tr -s ' ' | grep -qF -- "$1"
}
keys() {
	terminal "send-keys -t desk $1"
}

group aaa gfs-alice gfs-bob
group dev gfs-alice gfs-bob
say gfs-carol aaa 'not this'
say gfs-carol dev 'first of all' '@gfs-alice look'
printf 'two\n"lines" %%s\t$HOME\\n' >"$T/odd"
as_user gfs-carol "cat > '$M/dev/post'" <"$T/odd"
say gfs-carol dev 'last of all'
terminal "new-session -d -s desk -c '$T/home-gfs-alice' -x 100 -y 40 sh"
ok "a terminal" wait_for 10 terminal "has-session -t desk"
pick="sh $EX/desk/pick $M"

keys "'$pick >out; echo picked \$?' Enter"
ok "pick shows the groups, with unread and mentions" \
	wait_for 10 shows 'dev 4 1'
ok "and what was said there last" wait_for 10 shows 'not this'
keys "-l dev"
ok "it finds a group" wait_for 10 shows 'last of all'
keys Enter
ok "it shows the messages" wait_for 10 shows 'message>'
keys "-l lines"
ok "and one as it was sent" wait_for 10 shows '"lines" %s'
keys Enter
ok "it ends" wait_for 10 shows 'picked 0'
same "having printed its text" "$T/home-gfs-alice/out" - <<END
two
"lines" %s	\$HOME\\n
END

keys "clear Enter"
keys "'$pick; echo replied \$?' Enter"
ok "pick again" wait_for 10 shows 'group>'
keys "-l dev"
ok "the group" wait_for 10 shows ' 1/2 '
keys Enter
ok "its messages" wait_for 10 shows 'message>'
keys "-l first"
ok "one of them" wait_for 10 shows ' 1/4 '
keys C-r
ok "ctrl-r asks for a reply" wait_for 10 shows 'reply>'
keys "-l -- '-n to you, %s \\ too'"
keys Enter
ok "and ends" wait_for 10 shows 'replied 0'
ok "it is sent" has dev '5	gfs-alice	>1 -n to you, %s \\ too'

keys "clear Enter"
terminal "set-option -g set-clipboard on"
keys "'$pick; echo copied' Enter"
ok "pick a third time" wait_for 10 shows 'group>'
keys "-l dev"
ok "the group, " wait_for 10 shows ' 1/2 '
keys Enter
ok "its messages, " wait_for 10 shows 'message>'
keys C-y
copied() {
	[ "$(terminal show-buffer)" = '-n to you, %s \ too' ]
}
ok "ctrl-y copies the newest to the clipboard" wait_for 10 copied
keys "clear Enter"
keys "'$pick; echo left \$?' Enter"
ok "pick a fourth time" wait_for 10 shows 'group>'
keys Escape
ok "escape leaves" wait_for 10 shows 'left 130'

# What would command a terminal.
printf '\033[31mred \033]0;title\007 a\\b\nsecond' >"$T/evil"
as_user gfs-alice "cat > '$M/dev/post'" <"$T/evil"
evil='\x1b[31mred \x1b]0;title\x07 a'
twice() {
	[ "$(screen | grep -cF -- "$evil")" = 2 ]
}
keys "clear Enter"
keys "'$pick; echo printed \$?' Enter"
ok "pick a fifth time" wait_for 10 shows 'group>'
keys "-l dev"
ok "the group" wait_for 10 shows ' 1/2 '
keys Enter
ok "what would command the terminal is escaped in list and preview" \
	wait_for 10 twice
keys Enter
ok "and printed" wait_for 10 shows 'printed 0'
ok "is escaped, too" shows "$evil\\b"
is "but newlines are lines" "$(screen | grep -cx 'second')" 1
keys "clear Enter"
keys "'$pick | od -An -c -w8 | head -n 1' Enter"
ok "pick a sixth time" wait_for 10 shows 'group>'
keys "-l dev"
ok "its group" wait_for 10 shows ' 1/2 '
keys Enter
ok "with the message" wait_for 10 twice
keys Enter
ok "a pipe has it as it was sent" wait_for 10 shows '033 [ 3 1 m r e d'

# The status line: of a tmux within that tmux, so that it can be read.
say gfs-carol dev '@gfs-alice are you there' 'hello'
sed "s|/groups|$M|; s/status-interval 5/status-interval 1/" \
	"$EX/desk/tmux.conf" >"$T/tmux.conf"
inner="tmux -S $T/home-gfs-alice/inner"
keys "'unset TMUX; $inner -f $T/tmux.conf new-session -s in sh' Enter"
ok "tmux shows what is unread" wait_for 15 shows '3 new, 1 @me'
say gfs-carol aaa 'and another'
ok "and what comes" wait_for 15 shows '4 new, 1 @me'
as_user gfs-alice "echo all >'$M/dev/last_read'; echo all >'$M/aaa/last_read'"
ok "and what was read" wait_for 15 shows '0 new, 0 @me'
stop_groupd
ok "and that groupd is away" wait_for 15 shows offline
start_groupd
ok "and is back" wait_for 15 shows '0 new, 0 @me'
as_user gfs-alice "$inner kill-server"
terminal kill-server
done_testing
