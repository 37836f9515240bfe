#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs unit tests (cmocka binaries) and system tests (shell scripts) one after
# the other, passes their TAP on, and sums up:  N passed, N failed
# BUILD=dir sh tests/run.sh FILE...
#
# A test has 120 s, or what its line "# TIMEOUT: seconds" says, times
# $GROUPFS_TEST_PATIENCE. Exit 77 of a script skips it whole. What a failed
# test printed beside TAP is shown.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
trap 'exit 130' INT TERM HUP
passed=0
failed=0
skipped=0
failures=

count() {
	grep -cE -e "$1" "$out/tap"
}

# Runs in a process group of its own, which ends with it.
run_one() {
	limit=120
	case $1 in
	*.sh)
		line=$(sed -n 's/^# TIMEOUT: \([0-9]*\)$/\1/p' "$1")
		limit=$((${line:-120} * ${GROUPFS_TEST_PATIENCE:-1}))
		timeout -k 20 "$limit" sh "$1" </dev/null
		;;
	*)
		CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 "$limit" "$1" </dev/null
		;;
	esac
}

# Two of the tests' users are not root: what they run must lie where they can
# go, which a checkout below /root does not.
reach_for_all() {
	setpriv --reuid=65534 --regid=65534 --clear-groups \
		test -r "$top/README.md" 2>/dev/null && return
	tree=$(mktemp -d /var/tmp/groupfs-tree.XXXXXX) || exit 1
	trap 'rm -rf "$out" "$tree"' EXIT
	chmod 755 "$tree"
	cp -a "$top/." "$tree" || exit 1
	echo "# from a copy that all users can read: $tree"
	case ${BUILD:-} in
	"$top"/*) BUILD=$tree${BUILD#"$top"} && export BUILD ;;
	esac
	top=$tree
}

[ "$(id -u)" != 0 ] || reach_for_all
cd "$top" || exit 1
for test in "$@"; do
	echo "# $test"
	began=$(date +%s)
	run_one "$test" >"$out/tap" 2>"$out/log"
	rc=$?
	grep -E '^(ok|not ok|1\.\.|#|\t)' "$out/tap"
	# cmocka writes "not ok N # SKIP" for a skipped test.
	skip=$(count '^(ok|not ok) .*# SKIP')
	ok=$(($(count '^ok') - $(count '^ok .*# SKIP')))
	bad=$(($(count '^not ok') - $(count '^not ok .*# SKIP')))
	if [ $rc = 77 ] && [ "$bad" = 0 ]; then
		skip=$((skip + 1))
		echo "ok - $test # SKIP"
	elif [ $rc = 124 ] || [ $rc = 137 ]; then
		bad=$((bad + 1))
		echo "not ok - $test took longer than $limit s"
	elif { [ $rc != 0 ] && [ "$bad" = 0 ]; } ||
		[ $((ok + bad + skip)) = 0 ]; then
		bad=$((bad + 1))
		echo "not ok - $test ended with status $rc and no failed test"
	fi
	if [ "$bad" -gt 0 ]; then
		failures="$failures $test"
		grep -vE '^(ok|not ok|1\.\.|#|\t)' "$out/tap" | tail -n 40
		tail -n 60 "$out/log"
	fi
	passed=$((passed + ok))
	failed=$((failed + bad))
	skipped=$((skipped + skip))
	echo "# $test: $(($(date +%s) - began)) s"
done

[ -z "$failures" ] || echo "# failed:$failures"
summary="$passed passed, $failed failed"
[ $skipped = 0 ] || summary="$summary, $skipped skipped"
echo "$summary"
[ $failed = 0 ] && [ $passed -gt 0 ]
