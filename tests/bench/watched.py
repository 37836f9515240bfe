#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a node takes for groups that are watched.

watched.py N GROUPD POSTMASTER: a WebSocket to $URL, as $TOKEN, whose user is in
the groups g0, g1, ..., subscribes to N of them. Prints samples as bench.h has them: the memory that
each took of the node $URL (the process GROUPD, and its gateway) and of the
Redis at $REDIS_SOCKET; then how long a sweep takes, and what it costs.
watched.py N GROUPD: the same of one machine, with no more than the memory, of a
user whose groups are N, whatever their names.
"""
import asyncio
import glob
import json
import os
import re
import socket
import sys
import urllib.request

import websockets

SECONDS = 5
PIECE = 100


def sample(metric, side, unit, value):
    print(metric, side, unit, round(value, 3), sep="\t", flush=True)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(child) for child in f.read().split()]


def backends(postmaster):
    """Those that serve nodes, and not what vacuums."""
    for pid in children(postmaster):
        try:
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as f:
                if f.read().startswith("postgres: groupfs "):
                    yield pid
        except FileNotFoundError:
            pass


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def cpu(pid):
    """Nanoseconds, of all of its threads."""
    spent = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as f:
            spent += int(f.read().split()[0])
    return spent


def redis_memory():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.environ["REDIS_SOCKET"])
        s.sendall(b"INFO memory\r\n")
        answer = b""
        while b"used_memory_human" not in answer:
            answer += s.recv(65536)
    return int(re.search(rb"used_memory:(\d+)", answer).group(1))


def sweeps():
    """(how many, seconds of all)"""
    request = urllib.request.Request(
        os.environ["URL"] + "/metrics",
        headers={"Authorization": "Bearer " + os.environ["TOKEN"]})
    with urllib.request.urlopen(request) as answer:
        text = answer.read().decode()
    return [float(re.search(rf"^groupfs_sweep_seconds_{what} (\S+)", text,
                            re.M).group(1)) for what in ("count", "sum")]


class Node:
    def __init__(self, groupd, postmaster=None):
        self.groupd, self.postmaster = groupd, postmaster
        self.gateway = children(groupd)[0]

    def memory(self):
        own = {"groupd": rss(self.groupd), "gateway": rss(self.gateway)}
        return own | {"Redis": redis_memory()} if self.postmaster else own

    def spent(self):
        return {"groupd's CPU": cpu(self.groupd),
                "PostgreSQL's CPU": sum(
                    cpu(pid) for pid in backends(self.postmaster))}

    async def spends(self):
        """Milliseconds a second."""
        before = self.spent()
        await asyncio.sleep(SECONDS)
        return {side: (value - before[side]) / 1e6 / SECONDS
                for side, value in self.spent().items()}


def connect():
    return websockets.connect(
        os.environ["URL"].replace("http", "ws", 1) + "/api/ws",
        subprotocols=["groupfs.v1"], ping_interval=None, max_queue=None,
        extra_headers={"Authorization": "Bearer " + os.environ["TOKEN"]})


async def subscribe(ws, waiting, **which):
    await ws.send(json.dumps({"type": "subscribe"} | which))
    while waiting > 0:
        frame = json.loads(await asyncio.wait_for(ws.recv(), 60))
        waiting -= frame["type"] == "live"
        if frame["type"] == "error":
            sys.exit(f"watched.py: {frame}")


async def subscribe_all(ws, count):
    """Some at a time: each is read from PostgreSQL, within 2 seconds."""
    for first in range(0, count, PIECE):
        names = [{"group": f"g{i}"}
                 for i in range(first, min(first + PIECE, count))]
        await subscribe(ws, len(names), groups=names)


async def measure_memory(node, count, subscribing):
    before = node.memory()
    await subscribing
    await asyncio.sleep(3)
    for side, value in node.memory().items():
        sample("memory of a watched group", side, "bytes",
               (value - before[side]) / count)


async def one_machine(count):
    async with connect() as ws:
        await measure_memory(Node(int(sys.argv[2])), count,
                             subscribe(ws, count))


async def main():
    count = int(sys.argv[1])
    if len(sys.argv) == 3:
        await one_machine(count)
        return
    node = Node(int(sys.argv[2]), int(sys.argv[3]))
    rest = await node.spends()
    async with connect() as ws:
        await measure_memory(node, count, subscribe_all(ws, count))
        number, seconds = sweeps()
        spent = await node.spends()
        number_then, seconds_then = sweeps()
    metric = f"sweeps of {count} watched groups"
    sample(metric, "one takes", "ms",
           1000 * (seconds_then - seconds) / (number_then - number))
    for side, value in spent.items():
        sample(metric, side, "ms/s", value - rest[side])


asyncio.run(main())
