#!/bin/sh
# SPDX-License-Identifier: MIT
# Fuzzes with each harness for so many seconds of a processor, $JOBS of them at
# a time:
#   run.sh BUILD SECONDS NAME...
#
# Begins with the corpus in the tree and keeps what is found in BUILD/corpus;
# an input that breaks something, takes $FUZZ_TIMEOUT seconds (10), or more than
# a gigabyte, is left in BUILD/crashes, and printed. Ends with "N passed, N
# failed".
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
self=$top/tests/fuzz/run.sh
cd "$top" || exit 1

figure() {
	sed -n "s/^stat::$1:[^0-9]*//p" "$log"
}

# One harness; its line goes into BUILD/log/NAME.line.
one() {
	build=$1 seconds=$2 name=$3
	log=$build/log/$name
	found=$build/corpus/$name
	# Words that it would not find by itself.
	set -- "$found" "tests/fuzz/corpus/$name"
	[ ! -e "tests/fuzz/$name.dict" ] || set -- "-dict=tests/fuzz/$name.dict" "$@"
	mkdir -p "$found" "tests/fuzz/corpus/$name" "$build/crashes"
	FUZZ_SECONDS=$seconds timeout -k 10 3600 "$build/fuzz/fuzz_$name" \
		-timeout="${FUZZ_TIMEOUT:-10}" -rss_limit_mb=1024 \
		-max_len=8192 -print_final_stats=1 \
		-artifact_prefix="$build/crashes/$name-" "$@" >"$log" 2>&1
	rc=$?
	printf '%-12s %10s inputs %7s a second, %4s MB, %s\n' "$name" \
		"$(figure number_of_executed_units)" \
		"$(figure average_exec_per_sec)" "$(figure peak_rss_mb)" \
		"$([ $rc = 0 ] && echo ok || echo "FAILED: $log")" \
		>"$log.line"
	[ $rc = 0 ] || {
		tail -n 40 "$log"
		for input in "$build/crashes/$name"-*; do
			[ ! -e "$input" ] || {
				echo "$input, in base64:"
				base64 "$input"
			}
		done
	} >>"$log.line"
	cat "$log.line"
}

if [ "$1" = --one ]; then
	shift
	one "$@"
	exit 0
fi
build=$1 seconds=$2
shift 2
rm -rf "$build/log"
mkdir -p "$build/log"
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -I{} \
	sh "$self" --one "$build" "$seconds" {}
passed=$(cat "$build"/log/*.line | grep -c ', ok$')
echo "$passed passed, $(($# - passed)) failed"
[ "$passed" = $# ]
