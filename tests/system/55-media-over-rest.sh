#!/bin/sh
# SPDX-License-Identifier: MIT
# Files over REST, with curl: what is sent so is what the mount has, and the
# other way round, byte for byte; forms, names, ranges, what has not changed.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
echo 'media_max_bytes = 80M' >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf"
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
ctl user add stranger >/dev/null
OTHER=$(token stranger)
G=/api/groups/dev
media=$M/dev/media

# upload QUERY FILE [CURL-OPTION...]: the body as it is.
upload() {
	query=$1
	file=$2
	shift 2
	rest POST "$G/media?$query" --data-binary "@$file" "$@"
}
# get PATH [CURL-OPTION...]: the body in $T/got, the head in $T/head; status.
get() {
	path=$1
	shift
	curl -sS -m 60 -H "Authorization: Bearer $TOKEN" -D "$T/head" \
		-o "$T/got" -w '%{http_code}' "$@" "$URL$path"
}
header() {
	sed -n "s/^$1: //p" "$T/head" | tr -d '\r'
}
field() {
	head -n 1 | jq -r ".$1"
}
encoded() {
	jq -rn --arg s "$1" '$s|@uri'
}
none_incoming() {
	[ -z "$(find "$T/data/media/incoming" -type f)" ]
}
last_seq() {
	wc -l <"$M/dev/messages"
}

# Sizes, both ways.
for size in 0 1 65535 65536 65537 262143 262144 262145 1048575 1048576 \
	1048577 67108864; do
	head -c $size /dev/urandom >"$T/file"
	upload "name=raw-$size" "$T/file" >"$T/answer"
	is "$size bytes are taken" "$(tail -n 1 "$T/answer")" 201
	is "and counted" "$(field size <"$T/answer")" "$size"
	same "and read in the mount" "$T/file" "$media/raw-$size"
	is "and given back" "$(get "$G/media/raw-$size")" 200
	same "as they were" "$T/file" "$T/got"
	is "with their number" "$(header Content-Length)" "$size"
	is "and their SHA-256" "$(header ETag)" \
		"\"$(sha256sum <"$T/file" | cut -d' ' -f1)\""
	rest POST "$G/media" -F "f=@$T/file;filename=form-$size" >"$T/answer"
	is "$size bytes of a form are taken" "$(tail -n 1 "$T/answer")" 201
	same "and read in the mount" "$T/file" "$media/form-$size"
	cp "$T/file" "$media/cp-$size"
	is "$size bytes that were copied in are given" \
		"$(get "$G/media/cp-$size")" 200
	same "as they were" "$T/file" "$T/got"
done
is "each is one message" "$(last_seq)" 36
rest POST "$G/media?name=by-T" -T "$T/file" >"$T/answer"
is "curl -T sends a file" "$(tail -n 1 "$T/answer")" 201
same "the same" "$T/file" "$media/by-T"

# What is said about it, and the answer.
printf 'hello\n' >"$T/small"
upload 'name=a.txt&content=look%20here%2c%20100%25%20%26%20more' "$T/small" \
	>"$T/answer"
is "the answer is that of a send, and the file's" \
	"$(head -n 1 "$T/answer" | jq -r 'keys|join(" ")')" \
	"duplicate epoch media_url name offset sequence_number size timestamp"
is "the message names it" "$(tail -n 1 "$M/dev/messages" | cut -f4)" \
	'[media media/a.txt] look here, 100% & more'
is "its number is that of the answer" "$(tail -n 1 "$M/dev/messages" |
	cut -f1)" "$(field sequence_number <"$T/answer")"
rest POST "$G/media" -F content='look, a form' -F "file=@$T/small;filename=b.txt" \
	>"$T/answer"
is "a form says it in \"content\"" "$(tail -n 1 "$M/dev/messages" | cut -f4)" \
	'[media media/b.txt] look, a form'
upload '' "$T/small" -H 'Content-Disposition: attachment; filename="c.txt"' |
	field name >"$T/name"
is "a name comes in a Content-Disposition" "$(cat "$T/name")" c.txt
upload '' "$T/small" -H \
	"Content-Disposition: attachment; filename=\"x\"; filename*=UTF-8''%e2%82%ac.txt" |
	field name >"$T/name"
is "with UTF-8" "$(cat "$T/name")" '€.txt'
rest POST "$G/media" -F "file=@$T/small;filename=a\"q.txt" | field name >"$T/name"
is "a quote in a form's file name" "$(cat "$T/name")" 'a"q.txt'

