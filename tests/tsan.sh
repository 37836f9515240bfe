#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs tests of a build with ThreadSanitizer, and gathers what it reports:
#   BUILD=... sh tests/tsan.sh TEST...
#
# Each process writes into a file of its own: many have a stderr that nobody
# reads, and the exit status of one that is killed says nothing. So the build is
# one without locks (LOCKS=no), which would have no file opened. What is not
# ours is in tests/lint/tsan.supp. Ends with "N passed, N failed".
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
log=$(mktemp -d /var/tmp/groupfs-tsan.XXXXXX) || exit 1
trap 'rm -rf "$log"' EXIT
mkdir "$log/reports" && chmod 1777 "$log/reports" && chmod 755 "$log" || exit 1
# Read by all users, who cannot read a checkout below /root.
cp "$top/tests/lint/tsan.supp" "$log/supp" && chmod 644 "$log/supp" || exit 1
# Status 66 of whoever reported.
export TSAN_OPTIONS="suppressions=$log/supp log_path=$log/reports/of exitcode=66 \
print_suppressions=0 ${TSAN_OPTIONS:-}"
# Before the library of faults, whose malloc() it would call before it is ready.
GROUPFS_TEST_PRELOAD=$(ldd "$BUILD/groupd" | awk '/libtsan/ { print $3 }')
export GROUPFS_TEST_PRELOAD
export GROUPFS_TEST_PATIENCE="${GROUPFS_TEST_PATIENCE:-5}"
sh "$top/tests/run.sh" "$@"
failed=$?

# The same race is reported by many processes: one of each is shown.
reports=$(grep -h '^SUMMARY: ThreadSanitizer' "$log"/reports/* 2>/dev/null |
	sort | uniq -c | sort -rn)
[ -z "$reports" ] || {
	for file in "$log"/reports/*; do
		at=$(grep -h -m 1 '^SUMMARY' "$file")
		grep -qxF "$at" "$log/shown" 2>/dev/null && continue
		printf '%s\n' "$at" >>"$log/shown"
		sed 's/^/# /' "$file" | head -n 200
	done
	printf '%s\n' "$reports" | sed 's/^/# /'
}
found=$(printf '%s' "$reports" | grep -c .)
echo "$#" "tests, $found kinds of report of ThreadSanitizer"
[ "$failed" = 0 ] && [ "$found" = 0 ]
