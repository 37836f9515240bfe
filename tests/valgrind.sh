#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs system tests with each of our programs under valgrind:
#   BUILD=... sh tests/valgrind.sh TOOL TEST...       memcheck, helgrind
#
# A folder in the place of the build holds scripts of the programs' names. What
# valgrind finds is printed, and is a failure; what is not ours is in
# tests/lint/valgrind.supp. Ends with "N passed, N failed".
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
tool=$1
shift
real=${BUILD:-$top/build}
BUILD=$(mktemp -d /var/tmp/groupfs-valgrind.XXXXXX) || exit 1
trap 'rm -rf "$BUILD"' EXIT
chmod 1777 "$BUILD"
case $tool in
memcheck) options="--leak-check=full --errors-for-leak-kinds=definite
	--show-leak-kinds=definite" ;;
helgrind) options="--history-level=approx --free-is-write=yes" ;;
*) echo "valgrind.sh: memcheck or helgrind" >&2 && exit 2 ;;
esac
mkdir -m 1777 "$BUILD/log"
for program in groupd groupd-gateway groupfs groupctl; do
	cat >"$BUILD/$program" <<-END
		#!/bin/sh
		exec valgrind --tool=$tool --quiet --trace-children=yes \\
			--trace-children-skip='*/fusermount3,*/sh' \\
			--child-silent-after-fork=yes --num-callers=25 \\
			--suppressions='$top/tests/lint/valgrind.supp' \\
			--log-file='$BUILD/log/$program.%p' \\
			$(echo $options) '$real/$program' "\$@"
	END
	chmod 755 "$BUILD/$program"
done
export BUILD GROUPFS_TEST_PATIENCE="${GROUPFS_TEST_PATIENCE:-10}"
JOBS=1 sh "$top/tests/run.sh" "$@"
failed=$?
# What a program says beside is no report: that a signal ended it.
found=$(find "$BUILD/log" -type f -size +0 | sort)
reports=0
for log in $found; do
	grep -qE '^==[0-9]+== [A-Z]' "$log" || continue
	reports=$((reports + 1))
	echo "# ${log##*/}:"
	sed 's/^/# /' "$log"
done
count=$(find "$BUILD/log" -type f | wc -l)
echo "$((count - reports)) passed, $reports failed: processes that $tool watched"
[ $failed = 0 ] && [ $reports = 0 ] && [ "$count" -gt 0 ]
