#!/bin/sh
# SPDX-License-Identifier: MIT
# ARCHITECTURE.md names every source file: map.sh FILE...
set -u
missing=0
for file in "$@"; do
	name=${file##*/}
	stem=${name%.*}
	if ! grep -qE "\`$stem(\.([ch]|sql))?\`" ARCHITECTURE.md; then
		echo "map: ARCHITECTURE.md does not name $file" >&2
		missing=1
	fi
done
[ $missing = 0 ] && echo "map: $# files are on it"
exit $missing
