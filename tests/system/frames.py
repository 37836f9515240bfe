#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a WebSocket's client may say, byte by byte, and what must come back.

One row: a name, the pieces that are sent behind the handshake (each in a TCP
segment), the words that must come back, and how it ends. The words (raw.word)
are a regular expression: "pong#1" the JSON pong with id 1, "PONG:x" the
control frame, "error:bad_request#1", ... in order, control frames behind the
text ones. $TOKEN and $URL as in raw.py; a member of "dev" owns the token.
"""
import collections
import json
import re

import raw
from raw import (BINARY, CLOSE, CONTINUATION, HALF, MASK, PING, PONG, RESET,
                 TEXT, close, cut, frame)

LIMIT = 1 << 20  # bytes of one message
LEAVE = "we say close 1000, the server too, and the connection ends"
LOST = "we are gone"
END = "the connection ends without a close frame"
BAD = "error:bad_request"

Row = collections.namedtuple(
    "Row", "name pieces want ends polite request joined slow")


def row(name, pieces, want="", ends=LEAVE, polite=True, request=None,
        joined=False, slow=False):
    """polite: we answer the server's close frame. joined: the first piece
    is in the segment of the handshake."""
    return Row(name, pieces, want, ends, polite, request, joined, slow)


def closes(name, pieces, code, want="", **how):
    """The server closes, with this code (a regular expression)."""
    return row(name, pieces, want, str(code), **how)


def ping(ident=1, size=0):
    """{"type":"ping"}, with blanks up to size bytes."""
    text = b'{"type":"ping","id":%d' % ident
    return text + b" " * (size - len(text) - 1) + b"}"


def say(text, **how):
    return frame(TEXT, text if isinstance(text, bytes) else text.encode(),
                 **how)


def in_string(data):
    return b'{"type":"ping","id":"' + data + b'"}'


def fragments(*payloads, opcode=TEXT, mask=MASK):
    last = len(payloads) - 1
    return [frame(CONTINUATION if i else opcode, payload, fin=i == last,
                  mask=mask)
            for i, payload in enumerate(payloads)]


def lengths():
    yield row("an empty text frame is no JSON", [say(b"")], BAD)
    yield row("a text frame of 1 byte", [say(b"x")], BAD)
    for size in (125, 126, 127, 4095, 4096, 4097, 65535, 65536, 65537,
                 LIMIT - 1, LIMIT):
        yield row(f"a text frame of {size} bytes", [say(ping(1, size))],
                  "pong#1")
    yield closes("a text frame of a byte too many",
                 [say(ping(1, LIMIT + 1))], 1009)
    yield closes("a text frame of four times the limit",
                 [say(ping(1, 4 * LIMIT))], 1009)
    for size, form in ((0, 2), (125, 2), (0, 8), (125, 8), (126, 8),
                       (65535, 8)):
        payload = ping(1, size) if size else b""
        yield closes(f"{size} bytes, their length in {form}",
                     [say(payload, form=form)], 1002)
    yield closes("a ping whose length is in 2 bytes",
                 [frame(PING, b"x", form=2)], 1002)
    for name, said in (("2^63", 1 << 63), ("2^64-1", (1 << 64) - 1)):
        yield closes(f"a length of {name}: the top bit is 0",
                     [frame(TEXT, b"", length=said)], 1002)
    for name, said in (("2^63-1", (1 << 63) - 1), ("2^32", 1 << 32),
                       ("2^32+10", (1 << 32) + 10), ("2 MiB", 2 << 20)):
        yield closes(f"a length of {name} and nothing more",
                     [frame(TEXT, b"", length=said)], 1009)
    yield closes("a fragment that says 2 MiB, behind one of 1 byte",
                 [frame(TEXT, b"{", fin=False),
                  frame(CONTINUATION, b"", length=2 << 20)], 1009)


def fragmentation():
    text = ping(7)
    yield row("2 fragments", fragments(text[:5], text[5:]), "pong#7")
    yield row("3 fragments", fragments(text[:1], text[1:9], text[9:]),
              "pong#7")
    yield row("2 fragments in one segment",
              [b"".join(fragments(text[:5], text[5:]))], "pong#7")
    big = ping(7, 1000)
    thousand = fragments(*cut(big))
    yield row("1,000 fragments of 1 byte", [b"".join(thousand)], "pong#7")
    yield row("1,000 fragments, each in a segment", thousand, "pong#7")
    yield row("an empty first fragment", fragments(b"", text), "pong#7")
    yield row("an empty last fragment", fragments(text, b""), "pong#7")
    yield row("an empty fragment in the middle",
              fragments(text[:4], b"", text[4:]), "pong#7")
    yield row("only empty fragments", fragments(b"", b"", b""), BAD)
    first, last = fragments(text[:5], text[5:])
    yield row("a ping between two fragments",
              [first, frame(PING, b"x"), last], "pong#7 PONG:x")
    yield row("a ping inside of a fragment's segment",
              [first + frame(PING, b"x") + last], "pong#7 PONG:x")
    yield row("a pong between two fragments",
              [first, frame(PONG, b"x"), last], "pong#7")
    yield closes("a close between two fragments",
                 [first, close(1000), last], 1000, polite=False)
    yield closes("a continuation of nothing",
                 [frame(CONTINUATION, text, fin=False)], 1002)
    yield closes("a last continuation of nothing",
                 [frame(CONTINUATION, text)], 1002)
    yield closes("an empty continuation of nothing",
                 [frame(CONTINUATION)], 1002)
    yield closes("a continuation behind a whole message",
                 [say(text), frame(CONTINUATION, b"{}")], 1002, "(pong#7)?")
    yield closes("a continuation behind a message of fragments",
                 [first, last, frame(CONTINUATION, b"{}")], 1002, "(pong#7)?")
    yield closes("a text frame inside of a message",
                 [first, say(text)], 1002)
    yield closes("a first fragment inside of a message",
                 [first, first], 1002)
    yield closes("a binary frame inside of a message",
                 [first, frame(BINARY, b"x")], 1002)
    yield row("two messages of fragments", [first, last, first, last],
              "pong#7 pong#7")
    half = ping(1, LIMIT)
    yield row("fragments up to the limit",
              fragments(half[:LIMIT // 2], half[LIMIT // 2:]), "pong#1")
    yield closes("fragments beyond the limit",
                 fragments(half, b" "), 1009)
    yield closes("fragments without an end",
                 fragments(*[b" " * 65536] * 40, b""), 1009)


def segments():
    text = ping(3)
    yield row("a frame cut into bytes", cut(say(text)), "pong#3")
    yield row("a frame of 126 bytes cut into bytes",
              cut(say(ping(3, 126))), "pong#3")
    big = say(ping(3, 65536))
    yield row("a frame of 64 KiB whose head is cut into bytes",
              [*cut(big[:14]), big[14:]], "pong#3")
    yield row("fragments cut into bytes",
              cut(b"".join(fragments(text[:5], b"", text[5:]))), "pong#3")
    yield row("a ping cut into bytes", cut(frame(PING, b"abc")), "PONG:abc")
    yield closes("a close cut into bytes", cut(close(1001, b"bye")), 1001,
                 polite=False)
    yield closes("a wrong frame cut into bytes", cut(say(b"x", rsv=4)), 1002)
    yield row("three frames in a segment",
              [say(ping(1)) + say(ping(2)) + say(ping(3))],
              "pong#1 pong#2 pong#3")
    yield row("500 frames in a segment",
              [b"".join(say(ping(n)) for n in range(500))],
              " ".join(f"pong#{n}" for n in range(500)))
    two = say(ping(1)) + say(ping(2))
    for at in (1, 2, 5, 6, len(two) // 2, len(two) // 2 + 1, len(two) - 1):
        yield row(f"two frames cut at byte {at}", [two[:at], two[at:]],
                  "pong#1 pong#2")
    yield row("a frame in the segment of the handshake",
              [say(ping(1))], "pong#1", joined=True)
    yield row("three frames in the segment of the handshake",
              [say(ping(1)) + say(ping(2)), say(ping(3))],
              "pong#1 pong#2 pong#3", joined=True)
    yield row("half a frame in the segment of the handshake",
              [say(ping(1))[:7], say(ping(1))[7:]], "pong#1", joined=True)
    yield closes("an unmasked frame in the segment of the handshake",
                 [say(ping(1), mask=None)], 1002, joined=True)
    yield closes("a close in the segment of the handshake", [close(1000)],
                 1000, joined=True, polite=False)


def masks():
    text = ping(5)
    for name, data in (("text", say(text, mask=None)),
                       ("empty text", say(b"", mask=None)),
                       ("binary", frame(BINARY, b"x", mask=None)),
                       ("ping", frame(PING, b"x", mask=None)),
                       ("empty ping", frame(PING, mask=None)),
                       ("pong", frame(PONG, b"x", mask=None)),
                       ("close", close(1000, mask=None)),
                       ("empty close", close(mask=None)),
                       ("64 KiB text", say(ping(5, 65536), mask=None)),
                       ("fragment", frame(TEXT, text[:4], fin=False,
                                          mask=None))):
        yield closes(f"unmasked: {name}", [data], 1002)
    yield closes("unmasked: text, byte by byte",
                 cut(say(text, mask=None)), 1002)
    yield closes("unmasked: a continuation",
                 [frame(TEXT, text[:4], fin=False),
                  frame(CONTINUATION, text[4:], mask=None)], 1002)
    yield closes("unmasked: the second frame",
                 [say(text), say(text, mask=None)], 1002, "(pong#5)?")
    yield closes("unmasked: the second frame of a segment",
                 [say(text) + say(text, mask=None)], 1002, "(pong#5)?")
    yield closes("unmasked: a ping between fragments",
                 [frame(TEXT, text[:4], fin=False),
                  frame(PING, mask=None)], 1002)
    for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\1",
                 b"\1\0\0\0", b"\x80\0\x80\0", text[:4]):
        yield row(f"the mask {mask.hex()}", [say(text, mask=mask)], "pong#5")
    yield row("another mask in each fragment",
              [frame(TEXT, text[:3], fin=False, mask=b"abcd"),
               frame(CONTINUATION, text[3:], mask=b"\0\xff\0\xff")],
              "pong#5")
    yield row("256 masks",
              [b"".join(say(ping(n), mask=bytes([n, 255 - n, n ^ 85, 7]))
                        for n in range(256))],
              " ".join(f"pong#{n}" for n in range(256)))
    yield row("a masked ping of no bytes",
              [frame(PING, mask=b"\xff\xff\xff\xff")], "PONG:")


def reserved():
    text = ping(6)
    for bits in (4, 2, 1, 7):
        name = f"reserved bits {bits:03b}"
        yield closes(f"{name} on text", [say(text, rsv=bits)], 1002)
        yield closes(f"{name} on a continuation",
                     [frame(TEXT, text[:4], fin=False),
                      frame(CONTINUATION, text[4:], rsv=bits)], 1002)
        yield closes(f"{name} on a ping", [frame(PING, rsv=bits)], 1002)
        yield closes(f"{name} on a pong", [frame(PONG, rsv=bits)], 1002)
        yield closes(f"{name} on a close", [close(1000, rsv=bits)], 1002)
    for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
        yield closes(f"the reserved opcode {opcode}",
                     [frame(opcode, b"x")], 1002)
    yield closes("a reserved opcode of no bytes", [frame(3)], 1002)
    yield closes("a reserved opcode as first fragment",
                 [frame(3, b"x", fin=False)], 1002)
    yield closes("a reserved opcode inside of a message",
                 [frame(TEXT, text[:4], fin=False), frame(11)], 1002)


def control():
    for size in (0, 1, 125):
        word = f"PONG:{size}\\*x" if size > 16 else "PONG:" + "x" * size
        yield row(f"a ping of {size} bytes", [frame(PING, b"x" * size)],
                  word)
    yield row("a ping of bytes that are no text",
              [frame(PING, b"\0\xff\x80")], "PONG:\0\xff\x80")
    for size in (126, 127, 65536):
        yield closes(f"a ping of {size} bytes",
                     [frame(PING, b"x" * size)], 1002)
        yield closes(f"a pong of {size} bytes",
                     [frame(PONG, b"x" * size)], 1002)
        yield closes(f"a close of {size} bytes",
                     [close(1000, b"x" * (size - 2))], 1002)
    yield closes("a ping that is a fragment",
                 [frame(PING, b"x", fin=False)], 1002)
    yield closes("a pong that is a fragment",
                 [frame(PONG, b"x", fin=False)], 1002)
    yield closes("a close that is a fragment",
                 [frame(CLOSE, b"\x03\xe8", fin=False)], 1002)
    yield row("a pong that nobody asked for", [frame(PONG, b"x")])
    yield row("an empty pong", [frame(PONG)])
    yield row("10,000 pongs", [frame(PONG, b"xx") * 10000])
    yield row("a ping, then a command", [frame(PING, b"a"), say(ping(1))],
              "pong#1 PONG:a")
    # RFC 6455 5.5.3: only the last ping must be answered.
    yield row("two pings in a segment",
              [frame(PING, b"a") + frame(PING, b"b")], "(PONG:a )?PONG:b")
    yield row("two pings, one after the other",
              [frame(PING, b"a"), frame(PING, b"b")], "(PONG:a )?PONG:b")
    yield row("10,000 pings", [frame(PING, b"a") * 9999 + frame(PING, b"z")],
              "(PONG:a )*PONG:z")
    yield row("10,000 pings around a command",
              [frame(PING, b"a") * 5000 + say(ping(1)) +
               frame(PING, b"a") * 4999 + frame(PING, b"z")],
              "pong#1 (PONG:a )*PONG:z")


def closing():
    yield closes("a close of no bytes", [close()], "", polite=False)
    yield closes("a close of 1 byte", [frame(CLOSE, b"\3")], 1002)
    for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000,
                 3999, 4000, 4999):
        yield closes(f"close {code} is echoed", [close(code)], code,
                     polite=False)
    # Registered at IANA since, but not in the RFC.
    for code in (1012, 1013, 1014):
        yield closes(f"close {code} is echoed or refused", [close(code)],
                     f"(1002|{code})", polite=False)
    for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999,
                 5000, 65535):
        yield closes(f"close {code} is refused", [close(code)], 1002,
                     polite=False)
    yield closes("a close with a reason", [close(1000, b"good bye")], 1000,
                 polite=False)
    yield closes("a close with a reason of 123 bytes",
                 [close(1000, b"r" * 123)], 1000, polite=False)
    yield closes("a close with a reason in UTF-8",
                 [close(1000, "auf Wiedersehen, Käthe €😀".encode())], 1000,
                 polite=False)
    for name, reason in (("bad UTF-8", b"\xff\xfe"),
                         ("cut UTF-8", b"x\xe2\x82"),
                         ("a surrogate", b"\xed\xa0\x80")):
        yield closes(f"a close with a reason in {name}",
                     [close(1000, reason)], 1007, polite=False)
    yield closes("a command behind a close is not heard",
                 [close(1000) + say(ping(1))], 1000, polite=False)
    yield closes("a ping behind a close is not heard",
                 [close(1000) + frame(PING)], 1000, polite=False)
    yield closes("rubbish behind a close is not heard",
                 [close(1000) + b"\xff" * 1000], 1000, polite=False)
    yield closes("two closes", [close(1001) + close(1002)], 1001,
                 polite=False)
    yield closes("a command before a close is answered",
                 [say(ping(1)) + close(1000)], 1000, "(pong#1)?",
                 polite=False)
    yield closes("a client that does not answer a close",
                 [say(b"x", rsv=4)], 1002, polite=False, slow=True)
    yield closes("a client that goes on instead of answering a close",
                 [say(b"x", rsv=4), *[say(ping(n)) for n in range(50)]],
                 1002, polite=False, slow=True)
    text = say(ping(1))
    for name, pieces in (
            ("at once", [HALF]), ("in a frame", [text[:9], HALF]),
            ("in a frame's head", [text[:1], HALF]),
            ("in a message", [frame(TEXT, b"{", fin=False), HALF])):
        yield row(f"a client that sends no more, {name}", pieces, ends=END)
    yield row("a client that sends no more behind a command",
              [text, HALF], "(pong#1)?", END)
    for name, pieces in (
            ("at once", [RESET]), ("in a frame", [text[:9], RESET]),
            ("in a message", [frame(TEXT, b"{", fin=False), RESET]),
            ("behind a command", [text, RESET]),
            ("behind a close", [close(1000), RESET])):
        yield row(f"a client that is gone, {name}", pieces, ends=LOST)


def utf8():
    for name, data in (
            ("a lone continuation byte", b"\x80"),
            ("another lone continuation byte", b"\xbf"),
            ("an overlong slash, 2 bytes", b"\xc0\xaf"),
            ("an overlong 7F", b"\xc1\xbf"),
            ("an overlong NUL", b"\xc0\x80"),
            ("an overlong form, 3 bytes", b"\xe0\x80\x80"),
            ("an overlong 7FF", b"\xe0\x9f\xbf"),
            ("an overlong form, 4 bytes", b"\xf0\x80\x80\x80"),
            ("an overlong FFFF", b"\xf0\x8f\xbf\xbf"),
            ("the surrogate D800", b"\xed\xa0\x80"),
            ("the surrogate DFFF", b"\xed\xbf\xbf"),
            ("a pair of surrogates", b"\xed\xa0\xbd\xed\xb8\x80"),
            ("above 10FFFF", b"\xf4\x90\x80\x80"),
            ("F5", b"\xf5\x80\x80\x80"),
            ("5 bytes", b"\xf8\x88\x80\x80\x80"),
            ("6 bytes", b"\xfc\x84\x80\x80\x80\x80"),
            ("FE", b"\xfe"), ("FF", b"\xff"),
            ("2 bytes that are 1", b"\xc3"),
            ("3 bytes that are 2", b"\xe2\x82"),
            ("4 bytes that are 3", b"\xf0\x9f\x98"),
            ("Latin-1", "Käthe".encode("latin-1"))):
        yield closes(f"bad UTF-8: {name}", [say(in_string(data))], 1007)
    for name, data in (("2 bytes", b"\xc3"), ("3 bytes", b"\xe2\x82"),
                       ("4 bytes", b"\xf0\x9f\x98")):
        yield closes(f"bad UTF-8: {name}, cut by the end of the message",
                     [say(b"{}" + data)], 1007)
    yield closes("bad UTF-8: cut by the end of the last fragment",
                 fragments(b"{", b"}\xe2\x82"), 1007)
    yield closes("bad UTF-8: in the first of two fragments",
                 fragments(in_string(b"\xff")[:23], b'"}'), 1007)
    yield closes("bad UTF-8: a character that the next fragment breaks",
                 fragments(b'{"type":"ping","id":"\xe2', b'x"}'), 1007)
    yield closes("bad UTF-8: a surrogate over two fragments",
                 fragments(b'{"type":"ping","id":"\xed', b'\xa0\x80"}'),
                 1007)
    for text in ("é", "€", "😀", "\u07ff", "\u0800", "\ud7ff", "\ue000",
                 "\ufffd", "\uffff", "\U00010000", "\U0010ffff", "\ufeff"):
        yield row(f"good UTF-8: U+{ord(text):04X}",
                  [say(in_string(text.encode()))],
                  re.escape(f'pong#"{text}"'))
    for text in ("é", "€", "😀"):
        data = in_string(text.encode())
        for at in range(1, len(text.encode())):
            at += data.index(text.encode())
            yield row(f"good UTF-8: U+{ord(text):04X} over two fragments"
                      f" at {at}", fragments(data[:at], data[at:]),
                      f'pong#"{text}"')
    data = in_string("€😀".encode())
    yield row("good UTF-8: fragments of 1 byte with pings between",
              [frame(PING, b"x").join(fragments(*cut(data)))],
              'pong#"€😀" (PONG:x )*PONG:x')
    for name, pieces in (
            ("of some bytes", [frame(BINARY, b"\0\1")]),
            ("of no bytes", [frame(BINARY)]),
            ("that is a command", [frame(BINARY, ping(1))]),
            ("in fragments", fragments(b"\0", b"\1", opcode=BINARY))):
        yield closes(f"a binary message {name}", pieces, 1003)


def commands():
    def refused(name, text, ident="", code="bad_request"):
        return row(name, [say(text)], f"error:{code}{ident}")

    for name, text in (
            ("rubbish", "rubbish"), ("an array", "[]"),
            ("an array of commands", '[{"type":"ping"}]'),
            ("a string", '"ping"'), ("a number", "1"), ("null", "null"),
            ("true", "true"), ("an open object", '{"type":"ping"'),
            ("two objects", '{"type":"ping"}{"type":"ping"}'),
            ("something behind", '{"type":"ping"} x'),
            ("a comma too many", '{"type":"ping",}'),
            ("single quotes", "{'type':'ping'}"),
            ("no quotes", "{type:1}"), ("a comment", '{"type":"ping"/**/}'),
            ("NaN", '{"type":"ping","id":NaN}'),
            ("a leading zero", '{"type":"ping","id":01}'),
            ("1e400", '{"type":"ping","x":1e400}'),
            ("2^64 as unused number", '{"type":"ping","x":%d}' % (1 << 64)),
            ("a line end in a string", '{"type":"ping","id":"a\nb"}'),
            ("a NUL", '{"type":"ping"}\0'),
            ("a NUL in a string", '{"type":"ping","id":"a\0"}'),
            ("a byte order mark", '\ufeff{"type":"ping"}'),
            ("a wrong escape", '{"type":"ping","id":"\\x41"}'),
            ("doubled keys", '{"type":"ping","type":"ping"}'),
            ("doubled keys inside", '{"type":"ping","x":{"a":1,"a":1}}'),
            ("doubled keys, one escaped",
             '{"type":"ping","t\\u0079pe":"send"}')):
        yield refused(f"JSON: {name}", text)
    for name, text in (("high", '"\\ud800"'), ("low", '"\\udc00"'),
                       ("two high ones", '"\\ud800\\ud800"'),
                       ("high, then a letter", '"\\ud83dx"')):
        yield row(f"JSON: a surrogate without its pair: {name}",
                  [say('{"type":"ping","id":%s}' % text)],
                  "error:(bad_request|bad_utf8)")
    for name, text in (("arrays", "[" * 100000),
                       ("objects", '{"a":' * 20000),
                       ("closed arrays", "[" * 50000 + "]" * 50000),
                       ("arrays in a command", '{"type":"ping","x":%s%s}' %
                        ("[" * 1000, "]" * 1000))):
        yield refused(f"JSON: nested {name}", text)
    yield row("JSON: brackets in a string are no nesting",
              [say('{"type":"ping","id":2,"x":"%s"}' % ("[" * 1000))],
              "pong#2")
    yield row("JSON: escaped letters",
              [say('{"\\u0074ype":"\\u0070ing","id":2}')], "pong#2")
    yield row("JSON: blanks around it", [say(' \r\n\t{"type":"ping"} \n')],
              "pong")
    for name, text in (("no type", '{"id":3}'), ("null", '{"type":null,'
                       '"id":3}'), ("a number", '{"type":1,"id":3}'),
                       ("an array", '{"type":[],"id":3}'),
                       ("empty", '{"type":"","id":3}'),
                       ("unknown", '{"type":"launch","id":3}'),
                       ("in capitals", '{"type":"PING","id":3}'),
                       ("with a NUL", '{"type":"ping\\u0000","id":3}'),
                       ("of 1,000 letters", '{"type":"%s","id":3}' %
                        ("x" * 1000)),
                       ("auth, again", '{"type":"auth","token":"x","id":3}'
                        )):
        yield refused(f"type: {name}", text, "#3")
    for name, text in (("0", "0"), ("2^53", str(1 << 53)),
                       ("2^63-1", str((1 << 63) - 1)), ("text", '"a b"'),
                       ("empty text", '""'), ("quotes", '"\\"\\\\"'),
                       ("128 bytes", '"%s"' % ("i" * 128))):
        yield row(f"id: {name} comes back as it was",
                  [say('{"type":"ping","id":%s}' % text)],
                  re.escape("pong#" + json.dumps(json.loads(text))))
    yield row("id: a NUL comes back",
              [say('{"type":"ping","id":"a\\u0000b"}')],
              re.escape('pong#"a\\u0000b"'))
    # Not to be echoed: an answer without id, or a refusal, but no harm.
    for name, text in (("129 bytes", '"%s"' % ("i" * 129)),
                       ("-1", "-1"), ("1.5", "1.5"), ("true", "true"),
                       ("an object", "{}"), ("null", "null")):
        yield row(f"id: {name} is none",
                  [say('{"type":"ping","id":%s}' % text)], f"pong|{BAD}")
    for name, text in (
            ("send without a group", '"type":"send","content":"x"'),
            ("send without content", '"type":"send","group":"dev"'),
            ("send of a number", '"type":"send","group":"dev","content":1'),
            ("an odd message_type", '"type":"send","group":"dev",'
             '"content":"x","message_type":"odd"'),
            ("pull of 0", '"type":"pull","group":"dev","limit":0'),
            ("pull of 1,001", '"type":"pull","group":"dev","limit":1001'),
            ("pull of -1", '"type":"pull","group":"dev","limit":-1'),
            ("pull of 1e3", '"type":"pull","group":"dev","limit":1e3'),
            ("pull of text", '"type":"pull","group":"dev","limit":"5"'),
            ("pull after -1", '"type":"pull","group":"dev","after_seq":-1'),
            ("read without a number", '"type":"read","group":"dev"'),
            ("read of -1", '"type":"read","group":"dev","last_read_seq":-1'),
            ("read of 2^62", '"type":"read","group":"dev","last_read_seq":'
             + str(1 << 62)),
            ("subscribe to text", '"type":"subscribe","groups":"dev"'),
            ("subscribe to a number", '"type":"subscribe","groups":[1.5]')):
        yield refused(f"command: {name}", '{"id":4,%s}' % text, "#4")
    # Above what 64 bits hold it is no JSON of ours, and has no id.
    for name, text in (("2^63", 1 << 63), ("2^64", 1 << 64)):
        yield refused(f"command: pull after {name}", '{"id":4,"type":"pull",'
                      '"group":"dev","after_seq":%d}' % text)
    for name, text in (("unknown", '"nobody-has-this"'), ("empty", '""'),
                       ("0", "0"), ("2^63-1", str((1 << 63) - 1)),
                       ("with a NUL", '"dev\\u0000"'),
                       ("with a slash", '"../dev"'),
                       ("of 1,000 letters", '"%s"' % ("x" * 1000))):
        yield row(f"group: {name}",
                  [say('{"type":"pull","id":4,"group":%s}' % text)],
                  "error:(no_such_group|bad_name|bad_request)#4")
    yield refused("command: 65,537 bytes of content",
                  '{"type":"send","id":4,"group":"dev","content":"%s"}' %
                  ("x" * 65537), "#4", "too_large")
    yield row("command: 300 in a segment are answered in order",
              [b"".join(say('{"type":"launch","id":%d}' % n)
                        for n in range(300))],
              " ".join(f"{BAD}#{n}" for n in range(300)))


def tokens():
    def auth(value):
        return say('{"type":"auth","token":%s}' % value)

    def refused(name, pieces, **how):
        return closes(f"token: {name}", pieces, 3500,
                      "error:unauthenticated bye:3500",
                      **{"request": raw.upgrade(), **how})

    good = auth(json.dumps(raw.token().decode()))
    bare = raw.upgrade()
    yield row("token: in the first frame", [good], "hello", request=bare)
    yield row("token: in the first frame, with a command behind it",
              [good + say(ping(1))], "(hello pong#1|pong#1 hello)",
              request=bare)
    yield row("token: in the segment of the handshake", [good], "hello",
              request=bare, joined=True)
    yield row("token: in fragments",
              [good[:1].replace(b"\x81", b"\x01") + good[1:],
               frame(CONTINUATION)], "hello", request=bare)
    yield row("token: a ping before it is answered",
              [frame(PING, b"x"), good], "hello PONG:x", request=bare)
    yield row("token: shown twice", [good + good],
              f"(hello {BAD}|{BAD} hello)", request=bare)
    yield row("token: in the header, the scheme in small letters", [],
              "hello", request=raw.upgrade(
                  b"Authorization: bearer " + raw.token()))
    yield refused("wrong, in the first frame", [auth('"wrong"')])
    yield refused("empty", [auth('""')])
    yield refused("a number", [auth("1")])
    yield refused("of 100,000 bytes", [auth('"%s"' % ("t" * 100000))])
    yield refused("with a NUL", [auth(json.dumps(
        raw.token().decode() + "\0"))])
    yield refused("with something behind it", [auth(json.dumps(
        raw.token().decode() + "x"))])
    yield refused("missing", [say('{"type":"auth"}')])
    yield refused("another command first", [say(ping(1))])
    yield refused("a send first", [say(
        '{"type":"send","id":1,"group":"dev","content":"stolen"}')])
    yield refused("wrong, in the header", [], request=raw.upgrade(
        b"Authorization: Bearer wrong"))
    yield refused("in the URL", [say(ping(1))], request=raw.upgrade(
        path=b"/api/ws?token=" + raw.token()))
    yield refused("in the URL as a header would have it", [say(ping(1))],
                  request=raw.upgrade(
                      path=b"/api/ws?Authorization=Bearer%20" + raw.token()))
    yield refused("in a subprotocol", [say(ping(1))], request=raw.upgrade(
        b"Sec-WebSocket-Protocol: groupfs.v1, " + raw.token(),
        without=[b"Sec-WebSocket-Protocol"]))
    yield refused("as Basic", [say(ping(1))], request=raw.upgrade(
        b"Authorization: Basic " + raw.token()))
    yield refused("none for 10 s", [], slow=True)
    yield closes("token: none for 10 s, only pings",
                 [frame(PING, b"x")] * 20, 3500,
                 "error:unauthenticated bye:3500( PONG:x)+", request=bare,
                 slow=True)
    yield refused("none for 10 s, only half of a frame", [good[:9]],
                  slow=True)
    yield closes("token: rubbish first", [say("rubbish")], 3500,
                 f"({BAD} )?error:unauthenticated bye:3500",
                 request=bare, slow=True)


ROWS = [one for chapter in (lengths, fragmentation, segments, masks,
                            reserved, control, closing, utf8, commands,
                            tokens) for one in chapter()]


class Talk:
    """What came back in one row."""

    def __init__(self, peer, row):
        self.peer = peer
        # Where the token is in the header, hello says nothing of the row.
        self.skip_hello = row.request is None
        self.polite = row.polite
        self.texts, self.pongs, self.last = [], [], []

    def __str__(self):
        return " ".join(self.texts + self.pongs + self.last)

    def read(self):
        opcode, payload = self.peer.event()
        word = raw.word(opcode, payload)
        if opcode in (None, CLOSE):
            self.last.append("end" if opcode is None else word)
            if opcode == CLOSE and self.polite:
                self.peer.send_all(frame(CLOSE, payload))
        elif self.last:
            raise raw.Broken(f"{word} behind a close")
        elif opcode == PONG:
            self.pongs.append(word)
        elif opcode != PING and not (self.skip_hello and word == "hello"):
            self.texts.append(word)

    def read_until(self, want):
        """Up to the words that are wanted, or the end."""
        while self.last[-1:] != ["end"] and \
                re.fullmatch(want, str(self), re.S) is None:
            self.read()


def run(row):
    request = row.request or raw.upgrade(raw.bearer())
    pieces = list(row.pieces)
    with raw.Peer(25 if row.slow else 10) as peer:
        talk = Talk(peer, row)
        answer = peer.open_ws(request=request,
                              at_once=pieces.pop(0) if row.joined else b"")
        if answer is None or answer.status != 101:
            return f"no handshake: {answer}"
        peer.send(pieces)
        if row.ends is LOST:
            return None
        want = f"({row.want}) ?" if row.want else ""
        if row.ends is LEAVE:
            talk.polite = False
            try:
                talk.read_until(row.want)
            except raw.Silence:
                peer.wait(10)  # what is missing is seen below
            peer.send_all(close(1000))
            want += "close:1000 end"
        elif row.ends is END:
            want += "end"
        elif row.ends == "":
            want += "close end"
        else:
            want += f"close:({row.ends}) end"
        try:
            talk.read_until("never")
        except raw.Silence:
            talk.last.append("(open)")
    if re.fullmatch(want, str(talk), re.S):
        return None
    return f"got [{str(talk)[:200]}], wanted [{want[:200]}]"


def beside_a_stream():
    """What goes to all connections of a token finds one that is none."""
    read = say('{"type":"read","id":4,"group":"dev","last_read_seq":0}')
    for n in range(3):
        yield row(f"a read beside a stream of the same token, {n}", [read],
                  "read#4")


def main():
    raw.run_table(ROWS, run)
    with raw.Peer() as stream:
        stream.send_all(b"GET /api/groups/dev/stream HTTP/1.1\r\nHost: " +
                        raw.host() + b"\r\n" + raw.bearer() + b"\r\n\r\n")
        stream.take_to(b"\r\n\r\n")
        raw.run_table(list(beside_a_stream()), run, workers=1)


if __name__ == "__main__":
    main()
