# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2154
# Runs the rows of a table, one a tool, through the real mount. Sourced after
# lib.sh, with groupd and a mount running:  run_table FILE
#
# A row is a block of lines, each beginning with one of these:
#   == TOOL: SENTENCE   begins the row, and is its name
#   $ COMMAND           a line for bash; several make one script
#   > TEXT              a line of standard output; all of them, exactly
#   ~ REGEX             found in what it printed, on stdout or stderr
#   ? STATUS            its exit status (0 when not said; also "not 0", "any")
#   + TEXT              a message that it sent; all of them, in order
#   += N                it sent N messages, in an order that is not known
#   @ SENTENCE          why it cannot work, and what to use; shown with the row
#   % COMMAND           skipped where this command is not installed
# Other lines are comments. A row that wants neither > nor ~ must print
# nothing, one that ends with 0 and has no ~ nothing on stderr. After each
# row the size of `messages` must be the length of what a reader gets.
#
# GROUPFS_TEST_ROWS='tail*' runs those whose name is so.
#
# A row runs in a group folder of its own, with the messages one, two and
# three of the caller, who is its admin, and gfs-other as a member. It has:
#   $W       a folder outside of the mount
#   $REF     a file: the log as REST tells it, when the row began
#   say TEXT...    sends each as gfs-other, by REST
#   till COMMAND   waits until it succeeds

prepare_rows() {
	mkdir -p "$T/bin" "$T/row"
	ctl user add gfs-other
	TOKEN=$(token gfs-other)
	cat >"$T/bin/say" <<-END_OF_SAY
		#!/bin/sh
		for text in "\$@"; do
			curl -sSf -m 20 -H 'Authorization: Bearer $TOKEN' \\
				-H 'Content-Type: text/plain' -d "\$text" \\
				"$URL/api/groups/\$G/messages" >/dev/null
		done
	END_OF_SAY
	cat >"$T/bin/till" <<-'END_OF_TILL'
		#!/bin/sh
		tries=400
		until "$@" >/dev/null 2>&1; do
			tries=$((tries - 1))
			[ $tries -gt 0 ] || exit 1
			sleep 0.05
		done
	END_OF_TILL
	chmod 755 "$T/bin/say" "$T/bin/till"
	ROWS=0
	ROW_NAME=
}

begin_row() {
	ROW_NAME=$1
	ROW_NEEDS=
	ROW_STATUS=0
	ROW_SENT=
	: >"$T/row/cmd"
	: >"$T/row/want"
	: >"$T/row/regex"
	: >"$T/row/sent"
	: >"$T/row/why"
}

# The log as REST tells it, with nothing of ours in between but jq.
reference() {
	curl -sSf -m 20 -H "Authorization: Bearer $TOKEN" \
		"$URL/api/groups/$1/messages?after_seq=0&limit=1000" |
		jq -r '.messages[] | [.sequence_number, .timestamp, .sender,
			.content] | @tsv'
}

# In the group's folder, with a deadline: what hangs fails.
run_row() {
	(
		cd "$M/$G" || exit
		export G M W REF PY BUILD PATH="$T/bin:$PATH" TERM=dumb
		exec timeout -k 5 20 bash "$T/row/cmd"
	) >"$T/row/out" 2>"$T/row/err" </dev/null
}

row_is_wrong() {
	ROW_WRONG="$ROW_WRONG
$*"
}

judge_status() {
	case $ROW_STATUS in
	any) ;;
	'not 0')
		[ "$1" != 0 ] || row_is_wrong "status 0"
		;;
	*)
		[ "$1" = "$ROW_STATUS" ] ||
			row_is_wrong "status $1, wanted $ROW_STATUS"
		;;
	esac
}

