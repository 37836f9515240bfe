# SPDX-License-Identifier: MIT
"""HTTP/1.1 (RFC 9112) and WebSocket (RFC 6455) by hand, over a socket.

What a client says is given in bytes, so that all that is wrong can be said
too; what the server says is taken apart strictly: anything that the RFCs do
not allow it is Broken. frames.py, httprows.py, mutate.py and rubbish.py use
this. $URL is http://HOST:PORT, $TOKEN whose token.
"""
import base64
import collections
import fnmatch
import hashlib
import json
import os
import re
import socket
import struct
import sys
import time
from concurrent.futures import ThreadPoolExecutor

PATIENCE = int(os.environ.get("GROUPFS_TEST_PATIENCE", "1"))
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
# RFC 6455 7.4, and IANA's registry since.
CLOSE_CODES = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
HALF = object()  # a piece: the client sends no more, but reads
RESET = object()  # a piece: the client's machine is gone

Response = collections.namedtuple("Response", "status headers body")


class Broken(Exception):
    """The server said what it must not."""


class Silence(Exception):
    """Nothing came before the deadline."""


def address():
    host, _, port = os.environ["URL"].split("://")[1].rpartition(":")
    return host, int(port)


def host():
    return "{}:{}".format(*address()).encode()


def token():
    return os.environ["TOKEN"].encode()


def bearer():
    return b"Authorization: Bearer " + token()


def upgrade(*more, path=b"/api/ws", without=()):
    """The handshake's request; `more` are lines, `without` are names."""
    lines = [b"Host: " + host(), b"Upgrade: websocket",
             b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
             b"Sec-WebSocket-Key: " + KEY,
             b"Sec-WebSocket-Protocol: groupfs.v1"]
    lines = [line for line in lines if line.split(b":")[0] not in without]
    return (b"GET " + path + b" HTTP/1.1\r\n" +
            b"".join(line + b"\r\n" for line in (*lines, *more)) + b"\r\n")


def masked(payload, mask):
    whole = (mask * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")
            ).to_bytes(len(payload), "big")


def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=MASK, length=None,
          form=None):
    """One frame. mask None: unmasked. length: what it says, if not the
    truth. form: bytes of the length, 0, 2 or 8, if not the fewest."""
    said = len(payload) if length is None else length
    if form is None:
        form = 0 if said < 126 else 2 if said < 65536 else 8
    bit = 0 if mask is None else 0x80
    size = {0: lambda: bytes([bit | said]),
            2: lambda: struct.pack(">BH", bit | 126, said),
            8: lambda: struct.pack(">BQ", bit | 127, said)}[form]()
    body = payload if mask is None else mask + masked(payload, mask)
    return bytes([(0x80 if fin else 0) | rsv << 4 | opcode]) + size + body


def close(code=None, reason=b"", **how):
    payload = b"" if code is None else struct.pack(">H", code) + reason
    return frame(CLOSE, payload, **how)


def cut(data):
    """Every byte by itself."""
    return [data[i:i + 1] for i in range(len(data))]


