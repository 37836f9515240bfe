#!/bin/sh
# SPDX-License-Identifier: MIT
# Fails for a function of more than 80 lines, from its `{` to its `}` (which
# clang-format puts into column 0); reports the share over 40 and long files.
set -eu
exec awk '
FNR == 1 { start = 0 }
/^{$/ { start = FNR; what = previous }
/^}/ && start {
	n = FNR - start + 1
	total++
	if (n > 40) over++
	if (n > 80) {
		printf "size: %s:%d: %d lines: %s\n", FILENAME, start, n, what
		failed = 1
	}
	start = 0
}
{ previous = $0; lines[FILENAME] = FNR }
END {
	if (!total) { print "size: no function found"; exit 1 }
	for (f in lines)
		if (lines[f] > 600)
			printf "size: note: %s has %d lines\n", f, lines[f]
	printf "size: %d functions, %d (%.1f%%) over 40 lines\n",
		total, over, 100 * over / total
	exit failed
}' "$@"
