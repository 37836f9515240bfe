#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Inputs to begin with, for `make fuzz`: seeds.py FOLDER

What the tables of tests/system say (frames.py, handshakes.py, httprows.py,
mutate.py), frames of each type that lib/wire.h names, and a few texts of each
kind, as files FOLDER/HARNESS/seed-N. What matters of them is in the corpora
already (merge.sh); a parser that learns something new gets it here.
"""
import base64
import hashlib
import json
import os
import random
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/system"))
os.environ.setdefault("URL", "http://127.0.0.1:7480")
os.environ.setdefault("TOKEN", "gf_token")

import frames  # noqa: E402
import handshakes  # noqa: E402
import httprows  # noqa: E402
import mutate  # noqa: E402
import wireforms  # noqa: E402

SMALL = 5000  # bytes
TIME = "2026-11-24T12:00:03.120Z"


def joined(row):
    pieces = [piece for piece in row.pieces if isinstance(piece, bytes)]
    return b"".join(pieces)


def heads():
    for row in [*handshakes.ROWS, *httprows.ROWS]:
        yield b"\7" + joined(row)
    for request in mutate.REQUESTS:
        yield b"\1" + mutate.said(request)


def queries():
    for request in mutate.REQUESTS:
        yield request.path
    yield b"/api/groups/d%C3%A9v/members/b%2eb?limit=5&after=a+b%20c&x"
    yield b"/api/groups/dev/media/a.png?limit=1&limit=2"


def wire():
    forms, rng = wireforms.Forms(), random.Random(8)
    for number, (name, kind) in enumerate(forms.types.items()):
        for again in range(2):
            yield b"\0" + wireforms.frame(
                kind.number, number, again, forms.body(rng, name, {}),
                resent=again)
    for number, name in enumerate(
            "message item group info mention media member port_group "
            "port_member edit name token_info figure problem count "
            "http_count content".split()):
        count = -0x80 % 17
        yield bytes([0x80 + (number + count) % 17]) + b"".join(
            forms.record(rng, name, {}) for _ in range(2))


MESSAGE = {"sequence_number": 7, "timestamp": TIME, "sender": "bob",
           "content": "hé \u2028\t@bob", "message_type": "media",
           "media_url": "media/a.png", "reply_to_seq": 3,
           "mentions": ["bob", "everyone"], "client_id": "c"}
INFO = {"name": "dev", "description": "d", "avatar_url": "http://x/y",
        "created_by": "bob", "created_at": TIME, "max_members": 9,
        "settings": {"a": [1, 2.5, True, None], "b": {}}}
HEAD = {"type": "groupfs-export", "version": 1, **INFO,
        "epoch": "0123456789abcdef", "first_seq": 2, "first_off": 10,
        "first_jsonl_off": 20, "last_seq": 9, "media": True,
        "exported_at": TIME}
HEX = hashlib.sha256(b"").hexdigest()
LINES = [HEAD, {"type": "member", "user": "bob", "role": "admin",
                "joined_at": TIME, "joined_seq": 0, "last_read_seq": 7},
         {"type": "member", "user": "eve", "role": "member",
          "joined_at": TIME},
         {"type": "message", **MESSAGE},
         {"type": "media", "name": "a.png", "sequence_number": 7, "size": 3,
          "sha256": HEX},
         {"type": "bytes", "offset": 0,
          "base64": base64.b64encode(b"abc").decode()},
         {"type": "end", "members": 2, "messages": 1, "media": 1,
          "sha256": HEX}]


def texts_of_json():
    for what in [MESSAGE, INFO, *LINES, {"content": "hi"},
                 {"id": 1, "groups": [{"group": "dev"}, "x"], "media": False},
                 {"id": "x" * 40, "type": {}, "content": 5}]:
        yield json.dumps(what, ensure_ascii=False).encode()
    yield from mutate.commands()
    yield from (request.body for request in mutate.REQUESTS if request.body)
    for key, value in (("message_type", 5), ("message_type", "x"),
                       ("mentions", ["X"]), ("mentions", [5]),
                       ("mentions", ["u" * 32] * 130), ("mentions", "x"),
                       ("media_url", 5), ("media_url", "x" * 2100),
                       ("reply_to_seq", -1), ("client_id", "x" * 65),
                       ("content", "x" * 1001), ("content", None)):
        yield json.dumps({"content": "hi", key: value}).encode()
        yield json.dumps({**MESSAGE, key: value}).encode()
    yield b'{"a":1e400}'
    yield b'{"a":"\\ud83d\\ude00\\u0000\\b\\f"}'
    yield b"[" * 20


def ports():
    lines = [json.dumps(line).encode() + b"\n" for line in LINES]
    yield b"".join(lines)
    yield from lines
    yield lines[0][:-1]
    yield b"YWJj"


def texts():
    for kinds in range(4):
        for text in ("hi @bob, @everyone. @Bob", ">12 yes", "[media x] y",
                     "a\\b\n\t\r\x1b[1m\x7f\u0085\u061c\u202e\u2066", "a.png",
                     "dev", TIME, "18446744073709551615", ">5 >6 x",
                     "é\u2028" * 20, "x" * 70 + "\\"):
            yield bytes([kinds, *b"media/a ].png\0"]) + text.encode()
    yield b"\0\0" + b"\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80\xe0\x9f\xbf"


CONFIG = b"""[groupd]
data = /var/lib/groupd
store = sqlite:/x.db
socket = /run/groupd.sock
listen = [::1]:7480
gateways = 2
gateway_user = nobody
trusted_users = root, 1000
allowed_origins = http://a:1 https://b
max_message_bytes = 65536
media_max_bytes = 10M
dedupe_window = 24h
retention = days=30 messages=1000,bytes=5
retention_interval = 60s
rate_messages_per_second = 5
max_connections_per_user = 3
max_connections_per_address = 3
"""


def configs():
    yield b"\0" + CONFIG
    yield b"\1" + b"\n".join(b"--" + b"=".join(line.split(b" = "))
                             for line in CONFIG.split(b"\n")[1:-1])
    for line in (b"store = postgresql://h/n", b"archive_after = 2d",
                 b"archive_after = never", b"retention = none",
                 b"listen = none", b"tls_cert = a\ntls_key = b",
                 b"tls-cert = a", b"bus = redis://u:p%41@h:1/2",
                 b"bus = redis://[::1]:6379", b"bus = unix://:p@/x?db=3",
                 b"bus = rediss://h", b"media_max_bytes = 64G",
                 b"dedupe_window = 7d", b"dedupe_window = 5m"):
        yield b"\0" + line
    yield b"\1-v\n-V\n-h\n--check"
    yield b"\1-c\n/dev/null\n--data\n/x"


def headers():
    for value in ("Bearer gf_x", "bytes=0-5", "bytes=-5", "bytes=5-", "close",
                  "keep-alive, Upgrade", 'W/"e-1", "x"', "*", '"e-1"',
                  "application/json; charset=utf-8", "a.PNG", "a.html",
                  "text/event-stream, */*", "Sun, 06 Nov 1994 08:49:37 GMT",
                  "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"):
        yield b"\5\4" + value.encode()


def dispositions():
    for value in ('attachment; filename="a \\"b\\".png"', "inline",
                  "attachment; filename*=UTF-8''%e2%82%ac.txt; filename=x",
                  'form-data; name="f"; filename="a%22b"', "été.txt",
                  "a file.txt", "a; b=c;"):
        yield value.encode()


def forms():
    kind = b"multipart/form-data; boundary=b\n"
    part = (b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n'
            b"Content-Transfer-Encoding: binary\r\nX: y\r\n\r\n%s\r\n")
    file = part % (b"file", b'; filename="a.png"', b"\r\n--c\r\n-data")
    yield b"\3" + kind + file + part % (b"content", b"", b"hi") + b"--b--\r\n"
    yield b"\4" + kind.replace(b"b\n", b'"b c"; x=y\n') + b"--b c--"
    yield b"\5" + kind + b"preamble\r\n" + file + b"--b \t\r\n"
    yield b"\5" + kind + part % (b"no", b"", b"")


def socket_frames():
    for row in frames.ROWS:
        yield b"\5" + joined(row)


def redis():
    for how in (0x03, 0x4b, 0x80, 0xc0, 0x53, 0x05, 0x5c):
        for text in (b"+OK\r\n:5\r\n*2\r\n:5\r\n:6\r\n", b"-ERR no\r\n",
                     b":5\r\n:6\r\n", b"+QUEUED\r\n+QUEUED\r\n*1\r\n:1\r\n",
                     b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
                     b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\n1 2 3\r\n",
                     b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", b"+OK\r\n*1\r\n:1\r\n",
                     b"*100\r\n", b"$-1\r\n", b"HTTP/1.1 400\r\n"):
            yield b"\5" + bytes([how]) + text


def hints():
    node = "00000000deadbeef"
    yield "\n".join((f"g:7 5 9 {node}", f"g:8 5 1 {node}",
                     f"u:bob v 9 {node}", f"u:bob m 7 5 {node}",
                     f"u:bob r 7 5 {node}", f"t {node}", f"n new {node}",
                     f"n x {node}", f"g:9 1 1 {node}", "g:7 5",
                     "g:7 5 1 0000000000001234", f"u:bob q 1 {node}",
                     f"g:7 x 1 {node}", f"u:bob m 0 5 {node}")).encode()


def bundles():
    manifest = {"format": 1, "groupfs": "0.1.0", "time": TIME, "groups": 1,
                "users": 2, "messages": 3, "media": 2, "media_bytes": 5,
                "database_bytes": 4, "database_sha256": "@"}
    media = sorted([b"abc", b"de"], key=lambda b: hashlib.sha256(b).digest())
    tail = b"".join(b"media/@=" + one + b"\n" for one in media)
    whole = (b"manifest.json=" + json.dumps(manifest).encode() +
             b"\ngroupd.db=abcd\n" + tail + b"SHA256SUMS=@\n")
    yield b"\0" + whole
    for how in (1, 2, 4, 8, 0x10, 0x20):
        yield bytes([how]) + whole
    yield b"\0" + whole.replace(b"abcd", b"ab")
    yield b"\0" + whole.replace(b'"format": 1', b'"format": 2')
    yield b"\0" + whole.replace(b"abcd\n", b"abcd\nmore=1\n")
    yield b"\0" + whole + b"more=1\n"
    yield b"\0" + whole.replace(b"SHA256SUMS=@", b"SHA256SUMS=x")
    for key in manifest:
        yield b"\0" + whole.replace(key.encode(), b"x")
    yield b"\xff" + b"manifest.json" + bytes(499)


ALL = {
    "head": heads, "query": queries, "wire": wire, "json": texts_of_json,
    "port": ports, "text": texts, "config": configs, "headers": headers,
    "disposition": dispositions, "multipart": forms, "frames": socket_frames,
    "redis": redis, "hints": hints, "bundle": bundles,
    "members": lambda: (b"bob\n+eve\r\n-carol\n# x\n\nbob admin\nbob\tmember"
                        b"\n-bob member\n", b"bob x", b"B", b"bob admin x",
                        b"+", b"-bob x"),
    "lines": lambda: (b"\4hi\n>12 yes\nrest", b"\5" + b'{"content":"hi"}\n \n'
                      b'{"content":"x","mentions":["bob"]}\n{"a"',
                      b"\2\xff\n", b"\3x\n", b"\4" + b"x" * 60,
                      b"\0" + b"x" * 30 + b"\n"),
    "terminal": lambda: (b"\5a\tb\tc\n10\t20\t\n", b"\4" +
                         '{"a":"\u0085\u202e\u2066x€"}'.encode(),
                         "\7\x1b[1m\\\u202e日本".encode(),
                         b"\3" + b"\t" * 12 + b"\n"),
    "ticket": lambda: (b"\1", b"\1\3x", b"\0" + b"0" * 72, b"\0" + b"z" * 72),
    "ws": lambda: ws(),
}


# What a corpus keeps though it reaches nothing new: values at a bound.
EDGES = {
    "wire": [b"\0" + wireforms.frame(2, 1, 1, b"\x85\0"),
             b"\0" + wireforms.frame(2, 1, 1, b"\xff" * 9 + b"\1"),
             b"\0" + wireforms.frame(2, 1, 1, b"\xff" * 9 + b"\2"),
             b"\0" + wireforms.frame(2, 1, 1, b"\5\5")],
    "text": [b"\0\0" + chr(c).encode() + b"x" for c in (
        0x00, 0x1b, 0x7f, 0x80, 0x9f, 0x61c, 0x200e, 0x200f, 0x2028, 0x202e,
        0x2066, 0x2069)],
    "json": [b"\x7f\"\\\b\f\n\r\t\0\x1f", b"x" * 40 + b"\x7f",
             b'{"type":1000,"id":1001}', b'{"id":"' + b"x" * 33 + b'"}'],
    "query": [b"/%4", b"/?after=%", b"/?limit=1000", b"/?limit=1001",
              b"/%00"],
    "port": [b"A===", b"AA==", b"AAA=", b"=AAA", b" AAA", b"AAA=AAAA"],
    "redis": [b"\5\x03*17\r\n" + b":1\r\n" * 17,
              b"\5\x03*16\r\n" + b":1\r\n" * 16, b"\5\x01:-1\r\n"],
    "hints": [b"g:7 9223372036854775808 1 00000000deadbeef",
              b"g:7 9223372036854775807 1 00000000deadbeef"],
    "ticket": [b"\1\x47\1", b"\1\0\1"],
    "lines": [b"\4a\nb", b"\1a\n", b"\7" + b"x" * 17 + b"\ny",
              b"\5\n\n\n"],
    "members": [b"-bob\n+bob\n", b"bob\r\n", b"-bob admin"],
    "config": [b"\0bus = redis://:16:3[]:79", b"\0bus = unix:///a%0a%3f%25",
               b"\0dedupe_window = 365d", b"\0dedupe_window = 366d"],
    "frames": [b"\5\x81\x80abcd\x89\x80abcd", b"\5\x81\x85abcdhello",
               b"\5\x89\x85abcdhello\x88\x80abcd"],
    "terminal": [b'\4{"a":"\x7f\xc2\x85"}'],
}


def damaged_bundles():
    whole = next(iter(bundles()))
    abc = hashlib.sha256(b"abc").hexdigest().encode()
    yield whole.replace(b"media/@=abc", b"media/" + abc + b"=abd")
    yield whole.replace(b'"media_bytes": 5', b'"media_bytes": 6')


EDGES["bundle"] = list(damaged_bundles())


def ws():
    texts = [b'{"type":"unsubscribe","groups":[{"group":"dev"},5]}',
             b'{"type":"unsubscribe"}', b'{"type":"x"}', b"{}",
             b'{"type":"pull","group":"dev","limit":0}',
             b'{"type":"read","group":7}', b'{"type":"send","group":"dev"}',
             b'{"type":"subscribe","groups":[{"group":"dev","after_seq":9},'
             b'{"group":"dev","after_seq":1},{"group":"X"},1]}',
             *mutate.commands()]
    for seed in range(6):
        rng = random.Random(seed)
        for text in texts:
            yield rng.randbytes(6) + text + b"\n" + rng.choice(texts)
    yield rng.randbytes(6) + b"\n".join(texts)


def write(folder, name, kind, inputs):
    for number, data in enumerate(inputs):
        if len(data) <= SMALL:
            with open(os.path.join(folder, name, f"{kind}-{number}"),
                      "wb") as f:
                f.write(data)


def main(folder):
    for name, make in ALL.items():
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        write(folder, name, "seed", make())
        write(folder, name, "edge", EDGES.get(name, ()))


if __name__ == "__main__":
    main(sys.argv[1])
