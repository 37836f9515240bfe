# SPDX-License-Identifier: MIT
"""groupd's own frames, changed at random, and what comes back.

A conversation is some frames on a connection of its own: mostly well-formed
requests of every kind, about groups and users that there are, now and then one
that is changed. Each request on a connection that stays is answered, by the
answer of its type or by an error that is documented; events have an id of 0.
"""
import json
import select
import socket
import struct

import raw
import wireclient
import wireforms
from mutate import changed

FORMS = wireforms.Forms()
ANSWERS = {kind.number: name for name, kind in FORMS.types.items()}
ANSWER_S = 20 * raw.PATIENCE
OPENING = 4  # frames: hello, and three principals
# What takes long, or leaves much behind, is not asked often.
SELDOM = {"BACKUP": 0.02, "VERIFY": 0.02, "COMMIT_RESTORE": 0.05,
          "RESTORE": 0.05, "CREATE_TOKEN": 0.1, "LIST_USERS": 0.3,
          "DELETE_GROUP": 0.2, "EXPORT": 0.3, "GET_STATUS": 0.1,
          "GET_METRICS": 0.1, "HELLO": 0.02, "REPORT": 0.1,
          "CLOSE_PRINCIPAL": 0.005}
WEIGHTS = [SELDOM.get(name, 1) for name in FORMS.requests]
USERS = [b"bob", b"root", b"nobody", b"eve", b"u1", b"u2", b"Bad", b""]
GROUPS = [b"dev", b"other", b"g1", b"g2", b"g3", b"g4", b"G", b"../x"]
KEYS = [b"key%d" % i for i in range(64)] + [b""]
WORDS = {
    "group_id": list(range(12)), "name": GROUPS, "group": GROUPS,
    "name.name": USERS, "edit.name": USERS, "member.name": USERS,
    "port_member.name": USERS, "user": USERS, "created_by": USERS,
    "sender": USERS, "after": [b""] * 3 + USERS + GROUPS,
    "after_group": [b""] + GROUPS, "key": KEYS, "batch_id": KEYS,
    "client_id": KEYS, "content": [b"hi", "h\u00e9 \u20ac".encode(), b"x" * 500,
                                   b"@bob @everyone", b"\xff", b"", b"a\nb"],
    "media_url": [b"", b"", b"media/a", b"http://x/y"],
    "mentions": [b"", b"bob", b"bob everyone", b"x y z"],
    "settings": [b"", b"{}", b'{"a":[1,{"b":null}]}', b"{", b"[]"],
    "description": [b"", b"d", b"\xff"], "avatar_url": [b"", b"http://x"],
    "limit": [1, 5, 100, 1000, 0], "after_seq": [0, 0, 1, 5, 1000],
    "before_seq": [0, 0, 3, 1 << 40], "last_seq": [0, 1, 9, 1 << 63],
    "max_bytes": [0, 1000, 65536], "offset": [0, 0, 1, 100, 1 << 40],
    "off": [0, 0, 1, 100, 5000], "size": [0, 1, 4096, 65536],
    "version": [wireclient.VERSION], "uid": [0, 65534, 1 << 31],
    "OPEN_PRINCIPAL.kind": [0, 1], "kind": [0, 1], "unused": [0],
    "type": [0, 0, 0, 1], "file": [b"a", b"b.png"], "media_id": [0, 1, 2, 3],
    "SEND_MEDIA.name": [b"a", b"b.png", b".x", b"a/b"],
    "FIND_MEDIA.name": [b"a", b"b.png"], "data": [b"", b"abc", b"x" * 3000],
    "hash": [b"\0" * 32, b"", b"\1" * 32], "import_id": [0, 1, 2, 3],
    "id": [0, 1, 2], "bytes": [0, 4096], "line": [1, 2], "set": [0, 1, 4, 15],
    "role": [0, 0, 1], "op": [0, 1, 2, 3], "max_members": [0, 1, 1000],
    "token_id": [0, 1, 2, 3], "expires_ms": [0, 1, 1 << 45],
}


def conversation(rng, count, token):
    """(frames, whether one is changed: then ids may be any)."""
    hello = wireforms.frame(FORMS.types["HELLO"].number, 1, 0, wireclient.
                            record(wireclient.VERSION, "mutate/1"))
    kind = FORMS.types["OPEN_PRINCIPAL"].number
    frames = [hello,
              wireforms.frame(kind, 2, 1, wireclient.record(0, 0, "")),
              wireforms.frame(kind, 3, 2, wireclient.record(1, 65534, "")),
              wireforms.frame(kind, 4, 3, wireclient.record(2, 0, token))]
    names, odd = rng.choices(FORMS.requests, WEIGHTS, k=count), False
    for ident, name in enumerate(names, 5):
        one = wireforms.frame(
            FORMS.types[name].number, ident, rng.choice([1] * 12 + [2, 2, 3, 9]),
            FORMS.body(rng, name, WORDS), resent=rng.random() < 0.1)
        if rng.random() < 0.002:
            one, odd = changed(rng, one, frames), True
        frames.append(one)
    return frames, odd


class Talk:
    """One connection: everything is sent, all that comes is checked."""

    def __init__(self, path, frames, odd):
        self.odd = odd
        self.frames, self.answered, self.got = frames, set(), b""
        self.errors, self.ended = 0, False
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_S)
        self.socket.connect(path)
        try:
            # Nothing is answered for a principal that is not open yet.
            self.send(b"".join(frames[:OPENING]))
            self.read_all(OPENING)
            self.send(b"".join(frames[OPENING:]))
            self.read_all(len(frames))
        finally:
            self.socket.close()

    def send(self, data):
        view = memoryview(data)
        self.socket.setblocking(False)
        while view and not self.ended:
            readable, writable, _ = select.select(
                [self.socket], [self.socket], [], ANSWER_S)
            if readable:
                self.read()
            if not readable and not writable:
                raise raw.Silence("it takes no more")
            try:
                if writable:
                    view = view[self.socket.send(view):]
            except BlockingIOError:
                pass
            except OSError:
                self.ended = True

    def read(self):
        try:
            piece = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        self.ended = not piece
        self.got += piece
        while len(self.got) >= 16:
            size, kind, _, ident, _ = struct.unpack("<IHHII", self.got[:16])
            if len(self.got) < 16 + size:
                break
            self.take(kind, ident, self.got[16:16 + size])
            self.got = self.got[16 + size:]

    def take(self, kind, ident, body):
        name = ANSWERS.get(kind)
        if name is None or ((ident == 0) != name.startswith("EV_") and
                            not self.odd):
            raise raw.Broken(f"a frame of type {kind} with id {ident}")
        if ident == 0:
            return
        if ident in self.answered and not self.odd:
            raise raw.Broken(f"{name} answers {ident}, again")
        if name == "ERROR":
            code, text = wireclient.fields(body, "ns")
            wireclient.CODES[code].encode()
            text.decode()
            self.errors += 1
        self.answered.add(ident)

    def read_all(self, count):
        """Until so many are answered, or the connection ends."""
        while not self.ended and len(self.answered) < count:
            if not select.select([self.socket], [], [], ANSWER_S)[0]:
                missing = [ident for ident in range(1, count + 1)
                           if ident not in self.answered]
                if self.odd:  # one may have asked for nothing
                    break
                raise raw.Silence(json.dumps(
                    [self.frames[i - 1].hex() for i in missing[:3]]))
            self.read()
