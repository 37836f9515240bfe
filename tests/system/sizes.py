# SPDX-License-Identifier: MIT
"""sizes.py GROUP-FOLDER ME-FOLDER URL TOKEN: writes of many sizes and of odd
bytes into messages and post. Prints for each check a line STATUS<TAB>SENTENCE
<TAB>DETAIL, status 0 for passed. Knows the text form from the man page only.
"""
import errno
import json
import os
import sys
import urllib.request

folder, me, url, token = sys.argv[1:5]
MAX = 65536
MIB = 1 << 20
SIZES = [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 131071, 131072, 131073,
         MIB - 1, MIB, MIB + 1]
FORM = {"\\": "\\", "n": "\n", "t": "\t", "r": "\r"}
messages = os.path.join(folder, "messages")


def check(sentence, passed, detail=""):
    print(0 if passed else 1, sentence, str(detail)[:300], sep="\t",
          flush=True)


def unescape(text):
    out = bytearray()
    i = 0
    while i < len(text):
        if text[i] != 0x5c:
            out.append(text[i])
            i += 1
        elif text[i + 1] == ord("x"):
            out.append(int(text[i + 2:i + 4], 16))
            i += 4
        else:
            out += FORM[chr(text[i + 1])].encode()
            i += 2
    return bytes(out)


class Log:
    """What a writer adds to the log: the lines past where it was."""

    def __init__(self):
        self.offset = os.stat(messages).st_size

    def added(self):
        with open(messages, "rb") as f:
            f.seek(self.offset)
            data = f.read()
        assert self.offset + len(data) == os.stat(messages).st_size, \
            "the size is not exact"
        lines = data.split(b"\n")
        assert lines.pop() == b"", "the last line is not whole"
        return [line.split(b"\t", 3)[3] for line in lines]


def in_store(count):
    """The contents of the newest messages, as JSON has them."""
    if count == 0:
        return []
    request = urllib.request.Request(
        f"{url}/api/groups/{os.path.basename(folder)}/messages"
        f"?before_seq=9007199254740991&limit={count}",
        headers={"Authorization": "Bearer " + token})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return [m["content"].encode()
                for m in json.load(answer)["messages"]][-count:]


def write(name, *pieces):
    """Each piece by one write(2). Returns the errno of what failed first:
    of a write, of the close; 0: nothing."""
    flags = os.O_WRONLY | os.O_APPEND
    fd = os.open(os.path.join(folder, name), flags)
    failed = 0
    for piece in pieces:
        try:
            n = os.write(fd, piece)
            assert n == len(piece), f"wrote {n} of {len(piece)}"
        except OSError as e:
            failed = failed or e.errno
    try:
        os.close(fd)
    except OSError as e:
        failed = failed or e.errno
    return failed


def name_of(code):
    return errno.errorcode.get(code, code)


def error_sentence():
    with open(os.path.join(me, "error")) as f:
        return f.read().strip()


def sends(sentence, name, pieces, wanted):
    log = Log()
    try:
        code = write(name, *pieces)
        shown = log.added()
        stored = in_store(len(wanted)) if len(wanted) <= 1000 else wanted
        got = [unescape(text) for text in shown]
        check(sentence, code == 0 and got == wanted == stored,
              f"{name_of(code)} {len(got)} messages, wanted {len(wanted)}; "
              f"{[len(g) for g in got][:5]} {got[:1]!r:.80} {stored[:1]!r:.80}"
              f" {error_sentence()}")
    except Exception as e:
        check(sentence, False, repr(e))


def refused(sentence, name, pieces, wanted, code=errno.EMSGSIZE):
    """wanted: what of it is stored all the same (lines before it)."""
    log = Log()
    try:
        got = write(name, *pieces)
        added = [unescape(text) for text in log.added()]
        said = error_sentence()
        check(sentence, got == code and added == wanted and said != "",
              f"{name_of(got)}, wanted {name_of(code)}; "
              f"{len(added)} messages {added[:2]!r:.80}; says: {said}")
    except Exception as e:
        check(sentence, False, repr(e))


