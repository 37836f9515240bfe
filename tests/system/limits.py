#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients that go to the limits of groupd.

  limits.py send GROUP TEXT...   send each by one WebSocket, print the answers
  limits.py hold N               open N WebSockets and keep them until the file
                                 $STOP exists; prints for each what it was
                                 told, and at the end how many are still open
  limits.py many N               N WebSockets one after the other
  limits.py pipeline GROUP N     N sends at once by one WebSocket; the numbers
                                 of the answers in the order they come
  limits.py eager GROUP          a send in the same breath as the token; all
                                 that is answered
  limits.py size BYTES           a message of so many bytes by WebSocket
  limits.py rude GROUP           a stream into which the client talks, before
                                 it closes its half; what it is answered, until
                                 the file $STOP exists
  limits.py idle N FROM          N TCP connections from the address FROM that
                                 say nothing, until the file $STOP exists
  limits.py knock FROM           one connection from FROM: its answer
  limits.py header NAME BYTES    a GET with such a header: its status
  limits.py upgrade NAME BYTES   the same as an upgrade to WebSocket

$URL is http://HOST:PORT, $TOKEN whose token.
"""
import asyncio
import json
import os
import socket
import struct
import sys
import time
from urllib.parse import urlsplit

import websockets


def out(*fields):
    print(*fields, sep="\t", flush=True)


def stopped():
    return os.path.exists(os.environ.get("STOP", ""))


def connect(token=True):
    url = os.environ["URL"].replace("http", "ws", 1) + "/api/ws"
    headers = {"Authorization": "Bearer " + os.environ["TOKEN"]}
    return websockets.connect(
        url, subprotocols=["groupfs.v1"], max_size=None, ping_interval=None,
        open_timeout=20, extra_headers=headers if token else None)


async def receive(ws):
    return json.loads(await asyncio.wait_for(ws.recv(), 30))


async def send(group, *texts):
    async with connect() as ws:
        await receive(ws)
        for n, text in enumerate(texts):
            await ws.send(json.dumps({"type": "send", "id": n, "group": group,
                                      "content": text}))
            print(json.dumps(await receive(ws)), flush=True)


async def greeting(ws):
    """What the first frames say: hello, or the refusal and the close."""
    told = []
    try:
        while True:
            frame = await receive(ws)
            told.append(frame["type"])
            if frame["type"] == "hello":
                break
            told.append(str(frame["code"]))
            told.append("later" if frame["retry_after_ms"] > 0 else "never")
    except websockets.ConnectionClosed as e:
        told.append(f"closed {e.code}")
    return " ".join(told)


async def hold(count):
    open_ones = []
    for _ in range(int(count)):
        ws = await connect()
        out(await greeting(ws))
        if ws.open:
            open_ones.append(ws)
    out("ready")
    while not stopped():
        await asyncio.sleep(0.05)
    out("open", sum(ws.open for ws in open_ones))
    for ws in open_ones:
        await ws.close()


async def many(count):
    for _ in range(int(count)):
        async with connect() as ws:
            if await greeting(ws) != "hello":
                sys.exit("refused")


async def pipeline(group, count):
    async with connect() as ws:
        await receive(ws)
        for n in range(int(count)):
            await ws.send(json.dumps({"type": "send", "id": n, "group": group,
                                      "content": f"p{n}"}))
        for n in range(int(count)):
            frame = await receive(ws)
            out(frame["type"], frame["id"], frame.get("sequence_number"))


def masked(message):
    payload = json.dumps(message).encode().ljust(126)
    mask = os.urandom(4)
    return (struct.pack(">BBH", 0x81, 0xFE, len(payload)) + mask
            + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))


async def eager(group):
    async with connect(token=False) as ws:
        # In one packet: this library would send two.
        ws.transport.write(
            masked({"type": "auth", "token": os.environ["TOKEN"]})
            + masked({"type": "send", "id": 1, "group": group,
                      "content": "eager"}))
        try:
            while True:
                frame = await receive(ws)
                out(frame["type"])
                if frame["type"] == "sent":
                    return
        except websockets.ConnectionClosed as e:
            out("closed", e.code)


async def size(count):
    async with connect() as ws:
        await receive(ws)
        text = json.dumps({"type": "ping", "id": 7})
        try:
            await ws.send(text + " " * (int(count) - len(text)))
            out((await receive(ws))["type"])
        except websockets.ConnectionClosed as e:
            out("closed", e.code)


def dial(source=None):
    url = urlsplit(os.environ["URL"])
    return socket.create_connection(
        (url.hostname, url.port), 20, (source, 0) if source else None)


def read_all(connection):
    data = b""
    try:
        while piece := connection.recv(65536):
            data += piece
    except ConnectionResetError:
        data += b"(reset)"
    return data.decode()


def rude(group):
    connection = dial()
    connection.sendall((
        f"GET /api/groups/{group}/stream?after_seq=0 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {os.environ['TOKEN']}\r\n\r\n").encode())
    connection.sendall(b"more\r\n" * 1000)
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(0.05)
    while not stopped():
        try:
            print(connection.recv(65536).decode(), flush=True)
        except socket.timeout:
            pass
    connection.close()


def idle(count, source):
    all_of_them = [dial(source) for _ in range(int(count))]
    out("ready")
    while not stopped():
        time.sleep(0.05)
    for connection in all_of_them:
        connection.close()


def ask(head, source=None):
    connection = dial(source)
    try:
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())
    except (BrokenPipeError, ConnectionResetError):
        pass
    return read_all(connection)


def knock(source):
    print(ask(["GET /healthz HTTP/1.1", "Host: x", "Connection: close"],
              source))


def header(name, count):
    value = "x" * int(count)
    head = ["GET /api/groups" + ("?a=" + value if name == "query" else "")
            + " HTTP/1.1", "Host: x", "Connection: close"]
    if name != "query":
        head.append(f"{name}: {value}")
    if name != "Authorization":
        head.append("Authorization: Bearer " + os.environ["TOKEN"])
    answer = ask(head)
    out(answer.split(" ")[1] if answer.startswith("HTTP/") else "ended")


def upgrade(name, count):
    answer = ask(["GET /api/ws HTTP/1.1", "Host: x", "Upgrade: websocket",
                  "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                  "Sec-WebSocket-Protocol: groupfs.v1",
                  f"{name}: " + "x" * int(count)])
    out(answer.split(" ")[1] if answer.startswith("HTTP/") else "ended")


def main():
    what, *args = sys.argv[1:]
    done = globals()[what](*args)
    if asyncio.iscoroutine(done):
        asyncio.run(done)


if __name__ == "__main__":
    main()
