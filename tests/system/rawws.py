# SPDX-License-Identifier: MIT
"""A WebSocket with nothing between it and the socket, for tests that need
many, a stubborn or a slow one. It shares no code with groupfs.

  ws = Socket(token)              connected to $URL, upgraded
  ws.send(type="ping", id=1)      one command
  ws.expect("pong", id=1)         reads on until that frame; others are kept
                                  in ws.seen
  ws.take()                       the frames of what has arrived; no waiting
Reading past the end raises Closed, with the code of the close frame or None.

A Follower is one that is subscribed to a group, and resumes when it is closed;
follow(followers, seq) reads until all have come so far.
"""
import contextlib
import json
import os
import re
import select
import selectors
import socket
import struct
import time

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SEQ = re.compile(rb'"sequence_number":(\d+)')
PATIENCE = 60


class Closed(Exception):
    def __init__(self, code):
        super().__init__(f"closed with {code}")
        self.code = code


def masked(opcode, payload):
    """One final frame; the mask is 0, which leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + bytes(4) + payload


class Socket:
    def __init__(self, token, receive_buffer=None, answers=True, timeout=20):
        self.answers = answers  # pings and close frames
        self.timeout = timeout
        self.data = bytearray()
        self.code = None
        self.ended = False
        self.pings = 0
        self.seen = []
        host, port = os.environ["URL"].split("://")[1].split(":")
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                 receive_buffer)
        self.sock.settimeout(timeout)
        self.sock.connect((host, int(port)))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upgrade(f"{host}:{port}", token)
        self.sock.setblocking(False)

    def upgrade(self, host, token):
        self.sock.sendall((
            f"GET /api/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Protocol: groupfs.v1\r\n"
            f"Authorization: Bearer {token}\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.data:
            part = self.sock.recv(4096)
            if not part:
                raise ConnectionResetError("closed within the handshake")
            self.data += part
        head, _, rest = bytes(self.data).partition(b"\r\n\r\n")
        if b" 101 " not in head:
            raise ConnectionError(head.decode())
        self.data = bytearray(rest)

    def fileno(self):
        return self.sock.fileno()

    def close(self):
        self.sock.close()

    def write(self, data):
        self.sock.settimeout(self.timeout)
        self.sock.sendall(data)
        self.sock.setblocking(False)

    def send(self, **fields):
        self.write(masked(TEXT, json.dumps(fields).encode()))

    def answer(self, opcode, payload):
        if self.answers:
            with contextlib.suppress(OSError):
                self.write(masked(opcode, payload))

    def frames(self):
        """(opcode, payload) of each that is complete in self.data."""
        at = 0
        while len(self.data) - at >= 2:
            start, size = at + 2, self.data[at + 1]
            if size == 126:
                start += 2
                size = int.from_bytes(self.data[at + 2:start], "big")
            elif size == 127:
                start += 8
                size = int.from_bytes(self.data[at + 2:start], "big")
            if len(self.data) < start + size or start > len(self.data):
                break
            yield self.data[at] & 15, bytes(self.data[start:start + size])
            at = start + size
        del self.data[:at]

    def take(self, limit=1 << 20):
        """The texts of what has arrived."""
        texts = []
        try:
            part = self.sock.recv(limit)
            self.data += part
            self.ended = not part
        except BlockingIOError:
            pass  # the first frames may have come with the handshake
        except ConnectionError:
            self.ended = True
        for opcode, payload in self.frames():
            if opcode == TEXT:
                texts.append(payload)
            elif opcode == PING:
                self.pings += 1
                self.answer(PONG, payload)
            elif opcode == CLOSE:
                self.code = int.from_bytes(payload[:2], "big") or None
                self.answer(CLOSE, payload[:2])
        if self.ended and not texts:
            raise Closed(self.code)
        return texts

    def expect(self, kind, timeout=None, **fields):
        """Takes the first frame of that type with those fields."""
        deadline = time.monotonic() + (timeout or self.timeout)
        at = 0
        while True:
            self.seen += map(json.loads, self.take())
            for at in range(at, len(self.seen)):
                frame = self.seen[at]
                if frame["type"] == kind and fields.items() <= frame.items():
                    return self.seen.pop(at)
            at = len(self.seen)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no {kind} {fields}; last: "
                                   f"{self.seen[-3:]}")
            select.select([self.sock], [], [], left)


class Follower:
    """Checks the order alone: the texts are another test's."""

    def __init__(self, token, group, receive_buffer=None):
        self.token, self.group = token, group
        self.receive_buffer = receive_buffer
        self.seq = 0
        self.closes = []  # the codes
        self.problems = []
        self.connect()

    def connect(self):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.ws = Socket(self.token, self.receive_buffer)
                self.ws.send(type="subscribe", groups=[
                    {"group": self.group, "after_seq": self.seq}])
                return
            except ConnectionError:  # its gateway is being replaced
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def fileno(self):
        return self.ws.fileno()

    def take(self, text):
        if text.startswith(b'{"type":"message"'):
            seq = int(SEQ.search(text)[1])
            if seq != self.seq + 1:
                self.problems.append(f"{seq} came after {self.seq}")
            self.seq = seq
        elif not text.startswith((b'{"type":"hello"', b'{"type":"live"',
                                  b'{"type":"bye"')):
            self.problems.append(f"unasked: {text}")

    def pump(self):
        """Reads what is there; True when it had to connect again."""
        try:
            for text in self.ws.take():
                self.take(text)
            return False
        except Closed as e:
            self.closes.append(e.code)
            self.ws.close()
            self.connect()
            return True


def follow(followers, target):
    selector = selectors.DefaultSelector()
    left = {f for f in followers if f.seq < target}
    for f in left:
        selector.register(f, selectors.EVENT_READ)
    deadline = time.monotonic() + PATIENCE
    while left and time.monotonic() < deadline:
        for key, _ in selector.select(1):
            f, old = key.fileobj, key.fd
            if f.pump():
                selector.unregister(old)
                selector.register(f, selectors.EVENT_READ)
            if f.seq >= target:
                selector.unregister(f)
                left.discard(f)
    selector.close()
    for f in left:
        f.problems.append(f"stands at {f.seq} of {target}")
