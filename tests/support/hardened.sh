#!/bin/sh
# SPDX-License-Identifier: MIT
# What compiler and linker have done against exploits, by what is in a program:
# hardened.sh FILE... prints what is missing, a line each, and fails for any.
set -eu
missing=0
export LC_ALL=C

# need FILE WHAT TEXT REGEX: the text has such a line.
need() {
	printf '%s\n' "$3" | grep -qE -- "$4" && return
	echo "$1: no $2"
	missing=1
}

# refuse FILE WHAT TEXT REGEX: it has none.
refuse() {
	printf '%s\n' "$3" | grep -E -- "$4" || return 0
	echo "$1: $2"
	missing=1
}

for file in "$@"; do
	head=$(readelf -hW "$file")
	segments=$(readelf -lW "$file")
	dynamic=$(readelf -dW "$file")
	symbols=$(readelf -W --dyn-syms "$file")
	need "$file" "position-independent executable" "$head" 'Type: +DYN'
	need "$file" "PIE in its flags" "$dynamic" 'FLAGS_1.* PIE'
	need "$file" "RELRO" "$segments" 'GNU_RELRO'
	need "$file" "BIND_NOW" "$dynamic" '\(FLAGS\).*BIND_NOW'
	need "$file" "stack that is not executed" "$segments" \
		'GNU_STACK +[^ ]+ [^ ]+ [^ ]+ [^ ]+ [^ ]+ RW '
	refuse "$file" "writable code" "$segments" '^ +LOAD .* RWE '
	refuse "$file" "relocations in code" "$dynamic" 'TEXTREL'
	refuse "$file" "a path for libraries" "$dynamic" 'RPATH|RUNPATH'
	need "$file" "stack protector" "$symbols" '__stack_chk_fail'
	[ -n "${WITHOUT_FORTIFY:-}" ] ||
		need "$file" "FORTIFY" "$symbols" '__[a-z]+_chk@'
	# At its functions, for processors that check where calls go (CET, BTI).
	case $head in
	*X86-64* | *80386*)
		[ "$(objdump -d "$file" | grep -c 'endbr')" -ge "${MARKS:-100}" ] ||
			need "$file" "marks of CET" "" 'never'
		;;
	esac
done
exit $missing
