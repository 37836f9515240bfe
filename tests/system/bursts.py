#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bursts.py GROUP FILE: three WebSockets of the users whose tokens $READS,
$SLEEPS and $JOINS hold, while bursts of lines are written to FILE. One reads,
one reads nothing before all was written, one comes and goes. Each must get
each message once, in order, byte for byte. Prints how many that were."""
import asyncio
import json
import os
import random
import socket
import sys

import websockets

BURSTS, SMALL = 150, 20
# With what is around the content, the header of a frame changes here.
EDGES = (1, 65536, *range(65384, 65397))


def connect(token):
    url = os.environ["URL"]
    host, port = url[len("http://"):].split(":")
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    s.connect((host, int(port)))
    return websockets.connect(
        "ws://%s:%s/api/ws" % (host, port), sock=s, max_size=None,
        max_queue=4, ping_interval=None, open_timeout=20,
        close_timeout=0.1,
        subprotocols=["groupfs.v1"],
        extra_headers={"Authorization": "Bearer " + token})


async def subscribe(ws, group, after):
    await ws.send(json.dumps({"type": "subscribe", "groups": [
        {"group": group, "after_seq": after}]}))
    while json.loads(await ws.recv())["type"] != "live":
        pass


async def messages(ws):
    while True:
        frame = json.loads(await asyncio.wait_for(ws.recv(), 60))
        if frame["type"] in ("error", "bye"):
            raise SystemExit("told %s" % frame)
        if frame["type"] == "message":
            yield frame


def bursts():
    """Lists of contents, as they are written at a time."""
    rng = random.Random(4)
    for i in range(BURSTS):
        if i % 10 == 0:
            yield ["x" * EDGES[i // 10 % len(EDGES)], "behind it"]
            continue
        burst = []
        for n in range(rng.randint(1, SMALL)):
            name = "@gfs-bob " if rng.random() < 0.05 else ""
            burst.append(name + "%d %d " % (i, n) + "y" * rng.randint(0, 900))
        yield burst


async def read_all(ws, sent, seq):
    async for m in messages(ws):
        if m["sequence_number"] != seq + 1 or m["content"] != sent[seq]:
            raise SystemExit("after %d came %d" % (seq, m["sequence_number"]))
        seq += 1
        if seq == len(sent):
            return


async def come_and_go(token, group, sent):
    """Resumes by the last seq each time."""
    seq = 0
    while seq < len(sent):
        async with connect(token) as ws:
            await ws.send(json.dumps({"type": "subscribe", "groups": [
                {"group": group, "after_seq": seq}]}))
            left = 40
            async for m in messages(ws):
                if m["sequence_number"] != seq + 1 or \
                        m["content"] != sent[seq]:
                    raise SystemExit("%d came after %d" %
                                     (m["sequence_number"], seq))
                seq += 1
                left -= 1
                if left == 0 or seq == len(sent):
                    ws.transport.abort()
                    break


async def main(group, path):
    sent = [c for burst in bursts() for c in burst]
    async with connect(os.environ["READS"]) as reads, \
            connect(os.environ["SLEEPS"]) as sleeps:
        await subscribe(reads, group, 0)
        await subscribe(sleeps, group, 0)
        reading = asyncio.gather(
            read_all(reads, sent, 0),
            come_and_go(os.environ["JOINS"], group, sent))
        fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        for burst in bursts():
            await asyncio.get_running_loop().run_in_executor(
                None, os.write, fd, ("\n".join(burst) + "\n").encode())
        os.close(fd)
        await reading
        await read_all(sleeps, sent, 0)
    print(len(sent))


asyncio.run(main(*sys.argv[1:]))
