#!/bin/sh
# SPDX-License-Identifier: MIT
# Has a compiler look for what is wrong on paths through each file:
#   CC=gcc CFLAGS=... analyzer.sh <FILES       gcc -fanalyzer
#   CC=clang CFLAGS=... analyzer.sh <FILES     clang --analyze, as scan-build
#
# What it says is FILE: FUNCTION: SENTENCE [CHECK] or, of clang, FILE: SENTENCE
# [CHECK]: CODE, without the number of the line, which moves; FILE is what was
# compiled, where the sentence is about a header, too. What is not in analyzer.txt
# is a failure, and so is a line there that nothing says any more.
set -u
self=$0
compiler=${CC:-cc}
[ "$compiler" != cc ] || compiler=gcc

# clang across functions, as scan-build; a quarter of the steps through each one
# takes a third of the time, and found the same.
one() {
	code=
	case $compiler in
	clang*) code=1 how="--analyze --analyzer-output text -Wno-unused-command-line-argument
		-Xclang -analyzer-config -Xclang max-nodes=60000" ;;
	*) how="-fanalyzer -c -o /dev/null -O0 -U_FORTIFY_SOURCE" ;;
	esac
	# shellcheck disable=SC2086
	eval "LC_ALL=C $compiler $CFLAGS -Wno-error" $how "'$1'" 2>&1 |
		awk -v "file=$1" -v "code=$code" -F"'" '
			/: In function / { at = $2 ": " }
			said { sub(/^[ \t]+/, ""); print said ": " $0; said = "" }
			sub(/^[^: ]+:[0-9]+:[0-9]+: (warning|error): /, "") {
				said = file ": " at $0
				if (!code) {
					print said
					said = ""
				}
			}'
}
if [ "${1:-}" = --one ]; then
	one "$2"
	exit 0
fi
said=$(mktemp) && known=$(mktemp) || exit 1
trap 'rm -f "$said" "$known"' EXIT
files=$(cat)
printf '%s\n' "$files" | xargs -P "${JOBS:-2}" -n 1 sh "$self" --one |
	sort -u >"$said"
case $compiler in
clang*) mark='\[[a-z]+\.[A-Za-z.]+\]: ' ;;
*) mark='\[-W[a-z-]+\]$' ;;
esac
grep -E "$mark" tests/lint/analyzer.txt | grep -v '^#' | sort -u >"$known"
new=$(comm -23 "$said" "$known")
old=$(comm -13 "$said" "$known")
[ -z "$new" ] || printf 'analyzer: %s\n' "$new"
[ -z "$old" ] || printf 'analyzer: no more said, take it out: %s\n' "$old"
echo "analyzer: $compiler, $(printf '%s\n' "$files" | wc -l) files," \
	"$(wc -l <"$known") exceptions"
[ -z "$new$old" ]
