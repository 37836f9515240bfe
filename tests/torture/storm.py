#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A crowd of WebSockets comes at once, dies at once, and comes back (storm.sh).

storm.py GROUP CROWD

The crowd is one light client in C (tests/bench/wsstorm.c), so that what is
measured is the server. Who was there before is here, and asks all the time.
$GROUPD: its process.
"""
import asyncio
import json
import os
import random
import sys
import time

from programs import BUILD, LISTEN, gateways, kill_gateways, say
from rawws import TEXT, masked

HOST, PORT = LISTEN.split(":")
TOKEN = os.environ["TOKEN"]
THERE = 100
SPREAD_SECONDS = 5
PATIENCE = 60
GROUPD = int(os.environ["GROUPD"])


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

    async def return_(self):
        await self.until_lost()
        await asyncio.sleep(random.uniform(0, SPREAD_SECONDS))
        await self.connect()


class Crowd:
    async def start(self, group, count):
        self.process = await asyncio.create_subprocess_exec(
            BUILD + "/bench/wsclients", "storm", PORT, group, str(count),
            env={**os.environ, "SPREAD_MS": str(1000 * SPREAD_SECONDS)},
            stdout=asyncio.subprocess.PIPE)
        self.count = count

    async def until(self, what):
        """The seconds that it took, and how often they tried in vain."""
        values = {}
        while what not in values:
            line = await asyncio.wait_for(self.process.stdout.readline(),
                                          PATIENCE)
            if not line:
                raise EOFError(f"the crowd ended before: {what}")
            name, _, _, value = line.decode().rstrip().split("\t")
            values[name] = float(value)
        return values[what] / 1000, int(values[what + ", tries"]) - self.count


class Spent:
    """What of the processors the sides have used since then."""

    def __init__(self, crowd):
        self.sides = {"the gateway": gateways(), "groupd": [GROUPD],
                      "the crowd": [crowd.process.pid]}
        self.before = self.now()

    def now(self):
        return {side: sum(map(seconds, pids))
                for side, pids in self.sides.items()}

    def __str__(self):
        return ", ".join(f"{side} {now - self.before[side]:.1f} s"
                         for side, now in self.now().items())


def seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(") ")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


async def ask_on(clients, over):
    slowest = 0
    while not over.is_set():
        for took in await asyncio.gather(*(c.ask() for c in clients)):
            slowest = max(slowest, took or 0)
        await asyncio.sleep(0.1)
    return slowest


async def run(group, count):
    there = [Client(group) for _ in range(THERE)]
    await asyncio.gather(*(c.connect() for c in there))
    over = asyncio.Event()
    asking = asyncio.create_task(ask_on(there, over))
    crowd = Crowd()
    await crowd.start(group, count)
    spent = Spent(crowd)
    took, in_vain = await crowd.until("came")
    print(f"# {count} came in {took:.1f} s (aim: 10); of a processor {spent}")
    over.set()
    print("# who was there was answered in "
          f"{1000 * await asking:.0f} ms at most")
    say("who was there was not thrown out",
        sum(c.lost for c in there) and "some were")
    say("nobody came in vain", in_vain)
    back = [asyncio.create_task(c.return_()) for c in there]
    killed = kill_gateways()
    while not set(gateways()) - set(killed):
        await asyncio.sleep(0.01)
    spent = Spent(crowd)
    took, in_vain = await crowd.until("back")
    print(f"# all were lost at once, and back in {took:.1f} s, of which they "
          f"waited {SPREAD_SECONDS} s (aim: 10); {in_vain} tries in vain; of a "
          f"processor {spent}")
    took, _ = await crowd.until("answered")
    print(f"# all of them were answered in {took:.1f} s")
    say("the crowd is served again", await crowd.process.wait())
    await asyncio.wait_for(asyncio.gather(*back), PATIENCE)
    answered = await asyncio.gather(*(c.ask() for c in there))
    say("and who was there before", sum(a is None for a in answered))


asyncio.run(run(sys.argv[1], int(sys.argv[2])))