def one_line(size):
    pieces = [b"x" * (size - 1) + b"\n"]
    text = [pieces[0][:-1]]
    what = f"messages, one line, {size} bytes with its newline: "
    if size - 1 <= MAX:
        sends(what + "one message", "messages", pieces, text)
    else:
        refused(what + "EMSGSIZE, nothing", "messages", pieces, [])


def no_newline(size):
    what = f"messages, {size} bytes without newline: "
    text = b"y" * size
    if size == 0:
        sends(what + "nothing", "messages", [text], [])
    elif size <= MAX:
        sends(what + "one message", "messages", [text], [text])
    else:
        refused(what + "EMSGSIZE, nothing", "messages", [text], [])


def many_lines(size):
    data = b"".join(b"line %06d %s\n" % (i, b"." * 70)
                    for i in range(size // 80 + 2))[:size]
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    sends(f"messages, {size} bytes of lines in one write: each a message",
          "messages", [data], lines)


def post(size):
    text = b"z" * size
    what = f"post, {size} bytes: "
    if size == 0:
        sends(what + "nothing", "post", [], [])
    elif size <= MAX:
        sends(what + "one message", "post", [text], [text])
        sends(what + "in pieces: one message", "post",
              [text[i:i + 1000] for i in range(0, size, 1000)], [text])
    else:
        refused(what + "EMSGSIZE, nothing", "post", [text], [])


def in_pieces():
    piece = b"p" * 4096
    sends("a line of 65536 bytes in 4 KiB writes: one message", "messages",
          [piece] * 16 + [b"\n"], [piece * 16])
    refused("a line of 65537 bytes in 4 KiB writes: EMSGSIZE, nothing",
            "messages", [piece] * 16 + [b"p\n"], [])
    refused("a longer one, without end: EMSGSIZE, nothing", "messages",
            [piece] * 20, [])
    refused("what follows a refused piece is not sent as if it were whole",
            "messages", [piece] * 20 + [b"end\n"], [])
    sends("a line and its rest in the next write", "messages",
          [b"one\ntw", b"o\nthr", b"ee"], [b"one", b"two", b"three"])
    sends("each byte by its own write", "messages",
          [bytes([c]) for c in b"ab\ncd\n"], [b"ab", b"cd"])
    sends("a character in two writes", "messages",
          [b"caf\xc3", b"\xa9\n"], [b"caf\xc3\xa9"])
    sends("a reply to 1 with 65536 bytes of content", "post", [b"r" * MAX],
          [b"r" * MAX])
    sends("65536 bytes and a final newline into post", "post",
          [b"n" * MAX + b"\n"], [b"n" * MAX])
    refused("65536 bytes and two newlines into post: EMSGSIZE", "post",
            [b"n" * MAX + b"\n\n"], [])
    refused("a line too long after good ones: nothing of that write",
            "messages", [b"good\n" + b"l" * (MAX + 1) + b"\n"], [])
    refused("but what an earlier write stored stays", "messages",
            [b"good\n", b"l" * (MAX + 1) + b"\n"], [b"good"])
    sends("4096 empty lines are as many messages", "messages",
          [b"\n" * 4096], [b""] * 4096)
    sends("65536 control characters, four times as long when shown",
          "messages", [b"\x01" * MAX + b"\n"], [b"\x01" * MAX])


ODD = {
    "CRLF: the CR is part of the content": b"dos\r",
    "NUL": b"a\0b",
    "only NULs": b"\0" * 100,
    "ESC sequences": b"\x1b[31mred\x1b[0m \x1b]0;title\x07",
    "all C0 but newline": bytes(c for c in range(32) if c != 10),
    "DEL and C1": b"\x7f\xc2\x80\xc2\x85\xc2\x9f",
    "a BOM": b"\xef\xbb\xbfwith BOM",
    "U+2028 and U+2029": b"a\xe2\x80\xa8b\xe2\x80\xa9c",
    "bidi controls": "\u202eevil\u202c \u2066x\u2069 \u200f\u061c".encode(),
    "zero-width and combining characters": "e\u0301\u200d\ufe0f".encode(),
    "four bytes": "\U0001f600\U0010ffff".encode(),
    "U+FFFE and U+FFFF": "\ufffe\uffff".encode(),
    "backslashes as escapes look": b"\\n \\x1b \\\\ \\",
    "spaces at both ends": b"  x \t ",
    "a tab at its start": b"\tx",
    "a number sign, quotes, dollars": b"# \"'`$(x) %s",
}
NOT_SHOWN = bytes(range(0x20)) + b"\x7f"
BAD = {
    "a lone byte ff": b"\xff",
    "a continuation byte alone": b"a\x80b",
    "a cut character": b"caf\xc3",
    "an overlong slash": b"\xc0\xaf",
    "an overlong NUL": b"\xc0\x80",
    "a lone high surrogate": b"\xed\xa0\x80",
    "a lone low surrogate": b"\xed\xbf\xbf",
    "a surrogate pair (CESU-8)": b"\xed\xa0\xbd\xed\xb8\x80",
    "above U+10FFFF": b"\xf4\x90\x80\x80",
    "Latin-1": "déjà vu".encode("latin-1"),
    "UTF-16": "hi".encode("utf-16"),
}


def odd_bytes():
    for what, text in ODD.items():
        sends(f"messages, {what}: stored as it is", "messages",
              [text + b"\n"], [text])
        sends(f"post, {what}: the same", "post", [text], [text])
    log = Log()
    for text in ODD.values():
        write("messages", text + b"\n")
    shown = b"".join(log.added())
    check("nothing of it reaches a terminal as a control character",
          not any(c in NOT_SHOWN for c in shown))
    text = shown.decode()
    check("nor as one of C1, U+2028/9 or bidi",
          not any("\x80" <= c <= "\x9f" or c in "\u2028\u2029\u061c"
                  or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069"
                  for c in text))
    log = Log()
    write("messages", b"a\0b\n")
    check("NUL is shown as \\x00", log.added() == [b"a\\x00b"])
    for what, text in BAD.items():
        refused(f"messages, {what}: EILSEQ, nothing", "messages",
                [text + b"\n"], [], errno.EILSEQ)
        refused(f"messages, {what} without newline: EILSEQ, nothing",
                "messages", [text], [], errno.EILSEQ)
        refused(f"post, {what}: EILSEQ, nothing", "post", [text], [],
                errno.EILSEQ)
    refused("one bad line among good ones: nothing of that write",
            "messages", [b"good\n\xff\ngood\n"], [], errno.EILSEQ)


def replies():
    log = Log()
    write("messages", b">1 yes\n")
    write("post", b">1 no reply\n")
    shown = log.added()
    check("a reply is shown as one, content that looks like one is not",
          shown[0] == b">1 yes" and not shown[1].startswith(b">"), shown)
    sends("content that looks like a reply comes back as it was", "post",
          [b">1 looks"], [b">1 looks"])
    sends("and so does what looks like media", "messages",
          [b"[media http://x] y\n"], [b"[media http://x] y"])
    refused("a reply to nothing: nothing of that write", "messages",
            [b"good\n>99999999 no\n"], [], errno.EINVAL)


def bulk():
    """What is refused whole for its number of lines, not cut. With sanitizers
    and others at work a million would take longer than a mount waits."""
    log = Log()
    lines = MIB // 4 if os.environ.get("GROUPFS_TEST_LOAD") == "small" else MIB
    code = write("messages", b"\n" * lines)
    added = len(log.added())
    check("very many empty lines: all, or none and EMSGSIZE",
          (code, added) in [(0, lines), (errno.EMSGSIZE, 0)],
          f"{name_of(code)} {added}")


for n in SIZES:
    if n > 0:
        one_line(n)
    no_newline(n)
    many_lines(n)
    post(n)
in_pieces()
odd_bytes()
replies()
bulk()
