# SPDX-License-Identifier: MIT
"""An export of so many messages, on standard output: big_export.py N."""

import json
import sys
import time

N = int(sys.argv[1])
START = int(time.time() * 1000) - 100 * 86400 * 1000
WORDS = "message number %d of a long talk, with some words in it"


def when(ms):
    second, ms = divmod(START + ms, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)) + \
        ".%03dZ" % ms


def put(**members):
    sys.stdout.write(json.dumps(members, separators=(",", ":")) + "\n")


def message(i):
    members = {"sender": "u%02d" % (i % 100), "content": WORDS % i,
               "message_type": "text"}
    if i % 10 == 0:
        members["reply_to_seq"] = i - 1
    if i % 20 == 0:
        name = "u%02d" % ((i * 7 + 1) % 100)
        members["content"] += " @" + name
        members["mentions"] = [name]
    if i % 4 == 0:
        members["client_id"] = "c-%d" % i
    put(type="message", sequence_number=i, timestamp=when(i), **members)


put(type="groupfs-export", version=1, name="big", created_by="root",
    created_at=when(0), max_members=1000, first_seq=1, last_seq=N, media=True)
put(type="member", user="root", role="admin", joined_at=when(0))
for user in range(100):
    put(type="member", user="u%02d" % user, role="member", joined_at=when(0),
        last_read_seq=N // 2)
for n in range(1, N + 1):
    message(n)
put(type="end", members=101, messages=N, media=0)
