#!/bin/sh
# SPDX-License-Identifier: MIT
# Breaks the code on purpose, one patch at a time, and sees whether the test
# that the patch names fails: a promise whose test cannot fail is not tested.
#   sh tests/mutants/run.sh NAME...        those mutants: M='dedupe*' of make
#   sh tests/mutants/run.sh --check        only whether each still applies
#   sh tests/mutants/run.sh --list         the table
#
# A mutant is a file NAME.patch here: `git diff` of the broken code, and above
# it two lines,
#   Promise: what users are promised and it breaks
#   Test: who must notice: unit/test_x, system/NN-x, or `make TARGET ...`
# It works in a copy of the tree (build-mutants/tree, which has a build folder
# of its own), in which only what changed is built again. Each test is first
# seen to pass there. Ends with 1 if a mutant survived, no longer applies or
# does not build.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/tests/mutants
dir=${GROUPFS_MUTANTS:-$top/build-mutants}
tree=$dir/tree
jobs=${JOBS:-$(nproc)}
failed=0
start=$(date +%s)

# The line of a patch's head.
head_of() {
	sed -n "/^--- /q;s/^$2: *//p" "$here/$1.patch"
}

files_of() {
	sed -n 's,^+++ b/\([^	]*\).*$,\1,p' "$here/$1.patch"
}

# The tests that a patch cannot concern: a pattern of cmocka's. Where there are
# rows for PostgreSQL, its server is most of what they take.
skipped_of() {
	files_of "$1" | grep -q '^store/postgres' || echo 'postgres: *'
}

say() {
	printf '%-9s %-40s %s\n' "$1" "$2" "$3"
}

bad() {
	say "$1" "$2" "$3"
	failed=$((failed + 1))
}

# Fuzz is what makes a patch apply to something else.
apply() {
	patch -d "$1" -p1 -s -f -F0 --no-backup-if-mismatch -r - $2 \
		<"$here/$3.patch" >"$dir/patch.log" 2>&1
}

check_head() {
	case $(head_of "$1" Test) in
	unit/*) [ -e "$top/tests/unit/$(basename "$(head_of "$1" Test)").c" ] ;;
	system/*) [ -e "$top/tests/$(head_of "$1" Test).sh" ] ;;
	"make "*) true ;;
	*) false ;;
	esac || {
		bad BROKEN "$1" "has no Test: line that names one"
		return 1
	}
	[ -n "$(head_of "$1" Promise)" ] && return
	bad BROKEN "$1" "has no Promise: line"
	return 1
}

check() {
	check_head "$1" || return
	apply "$top" --dry-run "$1" ||
		bad BROKEN "$1" "no longer applies: $(head -n 1 "$dir/patch.log")"
}

# The copy, as the tree is now. A file whose bytes are the same keeps its time,
# so that what was broken last and mended since is built again.
copy_tree() {
	if [ ! -e "$tree/Makefile" ]; then
		mkdir -p "$tree" || exit 1
		rsync -a --exclude='/build*' --exclude=/.git "$top/" "$tree" &&
			mkdir "$tree/build" || exit 1
		[ ! -e "$top/build/flags" ] ||
			rsync -a "$top/build/" "$tree/build" ||
			exit 1
	fi
	rsync -rlpc --delete --exclude='/build*' --exclude=/.git "$top/" "$tree"
}

in_tree() {
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS BUILD=build \
		make -C "$tree" --no-print-directory -j"$jobs" \
		BUILD=build M= T='[0-9]*' "$@"
}

build() {
	case $1 in
	unit/*) in_tree "build/$1" ;;
	system/*) in_tree all build/torture/faults.so ;;
	make\ *) in_tree all ;;
	esac
}

run_test() {
	case $1 in
	unit/*) set -- "build/$1" ;;
	system/*) set -- "tests/$1.sh" ;;
	make\ *)
		# shellcheck disable=SC2086
		set -- ${1#make }
		timeout -k 5 580 env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS \
			make -C "$tree" --no-print-directory BUILD=build "$@"
		return
		;;
	esac
	(cd "$tree" && BUILD=$tree/build JOBS=1 GROUPFS_TEST_PATIENCE=4 \
		timeout -k 30 580 \
		sh tests/run.sh "$1")
}

# Once for all mutants that it is to catch; $took is how long.
passes() {
	mark=$dir/passed.$$/$(echo "$1 $GROUPFS_TEST_SKIP" | tr -c 'a-zA-Z0-9_\n' -)
	unset GROUPFS_TEST_LIMIT
	if [ ! -e "$mark" ] && [ ! -e "$mark.not" ]; then
		: >"$mark.not"
		build "$1" >"$dir/build.log" 2>&1 || return
		began=$(date +%s)
		run_test "$1" >"$dir/test.log" 2>&1 || return
		echo $(($(date +%s) - began)) >"$mark"
	fi
	[ -e "$mark" ] && took=$(cat "$mark")
}

# The first test that failed; or what a program said last that ended so.
why() {
	first=$(sed -n 's/^not ok [0-9]* *- *//p' "$dir/test.log" | head -n 1)
	case $first in
	'' | *' ended with status '*)
		grep -vE '^(#|ok |not ok |1\.\.|[0-9]+ passed)' "$dir/test.log" |
			tail -n 1
		;;
	*) echo "$first" ;;
	esac
}

