#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs cmocka binaries one after the other: run.sh BINARY...
#
# A test that a binary announced but did not report as OK or skipped counts as
# failed, so a crash in the middle is seen; a binary that ends badly though
# all its tests passed (a sanitizer at exit) counts as one failure. The last
# line is "N passed, M failed", alone; CI reads it.
set -u
CMOCKA_MESSAGE_OUTPUT=stdout
export CMOCKA_MESSAGE_OUTPUT

passed=0
failed=0
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
trap 'exit 1' HUP INT TERM

for binary in "$@"; do
	"$binary" >"$out" 2>&1
	status=$?
	echo "# $binary"
	cat "$out"
	# "[==========] Running 3 test(s)." and "[       OK ] name"
	# shellcheck disable=SC2046 # two numbers
	set -- $(awk '
		match($0, /\] Running [0-9]+ test\(s\)/) {
			split(substr($0, RSTART), word, " ")
			all += word[3]
		}
		/\[       OK \] / { ok++ }
		/\[  SKIPPED \] / && !/listed below/ && !seen[$0]++ { skipped++ }
		END { print ok + 0, all - ok - skipped }' "$out")
	ok=$1
	bad=$2
	[ "$bad" -ge 0 ] || bad=0
	if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		echo "# $binary: exit status $status"
		bad=1
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
done

# A test may have left the last line open.
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
