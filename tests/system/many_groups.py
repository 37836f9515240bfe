#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""One user in very many groups, two WebSockets that subscribe to all.

  many_groups.py N PID     $URL, $TOKEN; PID is the gateway's. The groups are
                           named g1 to gN and empty yet. The core is killed by
                           whoever started it, when $KILL appears.

What did not hold is printed as lines that begin with "wrong", what was
measured as NAME VALUE.
"""
import json
import os
import random
import re
import select
import sys
import time

from rawws import Socket

TOKEN = os.environ["TOKEN"]
PATIENCE = 60


def wrong(*what):
    print("wrong", *what, flush=True)


def memory(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read())[1])


def frames(ws, count, kind):
    """The next `count` frames of a kind; others must be messages."""
    found, others = [], []
    deadline = time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < deadline:
        select.select([ws], [], [], 1)
        for frame in map(json.loads, ws.take()):
            (found if frame["type"] == kind else others).append(frame)
    if len(found) != count:
        wrong(f"{len(found)} of {count} {kind}; others: {others[:2]}")
    return found, others


def subscribe(name, n, **fields):
    """All groups become live, each after its one message."""
    ws = Socket(TOKEN)
    ws.expect("hello")
    began = time.monotonic()
    ws.send(type="subscribe", id=1, **fields)
    lives, messages = frames(ws, n, "live")
    print(name, f"{time.monotonic() - began:.2f}")
    if len({f["group"] for f in lives}) != n:
        wrong("a group became live twice")
    if {f["last_seq"] for f in lives} != {1}:
        wrong("live has another last_seq than 1")
    if {(f["type"], f["sequence_number"]) for f in messages} - {("message", 1)}:
        wrong("others than the first message came")
    return ws, messages


def fill(n):
    """A message to each group, many under way at a time."""
    ws = Socket(TOKEN)
    for first in range(1, n + 1, 500):
        for i in range(first, first + 500):
            ws.send(type="send", id=i, group=f"g{i}", content="hello")
        sent, _ = frames(ws, 500, "sent")
        if {f["sequence_number"] for f in sent} != {1}:
            wrong("a first message is not number 1")
    ws.close()


def meanwhile():
    """Who goes on while his groups are still listed: each is answered once."""
    ws = Socket(TOKEN)
    ws.expect("hello")
    ws.send(type="subscribe", id="all")
    for i in range(300):
        ws.send(type="pull", id=i, group="g1", limit=1)
    pages, others = frames(ws, 300, "messages")
    ws.send(type="ping", id="end")
    _, more = frames(ws, 1, "pong")
    again = [f for f in others + more if f["type"] != "live"]
    if again or len({f["id"] for f in pages}) != 300:
        wrong("a command was answered twice, or refused:", again[:2])
    ws.close()


def talk(ws, others, groups):
    """What is sent into any of them arrives, on both."""
    began = time.monotonic()
    for i, group in enumerate(groups):
        ws.send(type="send", id=i, group=group, content="to " + group)
        for one in (ws, *others):
            m = one.expect("message", group=group)
            if (m["content"], m.get("replay")) != ("to " + group, None):
                wrong(m)
    print("ms a message",
          f"{(time.monotonic() - began) * 1000 / len(groups):.1f}")


def silent(ws, group, sender):
    """Nothing comes of a group that one has unsubscribed."""
    ws.seen.clear()
    sender.send(type="send", id="s", group=group, content="unheard")
    sender.expect("sent", id="s")
    ws.send(type="ping", id="p")
    ws.expect("pong", id="p")
    if any(f["type"] == "message" for f in ws.seen):
        wrong("a message after unsubscribe")


def restart(ws):
    """Of the core; returns when it serves again."""
    with open(os.environ["KILL"], "w"):
        pass
    while os.path.exists(os.environ["KILL"]):
        time.sleep(0.02)
    began = time.monotonic()
    ws.send(type="send", id="back", group="g1", content="back")
    ws.expect("sent", id="back")
    print("seconds to be answered after a restart",
          f"{time.monotonic() - began:.2f}")
    ws.expect("message", group="g1")


def unsubscribe(ws, **fields):
    began = time.monotonic()
    ws.send(type="unsubscribe", id="un", **fields)
    ws.expect("unsubscribed", id="un")
    return f"{time.monotonic() - began:.2f}"


def main():
    n, pid = map(int, sys.argv[1:])
    some = [f"g{i}" for i in random.Random(1).sample(range(1, n + 1), 50)]
    fill(n)
    meanwhile()
    print("KiB before", memory(pid))
    one, messages = subscribe("seconds until all are live", n)
    if messages:
        wrong("what I sent myself came as unread")
    print("KiB with one", memory(pid))
    named = [{"group": f"g{i}", "after_seq": 0} for i in range(1, n + 1)]
    two, messages = subscribe("seconds when they are named", n, groups=named)
    if len(messages) != n or not all(m["replay"] for m in messages):
        wrong(f"{len(messages)} messages were replayed")
    print("KiB with two", memory(pid))
    talk(one, [two], some)
    restart(one)
    two.expect("message", group="g1")
    talk(one, [two], some)
    print("seconds to unsubscribe by name", unsubscribe(
        two, groups=[{"group": g["group"]} for g in reversed(named)]))
    silent(two, some[0], one)
    print("seconds to unsubscribe all", unsubscribe(one))
    silent(one, some[0], one)
    two.send(type="subscribe", groups=[{"group": some[0]}])
    two.expect("live", group=some[0])
    talk(two, [], some[:1])


main()
