#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual pages as mandoc's strictest check wants them: man.sh PAGE...
# But for "referenced manual not found", which tells what this machine has
# installed: tests/system/92-… checks each name. A page whose date is a month
# older than its last commit was changed without looking at it.
set -u
bad=0
# It tells on stderr of pages that are not in its own database.
mandoc -T lint -W style "$@" 2>/dev/null |
	grep -v 'STYLE: referenced manual not found' && bad=1

for page in "$@"; do
	changed=$(git log -1 --format=%ct -- "$page" 2>/dev/null)
	[ -n "$changed" ] || continue
	dated=$(date -u -d "$(sed -n 's/^\.Dd //p' "$page")" +%s) || bad=1
	if [ $((changed - dated)) -gt $((31 * 86400)) ]; then
		echo "man: $page was changed after its date (.Dd)"
		bad=1
	fi
done
[ $bad = 0 ] && echo "man: $# pages are clean"
exit $bad
