#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Answers get lost, and what they were to is sent again (answers.sh).

answers.py GROUP SENDS

Each of SENDS messages is sent with its client_id from up to five sockets at
once, over REST or WebSocket. Of three tries in ten the answer never comes to the
sender: its connection is reset in the midst of the request, behind it, or the
answer is thrown away; until one is answered it is sent again. All answers to one
message name the same number. Prints results as lib.sh's results() takes them,
and writes ID<TAB>SEQ of each to $T/told.
"""
import asyncio
import json
import os
import random
import socket
import struct
import sys

from programs import LISTEN, T, say
from rawws import TEXT, masked

LOST = 0.3
SOCKETS = 5
SENDERS = 24
HOST, PORT = LISTEN.split(":")
TOKEN = os.environ["TOKEN"]
SECONDS = 20


class Lost(Exception):
    """Its answer did not come."""


def reset(writer):
    """RST instead of FIN."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 0))
    writer.transport.abort()


class Counts:
    def __init__(self):
        self.tries = self.resets = self.dropped = self.duplicates = 0


async def rest(group, name, lost):
    body = json.dumps({"content": name}).encode()
    request = (f"POST /api/groups/{group}/messages HTTP/1.1\r\nHost: x\r\n"
               f"Authorization: Bearer {TOKEN}\r\nIdempotency-Key: {name}\r\n"
               "Content-Type: application/json\r\nConnection: close\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    reader, writer = await asyncio.open_connection(HOST, PORT)
    try:
        if lost == "amid":
            writer.write(request[:random.randrange(1, len(request))])
            await writer.drain()
            raise Lost
        writer.write(request)
        await writer.drain()
        if lost == "behind":
            await asyncio.sleep(random.uniform(0, 0.01))
            raise Lost
        answer = await reader.read()
        if lost:
            raise Lost
        head, _, text = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        told = json.loads(text)
        if status not in (200, 201):
            raise OSError(f"{status} {told.get('code')}")
        return told
    finally:
        reset(writer)


async def frame(reader):
    head = await reader.readexactly(2)
    size = head[1]
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    return head[0] & 15, await reader.readexactly(size)


async def websocket(group, name, lost):
    reader, writer = await asyncio.open_connection(HOST, PORT)
    try:
        writer.write((
            "GET /api/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: groupfs.v1\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n").encode())
        await reader.readuntil(b"\r\n\r\n")
        request = masked(TEXT, json.dumps(
            {"type": "send", "id": 1, "group": group, "content": name,
             "client_id": name}).encode())
        if lost == "amid":
            writer.write(request[:random.randrange(1, len(request))])
            await writer.drain()
            raise Lost
        writer.write(request)
        await writer.drain()
        if lost == "behind":
            await asyncio.sleep(random.uniform(0, 0.01))
            raise Lost
        while True:
            opcode, text = await frame(reader)
            told = json.loads(text) if opcode == TEXT else {}
            if told.get("id") == 1:
                break
        if lost:
            raise Lost
        if told["type"] != "sent":
            raise OSError(told["code"])
        return told
    finally:
        reset(writer)


async def attempt(group, name, counts):
    lost = (random.choice(("amid", "behind", "thrown"))
            if random.random() < LOST else None)
    counts.tries += 1
    counts.resets += lost in ("amid", "behind")
    counts.dropped += lost is not None
    send = random.choice((rest, websocket))
    try:
        told = await asyncio.wait_for(send(group, name, lost), SECONDS)
    except (Lost, OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
        return None
    counts.duplicates += told["duplicate"]
    return told["sequence_number"]


async def message(group, name, counts, wrong):
    told = set()
    for _ in range(20):
        numbers = await asyncio.gather(*(
            attempt(group, name, counts)
            for _ in range(random.randint(1, SOCKETS))))
        told |= {n for n in numbers if n is not None}
        if told:
            break
    if len(told) != 1:
        wrong.append(f"{name}: {sorted(told)}")
    return name, min(told, default=0)


async def run(group, count):
    counts, wrong, told = Counts(), [], []
    names = iter([f"m-{n}" for n in range(count)])

    async def sender():
        for name in names:
            told.append(await message(group, name, counts, wrong))
    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    print(f"# {count} messages, {counts.tries} tries; {counts.dropped} answers "
          f"lost, of these {counts.resets} by a reset; {counts.duplicates} "
          "times it was said that it is a duplicate")
    say("all answers to a message name one number", "; ".join(wrong[:3]))
    say("answers were lost", counts.dropped < count / 5 and counts.dropped)
    with open(T + "/told", "w") as file:
        for name, number in told:
            print(name, number, sep="\t", file=file)


asyncio.run(run(sys.argv[1], int(sys.argv[2])))
