#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Subscribers of which some stop reading.

  stopped.py crowd GROUP N PID   100 of them. All, then one, then 30 stop while
                                 N messages flow, and read on. Prints the
                                 gateway's (PID) memory in KiB as base, one,
                                 thirty, more
  stopped.py nap GROUP N         16 that stop for 30 to 38 s each; prints how
                                 many got all in one connection (kept), were
                                 closed with 3008 (told) or without (cut)
  stopped.py silent GROUP        one that reads and never answers a ping; prints
                                 how many there were, the bye and the code

$URL, $TOKEN; messages go in through the mount at $M. What did not hold is
printed as lines that begin with "wrong".
"""
import json
import os
import random
import re
import select
import sys
import threading
import time

from rawws import Closed, Follower, Socket, follow

TOKEN = os.environ["TOKEN"]


def report(followers):
    for problem in (p for f in followers for p in f.problems):
        print("wrong", problem)


class Writer:
    """Through the mount, a few messages a write(2)."""

    def __init__(self, group):
        self.file = open(f"{os.environ['M']}/{group}/messages", "ab", 0)
        self.rng = random.Random(1)
        self.sent = 0

    def write(self, n):
        for at in range(0, n, 16):
            self.file.write(b"".join(
                b"%d %s\n" % (at, b"x" * self.rng.randrange(1000, 4080))
                for _ in range(min(16, n - at))))

    def start(self, n):
        self.sent += n
        self.thread = threading.Thread(target=self.write, args=(n,))
        self.thread.start()


def memory(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read())[1])


def flow(writer, readers, n):
    writer.start(n)
    follow(readers, writer.sent)
    writer.thread.join()


def crowd(group, n, pid):
    n = int(n)
    writer = Writer(group)
    readers = [Follower(TOKEN, group, 4096 if i < 30 else None)
               for i in range(100)]
    # The most that it needs: all were behind, each with a page of the log.
    writer.start(n)
    writer.thread.join()
    follow(readers, writer.sent)
    print("base", memory(pid))
    flow(writer, readers[1:], n)
    print("one", memory(pid))
    follow(readers, writer.sent)
    flow(writer, readers[30:], n // 3)
    print("thirty", memory(pid))
    flow(writer, readers[30:], n // 3)
    print("more", memory(pid))
    follow(readers, writer.sent)
    report(readers)
    print("others", sum(len(r.closes) for r in readers[30:]))
    print("closes", *(c for r in readers[:30] for c in r.closes))


def nap(group, n):
    writer = Writer(group)
    readers = [Follower(TOKEN, group, 4096) for _ in range(16)]
    writer.start(int(n))
    writer.thread.join()
    began = time.monotonic()
    for i, reader in enumerate(readers):
        time.sleep(max(0, began + 29.5 + i / 2 - time.monotonic()))
        follow([reader], writer.sent)
    report(readers)
    print("kept", sum(r.closes == [] for r in readers))
    print("told", sum(r.closes == [3008] for r in readers))
    print("cut", sum(r.closes == [None] for r in readers))


def silent(group):
    ws = Socket(TOKEN, answers=False)
    ws.send(type="subscribe", groups=[{"group": group}])
    bye = {}
    try:
        while True:
            select.select([ws], [], [], 1)
            for frame in map(json.loads, ws.take()):
                bye = frame if frame["type"] == "bye" else bye
    except Closed as e:
        print("pings", ws.pings)
        print("code", bye.get("code"), e.code)


def main():
    what, *args = sys.argv[1:]
    {"crowd": crowd, "nap": nap, "silent": silent}[what](*args)


main()