# Names go through URLs as they are.
while IFS= read -r name; do
	upload "name=$(encoded "$name")" "$T/small" >"$T/answer"
	is "a file may be called $name" "$(tail -n 1 "$T/answer")" 201
	same "in the mount too" "$T/small" "$media/$name"
	is "its media_url is a path" \
		"$(get "$G/$(field media_url <"$T/answer")")" 200
	same "to it" "$T/small" "$T/got"
done <<'END'
two words
100%
50%25
a&b=c
a+b
a;b,c
a?b#c
"quoted" 'twice'
ünïcödé €
~tilde.and..dots
END
for name in a+b 'a&b=c' 'a;b,c'; do
	is "a URL may have $name as it is" "$(get "$G/media/$name")" 200
done
is "in a query a + is a space" "$(upload 'name=as+it+is;c' "$T/small" |
	field name)" 'as it is;c'
name_255=$(head -c 255 /dev/zero | tr '\0' n)
is "255 bytes are a name" "$(upload "name=$name_255" "$T/small" | tail -n 1)" 201

# Refusals: who, how, status, code. Nothing comes of them.
log_of dev >"$T/before"
good=$TOKEN
printf -- '--b\r\nContent-Disposition: form-data; name="f"; filename="cut"\r\n\r\nxx' \
	>"$T/cut"
printf -- '--b\r\nContent-Disposition: form-data; name="f"\r\n\r\nxx\r\n--b--' \
	>"$T/no-file"
printf -- '--b\r\nContent-Disposition: form-data; name="f"; filename="one"\r\n\r\nxx\r\n--b\r\nContent-Disposition: form-data; name="g"; filename="two"\r\n\r\nxx\r\n--b--' \
	>"$T/two-files"
printf 'rubbish' >"$T/rubbish"
head -c 100000 /dev/zero >"$T/long"
form='Content-Type: multipart/form-data; boundary=b'
refused() {
	who=$1
	query=$2
	file=$3
	status=$4
	code=$5
	shift 5
	TOKEN=$good
	[ "$who" = stranger ] && TOKEN=$OTHER
	[ "$who" = wrong ] && TOKEN=wrong
	upload "$query" "$file" "$@" >"$T/answer"
	is "as $who $(printf %.40s "$query") $(basename "$file") is $status" \
		"$(tail -n 1 "$T/answer")" "$status"
	is "with the code $code" "$(field code <"$T/answer")" "$code"
	TOKEN=$good
}
refused wrong name=n "$T/small" 401 unauthenticated
refused stranger name=n "$T/small" 404 no_such_group
refused me '' "$T/small" 400 bad_request
refused me name= "$T/small" 400 bad_name
refused me name=.hidden "$T/small" 400 bad_name
refused me name=a%2Fb "$T/small" 400 bad_name
refused me name=a%07b "$T/small" 400 bad_name
refused me name=a%0Ab "$T/small" 400 bad_name
refused me name=a%0Db "$T/small" 400 bad_name
refused me name=a%5Cb "$T/small" 400 bad_name
refused me name=%FF "$T/small" 400 bad_name
refused me "name=${name_255}n" "$T/small" 400 bad_name
refused me 'name=x&name=y' "$T/small" 400 bad_request
refused me name=a.txt "$T/small" 409 file_exists
refused me name=a.txt "$T/file" 409 file_exists
refused me 'name=n&content=%FF' "$T/small" 400 bad_utf8
refused me name=n "$T/small" 400 bad_request -H "Idempotency-Key: $name_255"
refused me '' "$T/small" 400 bad_request -H 'Content-Disposition: attachment; filename="x'
refused me '' "$T/rubbish" 400 bad_request -H "$form"
refused me '' "$T/cut" 400 bad_request -H "$form"
refused me '' "$T/no-file" 400 bad_request -H "$form"
refused me '' "$T/two-files" 400 bad_request -H "$form"
refused me '' "$T/long" 400 bad_request -H "$form"
refused me name=n "$T/cut" 400 bad_request -H "$form"
refused me name=n "$T/small" 400 bad_request -H 'Content-Type: multipart/form-data'
refused me name=n "$T/small" 411 bad_request -H 'Transfer-Encoding: chunked'
refused me name=n "$T/small" 403 bad_request -H 'Origin: http://evil.example'
is "a content that is too long is refused" "$(rest POST "$G/media" \
	-F "content=<$T/long" -F "file=@$T/small;filename=n" | field code)" \
	too_large
truncate -s 80M "$T/limit"
truncate -s 83886081 "$T/over"
refused me name=over "$T/over" 413 too_large
refused me name=over "$T/over" 413 too_large -H 'Expect:'
is "one more byte than allowed in a form, too" "$(rest POST "$G/media" \
	-F "file=@$T/over;filename=over" | field code)" too_large
