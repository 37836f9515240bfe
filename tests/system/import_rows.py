# SPDX-License-Identifier: MIT
"""Damaged and hostile exports, a row each: what groupctl says of it, and that
nothing of it is left. import_rows.py GROUPCTL SOCKET GOOD-EXPORT DATABASE
TEMPORARY-FILE; prints STATUS<TAB>NAME<TAB>WHAT WAS WRONG."""

import json
import sqlite3
import subprocess
import sys
import time

GROUPCTL, SOCKET, GOOD, DATABASE, FILE = sys.argv[1:]

with open(GOOD, "rb") as file:
    LINES = file.read().split(b"\n")[:-1]
TYPES = [json.loads(line)["type"] for line in LINES]


def first(kind, nth=0):
    return [i for i, t in enumerate(TYPES) if t == kind][nth]


HEAD, MEMBER, MESSAGE = 0, first("member"), first("message")
MEDIA, BYTES, END = first("media"), first("bytes"), len(LINES) - 1
LAST = first("message", -1)


def line(i, change):
    """Line i with some members changed; None takes one away."""
    obj = json.loads(LINES[i])
    for key, value in change.items():
        if value is None:
            obj.pop(key, None)
        else:
            obj[key] = value
    return json.dumps(obj, ensure_ascii=False).encode()


def data(lines, resum=True):
    """The lines as a file, its end without the sum that would not fit."""
    lines = list(lines)
    if resum and lines and b'"type":"end"' in lines[-1]:
        obj = json.loads(lines[-1])
        obj.pop("sha256", None)
        lines[-1] = json.dumps(obj).encode()
    return b"".join(one + b"\n" for one in lines)


def changed(i, **change):
    return data(LINES[:i] + [line(i, change)] + LINES[i + 1:])


def replaced(i, raw):
    return data(LINES[:i] + [raw] + LINES[i + 1:])


def without(i):
    return data(LINES[:i] + LINES[i + 1:])


def at(i, text):
    return "line %d: %s" % (i + 1, text)


FUTURE = "9999-12-31T23:59:59.999Z"
LONG = "x" * 70000
SECOND = MESSAGE + 1
AGAIN = json.loads(LINES[MESSAGE])["sequence_number"]

