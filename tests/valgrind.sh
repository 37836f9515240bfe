#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs system tests with each of our programs under valgrind's memcheck:
#   BUILD=... sh tests/valgrind.sh TEST...
#
# A folder in the place of the build holds scripts of the programs' names. What
# valgrind finds is printed, and is a failure; what is not ours is in
# tests/lint/valgrind.supp. Ends with "N passed, N failed".
#
# valgrind's name is that of a link to its tool: groupd takes for a gateway only
# who is called so (gateway_is()), and would wait for it for ever. groupd itself
# lies beside a script that is its gateway. Locks there are none: valgrind 3.19
# knows no system call of theirs, and each program says so. Threads are
# ThreadSanitizer's (tsan.sh): helgrind reports libuv, the C library and what
# SQLite shares in memory, and nothing of ours.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
real=${BUILD:-$top/build}
BUILD=$(mktemp -d /var/tmp/groupfs-valgrind.XXXXXX) || exit 1
trap 'rm -rf "$BUILD"' EXIT
chmod 1777 "$BUILD"
lib=/usr/libexec/valgrind
mkdir -m 1777 "$BUILD/log"
mkdir "$BUILD/core" "$BUILD/as"
cp "$real/groupd" "$BUILD/core"
for program in groupd groupd-gateway groupfs groupctl; do
	ln -s "$lib/memcheck-amd64-linux" "$BUILD/as/$program"
	what=$real/$program
	[ $program != groupd ] || what=$BUILD/core/groupd
	cat >"$BUILD/$program" <<-END
		#!/bin/sh
		export VALGRIND_LIB='$lib' VALGRIND_LAUNCHER=/usr/bin/valgrind.bin
		exec '$BUILD/as/$program' --tool=memcheck --quiet --vgdb=no \\
			--trace-children=yes \\
			--trace-children-skip='*/fusermount3,*/sh,*/groupd-gateway' \\
			--child-silent-after-fork=yes --num-callers=25 \\
			--suppressions='$top/tests/lint/valgrind.supp' \\
			--log-file='$BUILD/log/$program.%p' \\
			--leak-check=full --errors-for-leak-kinds=definite \\
			--show-leak-kinds=definite '$what' "\$@"
	END
	chmod 755 "$BUILD/$program"
done
ln "$BUILD/groupd-gateway" "$BUILD/core"
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
echo "$((count - reports)) passed, $reports failed: processes that valgrind watched"
[ $failed = 0 ] && [ $reports = 0 ] && [ "$count" -gt 0 ]