class Peer:
    """A connection. deadline: seconds until silence is an error."""

    def __init__(self, deadline=30):
        self.socket = socket.create_connection(address(), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.got = b""
        self.end = None  # "end", "reset"
        self.wait(deadline)

    def wait(self, deadline):
        """From now on."""
        self.until = time.monotonic() + deadline * PATIENCE

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, pieces):
        """Each piece in a segment of its own, as far as TCP lets us."""
        for piece in pieces:
            if piece is HALF:
                self.half_close()
            elif piece is RESET:
                self.reset()
            elif not self.send_all(piece):
                return
            if len(pieces) > 1:
                time.sleep(0.001)

    def send_all(self, data):
        """Reads too, as the server may wait for that. False: it takes no
        more."""
        view, stuck = memoryview(data), 0
        while view:
            self.socket.settimeout(0.05)
            try:
                view, stuck = view[self.socket.send(view):], 0
            except socket.timeout:
                stuck += 1
                if not self.fill(0) and stuck > 60 * PATIENCE:
                    return False
            except OSError:
                return False
        return True

    def half_close(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def reset(self):
        """Ends it as a machine does that was switched off and on."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        self.socket.close()

    def fill(self, patience=None):
        """Reads more. False: there is no more now, or never."""
        if self.end is not None:
            return False
        left = self.until - time.monotonic() if patience is None else patience
        self.socket.settimeout(max(left, 0.001))
        try:
            piece = self.socket.recv(1 << 18)
        except socket.timeout:
            if patience is None:
                raise Silence(repr(self.got[:80])) from None
            return False
        except OSError:
            self.end = "reset"
            return False
        self.got += piece
        if not piece:
            self.end = "end"
        return bool(piece)

    def take(self, n):
        """n bytes, None at the end."""
        while len(self.got) < n:
            if not self.fill():
                return None
        piece, self.got = self.got[:n], self.got[n:]
        return piece

    def take_rest(self):
        while self.fill():
            pass
        piece, self.got = self.got, b""
        return piece

    def take_to(self, mark):
        while mark not in self.got:
            if not self.fill():
                return None
        piece, _, self.got = self.got.partition(mark)
        return piece

    def response(self, bodiless=False):
        """The next answer, None at the end."""
        head = self.take_to(b"\r\n\r\n")
        if head is None and self.got:
            raise Broken(f"no whole head: {self.got[:200]!r}")
        if head is None:
            return None
        status, headers = parse_head(head)
        return Response(status, headers,
                        self.body(status, headers, bodiless))

    def body(self, status, headers, bodiless):
        if bodiless or status < 200 or status in (204, 304):
            return b""
        if "content-length" not in headers:
            if headers.get("connection") != "close":
                raise Broken("no Content-Length and not the last")
            return self.take_rest()
        body = self.take(int(headers["content-length"]))
        if body is None:
            raise Broken(f"a body is cut short: {self.got[:200]!r}")
        return body

    def raw_frame(self):
        """(opcode, fin, payload), None at the end."""
        head = self.take(2)
        if head is None:
            if self.got:
                raise Broken(f"half a frame: {self.got!r}")
            return None
        if head[0] & 0x70 or head[1] & 0x80:
            raise Broken(f"reserved bits or a mask: {head!r}")
        size, opcode = head[1], head[0] & 15
        if size > 125:
            if opcode >= 8:
                raise Broken("a long control frame")
            form, least = (">H", 126) if size == 126 else (">Q", 65536)
            size = struct.unpack(form, self.take(struct.calcsize(form)))[0]
            if size < least:
                raise Broken(f"a length of {size} is not in its fewest bytes")
        payload = self.take(size)
        if payload is None:
            raise Broken("half a frame")
        return opcode, bool(head[0] & 0x80), payload

    def event(self):
        """(opcode, payload) of a whole message or control frame, or
        (None, "end" or "reset")."""
        message = None
        while True:
            one = self.raw_frame()
            if one is None:
                return None, self.end
            opcode, fin, payload = one
            if opcode >= 8:
                if not fin or opcode > PONG:
                    raise Broken(f"control frame {opcode}, final {fin}")
                return opcode, payload
            if (opcode == CONTINUATION) == (message is None):
                raise Broken(f"opcode {opcode} out of turn")
            message = (message or b"") + payload
            if fin:
                return TEXT, message

    def open_ws(self, *more, request=None, at_once=b""):
        """The handshake; the answer, checked where it is 101."""
        self.send_all((request or upgrade(*more)) + at_once)
        answer = self.response()
        if answer is not None and answer.status == 101:
            check_accept(answer.headers)
        return answer


class Recorded(Peer):
    """What came back on a connection that is over. ended: by the server;
    else what is not whole is Silence, not Broken."""

    def __init__(self, got, ended):
        self.got, self.end = got, "end" if ended else None

    def fill(self, patience=None):
        if self.end is None:
            raise Silence("we did not wait for more")
        return False


def parse_head(head):
    lines = head.split(b"\r\n")
    status = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [\x20-\x7e]*", lines[0])
    if status is None:
        raise Broken(f"status line {lines[0][:80]!r}")
    headers = {}
    for line in lines[1:]:
        pair = re.fullmatch(
            rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*?)[ \t]*",
            line)
        if pair is None:
            raise Broken(f"header line {line[:80]!r}")
        name = pair[1].decode().lower()
        if name in headers:
            raise Broken(f"{name} twice")
        headers[name] = pair[2].decode()
    return int(status[1]), headers


def check_accept(headers):
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    wanted = base64.b64encode(hashlib.sha1(KEY + guid).digest()).decode()
    if headers.get("sec-websocket-accept") != wanted:
        raise Broken("Sec-WebSocket-Accept is wrong")
    if headers.get("upgrade", "").lower() != "websocket" or \
            headers.get("connection", "").lower() != "upgrade":
        raise Broken(f"a 101 that is no upgrade: {headers}")


def check_refusal(answer):
    """Each refusal says in JSON what it is."""
    if answer.headers.get("content-type") != "application/problem+json":
        raise Broken(f"a {answer.status} that is no problem+json")
    if not answer.body:
        return
    problem = json.loads(answer.body)
    if problem["status"] != answer.status or not problem["code"] or \
            not problem["detail"]:
        raise Broken(f"a {answer.status} with {problem}")


def word(opcode, payload):
    """One event of a WebSocket as a word of a transcript."""
    if opcode is None:
        return payload
    if opcode in (PING, PONG):
        name = "PING" if opcode == PING else "PONG"
        if len(payload) > 16 and payload == payload[:1] * len(payload):
            return f"{name}:{len(payload)}*{payload[:1].decode('latin-1')}"
        return f"{name}:{payload.decode('latin-1')}"
    if opcode == CLOSE:
        if not payload:
            return "close"
        if len(payload) == 1:
            raise Broken("a close of 1 byte")
        code = struct.unpack(">H", payload[:2])[0]
        if code not in CLOSE_CODES:
            raise Broken(f"close code {code}")
        payload[2:].decode()
        return f"close:{code}"
    said = json.loads(payload.decode())
    text = said["type"]
    if "code" in said:
        text += f":{said['code']}"
    if "id" in said:
        text += "#" + json.dumps(said["id"], ensure_ascii=False)
    return text


def good_client():
    """One that behaves, from its handshake to its end."""
    with Peer() as peer:
        answer = peer.open_ws(bearer())
        if answer is None or answer.status != 101:
            raise Broken(f"a good handshake got {answer}")
        peer.send_all(frame(TEXT, b'{"type":"ping","id":1}'))
        words = set()
        while words != {"hello", "pong#1"}:
            words.add(word(*peer.event()))
            if words - {"hello", "pong#1"}:
                raise Broken(f"a good client got {words}")
        peer.send_all(close(1000))
        got = word(*peer.event()), word(*peer.event())
        if got != ("close:1000", "end"):
            raise Broken(f"a good client's end was {got}")


def run_table(rows, run, workers=48):
    """Runs run(row), which returns None or what was wrong, on all rows at
    once, the slow first, each followed by a good client. Prints
    STATUS<TAB>NAME<TAB>WHAT WAS WRONG in the table's order."""
    names = [row.name for row in rows]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        sys.exit(f"two rows of one name: {twice[0]}")
    wanted = os.environ.get("GROUPFS_TEST_ROWS", "*")
    rows = [row for row in rows if fnmatch.fnmatch(row.name, wanted)]

    def one(row):
        began = time.monotonic()
        try:
            wrong = run(row)
        except Exception as e:  # the row fails, the others go on
            wrong = f"{type(e).__name__}: {e}"
        try:
            good_client()
        except (Broken, Silence, OSError) as e:
            wrong = f"{wrong or ''} and then a good client: {e}"
        if os.environ.get("GROUPFS_TEST_TIMES"):
            print(f"{time.monotonic() - began:6.1f} s {row.name}",
                  file=sys.stderr)
        return wrong

    with ThreadPoolExecutor(workers) as pool:
        asked = {row.name: pool.submit(one, row)
                 for row in sorted(rows, key=lambda row: not row.slow)}
        for row in rows:
            wrong = asked[row.name].result()
            print(0 if wrong is None else 1, row.name,
                  (wrong or "").replace("\n", " "), sep="\t", flush=True)
