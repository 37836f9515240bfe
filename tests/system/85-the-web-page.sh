#!/bin/sh
# SPDX-License-Identifier: MIT
# The files of the web page come out of the gateway as they lie in the tree,
# to anybody, with a policy that lets the page do what it needs and no more,
# and with validators. What the page does is shown by tests/web.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
WEB=$TOP/daemon/gateway/web

# The program alone: it needs no files, and may not write one.
start_groupd
get() {
	curl -sS -m 20 "$@"
}
header() {
	tr -d '\r' <"$T/head" | sed -n "s/^$1: //Ip"
}

table="/	index.html	text/html
/app.js	app.js	text/javascript
/app.css	app.css	text/css"
echo "$table" >"$T/table"
while IFS='	' read -r path file type <&3; do
	get -D "$T/head" -o "$T/body" "$URL$path"
	is "$path is there for anybody" "$(sed -n '1s/\r//p' "$T/head")" \
		"HTTP/1.1 200 OK"
	same "with the bytes of $file" "$T/body" "$WEB/$file"
	is "as $type" "$(header content-type)" "$type; charset=utf-8"
	is "of that length" "$(header content-length)" "$(wc -c <"$WEB/$file")"
	is "not to be guessed at" "$(header x-content-type-options)" nosniff
	is "no address goes to others" "$(header referrer-policy)" no-referrer
	is "no window of another origin holds it" \
		"$(header cross-origin-opener-policy)" same-origin
	header content-security-policy | tr ';' '\n' | sed 's/^ *//' |
		sort >"$T/policy"
	is "its policy" "$(cat "$T/policy")" "base-uri 'none'
connect-src 'self'
default-src 'none'
form-action 'none'
frame-ancestors 'none'
img-src 'self' blob:
require-trusted-types-for 'script'
script-src 'self'
style-src 'self'
trusted-types 'none'"
	is "a browser asks each time" "$(header cache-control)" no-cache
	tag=$(header etag)
	like "by a tag" "$tag" '^"[0-9a-f]{16}"$'
	echo "$tag" >>"$T/tags"

	is "who has it need not get it again" "$(get -D "$T/head" -o "$T/body" \
		-w '%{http_code} %{size_download}' -H "If-None-Match: $tag" \
		"$URL$path")" "304 0"
	is "and is told the same policy" "$(header content-security-policy |
		tr ';' '\n' | sed 's/^ *//' | sort)" "$(cat "$T/policy")"
	is "another tag is not it" "$(get -o "$T/body" -w '%{http_code}' \
		-H 'If-None-Match: "0123456789abcdef"' "$URL$path")" 200

	get -I "$URL$path" >"$T/head"
	is "HEAD has its length" "$(header content-length)" \
		"$(wc -c <"$WEB/$file")"
	is "and its tag" "$(header etag)" "$tag"
	is "OPTIONS" "$(get -X OPTIONS -D "$T/head" -o "$T/body" \
		-w '%{http_code}' "$URL$path")" 204
	is "names what there is" "$(header allow)" "GET, HEAD, OPTIONS"
	for method in POST PUT PATCH DELETE; do
		is "$method is none of it" "$(get -X $method -D "$T/head" \
			-o "$T/body" -w '%{http_code}' "$URL$path")" 405
		is "and answered by a problem" "$(jq -r .code "$T/body")" \
			bad_request
	done
done 3<"$T/table"
is "each file has a tag of its own" "$(sort -u "$T/tags" | wc -l)" 3

# They are parts of the program, whose data is not to be written.
is "a slow reader gets all of it" "$(get --limit-rate 400k "$URL/app.js" |
	cmp - "$WEB/app.js" && echo same)" same
is "on the Unix socket, too" "$(curl -sS -m 20 --unix-socket "$SOCKET" \
	http://localhost/ | cmp - "$WEB/index.html" && echo same)" same
is "kept connections go on behind it" "$(get -o "$T/1" -w '%{num_connects} ' \
	"$URL/" --next -sS -o "$T/2" -w '%{num_connects}' "$URL/app.css")" "1 0"
fails "nothing else is served" get -f -o "$T/body" "$URL/web.S"
fails "nor above it" get -f --path-as-is -o "$T/body" "$URL/../rest.c"

# The policy means something only if the HTML has nothing of its own.
fails "no script, style or handler stands in the HTML" grep -nE \
	'<script[^>]*>[^<]|<style|[ "]style=|[ "]on[a-z]+=|javascript:' \
	"$WEB/index.html"
fails "nothing of it comes from elsewhere" grep -nE \
	'(src|href)="(https?:)?//' "$WEB/index.html"
fails "nor in the style sheet" grep -nE 'url\(|@import' "$WEB/app.css"
done_testing
