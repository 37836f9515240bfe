#!/bin/sh
# SPDX-License-Identifier: MIT
# A name that was used before may mean another group now, or none: what is sent
# to it goes where it belongs, in order, or is refused as ever.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
TOKEN=$(token "$ME")
ok "a user" ctl user add zoe
ZOE=$(token zoe)
export URL TOKEN ZOE

made_again() {
	ctl delete again && ctl create again
}
sent() {
	send_rest again "$1" | tr '\n' ' ' |
		sed 's/.*"sequence_number":\([0-9]*\).* \([0-9]*\)$/\1 \2/'
}
texts() {
	rest GET "/api/groups/again/messages?limit=1000" | head -n 1 |
		jq -r '.messages[].content' | xargs
}

ok "a group" ctl create again
is "is sent to" "$(sent first)" "1 201"
is "and again" "$(sent second)" "2 201"
ok "another one gets its name" made_again
is "what is sent then goes to it" "$(sent new)" "1 201"
is "and is there" "$(texts)" new
is "and the next" "$(sent newer)" "2 201"
ok "it goes" ctl delete again
like "nothing can be sent" "$(send_rest again late)" '404$'
ok "it comes" ctl create again

cat >"$T/connection.py" <<'END'
import os
import websockets

def connect(token):
    return websockets.connect(
        os.environ["URL"].replace("http", "ws", 1) + "/api/ws",
        subprotocols=["groupfs.v1"], max_queue=None,
        extra_headers={"Authorization": "Bearer " + os.environ[token]})
END

# Sends as $TOKEN on one WebSocket, while the group becomes another one; then
# zoe, who is added and removed.
cat >"$T/ws.py" <<'END'
import asyncio, json, subprocess, sys
from connection import connect
ctl = sys.argv[1:]

async def send(ws, texts):
    for text in texts:
        await ws.send(json.dumps({"type": "send", "id": text,
                                  "group": "again", "content": text}))
    left = len(texts)
    while left > 0:
        frame = json.loads(await asyncio.wait_for(ws.recv(), 20))
        if "id" in frame:
            left -= 1
            yield frame

async def main():
    async with connect("TOKEN") as ws, connect("ZOE") as zoe:
        await ws.recv(), await zoe.recv()
        async for answer in send(ws, ["before"]):
            print(answer["type"], answer["sequence_number"])
        subprocess.run(ctl + ["delete", "again"], check=True)
        subprocess.run(ctl + ["create", "again"], check=True)
        got = [a async for a in send(ws, [f"m{i}" for i in range(50)])]
        print([a["sequence_number"] for a in got] == list(range(1, 51)),
              [a["id"] for a in got] == [f"m{i}" for i in range(50)],
              {a["group"] for a in got})
        async for answer in send(zoe, ["stranger"]):
            print(answer["type"], answer["code"])
        subprocess.run(ctl + ["add", "again", "zoe"], check=True)
        async for answer in send(zoe, ["member", "member too"]):
            print(answer["type"])
        subprocess.run(ctl + ["remove", "again", "zoe"], check=True)
        async for answer in send(zoe, ["no more"]):
            print(answer["type"], answer["code"])
asyncio.run(main())
END
is "on a WebSocket, too, and in order; who is no member is refused" \
	"$("$PY" "$T/ws.py" "$BUILD/groupctl" --socket "$SOCKET" 2>&1 |
		grep -v '^Created\|^Deleted\|^again')" "sent 1
True True {'again'}
error no_such_group
sent
sent
error not_member"

# The same while it becomes another one again and again, and others write, so
# that refusals come late: behind them there are messages that came later.
ok "another group" ctl create busy
cat >"$T/busy.py" <<'END'
import asyncio, json, random, sys
from connection import connect
ctl = sys.argv[1:]
MESSAGES, ROUNDS = 50, 30

async def run(*args):
    p = await asyncio.create_subprocess_exec(
        *ctl, *args, stdout=asyncio.subprocess.DEVNULL)
    assert await p.wait() == 0

async def send(ws, group, name):
    await ws.send(json.dumps({"type": "send", "id": name, "group": group,
                              "content": name * 100}))

async def answers(ws, count):
    got = []
    while len(got) < count:
        frame = json.loads(await asyncio.wait_for(ws.recv(), 20))
        if "id" in frame:
            got.append(frame)
    return got

async def write(ws, done):
    while not done.is_set():
        await send(ws, "busy", "one of many")
        await answers(ws, 1)

async def send_all(ws):
    for i in range(MESSAGES):
        await send(ws, "again", f"m{i}")
        if random.random() < 0.5:
            await asyncio.sleep(0.0005)

async def main():
    async with connect("TOKEN") as ws, connect("TOKEN") as a, \
            connect("TOKEN") as b:
        for one in ws, a, b:
            await one.recv()
        done = asyncio.Event()
        busy = [asyncio.create_task(write(one, done)) for one in (a, b)]
        for _ in range(ROUNDS):
            await send(ws, "again", "recalled")
            await answers(ws, 1)
            await run("delete", "again")
            await run("create", "again")
            sending = asyncio.create_task(send_all(ws))
            got = await answers(ws, MESSAGES)
            await sending
            got.sort(key=lambda frame: frame.get("sequence_number", 0))
            got = [frame["id"] for frame in got]
            assert got == [f"m{i}" for i in range(MESSAGES)], got
        done.set()
        await asyncio.gather(*busy)
    print("in order")
asyncio.run(main())
END
is "in order, when refusals come late" \
	"$("$PY" "$T/busy.py" "$BUILD/groupctl" --socket "$SOCKET" 2>&1 |
		tail -n 1)" "in order"
done_testing