ok "nothing is left of them" wait_for 10 none_incoming
log_of dev >"$T/after"
same "and nothing was sent" "$T/after" "$T/before"
is "the largest file is taken" "$(upload name=limit "$T/limit" | tail -n 1)" 201
curl -sS -m 30 -v -H "Authorization: Bearer $TOKEN" -T "$T/over" -X POST \
	"$URL$G/media?name=over" >"$T/answer" 2>"$T/trace"
fails "who asks before he sends does not send in vain" \
	grep -q '100 Continue' "$T/trace"

# Once, however often it is sent.
upload name=once "$T/small" -H 'Idempotency-Key: Key/1' >"$T/first"
upload name=once "$T/small" -H 'Idempotency-Key: Key/1' >"$T/second"
is "a file that is sent again is there" "$(tail -n 1 "$T/second")" 201
is "as a duplicate" "$(field duplicate <"$T/first") $(field duplicate \
	<"$T/second")" 'false true'
is "with the first one's numbers" \
	"$(head -n 1 "$T/second" | jq -c '[.sequence_number,.offset,.timestamp]')" \
	"$(head -n 1 "$T/first" | jq -c '[.sequence_number,.offset,.timestamp]')"
for i in 1 2 3 4; do
	upload name=race "$T/file" -H 'Idempotency-Key: k' --limit-rate 30M \
		>"$T/race-$i" &
	ours $!
	racers="${racers:-} $!"
done
# shellcheck disable=SC2086
wait $racers
is "four at once are one" "$(cat "$T"/race-* | grep -c '"duplicate":false')" 1
is "all are answered" "$(for i in 1 2 3 4; do tail -n 1 "$T/race-$i"; echo
done | grep -cx 201)" 4
same "the file is whole" "$T/file" "$media/race"

# What a browser is told.
while read -r name type how; do
	upload "name=$name" "$T/small" >/dev/null
	is "$name is given" "$(get "$G/media/$name")" 200
	is "as $type" "$(header Content-Type)" "$type"
	like "as $how" "$(header Content-Disposition)" "^$how; filename=\"$name\"$"
	is "not to be guessed at" "$(header X-Content-Type-Options)" nosniff
	is "and in a sandbox" "$(header Content-Security-Policy)" sandbox
done <<END
p.png image/png inline
p.JPG image/jpeg inline
p.html application/octet-stream attachment
p.svg application/octet-stream attachment
p.pdf application/pdf attachment
p application/octet-stream attachment
END

# Ranges.
seq 1 1000 | tr -d '\n' | head -c 1000 >"$T/thousand"
upload name=thousand "$T/thousand" >/dev/null
while read -r range status content_range from to; do
	is "bytes=$range is $status" \
		"$(get "$G/media/thousand" -H "Range: bytes=$range")" "$status"
	is "Content-Range is $content_range" "$(header Content-Range)" \
		"$(echo "$content_range" | sed 's/^-$//;s/_/ /')"
	[ "$from" = - ] && continue
	head -c $((to + 1)) "$T/thousand" | tail -c +$((from + 1)) >"$T/part"
	same "and these bytes" "$T/part" "$T/got"
done <<END
0-0 206 bytes_0-0/1000 0 0
0-999 206 bytes_0-999/1000 0 999
10-19 206 bytes_10-19/1000 10 19
990- 206 bytes_990-999/1000 990 999
-5 206 bytes_995-999/1000 995 999
-5000 206 bytes_0-999/1000 0 999
500-5000 206 bytes_500-999/1000 500 999
1000- 416 bytes_*/1000 - -
-0 416 bytes_*/1000 - -
0-1,5-6 200 - 0 999
5-1 200 - 0 999
x 200 - 0 999
END
is "an empty file has no first byte" "$(get "$G/media/raw-0" -r 0-0)" 416
is "a large part" "$(get "$G/media/by-T" -r 1000000-40000000)" 206
head -c 40000001 "$T/file" | tail -c +1000001 >"$T/part"
same "is the right one" "$T/part" "$T/got"
head -c 12345678 "$T/file" >"$T/half"
ok "curl -C - goes on where it was" curl -sS -m 60 -f -C - -o "$T/half" \
	-H "Authorization: Bearer $TOKEN" "$URL$G/media/by-T"
same "to the whole" "$T/half" "$T/file"

ok "curl -I asks for the head alone" curl -sS -m 30 -I -o "$T/I" \
	-H "Authorization: Bearer $TOKEN" "$URL$G/media/by-T"
