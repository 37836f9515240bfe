#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 600
# 10,000 messages of which three answers in ten are lost, each sent from up to
# five sockets at once, many reset in the midst (answers.py): each is there once,
# at the number that all answers name.
#
# SENDS (10000; TORTURE=short: 150).
# shellcheck source=tests/torture/lib.sh
. "$(dirname "$0")/../torture/lib.sh"
short_or 150 10000
scene dev
$PY "$TORTURE_HERE/answers.py" dev "${SENDS:-$SIZE}" >"$T/done" 2>"$T/a.err"
is "it came to its end" "$(tail -n 3 "$T/a.err")" ""
results "$T/done"
awk -F'\t' '{ print $4 "\t" $1 }' "$M/dev/messages" | sort >"$T/stands"
sort "$T/told" >"$T/told.sorted"
same "each is there once, where its sender was told" \
	"$T/stands" "$T/told.sorted"
wc -l <"$M/dev/messages" >"$T/n"
cut -f1 "$M/dev/messages" >"$T/seqs"
seq 1 "$(cat "$T/n")" >"$T/wanted"
same "seq has no gap" "$T/seqs" "$T/wanted"
ok "verify finds nothing wrong" ctl verify
done_testing
