#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A crowd of WebSockets comes at once, dies at once, and comes back (storm.sh).

storm.py GROUP CROWD
"""
import asyncio
import json
import os
import random
import sys
import time

from programs import LISTEN, kill_gateways, say
from rawws import TEXT, masked

HOST, PORT = LISTEN.split(":")
TOKEN = os.environ["TOKEN"]
THERE = 100
SPREAD_SECONDS = 5
AT_A_TIME = 500  # handshakes under way
PATIENCE = 60


class Client:
    def __init__(self, group):
        self.group, self.tries, self.lost = group, 0, 0

    async def frame(self):
        head = await self.reader.readexactly(2)
        size = head[1]
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        return head[0] & 15, await self.reader.readexactly(size)

    async def expect(self, kind):
        while True:
            opcode, text = await self.frame()
            if opcode == TEXT and json.loads(text)["type"] == kind:
                return

    def send(self, **fields):
        self.writer.write(masked(TEXT, json.dumps(fields).encode()))

    async def connect(self):
        """Subscribed, at the first try or a later one."""
        while True:
            self.tries += 1
            try:
                self.reader, self.writer = await asyncio.open_connection(
                    HOST, PORT)
                self.writer.write((
                    "GET /api/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                    "Sec-WebSocket-Protocol: groupfs.v1\r\n"
                    f"Authorization: Bearer {TOKEN}\r\n\r\n").encode())
                await self.reader.readuntil(b"\r\n\r\n")
                self.send(type="subscribe", groups=[{"group": self.group}])
                await self.expect("live")
                return
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(random.uniform(0, 0.5))

    async def ask(self):
        """Seconds until a ping was answered; None: the connection is gone."""
        began = time.monotonic()
        try:
            self.send(type="ping")
            await self.expect("pong")
        except (OSError, asyncio.IncompleteReadError):
            self.lost += 1
            return None
        return time.monotonic() - began

    async def until_lost(self):
        try:
            while True:
                await self.frame()
        except (OSError, asyncio.IncompleteReadError):
            return


async def come(clients, spread=0):
    turn = asyncio.Semaphore(AT_A_TIME)

    async def one(client):
        await asyncio.sleep(random.uniform(0, spread))
        async with turn:
            await client.connect()
    began = time.monotonic()
    await asyncio.wait_for(asyncio.gather(*map(one, clients)), PATIENCE)
    return time.monotonic() - began


async def ask_on(clients, over):
    slowest = 0
    while not over.is_set():
        for took in await asyncio.gather(*(c.ask() for c in clients)):
            slowest = max(slowest, took or 0)
        await asyncio.sleep(0.1)
    return slowest


async def run(group, count):
    there = [Client(group) for _ in range(THERE)]
    crowd = [Client(group) for _ in range(count)]
    await come(there)
    over = asyncio.Event()
    asking = asyncio.create_task(ask_on(there, over))
    took = await come(crowd)
    over.set()
    slowest = await asking
    print(f"# {count} came in {took:.1f} s (aim: 10); who was there was "
          f"answered in {1000 * slowest:.0f} ms at most")
    say("who was there was not thrown out",
        sum(c.lost for c in there) and "some were")
    say("nobody came in vain", sum(c.tries > 1 for c in crowd))
    lost = [asyncio.create_task(c.until_lost()) for c in there + crowd]
    kill_gateways()
    await asyncio.wait_for(asyncio.gather(*lost), PATIENCE)
    back = await come(there + crowd, SPREAD_SECONDS)
    print(f"# all were lost at once, and back in {back:.1f} s, of which they "
          f"waited {SPREAD_SECONDS} s; {sum(c.tries for c in there + crowd)} "
          "tries for two times")
    answered = await asyncio.gather(*(c.ask() for c in there + crowd))
    say("all are served again", sum(a is None for a in answered))


asyncio.run(run(sys.argv[1], int(sys.argv[2])))
