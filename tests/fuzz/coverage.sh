#!/bin/sh
# SPDX-License-Identifier: MIT
# The lines of each parser's file that its corpus reaches, and those that it
# does not; status 1 where that is less than $FUZZ_COVERAGE (90) percent.
#   coverage.sh BUILD NAME...
set -eu
cd "$(dirname "$0")/../.."
build=$1
shift
bin=/usr/lib/llvm-14/bin
failed=0
for name in "$@"; do
	program=$build/fuzz/fuzz_$name
	# A comment's words behind FILES:, as far as they are files.
	files=$(tr '\n' ' ' <"tests/fuzz/fuzz_$name.c" |
		sed 's/.* FILES://; s/\*\/.*//' | tr ' ' '\n' |
		grep -E '^(lib|fs|daemon)/.*\.c(@[A-Z].*)?$' | awk '!seen[$0]++')
	LLVM_PROFILE_FILE=$build/$name.raw "$program" -runs=0 \
		"tests/fuzz/corpus/$name" >"$build/$name.log" 2>&1 || {
		tail -n 20 "$build/$name.log"
		exit 1
	}
	"$bin/llvm-profdata" merge -o "$build/$name.prof" "$build/$name.raw"
	for file in $files; do
		# FILE.c@Reading: from the comment that begins so on.
		from=1
		case $file in
		*@*) from=$(grep -n "^/\* ${file#*@}\b" "${file%@*}" |
			cut -d: -f1) ;;
		esac
		file=${file%@*}
		"$bin/llvm-cov" export -format=lcov "$program" \
			-instr-profile="$build/$name.prof" "$file" |
			awk -v name="$name" -v file="$file" -v from="$from" \
				-v least="${FUZZ_COVERAGE:-90}" '
			/^DA:/ {
				split(substr($0, 4), part, ",")
				if (part[1] + 0 < from) next
				all++
				if (part[2] > 0) got++
				else missed = missed " " part[1]
			}
			END {
				share = all ? 100 * got / all : 0
				printf "%-12s %-38s %5.1f %% of %d lines%s\n",
					name, file, share, all,
					share < least ? "  TOO FEW:" missed : ""
				exit share < least
			}' || failed=1
	done
done
exit $failed
