#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long a message takes from node A to a WebSocket on node B.

across.py GROUP N: N messages, one after the other, by a WebSocket of $URL_A to
one of $URL, as $TOKEN. Prints samples as bench.h has them: until it has come,
until its sender was answered (most of which is the commit), and the difference.
"""
import asyncio
import json
import os
import statistics
import sys
import time

import websockets


def connect(url):
    return websockets.connect(
        url.replace("http", "ws", 1) + "/api/ws", subprotocols=["groupfs.v1"],
        ping_interval=None, extra_headers={
            "Authorization": "Bearer " + os.environ["TOKEN"]})


async def until(ws, wanted):
    while True:
        frame = json.loads(await asyncio.wait_for(ws.recv(), 10))
        if wanted(frame):
            return time.monotonic()


async def measure(group, count):
    come, answered = [], []
    async with connect(os.environ["URL_A"]) as a, \
            connect(os.environ["URL"]) as b:
        await b.send(json.dumps(
            {"type": "subscribe", "groups": [{"group": group}]}))
        await until(b, lambda f: f["type"] == "live")
        for n in range(count):
            began = time.monotonic()
            there = asyncio.ensure_future(until(
                b, lambda f: f.get("content") == f"message {n}"))
            await a.send(json.dumps({"type": "send", "id": n, "group": group,
                                     "content": f"message {n}"}))
            answered.append(
                await until(a, lambda f: f.get("id") == n) - began)
            come.append(await there - began)
    return come, answered


def sample(side, values):
    points = statistics.quantiles(values, n=100)
    for name, value in (("p50", points[49]), ("p99", points[98])):
        print(f"A to B, {name}", side, "ms", round(value * 1000, 3), sep="\t")


def main():
    come, answered = asyncio.run(measure(sys.argv[1], int(sys.argv[2])))
    sample("ours", come)
    sample("the sender's answer", answered)


main()
