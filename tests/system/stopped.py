#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Subscribers of which some stop reading.

  stopped.py crowd GROUP N PID   100 of them. One stops while N messages flow,
                                 then 30; then those read on. Prints the
                                 gateway's (PID) memory in KiB as base, one,
                                 thirty, more
  stopped.py nap GROUP N         16 that stop for 30 to 38 s each; prints how
                                 many got all in one connection (kept), were
                                 closed with 3008 (told) or without (cut)

$URL, $TOKEN; messages go in through the mount at $M. What did not hold is
printed as lines that begin with "wrong".
"""
import json
import os
import random
import re
import selectors
import sys
import threading
import time

from rawws import Closed, Socket

SEQ = re.compile(rb'"sequence_number":(\d+)')
TOKEN = os.environ["TOKEN"]
PATIENCE = 60


def wrong(*what):
    print("wrong", *what, flush=True)


class Reader:
    """Resumes where it was when it is closed. Checks the order alone: the
    texts are another test's."""

    def __init__(self, group, receive_buffer=None):
        self.group, self.receive_buffer = group, receive_buffer
        self.seq = 0
        self.closes = []
        self.connect()

    def connect(self):
        self.ws = Socket(TOKEN, self.receive_buffer)
        self.ws.send(type="subscribe",
                     groups=[{"group": self.group, "after_seq": self.seq}])

    def fileno(self):
        return self.ws.fileno()

    def pump(self):
        """Reads what is there; True when it had to connect again."""
        try:
            texts = self.ws.take()
        except Closed as e:
            self.closes.append(e.code)
            self.ws.close()
            self.connect()
            return True
        for text in texts:
            if text.startswith(b'{"type":"message"'):
                seq = int(SEQ.search(text)[1])
                if seq != self.seq + 1:
                    wrong(f"{seq} came after {self.seq}")
                self.seq = seq
            elif not text.startswith((b'{"type":"hello"', b'{"type":"live"',
                                      b'{"type":"bye"')):
                wrong("unasked:", text)
        return False


def read_up_to(readers, target):
    """Until each has come as far as that."""
    selector = selectors.DefaultSelector()
    left = {r for r in readers if r.seq < target}
    for r in left:
        selector.register(r, selectors.EVENT_READ)
    deadline = time.monotonic() + PATIENCE
    while left and time.monotonic() < deadline:
        for key, _ in selector.select(1):
            r, old = key.fileobj, key.fd
            if r.pump():
                selector.unregister(old)
                selector.register(r, selectors.EVENT_READ)
            if r.seq >= target:
                selector.unregister(r)
                left.discard(r)
    for r in left:
        wrong(f"stands at {r.seq} of {target}")


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
    read_up_to(readers, writer.sent)
    writer.thread.join()


def crowd(group, n, pid):
    n = int(n)
    writer = Writer(group)
    readers = [Reader(group, 4096 if i < 30 else None) for i in range(100)]
    flow(writer, readers, n)  # so that the recent is full, and has been read
    print("base", memory(pid))
    flow(writer, readers[1:], n)
    print("one", memory(pid))
    read_up_to(readers, writer.sent)
    flow(writer, readers[30:], n // 3)
    print("thirty", memory(pid))
    flow(writer, readers[30:], n // 3)
    print("more", memory(pid))
    read_up_to(readers, writer.sent)
    print("others", sum(len(r.closes) for r in readers[30:]))
    print("closes", *(c for r in readers[:30] for c in r.closes))


def nap(group, n):
    writer = Writer(group)
    readers = [Reader(group, 4096) for _ in range(16)]
    read_up_to(readers, 0)
    writer.start(int(n))
    writer.thread.join()
    began = time.monotonic()
    for i, reader in enumerate(readers):
        time.sleep(max(0, began + 29.5 + i / 2 - time.monotonic()))
        read_up_to([reader], writer.sent)
    print("kept", sum(r.closes == [] for r in readers))
    print("told", sum(r.closes == [3008] for r in readers))
    print("cut", sum(r.closes == [None] for r in readers))


def main():
    what, *args = sys.argv[1:]
    {"crowd": crowd, "nap": nap}[what](*args)


main()
