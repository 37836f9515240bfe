#!/bin/sh
# SPDX-License-Identifier: MIT
# The web page: its script is one that modules may be, uses nothing that makes
# HTML or a program of a string, and every name of an element that it asks for
# is in the HTML; so are those that the style sheet knows. web.sh FOLDER
set -eu
web=$1
failed=0

bad() {
	echo "web: $*"
	failed=1
}

node --input-type=module --check - <"$web/app.js" || bad "app.js does not parse"
for test in tests/web/*.mjs; do
	node --check "$test" || bad "$test does not parse"
done

# What an escape is forgotten in. The page's policy refuses it as well.
forbidden='innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc'
forbidden="$forbidden|createContextualFragment|DOMParser|setHTML|\\beval\\b"
forbidden="$forbidden|new Function|setTimeout\\([\"'\`]|setInterval\\([\"'\`]"
forbidden="$forbidden|setAttribute\\([\"']on|javascript:"
! grep -nE "$forbidden" "$web/app.js" ||
	bad "app.js makes HTML or a program of a string"

ids=$(grep -oE ' id="[a-z0-9-]+"' "$web/index.html" | cut -d'"' -f2)
doubled=$(printf '%s\n' "$ids" | sort | uniq -d)
[ -z "$doubled" ] || bad "ids that are there twice: $doubled"
for id in $(grep -oE "(\\$|setText)\\('[a-z0-9-]+'" "$web/app.js" | cut -d"'" -f2 |
	sort -u); do
	printf '%s\n' "$ids" | grep -qxF "$id" ||
		bad "app.js asks for #$id, which index.html does not have"
done
for id in $(grep -oE '^[^{]*\{' "$web/app.css" | grep -oE '#[a-z][a-z0-9-]*' |
	cut -c2- | sort -u); do
	printf '%s\n' "$ids" | grep -qxF "$id" ||
		bad "app.css knows #$id, which index.html does not have"
done

[ $failed = 0 ] && echo "web: the page is in order"
exit $failed
