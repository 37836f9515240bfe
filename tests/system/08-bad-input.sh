#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# Bad input on every surface gets its code and a sentence, and changes nothing.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
echo good >>"$M/dev/messages"
ok "a second user is known" ctl user add stranger
TOKEN=$(token "$ME")
OTHER=$(token stranger)
printf 'bad \377\376 bytes\n' >"$T/bad-utf8"
head -c 70000 /dev/zero | tr '\0' x >"$T/oversize"
echo >>"$T/oversize"
state() {
	cat "$M/dev/messages" "$M/dev/members" "$M/dev/last_read" \
		"$M/.me/groups"
	ls "$M"
}
state >"$T/before"

# The mount: what is typed (~ is a pipe), what strerror says, what .me/error
# says. A dash for the last: not a refusal of groupd's. What is refused at the
# close is written by tee, which looks at close(2), as a shell does not.
while IFS='|' read -r command errno sentence; do
	[ -n "$command" ] || continue
	command=$(printf %s "$command" | tr '~' '|')
	fails "refused: $command" sh -c "$command"
	like "with its errno" "$(cat "$T/ok.out")" "$errno"
	[ "$sentence" = - ] ||
		like "and its sentence" "$(cat "$M/.me/error")" "$sentence"
done <<END
cat $M/nosuch/messages|No such file|-
echo x >> $M/nosuch/messages|nonexistent|-
mkdir $M/dev|File exists|-
mkdir $M/Upper|Invalid argument|[Nn]ame
mkdir $M/-dash|Invalid argument|[Nn]ame
mkdir $M/$(head -c 65 /dev/zero | tr '\0' a)|Invalid argument|[Nn]ame
rmdir $M/dev/messages|Not a directory|-
cat $T/bad-utf8 >> $M/dev/messages|nvalid or incomplete multibyte|UTF-8
tee $M/dev/post < $T/bad-utf8|nvalid or incomplete multibyte|UTF-8
cat $T/oversize >> $M/dev/messages|Message too long|65536
tee $M/dev/post < $T/oversize|Message too long|65536
echo x > $M/dev/messages|Operation not permitted|-
truncate -s 0 $M/dev/messages|Operation not permitted|-
rm $M/dev/messages|Operation not permitted|-
mv $M/dev/messages $M/dev/other|Operation not permitted|-
/bin/echo '>99 reply to nothing' >> $M/dev/messages|Invalid argument|99|reply
echo +no-such-user-here ~ tee -a $M/dev/members|No such file|no-such-user-here
echo 'stranger king' ~ tee -a $M/dev/members|Invalid argument|king|[Ll]ine
echo '+Bad Name' ~ tee -a $M/dev/members|Invalid argument|[Nn]ame|[Ll]ine
echo -stranger ~ tee -a $M/dev/members|No such file|stranger
echo "-$ME" ~ tee -a $M/dev/members|busy|last admin
echo "$ME member" ~ tee -a $M/dev/members|busy|last admin
/bin/echo 99 > $M/dev/last_read|Invalid argument|.
/bin/echo many > $M/dev/last_read|Invalid argument|.
END
state >"$T/after"
same "none of that changed anything" "$T/after" "$T/before"

# REST: method, path, body, who, status, code.
body() {
	case $1 in
	@*) echo "--data-binary @${1#@}" ;;
	-) ;;
	*) printf '%s' "--data-raw $1" ;;
	esac
}
g=/api/groups/dev
jq -cn --rawfile c "$T/oversize" '{content: $c}' >"$T/oversize.json"
printf '{"content":"\377"}' >"$T/bad-utf8.json"
awk 'BEGIN { for (i = 0; i < 3000; i++) printf "["; }' >"$T/deep.json"
good=$TOKEN
while read -r method path body who status code; do
	[ -n "$method" ] || continue
	case $who in
	me) TOKEN=$good ;;
	stranger) TOKEN=$OTHER ;;
	*) TOKEN=$who ;;
	esac
	# shellcheck disable=SC2046
	rest "$method" "$path" -H 'Content-Type: application/json' \
		$(body "$body") >"$T/answer"
	is "$method $path as $who with $(printf %.30s "$body") is $status" \
		"$(tail -n 1 "$T/answer")" "$status"
	is "with the code $code" \
		"$(head -n -1 "$T/answer" | jq -r .code 2>/dev/null)" "$code"
done <<END
POST $g/messages {"content":"x"} wrong 401 unauthenticated
GET $g/messages?after_seq=0 - wrong 401 unauthenticated
GET $g/messages?after_seq=0 - stranger 404 no_such_group
POST $g/messages {"content":"x"} stranger 404 no_such_group
POST /api/groups/nosuch/messages {"content":"x"} me 404 no_such_group
GET /api/groups/nosuch/messages?after_seq=0 - me 404 no_such_group
POST $g/messages {"content":1} me 400 bad_request
POST $g/messages {} me 400 bad_request
POST $g/messages [] me 400 bad_request
POST $g/messages rubbish me 400 bad_request
POST $g/messages @$T/deep.json me 400 bad_request
POST $g/messages @$T/bad-utf8.json me 400 bad_utf8
POST $g/messages @$T/oversize.json me 413 too_large
POST $g/messages {"content":"x","reply_to_seq":99} me 400 bad_request
POST $g/messages {"content":"x","message_type":"odd"} me 400 bad_request
POST /api/groups {"name":"dev"} me 409 group_exists
POST /api/groups {"name":"Upper"} me 400 bad_name
POST /api/groups {"name":"new","member_ids":["nobody-here"]} me 404 no_such_user
PUT $g/members/nobody-here {} me 404 no_such_user
PUT $g/members/stranger {"role":"king"} me 400 bad_request
PUT $g/members/stranger {} stranger 404 no_such_group
GET $g/messages?after_seq=x - me 400 bad_request
GET $g/messages?after_seq=0&limit=1001 - me 400 bad_request
END
TOKEN=$good
fails "a foreign Origin gets no WebSocket" env TOKEN="$TOKEN" URL="$URL" \
	$PY -c "
import asyncio, os, websockets
async def main():
    url = os.environ['URL'].replace('http', 'ws', 1) + '/api/ws'
    async with websockets.connect(url, origin='http://evil.example',
            subprotocols=['groupfs.v1'], extra_headers={
            'Authorization': 'Bearer ' + os.environ['TOKEN']}) as ws:
        await ws.recv()
asyncio.run(main())"
state >"$T/after"
same "none of that changed anything" "$T/after" "$T/before"

ok "rubbish on the Unix socket" $PY "$HERE/rubbish.py" unix "$SOCKET"
ok "rubbish on TCP" $PY "$HERE/rubbish.py" tcp "${LISTEN%:*}" "${LISTEN##*:}"
ok "groupd is the same process" kill -0 "$GROUPD"
state >"$T/after"
same "and nothing has changed" "$T/after" "$T/before"
ok "a good message goes on" sh -c "echo 'good too' >> '$M/dev/messages'"
is "the log has the good ones only" "$(cut -f4 "$M/dev/messages")" "good
good too"
ok "verify finds nothing wrong" ctl verify
done_testing