judge_output() {
	if [ -s "$T/row/want" ] || [ ! -s "$T/row/regex" ]; then
		cmp -s "$T/row/want" "$T/row/out" ||
			row_is_wrong "stdout differs (< wanted, > got):
$(diff "$T/row/want" "$T/row/out" | head -n 10 | cut -c1-200)"
	fi
	if [ "$ROW_STATUS" = 0 ] && [ ! -s "$T/row/regex" ] &&
		[ -s "$T/row/err" ]; then
		row_is_wrong "it printed on stderr"
	fi
	while IFS= read -r regex; do
		cat "$T/row/out" "$T/row/err" | grep -qE -- "$regex" ||
			row_is_wrong "printed nothing like /$regex/"
	done <"$T/row/regex"
}

judge_log() {
	cut -f4- "$M/$G/messages" 2>/dev/null | tail -n +4 >"$T/row/got"
	if [ -n "$ROW_SENT" ]; then
		[ "$(wc -l <"$T/row/got")" = "$ROW_SENT" ] ||
			row_is_wrong "it sent $(wc -l <"$T/row/got") messages," \
				"not $ROW_SENT"
	else
		cmp -s "$T/row/sent" "$T/row/got" ||
			row_is_wrong "what was sent differs (< wanted, > got):
$(diff "$T/row/sent" "$T/row/got" | head -n 10 | cut -c1-200)"
	fi
	[ "$(stat -c %s "$M/$G/messages" 2>/dev/null)" = \
		"$(cat "$M/$G/messages" 2>/dev/null | wc -c)" ] ||
		row_is_wrong "the size of messages is not exact"
}

end_row() {
	[ -n "$ROW_NAME" ] || return 0
	ROWS=$((ROWS + 1))
	# shellcheck disable=SC2254
	case $ROW_NAME in
	${GROUPFS_TEST_ROWS:-*}) ;;
	*) return ;;
	esac
	if [ -n "$ROW_NEEDS" ] && ! command -v "$ROW_NEEDS" >/dev/null; then
		TESTS=$((TESTS + 1))
		echo "ok $TESTS - $ROW_NAME # SKIP no $ROW_NEEDS here"
		return
	fi
	G=row$ROWS
	W=$T/w$ROWS
	REF=$T/row/ref
	ROW_WRONG=
	mkdir "$M/$G" "$W"
	echo gfs-other >>"$M/$G/members"
	printf 'one\ntwo\nthree\n' >>"$M/$G/messages"
	! grep -q REF "$T/row/cmd" || reference "$G" >"$REF"
	run_row
	judge_status $?
	judge_output
	judge_log
	[ -z "$ROW_WRONG" ]
	pass_or_fail $? "$ROW_NAME" || {
		diag "$(cat "$T/row/cmd")"
		diag "$ROW_WRONG"
		diag "stdout: $(head -c 500 "$T/row/out")"
		diag "stderr: $(head -c 500 "$T/row/err")"
		diag ".me/error: $(cat "$M/.me/error")"
	}
	[ ! -s "$T/row/why" ] || diag "$(cat "$T/row/why")"
	rm -rf "$W"
}

run_table() {
	prepare_rows
	while IFS= read -r line; do
		text=${line#??}
		case $line in
		'== '*)
			end_row
			begin_row "${line#== }"
			;;
		'+= '*) ROW_SENT=${line#+= } ;;
		'$ '*) printf '%s\n' "$text" >>"$T/row/cmd" ;;
		'> '*) printf '%s\n' "$text" >>"$T/row/want" ;;
		'>') echo >>"$T/row/want" ;;
		'~ '*) printf '%s\n' "$text" >>"$T/row/regex" ;;
		'? '*) ROW_STATUS=$text ;;
		'+ '*) printf '%s\n' "$text" >>"$T/row/sent" ;;
		'+') echo >>"$T/row/sent" ;;
		'@ '*) printf '%s\n' "$text" >>"$T/row/why" ;;
		'% '*) ROW_NEEDS=$text ;;
		esac
	done <"$1"
	end_row
	diag "$ROWS rows"
}
