#!/bin/sh
# SPDX-License-Identifier: MIT
# Who subscribes from before what is kept is told so, with a code and the first
# that is; who is subscribed goes on over a cut.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd --retention_interval 1s
api() {
	curl -sS -m 10 --unix-socket "$SOCKET" \
		-H 'Content-Type: application/json' "$@"
}
D=http://x/api/groups/dev
ctl create dev
seq 1 30 | ctl send --lines dev
TOKEN=$(ctl token create "$ME")
api -X PATCH -d '{"settings":{"retention":{"messages":10}}}' $D >/dev/null
begins_at() {
	[ "$(api $D | jq .first_seq)" = "$1" ]
}
ok "old messages go" wait_for 20 begins_at 21
# Sends the frames that are its arguments and prints what comes, to a frame
# whose type is the last one's `until`.
cat >"$T/ws.py" <<'E2'
import asyncio, json, os, sys
import websockets

async def main():
    async with websockets.connect(
            sys.argv[1], subprotocols=["groupfs.v1"], extra_headers={
                "Authorization": "Bearer " + os.environ["TOKEN"]}) as ws:
        for text in sys.argv[3:]:
            await ws.send(text)
        while True:
            f = json.loads(await asyncio.wait_for(ws.recv(), 20))
            if f["type"] == "hello":
                continue
            print(*[f.get(k) for k in ("type", "code", "first_seq",
                  "sequence_number", "message")], flush=True)
            if f["type"] == sys.argv[2] or (
                    str(f.get("content")) == sys.argv[2]):
                break

asyncio.run(main())
E2
ws() {
	TOKEN=$TOKEN $PY "$T/ws.py" "ws://$LISTEN/api/ws" "$@"
}
subscribe() {
	echo "{\"type\":\"subscribe\",\"groups\":[{\"group\":\"dev\"$1}]}"
}
is "from before: refused, with the first that is kept, in words" \
	"$(ws error "$(subscribe ',"after_seq":19')")" \
	"error epoch_changed 21 None The messages before 21 are not kept any more: start again from there"
is "from the start: what there is, once and in order" \
	"$(ws live "$(subscribe ',"after_seq":0')" | awk '$1 == "message" { print $4 }' | tr '\n' ' ')" \
	"21 22 23 24 25 26 27 28 29 30 "
is "from the first that is kept on" \
	"$(ws live "$(subscribe ',"after_seq":20')" | awk '$1 == "message" { print $4 }' | head -n 1)" 21
is "a pull from before is refused, too" \
	"$(ws error '{"type":"pull","group":"dev","after_seq":3}' | cut -d' ' -f1-3)" \
	"error epoch_changed 21"
is "and one from the start is not" \
	"$(ws messages '{"type":"pull","group":"dev","after_seq":0}' | cut -d' ' -f1-3)" \
	"messages None 21"
ws last "$(subscribe '')" >"$T/reader" 2>&1 &
reader=$!
ours $reader
live() {
	grep -q '^live' "$T/reader"
}
ok "one is live" wait_for 10 live
api -X PATCH -d '{"settings":{"retention":{"messages":2}}}' $D >/dev/null
for i in 1 2 3 4 5 6; do
	ctl send dev "more $i"
done
ok "the log is cut below him" wait_for 20 begins_at 35
ctl send dev last
ok "he goes on" wait_gone 20 $reader
is "and has each message once" \
	"$(awk '$1 == "message" { print $4 }' "$T/reader" | tr '\n' ' ')" \
	"31 32 33 34 35 36 37 "
done_testing
