#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs unit tests (cmocka binaries) and system tests (shell scripts), passes
# their TAP on, each test's in one piece, and sums up:  N passed, N failed
# BUILD=dir JOBS=N sh tests/run.sh FILE...
#
# JOBS of them run at a time (the number of processors), but one that says
# "# ALONE" in a line of its own. A test has 120 s, or what its line
# "# TIMEOUT: seconds" says, times $GROUPFS_TEST_PATIENCE; more, where
# $GROUPFS_TEST_ROUNDS has faults come more often than twice; at most
# $GROUPFS_TEST_LIMIT. Those that may take longest begin. Exit 77 of a script
# skips it whole. What a failed test printed beside TAP is shown.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
self=$top/tests/run.sh

# The seconds that a test may take.
limit_of() {
	line=
	case $1 in
	*.sh) line=$(sed -n 's/^# TIMEOUT: \([0-9]*\)$/\1/p' "$1") ;;
	esac
	line=$((${line:-120} * ${GROUPFS_TEST_PATIENCE:-1}))
	[ "${GROUPFS_TEST_ROUNDS:-2}" -le 2 ] ||
		line=$((line * GROUPFS_TEST_ROUNDS / 2))
	[ "$line" -le "${GROUPFS_TEST_LIMIT:-$line}" ] ||
		line=$GROUPFS_TEST_LIMIT
	echo $line
}

# Runs in a process group of its own, which ends with it.
run() {
	limit=$(limit_of "$1")
	case $1 in
	*.sh)
		timeout -k 20 "$limit" sh "$1" </dev/null
		;;
	*)
		CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 "$limit" "$1" </dev/null
		;;
	esac
}

count() {
	grep -cE -e "$1" "$mine.tap"
}

# run.sh --one OUT FILE: one test; its figures go into OUT/sums.
one() {
	out=$1
	test=$2
	mine=$out/$(basename "$test")
	began=$(date +%s)
	run "$test" >"$mine.tap" 2>"$mine.log"
	rc=$?
	# A subshell of its own would have used nothing yet.
	times >"$mine.times"
	{
		echo "# $test"
		grep -E '^(ok|not ok|1\.\.|#|	)' "$mine.tap"
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
			grep -vE '^(ok|not ok|1\.\.|#|	)' "$mine.tap" | tail -n 40
			tail -n 60 "$mine.log"
		fi
		echo "# $test: $(($(date +%s) - began)) s," \
			"of a processor: $(tail -n 1 "$mine.times")"
	} >"$mine.out"
	# Others write, too.
	flock "$out/lock" cat "$mine.out"
	echo "$ok $bad $skip $test" >>"$out/sums"
	rm -f "$mine.tap" "$mine.log" "$mine.out" "$mine.times"
}

if [ "${1:-}" = --one ]; then
	one "$2" "$3"
	exit 0
fi

# Two of the tests' users are not root: what they run must lie where they can
# go, which a checkout below /root does not.
reach_for_all() {
	setpriv --reuid=65534 --regid=65534 --clear-groups \
		test -r "$top/README.md" 2>/dev/null && return
	tree=$(mktemp -d /var/tmp/groupfs-tree.XXXXXX) || exit 1
	chmod 755 "$tree"
	# Of the builds only the one that is tested: another may be going on.
	tar -C "$top" --exclude='./build*' --exclude=./compile_commands.json \
		-cf "$tree/all.tar" . && tar -C "$tree" -xf "$tree/all.tar" &&
		rm "$tree/all.tar" || exit 1
	echo "# from a copy that all users can read: $tree"
	case ${BUILD:-} in
	"$top"/*)
		cp -a "$BUILD" "$tree" || exit 1
		BUILD=$tree${BUILD#"$top"} && export BUILD
		;;
	esac
	top=$tree
}

is_alone() {
	case $1 in
	*.sh) grep -qx '# ALONE' "$1" ;;
	*) false ;;
	esac
}

# run_all JOBS: the tests that are named on stdin.
run_all() {
	xargs -r -P "$1" -n 1 sh "$self" --one "$out"
}

out=$(mktemp -d) || exit 1
# A folder in memory that has a gigabyte, or else on disk.
light_folder() {
	case $(df --output=fstype,avail -B 1G /dev/shm 2>/dev/null | tail -n 1) in
	tmpfs*' '[1-9]*) echo /dev/shm ;;
	*) echo /var/tmp ;;
	esac
}

# Where the first test that needs PostgreSQL starts it, for all of them; it ends
# with this script (tests/support/postgres.sh). They make a database each and
# none has the machine crash: on disk, flushing would be most of what they do.
GROUPFS_TEST_POSTGRES=$(mktemp -d "$(light_folder)/groupfs-postgres.XXXXXX") ||
	exit 1
GROUPFS_TEST_POSTGRES_OWNER=$$
export GROUPFS_TEST_POSTGRES GROUPFS_TEST_POSTGRES_OWNER
clean() {
	rm -rf "$out" ${tree:+"$tree"}
	rmdir "$GROUPFS_TEST_POSTGRES" 2>/dev/null
}
trap clean EXIT
trap 'exit 130' INT TERM HUP
: >"$out/sums"
[ "$(id -u)" != 0 ] || reach_for_all
cd "$top" || exit 1
by_limit() {
	for test in "$@"; do
		printf '%s %s\n' "$(limit_of "$test")" "$test"
	done | sort -s -k1,1nr | cut -d' ' -f2-
}

for test in $(by_limit "$@"); do
	if is_alone "$test"; then
		echo "$test" >>"$out/alone"
	else
		echo "$test" >>"$out/together"
	fi
done
[ ! -e "$out/together" ] || run_all "${JOBS:-$(nproc)}" <"$out/together"
[ ! -e "$out/alone" ] || run_all 1 <"$out/alone"

failures=$(awk '$2 > 0 { printf " %s", $4 }' "$out/sums")
[ -z "$failures" ] || echo "# failed:$failures"
awk -v wanted=$# '{ ok += $1; bad += $2; skip += $3 }
	END {
		if (NR != wanted) {
			printf "# only %d of %d tests came to an end\n", NR, wanted
			bad++
		}
		printf "%d passed, %d failed", ok, bad
		print (skip > 0 ? ", " skip " skipped" : "")
		exit bad > 0 || ok == 0
	}' "$out/sums"
