#!/bin/sh
# SPDX-License-Identifier: MIT
# Completion in bash and zsh, typed into a terminal and Tab pressed: each
# command and option that groupctl has, groups, members, tokens and files.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
for tool in tmux bash zsh; do
	command -v $tool >/dev/null || skip_all "needs $tool"
done
start_groupd
ctl user add gfs-ann gfs-ben
ctl create dev gfs-ann
ctl create deploy gfs-ben
ctl token create gfs-ann >/dev/null
echo x >"$T/chart.png"
export GROUPD_SOCKET="$SOCKET" PATH="$BUILD:$PATH" TMUX_TMPDIR="$T"
cd "$T" || exit 1

# Without a terminal: what bash is asked for as readline asks for it.
cat >"$T/ask.bash" <<'SCRIPT'
source "$1/completion/groupctl.bash"
complete -p groupctl >/dev/null || echo "nothing is registered"
while read -r -a COMP_WORDS; do
	[[ ${COMP_WORDS[-1]} == . ]] && COMP_WORDS[-1]=''
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	COMPREPLY=()
	_groupctl groupctl "${COMP_WORDS[COMP_CWORD]}" \
		"${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
	echo "${COMPREPLY[*]}"
done
SCRIPT
asked() {
	echo "groupctl $1" | bash --norc "$T/ask.bash" "$TOP"
}
ctl help | awk -F '  +' '/^  [a-z]/ { sub(/ [[A-Z].*/, "", $2); print $2 }' \
	>"$T/commands"
is "bash offers all commands" "$(asked . | tr ' ' '\n' | sort)" \
	"$(cut -d' ' -f1 "$T/commands" | sort -u)"
while read -r command; do
	# shellcheck disable=SC2086
	options=$(ctl help $command | sed -nE 's/^  (--[a-z-]+).*/\1/p')
	is "and the options of $command" \
		"$(asked "$command --" | tr ' ' '\n' | sort)" \
		"$(printf '%s\n' "$options" --help | sort)"
done <"$T/commands"
while IFS='|' read -r line offers; do
	is "bash: $line" "$(asked "$line")" "$offers"
done <<'ROWS'
fo|follow
token .|create list revoke
token revoke .|1
follow d|deploy dev
follow --color .|auto always never
follow --color = al|always
follow --tail 3 de|deploy dev
follow --tail .|
add --role .|admin member
read dev a|all
remove dev g|gfs-ann
add deploy gfs-a|gfs-ann
help to|token
send dev --media ch|chart.png
send dev .|
--so|--socket
verify ch|chart.png
status .|
ROWS

# With one.
pane() {
	tmux -L completion capture-pane -p -t "=$1:" | grep -v '^$'
}
shows() {
	pane "$1" | grep -qE -- "$2"
}
# types SHELL TEXT REGEX: then Tab; until the screen shows it.
types() {
	tmux -L completion send-keys -t "=$1:" C-u
	tmux -L completion send-keys -t "=$1:" -l "$2"
	tmux -L completion send-keys -t "=$1:" Tab
	wait_for 10 shows "$1" "$3"
	pass_or_fail $? "$1: $2<Tab>" || diag "$(pane "$1")"
}
tmux -L completion -f /dev/null new-session -d -s bash -x 100 -y 60 \
	"bash --norc"
tmux -L completion new-session -d -s zsh -x 100 -y 60 "zsh -f"
# What is typed before there is a prompt may be lost.
for shell in bash zsh; do
	ok "$shell starts" wait_for 20 shows $shell '[#$%] *$'
done
tmux -L completion send-keys -t =bash: \
	"PS1='ready> '; . '$TOP/completion/groupctl.bash'" Enter
tmux -L completion send-keys -t =zsh: \
	"PS1='ready> ' LISTMAX=0 fpath=('$TOP/completion' \$fpath); autoload -U compinit; compinit -D -u" Enter
for shell in bash zsh; do
	ok "$shell is there" wait_for 20 shows $shell '^ready> *$'
	types $shell "groupctl fol" '^ready> groupctl follow *$'
	types $shell "groupctl token cr" '^ready> groupctl token create *$'
	types $shell "groupctl follow dep" '^ready> groupctl follow deploy *$'
	types $shell "groupctl remove dev g" \
		'^ready> groupctl remove dev gfs-ann *$'
	types $shell "groupctl follow --no" \
		'^ready> groupctl follow --no-follow *$'
	types $shell "groupctl follow --color=ne" \
		'^ready> groupctl follow --color=never *$'
	types $shell "groupctl send dev --media ch" \
		'^ready> groupctl send dev --media chart.png *$'
	types $shell "groupctl read dev a" '^ready> groupctl read dev all *$'
done
# zsh says what each is for.
tmux -L completion send-keys -t =zsh: C-u
tmux -L completion send-keys -t =zsh: -l "groupctl "
tmux -L completion send-keys -t =zsh: Tab
ok "zsh lists the commands" wait_for 10 shows zsh \
	'^follow +-- print messages as they come'
missing=$(cut -d' ' -f1 "$T/commands" | sort -u | while read -r command; do
	shows zsh "^$command +-- " || echo "$command"
done)
is "all of them" "$missing" ""
while read -r command; do
	tmux -L completion send-keys -t =zsh: C-c
	tmux -L completion send-keys -t =zsh: -l "clear; groupctl $command --"
	tmux -L completion send-keys -t =zsh: Tab
	for option in $(asked "$command --"); do
		wait_for 5 shows zsh "^$option +--|$command $option *\$" ||
			echo "$command $option"
	done
done <"$T/commands" >"$T/missing"
is "and all their options" "$(cat "$T/missing")" ""
tmux -L completion kill-server
done_testing
