#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bursts.py GROUP FILE: three WebSockets of the users whose tokens $READS,
$SLEEPS and $JOINS hold, while bursts of lines are written to FILE. One reads,
one reads nothing before all was written, one comes and goes. Each must get
each message once, in order, byte for byte. Prints how many that were.

bursts.py GROUP FILE GROUP FILE ...: as many writers at the same time, a group
each; who reads and who sleeps are in all of the groups."""
import asyncio
import concurrent.futures
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


def bursts_of(number):
    """What one of many groups gets."""
    rng = random.Random(number)
    for i in range(BURSTS // 5):
        yield ["%s%d %d %d " % ("@gfs-bob " if rng.random() < 0.05 else "",
                                number, i, n) + "z" * rng.randint(0, 900)
               for n in range(rng.randint(1, 4))]


async def subscribe_all(ws, groups):
    await ws.send(json.dumps({"type": "subscribe", "groups": [
        {"group": group, "after_seq": 0} for group in groups]}))
    for _ in groups:
        while json.loads(await ws.recv())["type"] != "live":
            pass


async def read_many(ws, sent):
    """sent: {group: contents}."""
    seqs = dict.fromkeys(sent, 0)
    left = sum(map(len, sent.values()))
    async for m in messages(ws):
        group, seq = m["group"], m["sequence_number"]
        seqs[group] += 1
        if seq != seqs[group] or m["content"] != sent[group][seq - 1]:
            raise SystemExit("of %s came %d" % (group, seq))
        left -= 1
        if left == 0:
            return


async def main_many(paths):
    """paths: {group: file}."""
    of = {group: list(bursts_of(n)) for n, group in enumerate(paths)}
    sent = {group: [c for burst in all_ for c in burst]
            for group, all_ in of.items()}

    def write(group):
        fd = os.open(paths[group], os.O_WRONLY | os.O_APPEND)
        for burst in of[group]:
            os.write(fd, ("\n".join(burst) + "\n").encode())
        os.close(fd)

    async with connect(os.environ["READS"]) as reads, \
            connect(os.environ["SLEEPS"]) as sleeps:
        await subscribe_all(reads, paths)
        await subscribe_all(sleeps, paths)
        reading = asyncio.create_task(read_many(reads, sent))
        with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
            await asyncio.gather(*(
                asyncio.get_running_loop().run_in_executor(pool, write, group)
                for group in paths))
        await reading
        await read_many(sleeps, sent)
    print(sum(map(len, sent.values())))


if len(sys.argv) == 3:
    asyncio.run(main(*sys.argv[1:]))
else:
    asyncio.run(main_many(dict(zip(sys.argv[1::2], sys.argv[2::2]))))
