#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Sends bytes that no client of groupd would send.

  rubbish.py unix SOCKET   rubbish frames, each on a connection of its own
  rubbish.py tcp HOST PORT rubbish requests and WebSocket frames
  rubbish.py pipeline HOST PORT TOKEN GROUP   two POSTs in one packet
  rubbish.py h2c HOST PORT an upgrade to HTTP/2, and its prior-knowledge form

Each case prints NAME<TAB>what came back; a case that hangs ends the program
with status 1.
"""
import os
import random
import re
import socket
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import raw

TIMEOUT = 40


def reply(connection, limit=65536):
    """What comes until the peer closes; 'open' when it does not."""
    connection.settimeout(TIMEOUT)
    data = b""
    try:
        while len(data) < limit:
            piece = connection.recv(65536)
            if not piece:
                break
            data += piece
    except ConnectionResetError:
        pass
    except socket.timeout:
        return None
    return data


def frame(kind, ident, principal, body, zero=0, length=None):
    size = len(body) if length is None else length
    return struct.pack("<IHHII", size, kind, zero, ident, principal) + body


with open(os.path.join(os.path.dirname(__file__), "../../lib/wire.h")) as header:
    VERSION = bytes([int(re.search(r"WIRE_VERSION = (\d+)", header.read())[1])])
HELLO = frame(3, 1, 0, VERSION + b"\x04test")


def unix_cases():
    rng = random.Random(7)
    yield "an unknown type", frame(999, 1, 0, b"")
    yield "a length of 4 GiB", frame(3, 1, 0, b"", length=0xFFFFFFFF)
    yield "a field that is not zero", frame(3, 1, 0, VERSION + b"\x00", zero=5)
    yield "no hello first", frame(12, 1, 1, b"\x00\x03dev")
    yield "a hello of a later version", frame(3, 1, 0, b"\x63\x04test")
    yield "a short body", frame(3, 1, 0, VERSION)
    yield "a surplus byte", frame(3, 1, 0, VERSION + b"\x04test!")
    yield "an event from a client", HELLO + frame(60, 0, 0, b"\x01\x00")
    yield "an answer from a client", HELLO + frame(2, 7, 0, b"\x01")
    yield "a varint without end", HELLO + frame(12, 2, 0, b"\xff" * 11)
    yield "a second hello", HELLO + HELLO
    yield "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for n in range(20):
        yield f"noise {n}", rng.randbytes(rng.randrange(1, 4000))
    for n in range(20):
        noise = rng.randbytes(rng.randrange(0, 200))
        yield (f"noise in a frame {n}",
               HELLO + frame(rng.choice([5, 10, 12, 16, 22, 26, 40, 41]),
                             n + 2, rng.randrange(3), noise))


def run_unix(path):
    for name, data in unix_cases():
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        data = reply(connection)
        if data is None:
            sys.exit(f"{name}: the connection hangs")
        print(name, len(data), sep="\t")
        connection.close()


UPGRADE = (b"GET /api/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
           b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
           b"Sec-WebSocket-Protocol: groupfs.v1\r\n\r\n")


def tcp_cases():
    rng = random.Random(8)
    yield "a line of noise", b"\x00\xff\xfe rubbish\r\n\r\n"
    yield "a header of 100 kB", (b"GET / HTTP/1.1\r\nX: " + b"x" * 100000
                                 + b"\r\n\r\n")
    yield "no JSON object", UPGRADE + raw.frame(raw.TEXT, b"[]")
    yield "no JSON at all", UPGRADE + raw.frame(raw.TEXT, b"rubbish")
    yield "a deep array", UPGRADE + raw.frame(raw.TEXT, b"[" * 5000)
    yield "no type", UPGRADE + raw.frame(raw.TEXT, b"{}")
    yield "a binary frame", UPGRADE + raw.frame(raw.BINARY, b"\x00\x01")
    yield "bad UTF-8", UPGRADE + raw.frame(raw.TEXT, b'{"type":"\xff\xfe"}')
    yield "a reserved opcode", UPGRADE + raw.frame(3, b"x")
    yield "a reserved bit", UPGRADE + raw.frame(raw.TEXT, b"{}", rsv=7)
    yield "a bad token", UPGRADE + raw.frame(
        raw.TEXT, b'{"type":"auth","token":"x"}')
    yield "a send before auth", UPGRADE + raw.frame(
        raw.TEXT, b'{"type":"send","id":1,"group":"dev","content":"x"}')
    for n in range(20):
        yield f"noise {n}", UPGRADE + rng.randbytes(rng.randrange(1, 2000))


def one_tcp(host, port, data):
    connection = socket.create_connection((host, int(port)))
    try:
        connection.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    data = reply(connection)
    connection.close()
    return data


def run_tcp(host, port):
    """All at once: who never authenticates is put out after 10 s only."""
    cases = list(tcp_cases())
    with ThreadPoolExecutor(len(cases)) as pool:
        answers = list(pool.map(
            lambda case: one_tcp(host, port, case[1]), cases))
    for (name, _), data in zip(cases, answers):
        if data is None:
            sys.exit(f"{name}: the connection hangs")
        print(name, len(data), sep="\t")


def run_pipeline(host, port, token, group):
    body = b'{"content":"pipelined"}'
    request = (f"POST /api/groups/{group}/messages HTTP/1.1\r\nHost: x\r\n"
               f"Authorization: Bearer {token}\r\n"
               "Content-Type: application/json\r\n"
               f"Content-Length: {len(body)}\r\n\r\n").encode() + body
    connection = socket.create_connection((host, int(port)))
    last = request.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n")
    connection.sendall(request * 2 + last)
    data = reply(connection)
    if data is None:
        sys.exit("pipelined POSTs: the connection hangs")
    print(data.split(b"\r\n")[0].decode())


def run_h2c(host, port):
    upgrade = (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, "
               b"HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
               b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
    prior = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
    for name, data in (("upgrade", upgrade), ("prior knowledge", prior)):
        connection = socket.create_connection((host, int(port)))
        connection.sendall(data)
        data = reply(connection, 4096)
        if data is None:
            sys.exit(f"{name}: the connection hangs")
        spoke = data.startswith(b"HTTP/1.1 101") or b"\0\4\0\0\0" in data
        print(name, "speaks HTTP/2" if spoke else "refused", sep="\t")
        connection.close()


if __name__ == "__main__":
    what, *args = sys.argv[1:]
    {"unix": run_unix, "tcp": run_tcp, "pipeline": run_pipeline,
     "h2c": run_h2c}[what](*args)
