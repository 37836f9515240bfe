#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A subscriber that is cut off again and again, and must not lose its place.

  cuts.py GROUP CUTS FILE    $URL, $M, $BUILD; $TOKENS: those of the subscriber,
                             the sender by REST, the sender by WebSocket

One WebSocket of python3-websockets is subscribed to GROUP and cut CUTS times:
with an RST, a FIN, a close frame, in the middle of a frame (by a proxy of our
own), before the handshake is through, and by kill -9 of the gateway; now and
then groupd's core is killed, which cuts neither it nor one that is just
reading all from the start. Three senders go on all the while. What was
received goes to FILE as SEQ<TAB>SENDER<TAB>JSON, what did not hold to stdout,
a line each; figures to stderr.

The core is killed by whoever started it: when the file $KILL appears, and it
takes the file away when the core is up again.
"""
import asyncio
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time

import websockets

from processes import gateways

AWAY = (OSError, EOFError, asyncio.TimeoutError, http.client.HTTPException,
        websockets.WebSocketException)
GATEWAY_EVERY = 43
CORE_EVERY = 89
PATIENCE = 40


def connect(address, token):
    return websockets.connect(
        f"ws://{address}/api/ws", subprotocols=["groupfs.v1"], max_size=None,
        ping_interval=None, open_timeout=10, close_timeout=2,
        extra_headers={"Authorization": "Bearer " + token})


class Senders:
    """Three of them, each with one message under way at a time."""

    def __init__(self, group, address, tokens, rng):
        self.group, self.address, self.tokens = group, address, tokens
        self.rng = rng
        self.stop = threading.Event()
        self.texts = {}  # by seq, of what was acknowledged
        self.last = 0
        self.failures = []

    def acked(self, seq, text):
        if self.texts.setdefault(seq, text) != text:
            self.failures.append(f"{seq} was acknowledged for two messages")
        self.last = max(self.last, seq)

    def text(self, name, n):
        tail = self.rng.choice(["", " ü€𝄞", " \\n \\", ' "q"', " " + "x" * 900,
                                " " + "y" * self.rng.randrange(9000)])
        return f"{name} {n}{tail}"

    def mount(self):
        """What it acknowledges has no number: it is found by its text."""
        path = f"{os.environ['M']}/{self.group}/messages"
        self.written = []
        try:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND)
            while not self.stop.wait(0.01):
                text = self.text("mount", len(self.written))
                os.write(fd, text.encode() + b"\n")
                self.written.append(text)
            os.close(fd)
        except OSError as e:
            self.failures.append(f"the mount refused a message: {e}")

    def post(self, key, text):
        c = http.client.HTTPConnection(self.address, timeout=20)
        with contextlib.closing(c):
            c.request("POST", f"/api/groups/{self.group}/messages",
                      json.dumps({"content": text}),
                      {"Authorization": "Bearer " + self.tokens[0],
                       "Content-Type": "application/json",
                       "Idempotency-Key": key})
            answer = c.getresponse()
            return answer.status, json.loads(answer.read())

    def rest(self):
        n = 0
        text = self.text("rest", n)
        while not self.stop.wait(0.01):
            try:
                status, body = self.post(f"rest-{n}", text)
            except (ValueError, *AWAY):
                continue
            if status == 201:
                self.acked(body["sequence_number"], text)
                n += 1
                text = self.text("rest", n)
            elif status != 503:
                self.failures.append(f"POST: {status} {body}")

    async def websocket(self):
        n = 0
        text = self.text("ws", n)
        while not self.stop.is_set():
            try:
                async with connect(self.address, self.tokens[1]) as ws:
                    while not self.stop.is_set():
                        await ws.send(json.dumps(
                            {"type": "send", "id": n, "group": self.group,
                             "content": text, "client_id": f"ws-{n}"}))
                        await self.answer(ws, n, text)
                        n += 1
                        text = self.text("ws", n)
                        await asyncio.sleep(0.01)
            except AWAY:
                await asyncio.sleep(0.05)

    async def answer(self, ws, n, text):
        while True:
            frame = json.loads(await asyncio.wait_for(ws.recv(), 20))
            if frame["type"] == "sent" and frame["id"] == n:
                self.acked(frame["sequence_number"], text)
                return
            if frame["type"] == "error":
                if frame["code"] not in ("unavailable", "outcome_unknown"):
                    self.failures.append(f"WebSocket: {frame}")
                raise EOFError


class Proxy:
    """Passes on, and cuts both ends once so many bytes came back."""

    def __init__(self, address):
        self.host, self.port = address.split(":")
        self.budget = 0

    async def start(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.address = f"127.0.0.1:{port}"

    async def up(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)

    async def serve(self, reader, writer):
        left = self.budget
        try:
            gateway, out = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        task = asyncio.create_task(self.up(reader, out))
        with contextlib.suppress(OSError):
            while left > 0 and (data := await gateway.read(left)):
                writer.write(data)
                await writer.drain()
                left -= len(data)
        task.cancel()
        writer.transport.abort() if left else writer.close()
        out.transport.abort()


class Subscriber:
    def __init__(self, group, address, token, senders, rng):
        self.group, self.address, self.token = group, address, token
        self.senders, self.rng = senders, rng
        self.proxy = Proxy(address)
        self.log = []
        self.epoch = None
        self.failures = []
        self.counts = {}
        self.lives = 0
        self.number = 0

    def wrong(self, what):
        self.failures.append(f"connection {self.number}: {what}")

    def message(self, m):
        seq = m["sequence_number"]
        replay = m.get("replay", False)
        if seq != len(self.log) + 1:
            self.wrong(f"{seq} came after {len(self.log)}")
            return
        self.log.append(m)
        if self.live and replay:
            self.wrong(f"{seq} is marked replay, after live")
        if not replay and seq <= self.there:
            self.wrong(f"{seq} of {self.there} is not marked replay")
        if replay and not self.replaying:
            self.wrong(f"{seq} is marked replay, after one that is not")
        self.replaying = replay

    def take(self, text):
        frame = json.loads(text)
        kind = frame["type"]
        if self.first != (kind == "hello"):
            self.wrong(f"the first frame must be hello, once: {frame}")
        self.first = False
        if kind == "message":
            self.message(frame)
        elif kind == "live":
            self.epoch = self.epoch or frame["epoch"]
            if self.live:
                self.wrong("live came twice")
            if (frame["epoch"], frame["last_seq"]) != (self.epoch,
                                                       len(self.log)):
                self.wrong(f"{frame} after {len(self.log)}")
            self.live = True
            self.lives += 1
        elif kind != "hello":
            self.wrong(f"came unasked: {frame}")

    async def subscribe(self, ws):
        where = {"group": self.group, "after_seq": len(self.log)}
        if self.epoch:
            where["epoch"] = self.epoch
        self.there = self.senders.last
        await ws.send(json.dumps({"type": "subscribe", "groups": [where]}))

    async def read(self, ws, until):
        while not until():
            self.take(await ws.recv())

    async def read_a_while(self, ws, seconds):
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.read(ws, lambda: False), seconds)

    async def cut(self, ws, way):
        if way == "close frame":
            await ws.close()
            return
        if way == "reset":
            ws.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            ws.transport.abort()
        elif way == "fin":
            ws.transport.close()
        elif way == "gateway":
            for pid in gateways():
                os.kill(pid, signal.SIGKILL)
        # Killed, or cut by the proxy when enough has come.
        await asyncio.wait_for(self.read(ws, lambda: False), PATIENCE)

    async def one_life(self, way):
        address = self.address
        if way == "proxy":
            self.proxy.budget = self.rng.choice([100, 400, 3000, 20000])
            self.proxy.budget = self.rng.randrange(1, self.proxy.budget)
            address = self.proxy.address
        self.first = True
        self.live = False
        self.replaying = True
        ws = await connect(address, self.token)
        try:
            await self.subscribe(ws)
            if way != "proxy" and self.rng.random() < 0.6:
                await asyncio.wait_for(
                    self.read(ws, lambda: self.live), PATIENCE)
            if way == "core":
                await self.kill_core(ws)
                way = "reset"
            if way != "proxy":
                await self.read_a_while(ws, self.rng.expovariate(1 / 0.012))
            await self.cut(ws, way)
        finally:
            ws.transport.abort()
            await ws.wait_closed()

    async def read_all(self):
        """Another one reads from the first message on, and is not cut."""
        other = Subscriber(self.group, self.address, self.token, self.senders,
                           self.rng)
        other.number = f"{self.number}, from the start"
        await other.finish()
        self.failures += other.failures

    async def kill_core(self, ws):
        """Reads on meanwhile, and for a while after it."""
        flag = os.environ["KILL"]
        other = asyncio.create_task(self.read_all())
        await self.read_a_while(ws, self.rng.random() * 0.2)
        with open(flag, "w"):
            pass
        try:
            while os.path.exists(flag):
                await self.read_a_while(ws, 0.05)
            seen = len(self.log) + 5
            await asyncio.wait_for(
                self.read(ws, lambda: len(self.log) >= seen), PATIENCE)
            await other
        except websockets.ConnectionClosed:
            self.wrong("a restart of the core cut it")
            raise

    def way(self, n):
        if n % CORE_EVERY == CORE_EVERY - 1:
            return "core"
        if n % GATEWAY_EVERY == GATEWAY_EVERY - 1:
            return "gateway"
        return self.rng.choice(["reset", "fin", "close frame", "proxy"])

    async def lives_of(self, cuts):
        await self.proxy.start()
        while self.number < cuts:
            self.number += 1
            way = self.way(self.number)
            self.counts[way] = self.counts.get(way, 0) + 1
            try:
                await self.one_life(way)
            except asyncio.TimeoutError:
                self.wrong(f"nothing came for {PATIENCE} s ({way})")
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)  # the gateway is not back yet
                self.number -= 1
                self.counts[way] -= 1
            except AWAY:
                pass

    async def finish(self):
        """All that was acknowledged is there, and live comes."""
        self.first, self.live, self.replaying = True, False, True
        async with connect(self.address, self.token) as ws:
            await self.subscribe(ws)
            await asyncio.wait_for(self.read(
                ws, lambda: self.live and len(self.log) >= self.there),
                PATIENCE)


async def refused(subscriber):
    """A place that is not there is no place to resume from."""
    async with connect(subscriber.address, subscriber.token) as ws:
        await ws.recv()
        last = len(subscriber.log)
        for where, code in (({"after_seq": last, "epoch": "0" * 16},
                             "epoch_changed"),
                            ({"after_seq": last + 1000}, "bad_request")):
            await ws.send(json.dumps({"type": "subscribe", "id": code, "groups":
                                      [{"group": subscriber.group, **where}]}))
            frame = json.loads(await asyncio.wait_for(ws.recv(), PATIENCE))
            if (frame["type"], frame["code"]) != ("error", code):
                subscriber.wrong(f"{where} is answered with {frame}")
            elif code == "epoch_changed" and (
                    frame["id"], frame["first_seq"],
                    frame["epoch"]) != (code, 1, subscriber.epoch):
                subscriber.wrong(f"{frame} does not say where to start")


def compare(subscriber, senders):
    """What was acknowledged is what came, under the same number."""
    texts = [m["content"] for m in subscriber.log]
    for seq, text in senders.texts.items():
        if texts[seq - 1:seq] != [text]:
            yield f"{seq} is not what was acknowledged"
    for text in senders.written:
        if texts.count(text) != 1:
            yield f"the mount's {text[:20]} came {texts.count(text)} times"
    if len(texts) != len(senders.texts) + len(senders.written):
        yield "more came than was sent"


async def main(group, cuts, path):
    seed = int(os.environ.get("GROUPFS_TEST_SEED", time.time()))
    address = os.environ["URL"].split("://")[1]
    mine, *others = os.environ["TOKENS"].split()
    senders = Senders(group, address, others, random.Random(seed))
    subscriber = Subscriber(group, address, mine, senders,
                            random.Random(seed + 1))
    threads = [threading.Thread(target=t) for t in (senders.mount,
                                                    senders.rest)]
    for t in threads:
        t.start()
    task = asyncio.create_task(senders.websocket())
    began = time.monotonic()
    try:
        await subscriber.lives_of(int(cuts))
    finally:
        took = time.monotonic() - began
        senders.stop.set()
        await task
        for t in threads:
            await asyncio.to_thread(t.join)
    await subscriber.finish()
    await refused(subscriber)
    with open(path, "w") as f:
        for m in subscriber.log:
            print(m["sequence_number"], m["sender"], json.dumps(m["content"]),
                  sep="\t", file=f)
    print(f"seed {seed}: {took:.1f} s, {len(subscriber.log)} messages, live "
          f"{subscriber.lives} times; cuts: {subscriber.counts}",
          file=sys.stderr)
    for line in (subscriber.failures + senders.failures
                 + list(compare(subscriber, senders)))[:50]:
        print(line)


asyncio.run(main(*sys.argv[1:]))
