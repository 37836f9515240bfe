# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completion of groupctl(1) in bash. What there is to complete is what groupctl
# says of itself: `groupctl help` names the commands and their arguments,
# `groupctl help COMMAND` the options; so it cannot fall behind.

# "token create<TAB>USER": a line for each command.
__groupctl_commands() {
	local line word name args
	"$1" help 2>/dev/null | while IFS= read -r line; do
		[[ $line == '  '[a-z]* ]] || continue
		line=${line#  }
		name='' args=''
		for word in ${line%%  *}; do
			if [[ $word == [a-z]* ]]; then
				name+="${name:+ }$word"
			else
				args+="${args:+ }$word"
			fi
		done
		printf '%s\t%s\n' "$name" "$args"
	done
}

# The options of a command, as "--color WHEN".
__groupctl_options() {
	"$1" help ${2:+$2} 2>/dev/null |
		sed -nE 's/^  (--[a-z-]+( [A-Z]+)?) .*/\1/p'
	printf '%s\n' --help
}

# __groupctl_values KIND GROUP: the words that may stand there. ctl is the
# command line that asks groupd.
__groupctl_values() {
	case $1 in
	GROUP) "${ctl[@]}" groups 2>/dev/null | cut -f1 ;;
	MEMBER) "${ctl[@]}" members "$2" 2>/dev/null | cut -d' ' -f1 ;;
	USER)
		"${ctl[@]}" user list 2>/dev/null ||
			"${ctl[@]}" members "$2" 2>/dev/null | cut -d' ' -f1
		;;
	ID) "${ctl[@]}" token list 2>/dev/null | cut -f1 ;;
	COMMAND) __groupctl_commands "${ctl[0]}" | cut -f1 | cut -d' ' -f1 | uniq ;;
	WHEN) printf '%s\n' auto always never ;;
	ROLE) printf '%s\n' admin member ;;
	all) printf '%s\n' all ;;
	esac
}

# What may stand at the cursor: KIND, with the group that is named before.
__groupctl_offer() {
	local kind values=''
	case $1 in
	FILE | PATH | FILE...)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	# Names have no spaces. So many that nobody reads them are not shown.
	for kind in ${1//|/ }; do
		values+=$(__groupctl_values "$kind" "$2" | grep -m 1000 "^${cur//[^a-zA-Z0-9_-]/.}")$'\n'
	done
	mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
}

_groupctl() {
	local program=$1 cur=$2 prev=$3
	local -a ctl=("$program") plain=() kinds=()
	local i word name args noun='' command='' found=0 kind group=''

	# --color=always is three words to readline.
	if [[ $cur == = ]]; then
		cur=''
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [[ $word == --socket ]]; then
			[[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
			ctl+=(--socket "${COMP_WORDS[++i]}")
		elif [[ $word != -* && $word != = ]]; then
			plain+=("$word")
		fi
	done
	noun=${plain[0]-}

	# Which command it is, and what the words of it may be.
	local commands
	commands=$(__groupctl_commands "$program")
	while IFS=$'\t' read -r name args; do
		[[ $name == "$noun" || $name == "$noun ${plain[1]-}" ]] || continue
		found=1
		command=$name
		read -ra kinds <<<"$args"
	done <<<"$commands"

	if [[ $prev == --socket ]]; then
		__groupctl_offer PATH
		return
	fi
	if ((!found)); then
		if [[ $cur == -* ]]; then
			mapfile -t COMPREPLY < <(compgen -W \
				"--socket --help --version" -- "$cur")
		elif [[ -z $noun ]]; then
			mapfile -t COMPREPLY < <(compgen -W \
				"$(cut -f1 <<<"$commands" | cut -d' ' -f1 | uniq)" -- "$cur")
		elif ((${#plain[@]} == 1)); then
			mapfile -t COMPREPLY < <(compgen -W "$(sed -n \
				"s/^$noun \([a-z]*\).*/\1/p" <<<"$commands")" -- "$cur")
		fi
		return
	fi

	# Its options, and what those take that take something.
	local option value options
	options=$(__groupctl_options "$program" "$command")
	if [[ $prev == --* ]]; then
		while read -r option value; do
			[[ $option == "$prev" && -n $value ]] || continue
			__groupctl_offer "$value"
			return
		done <<<"$options"
	fi
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$(cut -d' ' -f1 <<<"$options")" -- "$cur")
		return
	fi

	# Its arguments: words that are neither its name nor an option's value.
	local at=0 skip=0
	plain=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if ((skip)); then
			[[ $word == = ]] && continue
			skip=0
		elif [[ $word == -* ]]; then
			grep -qE -- "^$word [A-Z]" <<<"$options" && skip=1
		else
			plain+=("$word")
		fi
	done
	plain=("${plain[@]:$(wc -w <<<"$command")}")
	at=${#plain[@]}
	((at < ${#kinds[@]})) || at=$((${#kinds[@]} - 1))
	((at >= 0)) || return
	kind=${kinds[at]}
	kind=${kind#[}
	kind=${kind%]}
	((${#plain[@]} >= ${#kinds[@]})) && [[ $kind != *... ]] && return
	kind=${kind%...}
	[[ ${kinds[0]} == *GROUP* ]] && group=${plain[0]-}
	[[ $command == remove && $kind == USER ]] && kind=MEMBER
	[[ $command == user\ add ]] && return
	__groupctl_offer "$kind" "$group"
}

complete -F _groupctl groupctl
