#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A client of groupd that shares no code with it (python3-websockets, http).

  peer.py follow GROUP [AFTER]  subscribe by WebSocket, print what comes
  peer.py send-ws GROUP ID      send stdin's lines, client_id ID-1, ID-2, ...
  peer.py send-rest GROUP ID    the same by POST
  peer.py crowd GROUP N EACH    N WebSockets; when the file $GO exists, each
                                sends EACH messages in turn
  peer.py pages GROUP [LIMIT]   the whole log by GET ...?after_seq=
  peer.py canon                 stdin: `cut -f1,3-` of messages
  peer.py unescape              stdin: `cut -f4-` of messages -> the bytes

$URL is http://HOST:PORT, $TOKEN whose token. Messages are printed as
SEQ<TAB>SENDER<TAB>JSON of the text, sends as ID-N<TAB>SEQ once acknowledged.
A send that is not acknowledged is sent again with the same client_id; when
the file $STOP exists, senders end with what they have.
"""
import asyncio
import http.client
import json
import os
import re
import sys
import time

import websockets

RETRY = ("unavailable", "outcome_unknown", "rate_limited")
ESCAPE = re.compile(rb"\\(x([0-9a-fA-F]{2})|[\\ntr])")


def out(*fields):
    print(*fields, sep="\t", flush=True)


def show(m):
    out(m["sequence_number"], m["sender"], json.dumps(m["content"]))


def unescape(line):
    one = {b"\\": b"\\", b"n": b"\n", b"t": b"\t", b"r": b"\r"}
    return ESCAPE.sub(
        lambda m: bytes([int(m[2], 16)]) if m[2] else one[m[1]], line)


def stopped():
    return os.path.exists(os.environ.get("STOP", ""))


def connect():
    url = os.environ["URL"].replace("http", "ws", 1) + "/api/ws"
    return websockets.connect(
        url, subprotocols=["groupfs.v1"], max_size=None, ping_interval=None,
        open_timeout=20,
        extra_headers={"Authorization": "Bearer " + os.environ["TOKEN"]})


async def follow(group, after=None):
    what = {"group": group}
    if after is not None:
        what["after_seq"] = int(after)
    try:
        async with connect() as ws:
            await ws.send(json.dumps(
                {"type": "subscribe", "id": 1, "groups": [what]}))
            async for text in ws:
                frame = json.loads(text)
                if frame["type"] == "message":
                    show(frame)
                else:
                    print(text, file=sys.stderr, flush=True)
    except websockets.ConnectionClosed as e:
        print("closed", e.code, file=sys.stderr, flush=True)
        return
    print("closed", ws.close_code, file=sys.stderr, flush=True)


async def answer(ws, number):
    while True:
        frame = json.loads(await asyncio.wait_for(ws.recv(), 30))
        if frame.get("id") == number:
            return frame


async def send_ws(group, name):
    waiting = list(enumerate(sys.stdin.read().splitlines(), 1))
    while waiting and not stopped():
        try:
            async with connect() as ws:
                while waiting and not stopped():
                    n, text = waiting[0]
                    await ws.send(json.dumps(
                        {"type": "send", "id": n, "group": group,
                         "content": text, "client_id": f"{name}-{n}"}))
                    frame = await answer(ws, n)
                    if frame["type"] == "sent":
                        out(f"{name}-{n}", frame["sequence_number"])
                        waiting.pop(0)
                    elif frame.get("code") not in RETRY:
                        sys.exit(f"refused: {frame}")
        except (OSError, asyncio.TimeoutError, websockets.WebSocketException):
            await asyncio.sleep(0.05)


async def crowd(group, count, each):
    left = {"connected": int(count), "asked": int(count)}

    def tell(what):
        left[what] -= 1
        if left[what] == 0:
            out(what)

    async def one(name):
        async with connect() as ws:
            tell("connected")
            await go.wait()
            for n in range(int(each)):
                await ws.send(json.dumps(
                    {"type": "send", "id": n, "group": group,
                     "content": f"{name} {n}"}))
                if n == 0:
                    tell("asked")
                frame = await answer(ws, n)
                if frame["type"] != "sent":
                    sys.exit(f"refused: {frame}")
    go = asyncio.Event()
    all_of_them = [asyncio.create_task(one(n)) for n in range(int(count))]
    while left["connected"] > 0 or not os.path.exists(os.environ["GO"]):
        await asyncio.sleep(0.05)
    go.set()
    await asyncio.gather(*all_of_them)


def request(method, path, body=None, headers=None):
    """(status, decoded body); (0, {}) when there was no answer."""
    host = os.environ["URL"].split("://")[1]
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        connection.request(method, path, body, {
            "Authorization": "Bearer " + os.environ["TOKEN"],
            **(headers or {})})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}
    finally:
        connection.close()


def send_rest(group, name):
    for n, text in enumerate(sys.stdin.read().splitlines(), 1):
        while not stopped():
            status, body = request(
                "POST", f"/api/groups/{group}/messages",
                json.dumps({"content": text}),
                {"Content-Type": "application/json",
                 "Idempotency-Key": f"{name}-{n}"})
            if status == 201:
                out(f"{name}-{n}", body["sequence_number"])
                break
            if status and body.get("code") not in RETRY:
                sys.exit(f"refused: {status} {body}")
            time.sleep(0.05)


def pages(group, limit="1000"):
    after = 0
    while True:
        status, page = request(
            "GET", f"/api/groups/{group}/messages"
            f"?after_seq={after}&limit={limit}")
        if status != 200:
            sys.exit(f"refused: {status} {page}")
        for message in page["messages"]:
            show(message)
        if page["complete"]:
            return
        if page["next_after"] <= after:
            sys.exit(f"next_after stands still at {after}")
        after = page["next_after"]


def canon():
    for line in sys.stdin.buffer:
        seq, sender, text = line.rstrip(b"\n").split(b"\t", 2)
        out(int(seq), sender.decode(), json.dumps(unescape(text).decode()))


def unescape_all():
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(unescape(line))


def main():
    what, *args = sys.argv[1:]
    if what in ("follow", "send-ws", "crowd"):
        asyncio.run({"follow": follow, "send-ws": send_ws,
                     "crowd": crowd}[what](*args))
    else:
        {"send-rest": send_rest, "pages": pages, "canon": canon,
         "unescape": unescape_all}[what](*args)


if __name__ == "__main__":
    main()
