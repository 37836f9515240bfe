#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes the corpora in the tree anew: the fewest inputs, of those that are there
# and those that `make fuzz` has found, that reach all that these reach; what
# seeds.py calls an edge; and broke-..., which once broke something.
#   merge.sh BUILD NAME...
set -eu
cd "$(dirname "$0")/../.."
build=$1
shift
for name in "$@"; do
	corpus=tests/fuzz/corpus/$name
	fresh=$build/merged/$name
	rm -rf "$fresh"
	mkdir -p "$fresh" "$corpus" "$build/corpus/$name"
	# Which edges, not how often: else a corpus has some thousand inputs.
	"$build/fuzz/fuzz_$name" -merge=1 -use_counters=0 -max_len=8192 \
		-rss_limit_mb=1024 "$fresh" "$corpus" "$build/corpus/$name" \
		>"$build/merged/$name.log" 2>&1
	find "$corpus" -type f ! -name 'broke-*' -delete
	cp "$fresh"/* "$corpus"
	# Those that seeds.py names stay, as do those that broke something.
	cp "$build/corpus/$name"/edge-* "$corpus" 2>/dev/null || :
	echo "$name: $(ls "$corpus" | wc -l) inputs," \
		"$(cat "$corpus"/* | wc -c) bytes"
done
