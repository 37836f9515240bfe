#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""WebSocket clients (python3-websockets) that reach the gateway by TLS or by
the Unix socket, and connections that go wrong on the way.

  reach.py follow GROUP        prints SEQ<TAB>SENDER<TAB>TEXT of what comes,
                               `hello USER` first; comes back after a close
                               code below 3500, from where it was, and prints
                               `back CODE`
  reach.py slow GROUP N        N clients that take nothing until $GO exists,
                               then all that there is: prints SLOW n FIRST LAST
                               of each, or what it missed
  reach.py send GROUP TEXT     sends TEXT by WebSocket, prints its number
  reach.py burst N             N pulls by a WebSocket in one write, after its
                               hello; prints how many were answered
  reach.py noise               16 KiB each of rubbish: in frames, before any
                               token, and without; prints how each one ended
  reach.py pipeline GROUP      3 POSTs, 300 GETs and one of the page in one
                               write; prints the first answers, how many there
                               are, and what the last one is
  reach.py refused             prints why the WebSocket was refused
  reach.py handshake HOST PORT [HEX]   sends these bytes, prints how long the
                               server kept the connection open: short, long
  reach.py half SOCKET [HEX]   the same on a Unix socket
  reach.py flood SOCKET N      N connections that say nothing; prints how many
                               were closed at once, and then until all are
  reach.py methods SOCKET      one connection a line of stdin (escapes as in
                               Python), prints the first line of each answer