ROWS = [
    ("nothing", b"", "there is nothing to be imported"),
    ("what is no JSON", b"hello\n", "line 1: This is not valid JSON"),
    ("another object", b"{}\n", "line 1: That is no export of a group"),
    ("a log", data(LINES[MESSAGE:]), "line 1: That is no export of a group"),
    ("an array", b"[]\n", "line 1: A JSON object is expected"),
    ("a line without its end", data(LINES)[:-1],
     at(END, "the file ends in the middle of it")),
    ("half a line", data(LINES[:MESSAGE + 1])[:-10],
     at(MESSAGE, "the file ends in the middle of it")),
    ("no end", data(LINES[:-1]),
     at(END - 1, "the file ends here, but its last line must be of the "
        'type "end": it was cut off')),
    ("only its head", data(LINES[:1]), at(0, "the file ends here")),
    ("something behind the end", data(LINES + [LINES[MESSAGE]], False),
     at(END + 1, "A line of this type does not belong here")),
    ("a changed letter", data(LINES, False).replace(b"hello", b"jello"),
     at(END, "What stands before was changed: its sha256 is another one")),
    ("a missing member", without(MEMBER),
     at(END - 1, "There are not as many members, messages or files as it "
        "says")),
    ("a missing last message", without(LAST), "line "),
    ("another version", changed(HEAD, version=2),
     at(HEAD, "Version 2 is not known here, only 1")),
    ("no version", changed(HEAD, version=None),
     at(HEAD, '"version" is missing')),
    ("an unknown type", changed(MESSAGE, type="massage"),
     at(MESSAGE, 'There is no type "massage"')),
    ("an unknown member of a message", changed(MESSAGE, colour="red"),
     at(MESSAGE, 'There is no "colour" in it')),
    ("an unknown member of the head", changed(HEAD, colour="red"),
     at(HEAD, 'There is no "colour" in it')),
    ("a second head", data(LINES[:1] + LINES),
     at(1, "A line of this type does not belong here")),
    ("members behind messages",
     data(LINES[:END] + [LINES[MEMBER], LINES[END]]),
     at(END, "A line of this type does not belong here")),
    ("an empty line", data(LINES[:2] + [b""] + LINES[2:]),
     at(2, "This is not valid JSON")),
    ("a bad group name", changed(HEAD, name="No Such"),
     at(HEAD, "That is not a group's name")),
    ("a creator who cannot be", changed(HEAD, created_by="No One"),
     at(HEAD, "That is not a user's name")),
    ("a long group name", changed(HEAD, name="n" * 65),
     at(HEAD, '"name" is longer than 64 bytes')),
    ("no admin", changed(first("member"), role="member"),
     "None of the members is an admin"),
    ("an unknown role", changed(MEMBER, role="king"),
     at(MEMBER, '"role" must be admin or member')),
    ("a member twice", data(LINES[:MEMBER + 1] + LINES[MEMBER:]),
     at(MEMBER + 1, "gfs-alice is a member already")),
    ("a bad user name", changed(MEMBER, user="Root"),
     at(MEMBER, "That is not a user's name")),
    ("a pointer behind the end", changed(MEMBER, last_read_seq=999),
     at(MEMBER, "last_read_seq is behind the last message")),
    ("max_members of 1", changed(HEAD, max_members=1),
     "There are 2 members, but max_members is 1"),
    ("max_members of 0", changed(HEAD, max_members=0),
     "line 1: max_members is from 1 to 1000000"),
    ("settings that are none", changed(HEAD, settings=[]),
     at(HEAD, '"settings" must be an object')),
    ("a log that begins at 0", changed(HEAD, first_seq=0),
     at(HEAD, "first_seq is from 1 to one behind last_seq")),
    ("a log that begins at 2, with message 1", changed(HEAD, first_seq=2),
     "Message 1 stands where 2 belongs"),
    ("an offset of message 1", changed(HEAD, first_off=7),
     at(HEAD, "Message 1 begins at offset 0")),
    ("a last_seq that is too high", changed(HEAD, last_seq=99),
     "but last_seq says 99"),
    ("a last_seq that is too low", data(
        [line(HEAD, {"last_seq": 4})] +
        [line(i, {"last_read_seq": None}) for i in range(MEMBER, MESSAGE)] +
        LINES[MESSAGE:]),
     "is behind last_seq, which is 4"),
    ("a gap", without(SECOND), at(SECOND, "Message 3 stands where 2 belongs")),
    ("the same number twice", changed(SECOND, sequence_number=AGAIN),
     at(SECOND, "Message 1 stands where 2 belongs")),
    ("a number that is none", changed(MESSAGE, sequence_number="1"),
     at(MESSAGE, '"sequence_number" must be a whole number')),
    ("a number below 0", changed(MESSAGE, sequence_number=-1),
     at(MESSAGE, '"sequence_number" must be a whole number')),
    ("a number above all", replaced(MESSAGE, LINES[MESSAGE].replace(
        b'"sequence_number":1', b'"sequence_number":' + b"9" * 30)),
     at(MESSAGE, "This is not valid JSON")),
    ("a time that goes back",
     changed(SECOND, timestamp="1999-01-01T00:00:00.000Z"),
     at(SECOND, "The time of message 2 goes back")),
    ("a time to come", changed(LAST, timestamp=FUTURE),
     at(LAST, "timestamp lies more than a day in the future")),
    ("a time that is none", changed(MESSAGE, timestamp="yesterday"),
     at(MESSAGE, '"timestamp" must be a time like')),
    ("a sender who cannot be", changed(MESSAGE, sender="Al Ice"),
     at(MESSAGE, "That is not a user's name")),
    ("a sender who is everyone", changed(MESSAGE, sender="everyone"),
     at(MESSAGE, "That is not a user's name")),
    ("a long message", changed(MESSAGE, content=LONG),
     at(MESSAGE, "The message has 70000 bytes, more than 65536")),
    ("a message above all bounds", changed(MESSAGE, content="y" * 1100000),
     at(MESSAGE, "The message is too large")),
    ("a line above all bounds", data(LINES[:1]) + b"x" * 7000000 + b"\n",
     at(1, "it is longer than 6356992 bytes")),
    ("no content", changed(MESSAGE, content=None),
     at(MESSAGE, '"content" is missing')),
    ("bad UTF-8", replaced(MESSAGE, LINES[MESSAGE].replace(
        b"hello", b"he\xffllo")),
     at(MESSAGE, "The text is not valid UTF-8")),
    ("half a surrogate", replaced(MESSAGE, LINES[MESSAGE].replace(
        b"hello", b"\\ud800")), at(MESSAGE, "")),
    ("a reply to itself", changed(SECOND, reply_to_seq=2),
     at(SECOND, "There is no message 2 to reply to")),
    ("a reply to what comes", changed(SECOND, reply_to_seq=3),
     at(SECOND, "There is no message 3 to reply to")),
    ("an unknown message_type", changed(MESSAGE, message_type="sound"),
     at(MESSAGE, '"message_type" must be text or media')),
    ("a file's message without one", changed(MESSAGE, message_type="media"),
     at(MESSAGE, "A media message needs a media_url")),
    ("a URL with a blank", changed(MESSAGE, message_type="media",
                                   media_url="a b"),
     at(MESSAGE, "media_url holds a space or a control character")),
    ("a mention that is no name", changed(MESSAGE, mentions=["B C"]),
     at(MESSAGE, '"mentions" must be names of users')),
    ("a client_id twice", data(
        LINES[:MESSAGE] + [line(MESSAGE, {"client_id": "k"}),
                           line(SECOND, {"client_id": "k",
                                         "sender": "gfs-alice"})]
        + LINES[SECOND + 1:]),
     at(SECOND, "This client_id is that of message 1 of gfs-alice already")),
    ("a long client_id", changed(MESSAGE, client_id="k" * 65),
     at(MESSAGE, '"client_id" is longer than 64 bytes')),
    ("bad base64", changed(BYTES, base64="%%%%"),
     at(BYTES, '"base64" is not valid base64')),
    ("base64 with a blank", changed(BYTES, base64=" AAA"),
     at(BYTES, '"base64" is not valid base64')),
    ("other bytes", changed(BYTES, base64="AAAA"), "line "),
    ("no bytes", without(BYTES), "The bytes of file.bin are not those that "
     "its size and sha256 say"),
    ("bytes at a wrong place", changed(BYTES, offset=7),
     at(BYTES, "These bytes do not go on where the last ones ended")),
    ("bytes of no file", without(MEDIA),
     at(MEDIA, "These bytes belong to no file")),
    ("more bytes than there are", changed(MEDIA, size=3),
     at(BYTES, "The file has more bytes than its size says")),
    ("a hash of another file", changed(MEDIA, sha256="0" * 64),
     at(MEDIA, "The bytes of file.bin are not those")),
    ("a hash that is none", changed(MEDIA, sha256="xyz"),
     at(MEDIA, '"sha256" must be 64 hexadecimal digits')),
    ("a file of a message without one", changed(MEDIA, sequence_number=1),
     at(MEDIA, "Message 1 does not bring the file file.bin")),
    ("a file outside of its folder", changed(MEDIA, name="../x"), at(MEDIA, "")),
    ("a file twice", data(LINES[:END] + LINES[MEDIA:]), "line "),
]


