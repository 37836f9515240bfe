#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Asks a process for the same thing N times, one after the other, while its
instructions are counted (instructions.sh).

asks.py stat N FILE            of a mount
asks.py page N FILE            4 KiB of it, at places that no read-ahead guesses
asks.py deliver N SOCKETS      N messages to as many WebSockets to $URL, as
                               $TOKEN, by `groupctl send --lines` at $SOCKET
"""
import asyncio
import json
import os
import random
import sys

import websockets

PAGE = 4096
TEXT = "0123456789 the quick brown fox jumps over the lazy dog, as it has done"


def stat(count, path):
    for _ in range(count):
        os.stat(path)


def page(count, path):
    places = random.Random(1)
    fd = os.open(path, os.O_RDONLY)
    pages = os.fstat(fd).st_size // PAGE
    for _ in range(count):
        if len(os.pread(fd, PAGE, places.randrange(pages) * PAGE)) != PAGE:
            sys.exit("asks.py: a short read")


async def subscribe():
    ws = await websockets.connect(
        os.environ["URL"].replace("http", "ws", 1) + "/api/ws",
        subprotocols=["groupfs.v1"], ping_interval=None,
        extra_headers={"Authorization": "Bearer " + os.environ["TOKEN"]})
    await ws.send(json.dumps({"type": "subscribe",
                              "groups": [{"group": "bench", "after_seq": 0}]}))
    await until(ws, "live")
    return ws


async def until(ws, kind):
    while json.loads(await asyncio.wait_for(ws.recv(), 60))["type"] != kind:
        pass


async def deliver(count, sockets):
    members = [await subscribe() for _ in range(sockets)]
    sender = await asyncio.create_subprocess_exec(
        os.environ["BUILD"] + "/groupctl", "--socket", os.environ["SOCKET"],
        "send", "--lines", "bench", stdin=asyncio.subprocess.PIPE)
    for i in range(count):
        sender.stdin.write(f"{i:06} {TEXT}\n".encode())
        await sender.stdin.drain()
        await asyncio.gather(*(until(ws, "message") for ws in members))
    sender.stdin.close()
    await sender.wait()


WHAT, COUNT = sys.argv[1], int(sys.argv[2])
if WHAT == "stat":
    stat(COUNT, sys.argv[3])
elif WHAT == "page":
    page(COUNT, sys.argv[3])
else:
    asyncio.run(deliver(COUNT, int(sys.argv[3])))
