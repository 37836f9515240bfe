#!/bin/sh
# SPDX-License-Identifier: MIT
# What the documents name is there, and CHANGELOG.md tells of this version.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ "$LOAD" != small ] || skip_all "the documents are the same with sanitizers"

for document in "$TOP"/*.md; do
	name=${document##*/}
	# [text](path) and [name]: path; neither addresses nor anchors.
	{
		grep -oE '\]\([^)# ]+' "$document" | cut -c3-
		sed -n 's/^\[[^]]*\]: *//p' "$document"
	} | grep -v '^[a-z]*:' | sort -u >"$T/links"
	missing=$(while read -r link; do
		[ -e "$TOP/$link" ] || echo "$link"
	done <"$T/links")
	is "$name links to what is there" "$missing" ""
done

# A test or a script that a document names by its path.
named=$(grep -ohE '\b(tests|scripts|examples|man|store|lib|fs|daemon)/[A-Za-z0-9_./-]*[A-Za-z0-9_]' \
	"$TOP"/README.md "$TOP"/CONTRIBUTING.md "$TOP"/SECURITY.md |
	grep -v /NN- | sort -u)
gone=$(for path in $named; do
	set -- "$TOP/$path"*
	[ -e "$1" ] || echo "$path"
done)
is "the files that they name are there" "$gone" ""

version=$(sed -n 's/^VERSION = //p' "$TOP/Makefile")
sed -n 's/^## \[\([^]]*\)\].*/\1/p' "$TOP/CHANGELOG.md" >"$T/versions"
top=$(head -n 1 "$T/versions")
case $top in
Unreleased) second=$(sed -n 2p "$T/versions") ;;
*) second=$top ;;
esac
is "CHANGELOG.md is of the Makefile's version" "${second:-$version}" "$version"
ok "or of what follows it" test -n "$top"
like "and so are the programs" "$("$BUILD/groupd" --version)" "$version"
is "each version has a date" "$(grep -E '^## \[[0-9]' "$TOP/CHANGELOG.md" |
	grep -vE '^## \[[0-9.]+\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$')" ""
is "only the six headings of keepachangelog" "$(grep '^### ' \
	"$TOP/CHANGELOG.md" | grep -vE \
	'^### (Added|Changed|Deprecated|Removed|Fixed|Security)$')" ""
done_testing