def left():
    """What is in the store but the one group that was there."""
    db = sqlite3.connect("file:%s?mode=ro" % DATABASE, uri=True)
    try:
        return [db.execute(sql).fetchone()[0] for sql in (
            "SELECT count(*) FROM meta WHERE k LIKE 'import/%'",
            "SELECT count(*) FROM groups",
            "SELECT (SELECT count(*) FROM messages)+"
            "(SELECT count(*) FROM hot)",
            "SELECT count(*) FROM members", "SELECT count(*) FROM mentions",
            "SELECT count(*) FROM everyone", "SELECT count(*) FROM media",
            "SELECT count(*) FROM garbage",
            "SELECT (SELECT count(*) FROM dedupe_0)+"
            "(SELECT count(*) FROM dedupe_1)+"
            "(SELECT count(client_id)+count(batch_id) FROM hot)")]
    finally:
        db.close()


def wait_left(before):
    deadline = time.time() + 10
    while left() != before and time.time() < deadline:
        time.sleep(0.01)
    return left()


def check(name, raw, said):
    with open(FILE, "wb") as out:
        out.write(raw)
    result = subprocess.run(
        [GROUPCTL, "--socket", SOCKET, "import", FILE] +
        # It would hide a bad name.
        ([] if name.endswith("group name") else ["--as", "copy"]),
        stdin=subprocess.DEVNULL, capture_output=True, check=False)
    text = result.stderr.decode(errors="replace")
    if result.returncode != 1:
        return "status %d: %s" % (result.returncode, text)
    if said not in text or len(text.splitlines()) != 1:
        return "said %r, not %r" % (text, said)
    return ""


def main():
    before = left()
    for name, raw, said in ROWS:
        why = check(name, raw, said)
        now = wait_left(before)
        if not why and now != before:
            why = "left %r, not %r" % (now, before)
        print("%d\t%s\t%s" % (why != "", name, why))


main()