mend() {
	for file in $(files_of "$1"); do
		cp "$dir/whole/$file" "$tree/$file" || exit 1
	done
}

try() {
	test=$(head_of "$1" Test)
	check_head "$1" || return
	GROUPFS_TEST_SKIP=$(skipped_of "$1")
	export GROUPFS_TEST_SKIP
	if ! passes "$test"; then
		bad BROKEN "$1" "$test fails with the code as it is"
		tail -n 5 "$dir/build.log" "$dir/test.log" 2>/dev/null
		return
	fi
	rm -rf "$dir/whole"
	for file in $(files_of "$1"); do
		mkdir -p "$dir/whole/$(dirname "$file")" &&
			cp "$tree/$file" "$dir/whole/$file" || exit 1
	done
	# What waits for ever is caught, too, and need not be waited for.
	export GROUPFS_TEST_LIMIT=$((30 + 5 * took))
	began=$(date +%s)
	if ! apply "$tree" '' "$1"; then
		bad BROKEN "$1" "no longer applies: $(head -n 1 "$dir/patch.log")"
	elif ! build "$test" >"$dir/build.log" 2>&1; then
		bad BROKEN "$1" "does not build: $(grep -m 1 error "$dir/build.log")"
	elif run_test "$test" >"$dir/test.log" 2>&1; then
		bad SURVIVED "$1" "$test passes: $(head_of "$1" Promise)"
	else
		say caught "$1" "$test ($(($(date +%s) - began)) s): $(why)"
	fi
	mend "$1"
}

# Those that the patterns name, or all.
mutants() {
	cd "$here" || exit 1
	for pattern in "${@:-*}"; do
		# shellcheck disable=SC2086
		ls -- $pattern.patch 2>/dev/null
	done | sed 's/\.patch$//'
}

what=try
case ${1:-} in
--check) what=check && shift ;;
--list)
	for name in $(mutants); do
		printf '%-40s %-28s %s\n' "$name" "$(head_of "$name" Test)" \
			"$(head_of "$name" Promise)"
	done
	exit 0
	;;
esac
mkdir -p "$dir" || exit 1
names=$(mutants "$@")
[ -n "$names" ] || {
	echo "mutants: none is called ${*:-so}" >&2
	exit 1
}
if [ $what = try ]; then
	mkdir "$dir/passed.$$" || exit 1
	trap 'rm -rf "$dir/passed.$$"' EXIT
	trap 'exit 130' INT TERM HUP
	copy_tree || exit 1
fi
count=0
for name in $names; do
	$what "$name"
	count=$((count + 1))
done
echo "mutants: $count in $(($(date +%s) - start)) s," \
	"$failed of them survived or are broken"
[ $failed = 0 ]