$URL is http(s)://HOST:PORT or unix:PATH, $CA a file of certificates, $TOKEN
the token, none where it is empty, $ORIGIN a page's origin.
"""
import asyncio
import codecs
import json
import os
import random
import re
import socket
import ssl
import sys
import time

import websockets

URL = os.environ.get("URL", "")
PATIENCE = 60


def out(*fields):
    print(*fields, sep="\t", flush=True)


def options(**more):
    headers = {}
    if os.environ.get("TOKEN"):
        headers["Authorization"] = "Bearer " + os.environ["TOKEN"]
    if os.environ.get("ORIGIN"):
        headers["Origin"] = os.environ["ORIGIN"]
    return dict(subprotocols=["groupfs.v1"], max_size=None,
                ping_interval=None, open_timeout=20, extra_headers=headers,
                **more)


def connect(**more):
    if URL.startswith("unix:"):
        return websockets.unix_connect(URL[5:], "ws://localhost/api/ws",
                                       **options(**more))
    if URL.startswith("https:"):
        more["ssl"] = ssl.create_default_context(cafile=os.environ["CA"])
    return websockets.connect(URL.replace("http", "ws", 1) + "/api/ws",
                              **options(**more))


async def subscribe(ws, group, after):
    await ws.send(json.dumps({"type": "subscribe", "groups": [
        {"group": group, "after_seq": after}]}))


async def follow(group):
    last, code = 0, None
    while True:
        try:
            async with connect() as ws:
                if code is not None:
                    out("back", code)
                await subscribe(ws, group, last)
                async for text in ws:
                    frame = json.loads(text)
                    if frame["type"] == "hello":
                        out("hello " + frame["user"])
                    if frame["type"] == "message":
                        last = frame["sequence_number"]
                        out(last, frame["sender"], frame["content"])
            code = ws.close_code
        except websockets.ConnectionClosed as why:
            code = why.code
        except OSError:
            pass
        except websockets.InvalidStatusCode as why:
            code = why.status_code
        if code is not None and 3500 <= code < 4000:
            out("closed", code)
            return
        await asyncio.sleep(0.05)


def small_socket():
    """A TCP connection that holds little of what it does not read."""
    host, port = URL.split("//")[1].rsplit(":", 1)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect((host, int(port)))
    return raw


async def slow_one(group, number):
    host = URL.split("//")[1].rsplit(":", 1)[0]
    async with connect(sock=small_socket(), server_hostname=host,
                       max_queue=1, read_limit=4096) as ws:
        await subscribe(ws, group, 0)
        out("subscribed", number)
        while not os.path.exists(os.environ["GO"]):
            await asyncio.sleep(0.05)
        seen, want = 0, int(os.environ["WANT"])
        while seen < want:
            frame = json.loads(await asyncio.wait_for(ws.recv(), PATIENCE))
            if frame["type"] == "bye":
                out("bye", frame["code"])
            if frame["type"] != "message":
                continue
            if frame["sequence_number"] != seen + 1:
                out("gap", number, seen, frame["sequence_number"])
                return
            seen += 1
        out("all", number, seen)


async def slow(group, count):
    await asyncio.gather(*(slow_one(group, n) for n in range(int(count))))


async def send(group, text):
    async with connect() as ws:
        await ws.send(json.dumps({"type": "send", "id": 1, "group": group,
                                  "content": text}))
        async for text in ws:
            frame = json.loads(text)
            if frame["type"] in ("sent", "error", "bye"):
                out(frame.get("sequence_number", frame.get("code")))
                return


def tls_socket():
    host, port = URL.split("//")[1].rsplit(":", 1)
    context = ssl.create_default_context(cafile=os.environ["CA"])
    raw = socket.create_connection((host, int(port)))
    raw.settimeout(PATIENCE)
    return context.wrap_socket(raw, server_hostname=host)


def masked(text):
    data = text.encode()
    return bytes([0x81, 0x80 | len(data), 0, 0, 0, 0]) + data


UPGRADE = ("GET /api/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           "Sec-WebSocket-Protocol: groupfs.v1\r\n")


def noise():
    rng = random.Random(5)
    cases = [masked("?") * 2340, masked("{}") * 2048,
             masked('{"type":"ping"}') * 780, rng.randbytes(16000),
             b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n" * 450
             + b"GET / HTTP/1.1\r\n\r\n"]
    for data in cases:
        connection = tls_socket()
        if not data.startswith(b"GET"):
            connection.sendall(UPGRADE.encode() + b"\r\n")
            connection.recv(65536)
        try:
            connection.sendall(data)
            got = b"-"
            # A close frame is an end: we are to answer it.
            while got and not got.endswith(b"\x88\x02\x0d\xac"):
                got = connection.recv(65536)
            out("closed")
        except socket.timeout:
            out("hangs")
        except OSError:
            out("closed")


def burst(count):
    connection = tls_socket()
    connection.sendall((
        UPGRADE + f"Authorization: Bearer {os.environ['TOKEN']}\r\n\r\n"
    ).encode())
    got = b""
    while b'"hello"' not in got:
        got += connection.recv(65536)
    # The answers come in the order of their requests.
    pull = '{"type":"pull","id":"b%d","group":"dev","limit":1}'
    connection.sendall(b"".join(masked(pull % n)
                                for n in range(int(count))))
    got = b""
    while f'"id":"b{int(count) - 1}"'.encode() not in got:
        piece = connection.recv(65536)
        if not piece:
            break
        got += piece
    out(got.count(b'"id":"b'))


def request_of(line, *headers, body=b""):
    lines = [line + " HTTP/1.1", "Host: x",
             "Authorization: Bearer " + os.environ["TOKEN"],
             "Content-Type: application/json",
             f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def pipeline(group):
    url = f"/api/groups/{group}/messages"
    posts = [request_of("POST " + url, body=b'{"content":"piped %d"}' % n)
             for n in range(3)]
    # More than one record of TLS holds, and more than one read.
    gets = [request_of("GET /healthz")] * 300
    last = [request_of("GET /", "Connection: close")]
    connection = tls_socket()
    connection.sendall(b"".join(posts + gets + last))
    got = b""
    while piece := connection.recv(65536):
        got += piece
    answers = re.findall(rb"HTTP/1\.1 (\d+) ", got)
    out(b" ".join(answers[:4]).decode(), len(answers),
        "page" if got.endswith(b"</html>\n") else got[-40:])


async def refused():
    try:
        async with connect() as ws:
            frame = json.loads(await asyncio.wait_for(ws.recv(), PATIENCE))
            out(frame.get("code", frame["type"]))
    except websockets.InvalidStatusCode as why:
        out(why.status_code)


def linger(connection, data):
    began = time.monotonic()
    connection.settimeout(PATIENCE)
    try:
        connection.sendall(data)
        while connection.recv(65536):
            pass
    except socket.timeout:
        sys.exit("it hangs")
    except OSError:
        pass
    out("long" if time.monotonic() - began > 2 else "short")


def handshake(host, port, data=""):
    linger(socket.create_connection((host, int(port))), bytes.fromhex(data))


def unix(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection


def half(path, data=""):
    linger(unix(path), bytes.fromhex(data))


def flood(path, count):
    all_of_them = [unix(path) for _ in range(int(count))]
    time.sleep(1)
    early = 0
    for connection in all_of_them:
        connection.setblocking(False)
        try:
            early += connection.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionError:
            early += 1
    out("refused", early)
    for connection in all_of_them:
        connection.settimeout(PATIENCE)
        try:
            connection.recv(1)
        except socket.timeout:
            sys.exit("one hangs")
        except ConnectionError:
            pass
    out("all closed")


def methods(path):
    for line in sys.stdin:
        data = codecs.decode(line.rstrip("\n"), "unicode_escape")
        connection = unix(path)
        connection.settimeout(PATIENCE)
        answer = b""
        try:
            connection.sendall(data.encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except socket.timeout:
            sys.exit(f"{line!r}: it hangs")
        except OSError:
            pass
        first = answer.split(b"\r\n")[0]
        out(first.decode() if first.startswith(b"HTTP/") else
            f"{bool(answer)}")


if __name__ == "__main__":
    what, *args = sys.argv[1:]
    run = {"follow": follow, "slow": slow, "send": send, "burst": burst, "noise": noise,
           "pipeline": pipeline, "refused": refused,
           "handshake": handshake, "half": half, "flood": flood,
           "methods": methods}[what]
    if asyncio.iscoroutinefunction(run):
        asyncio.run(run(*args))
    else:
        run(*args)