like "which has the length" "$(tr -d '\r' <"$T/I")" '^Content-Length: 67108864$'
like "and the tag" "$(cat "$T/I")" '^ETag: "'
like "and the type" "$(cat "$T/I")" '^Content-Disposition: attachment'

# What is known already.
get "$G/media/a.txt" >/dev/null
etag=$(header ETag)
modified=$(header Last-Modified)
while IFS='|' read -r status headers; do
	set --
	while [ -n "$headers" ]; do
		set -- "$@" -H "$(echo "${headers%%;*}" |
			sed "s/ETAG/$etag/;s/TIME/$modified/")"
		case $headers in *';'*) headers=${headers#*;} ;; *) headers= ;; esac
	done
	: >"$T/got"
	is "$* is $status" "$(get "$G/media/a.txt" "$@")" "$status"
	[ "$status" != 304 ] ||
		ok "without a body" test ! -s "$T/got" -a -n "$(header ETag)"
done <<'END'
304|If-None-Match: ETAG
304|If-None-Match: "x", W/ETAG
304|If-None-Match: *
200|If-None-Match: "x"
304|If-Modified-Since: TIME
200|If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT
200|If-Modified-Since: yesterday
200|If-None-Match: "x";If-Modified-Since: TIME
304|If-None-Match: ETAG;Range: bytes=0-1
206|If-Range: ETAG;Range: bytes=0-1
206|If-Range: TIME;Range: bytes=0-1
200|If-Range: "x";Range: bytes=0-1
200|If-Range: Thu, 01 Jan 1970 00:00:00 GMT;Range: bytes=0-1
END

# All of it over one connection.
a="Authorization: Bearer $TOKEN"
w='%{http_code}+%{num_connects} '
u=$URL$G/media
curl -sS -m 60 -o "$T/got" -w "$w" -H "$a" --data-binary "@$T/small" "$u?name=k1" \
	--next -sS -o "$T/got" -w "$w" -H "$a" "$u/k1" \
	--next -sS -o "$T/got" -w "$w" -H "$a" -r 1-2 "$u/k1" \
	--next -sS -o "$T/got" -w "$w" -H "$a" -I "$u/k1" \
	--next -sS -o "$T/got" -w "$w" -H "$a" --data-binary "@$T/small" "$u?name=.k" \
	--next -sS -o "$T/got" -w "$w" -H "$a" -F "f=@$T/small;filename=k2" "$u" \
	--next -sS -o "$T/got" -w "$w" -H "$a" -H 'If-None-Match: *' "$u/k2" \
	--next -sS -o "$T/got" -w "$w" -H "$a" -d '' "$u?name=k3" \
	--next -sS -o "$T/got" -w "$w" -H "$a" "$u/k3" \
	--next -sS -o "$T/got" -w "$w" -H "$a" -H 'Expect: 100-continue' \
	--data-binary "@$T/thousand" "$u?name=k4" \
	--next -sS -o "$T/got" -w "$w" -H "$a" "$u/by-T" \
	--next -sS -o "$T/last" -w "$w" -H "$a" "$u/k4" >"$T/codes"
is "files come and go over one connection" "$(cat "$T/codes")" \
	"201+1 200+0 206+0 200+0 400+0 201+0 304+0 201+0 200+0 201+0 200+0 200+0 "
same "the large one" "$T/file" "$T/got"
same "and the one behind it" "$T/thousand" "$T/last"

# The list.
TOKEN=$OTHER
is "a stranger gets no file" "$(get "$G/media/a.txt")" 404
is "nor a list" "$(get "$G/media")" 404
TOKEN=$good
is "a file that is not there is no_such_file" \
	"$(rest GET "$G/media/none" | field code)" no_such_file
is "nor is one whose name is none" \
	"$(rest GET "$G/media/.x" | field code)" no_such_file
get "$G/media" >/dev/null
find "$media" -type f -printf '%s %f\n' | LC_ALL=C sort -k2 >"$T/there"
jq -r '.files[]|"\(.size) \(.name)"' "$T/got" >"$T/listed"
same "the list is the folder, by name" "$T/listed" "$T/there"
is "with these fields" "$(jq -r '.files[0]|keys|join(" ")' "$T/got")" \
	"name sender sequence_number size timestamp"
after=
: >"$T/paged"
while :; do
	get "$G/media?limit=7&after=$(encoded "$after")" >/dev/null
	jq -r '.files[]|"\(.size) \(.name)"' "$T/got" >>"$T/paged"
	after=$(jq -r .next_after "$T/got")
	[ "$(jq -r .complete "$T/got")" = true ] && break
done
same "page by page too" "$T/paged" "$T/there"
is "a limit of 0 is none" "$(get "$G/media?limit=0")" 400
done_testing
