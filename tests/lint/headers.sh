#!/bin/sh
# SPDX-License-Identifier: MIT
# Compiles each header alone, and twice in one file: it includes what it needs
# and guards itself. headers.sh CC HEADER... -- CFLAGS...
set -eu
cc=$1
shift
headers=
while [ "$1" != -- ]; do
	headers="$headers $1"
	shift
done
shift
failed=0
count=0
for header in $headers; do
	count=$((count + 1))
	printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		$cc "$@" -fsyntax-only -x c - || {
		echo "headers: $header does not stand alone"
		failed=1
	}
done
[ $count -gt 0 ] || { echo "headers: none given" && exit 1; }
[ $failed = 0 ] && echo "headers: $count stand alone"
exit $failed
