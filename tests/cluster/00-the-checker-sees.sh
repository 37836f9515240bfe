#!/bin/sh
# SPDX-License-Identifier: MIT
# The checker of the cluster's tests finds nothing in a right record, and in
# each wrong one just what was made wrong in it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/../system/lib.sh"
CHECK=$(dirname "$0")/check.py

# Three messages; what was told and read of them.
right() {
	rm -rf "$T/r"
	mkdir "$T/r"
	printf '%s\t2026-11-26T12:00:0%s.000Z\tann\t%s\n' 1 1 a-1 2 2 b-1 3 2 a-2 \
		>"$T/r/log"
	cp "$T/r/log" "$T/r/tail"
	printf '%s\tann\t"%s"\n' 1 a-1 2 b-1 3 a-2 >"$T/r/ws"
	# A line is 35 bytes. b-1 was not acknowledged.
	printf '%s\t%s\t%s\n' a-1 1 0 a-2 3 70 >"$T/r/acks"
	printf '%s\n' 'a	a-1	10.0	10.1	sent' 'a	a-2	10.2	12.0	unavailable' \
		'a	a-2	12.1	12.2	sent' 'b	b-1	10.0	11.9	outcome_unknown' \
		>"$T/r/attempts"
	printf '10.05\t10.15\tkill\n' >"$T/r/faults"
	printf '10.15\t12.5\tkill\n' >"$T/r/recoveries"
}

check() {
	$PY "$CHECK" "$T/r" "$T/r/log" "$T/r/tail" "$T/r/ws" >"$T/out" 2>&1
}

# sees WHAT REGEX: of the current record the checker says just that.
sees() {
	check
	is "$1" "$(grep '^not ok' "$T/out" | cut -d: -f1 | sort)" "$2"
}

right
sees "a right record is right" ""
like "and all of it was looked at" "$(grep -c '^ok' "$T/out")" '^12$'
is "the time to recover is told" "$(grep '^# kill' "$T/out")" \
	"# kill, 1 times: node a silent for 2.10 s (at most 2.10 s); once it was over, 2.05 s (at most 2.05 s)
# kill: 1 times node b stored nothing more
# kill: once it was over, all readers had what was stored in 2.35 s (at most 2.35 s)"

# wrong WHAT FILE SED SEEN: the record with one file edited.
wrong() {
	right
	sed -i "$3" "$T/r/$2"
	sees "$1" "$4"
}

both="not ok tail read that order
not ok ws read that order"
wrong "an acknowledged message that is not there" log '3d' "not ok nothing acknowledged is lost
$both"
wrong "one that is there twice" log '2s/b-1/a-1/' "not ok each stands where its sender was told
not ok nothing is there twice
$both"
wrong "one that nobody has sent" log '$a4\t2026-11-26T12:00:03.000Z\tann\tc-1' \
	"not ok nothing is there that was not sent
$both"
wrong "other bytes than were sent" log '2s/b-1/b-1:9 b-2/' \
	"not ok each stands where its sender was told
not ok nothing is there that was not sent
$both"
wrong "a gap" log '3s/^3/4/' "not ok each stands where its sender was told
not ok seq has no gap
$both"
wrong "a time that goes back" log '3s/:02/:00/' "not ok times do not go back"
wrong "another number than was told" acks '2s/3/2/' \
	"not ok each stands where its sender was told"
wrong "another offset" acks '2s/70/71/' \
	"not ok each stands where its sender was told"
wrong "but where no number was told, none is wrong" acks '2s/3.70/-	-/' ""
wrong "a reader of two in another order" tail \
	'2{h;d};3G;s/^3\(.*\)\n2/2\1\n3/' "not ok tail read that order"
wrong "a reader that missed one" ws 2d "not ok ws read that order"
wrong "a reader that got one twice" ws '3p' "not ok ws read that order"
wrong "a reader that is behind" tail 3d "not ok tail read that order"
wrong "a reader of something else" ws '2s/b-1/b-2/' "not ok ws read that order"
wrong "a reader of another sender" ws '2s/ann/bob/' "not ok ws read that order"
wrong "an answer that was late" attempts '2s/12.0/12.9/' \
	"not ok each try was answered within 2.5 s"
wrong "an answer that is none" attempts '4s/outcome_unknown/lost/' \
	"not ok with one of"
wrong "no acknowledgement at all" acks d "not ok messages were acknowledged"
wrong "a duplicate of what was refused" attempts '3s/sent/duplicate/' \
	"not ok a duplicate is only what may have been stored"
right
sed -i '2s/unavailable/outcome_unknown/; 3s/sent/duplicate/' "$T/r/attempts"
sees "but one of what nobody knew is right" ""
like "and counted" "$(grep tries "$T/out")" '^# 4 tries: 1 duplicate, 2 outcome_'
like "as is what is lost and doubled" "$(grep doubled "$T/out")" \
	'^# 3 messages, 2 acknowledged, 0 of them lost, 0 doubled$'
# A text may be longer than its ID.
right
sed -i 's/a-2/a-2:9 a-2/' "$T/r/log" "$T/r/tail" "$T/r/ws"
sees "a long text is right" ""
# A record may say what was sent before it is known what came of it.
right
sed -i 4d "$T/r/attempts"
sees "one that no try is of was not sent" \
	"not ok nothing is there that was not sent"
echo 'b-1	10.0' >"$T/r/sent"
sees "but where it was noted before its try" ""
# What cannot be read is no success.
right
echo 'a	b' >>"$T/r/tail"
fails "a line that is no message" check
right
echo 'a-1	1' >>"$T/r/acks"
fails "a record that is none" check

# The list and the table of run.sh name tests that there are.
is "what they name is there" "$(cut -f1 "$TOP/tests/cluster/quick.list" \
	"$TOP/tests/cluster/apart.table" | grep '^[0-9]' |
	while read -r test; do
		[ -e "$HERE/$test" ] || echo "$test"
	done)" ""
done_testing
