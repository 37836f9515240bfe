# SPDX-License-Identifier: MIT
"""Says on every surface what must not come into a log as it is: control
characters, a forged line, tokens, contents.

    logged.py HOST PORT SOCKET MOUNT: $TOKEN is a real one, $SECRET a content
"""
import base64
import os
import socket
import struct
import sys

import wireclient

HOST, PORT, SOCKET, MOUNT = sys.argv[1:5]
TOKEN, SECRET = os.environ["TOKEN"], os.environ["SECRET"]
EVIL = b"\x1b]0;evil\x07\x1b[2J\rgroupd: error: forged\x9b1m\xe2\x80\xae\x08"
LINE = EVIL.replace(b"\r", b"") + b"\ngroupd: error: forged: " + SECRET.encode()


def connect(where):
    if where is None:
        s = socket.socket(socket.AF_UNIX)
        s.connect(SOCKET)
    else:
        s = socket.create_connection(where)
    # Most is answered at once, and what is not need not be.
    s.settimeout(0.3)
    return s


def say(where, data, more=b""):
    s = connect(where)
    try:
        s.sendall(data)
        answer = s.recv(65536)
        if more:
            s.sendall(more)
            answer += s.recv(65536)
        return answer
    except OSError:
        return b""
    finally:
        s.close()


def frame(payload, opcode=1):
    key = b"\1\2\3\4"
    size = len(payload)
    head = bytes([0x80 | opcode]) + (
        bytes([0x80 | size]) if size < 126 else
        b"\xfe" + struct.pack(">H", size))
    return head + key + bytes(c ^ key[i % 4] for i, c in enumerate(payload))


def request(path=b"/api/me", method=b"GET", headers=(), body=b""):
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: x",
             b"Content-Length: %d" % len(body), b"Connection: close"]
    return b"\r\n".join(lines + list(headers)) + b"\r\n\r\n" + body


def over_http(where):
    token, secret = TOKEN.encode(), SECRET.encode()
    bearer = b"Authorization: Bearer " + token
    percent = b"".join(b"%%%02x" % c for c in EVIL)
    named = [b"User-Agent", b"Origin", b"X-Forwarded-For", b"Referer",
             b"Cookie", b"Accept-Encoding", b"Sec-WebSocket-Protocol",
             b"Content-Type", b"Idempotency-Key", b"If-None-Match", b"Range"]
    for name in named:
        for value in EVIL, secret + percent, token:
            say(where, request(headers=[bearer, name + b": " + value]))
    for path in (b"/" + EVIL, b"/api/groups/" + percent, b"/" + percent,
                 b"/api/groups/" + secret + percent + b"/messages",
                 b"/api/me?token=" + token, b"/api/me?access_token=" + token,
                 b"/ws?token=" + token + percent, b"/" + token):
        for method in b"GET", b"POST", EVIL, b"PUT" + secret:
            say(where, request(path, method, [bearer]))
    for auth in (b"Bearer " + token + EVIL, b"Basic " + base64.b64encode(
            b"me:" + token), b"Bearer " + secret, EVIL, token):
        say(where, request(headers=[b"Authorization: " + auth]))
    for body in (b'{"content": "' + secret + b'"}', b'{"content": ' + EVIL,
                 b'{"content": "' + LINE + b'"}', LINE,
                 b'{"' + secret + b'": "' + percent + b'"}'):
        for path in b"/api/groups/dev/messages", b"/api/groups":
            say(where, request(path, b"POST", [
                bearer, b"Content-Type: application/json"], body))


def over_websocket(where):
    upgrade = (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
               b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
               b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n")
    secret = SECRET.encode()
    for payload in (EVIL, secret, LINE, b'{"type": "' + secret + b'"}',
                    b'{"type": "send", "group": "' + secret + b'", "content":'
                    b' "' + secret + b'\\u001b", "id": 1}',
                    b'{"type": "send", "group": "dev", "id": 1, "content": "' +
                    secret + b'\\n\\u001b[31m"}',
                    b'{"type": "auth", "token": "' + TOKEN.encode() + b'"}'):
        say(where, upgrade, frame(payload))
        say(where, upgrade, frame(payload, 2))
    # Closing reasons, pings, and an opcode that is none.
    for opcode in 8, 9, 3:
        say(where, upgrade, frame(b"\x03\xe8" + EVIL, opcode))


def over_the_socket():
    for agent in EVIL[:60], LINE[:60], SECRET.encode():
        s = connect(None)
        body = wireclient.record(wireclient.VERSION, agent)
        s.sendall(struct.pack("<IHHII", len(body), wireclient.TYPES["HELLO"],
                              0, 1, 0) + body + LINE)
        try:
            s.recv(4096)
        except OSError:
            pass
        s.close()
    wire = wireclient.Wire(SOCKET)
    wire.open_principal()
    for name, *values in (
            ("OPEN_PRINCIPAL", 2, 0, TOKEN), ("OPEN_PRINCIPAL", 2, 0, EVIL),
            ("OPEN_PRINCIPAL", 3, 0, TOKEN), ("FIND_GROUP", EVIL),
            ("ADD_USERS", wireclient.record(LINE)), ("CREATE_GROUP", LINE),
            ("SEND", 1, SECRET, EVIL), ("CREATE_TOKEN", EVIL, 0, SECRET)):
        try:
            wire.request(name, 1, *values)
        except (wireclient.Refused, ConnectionError):
            pass


def in_the_mount():
    for name in EVIL.replace(b"/", b""), LINE[:200], SECRET.encode():
        for do in (os.mkdir, os.listdir, os.stat, os.rmdir):
            try:
                do(os.path.join(MOUNT.encode(), name))
            except OSError:
                pass
    for name in "messages", "messages.jsonl", "members", "post", "meta":
        for text in LINE, SECRET.encode() + EVIL, b'{"content": "' + LINE:
            try:
                with open(f"{MOUNT}/dev/{name}", "ab", buffering=0) as f:
                    f.write(text)
            except OSError:
                pass


for place in (HOST, int(PORT)), None:
    over_http(place)
    over_websocket(place)
over_the_socket()
in_the_mount()
