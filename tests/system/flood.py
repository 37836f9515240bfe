#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""More messages than groupd answers, all at once.

flood.py GROUP SOCKETS EACH MOST

So many WebSockets send so many messages each while groupd stands still (the file
$T/stopped says that it does; it goes on when $T/refused is there). Up to MOST of
all wait; each further one is refused at once, with the time to come again. Then
all that wait are stored. Prints "ok WHAT" or "not ok WHAT: WHY" a line.
"""
import json
import os
import select
import sys
import time

from rawws import Socket

# Requests of the gateway's own, which wait beside them.
OWN = 8
T, TOKEN = os.environ["T"], os.environ["TOKEN"]
PATIENCE = 20


def collect(sockets, found, enough):
    """Takes frames, until there are enough, or none comes any more."""
    end = time.monotonic() + PATIENCE
    while not enough(found) and time.monotonic() < end:
        ready, _, _ = select.select(sockets, [], [], 1)
        for ws in ready:
            for text in ws.take():
                frame = json.loads(text)
                if "id" in frame:
                    found.append(frame)


def wait_for(name):
    end = time.monotonic() + PATIENCE
    while not os.path.exists(f"{T}/{name}"):
        if time.monotonic() > end:
            raise TimeoutError(name)
        time.sleep(0.01)


def say(what, wrong):
    print(f"not ok {what}: {wrong}" if wrong else f"ok {what}", flush=True)


def main():
    group, *numbers = sys.argv[1:]
    count, each, most = map(int, numbers)
    sockets = [Socket(TOKEN) for _ in range(count)]
    for ws in sockets:
        ws.send(type="send", id=0, group=group, content="the first")
        ws.expect("sent", id=0)
    print("ready", file=open(T + "/ready", "w"))
    wait_for("stopped")
    began = time.monotonic()
    for ws in sockets:
        for n in range(1, each + 1):
            ws.send(type="send", id=n, group=group, content=f"message {n}")
    refused, stored = [], []
    over = count * each - most
    collect(sockets, refused, lambda found: len(found) >= over)
    print(f"# {len(refused)} of {count * each} were refused within "
          f"{time.monotonic() - began:.1f} s")
    say("what is too much is refused while nothing is answered",
        not over <= len(refused) <= over + OWN and len(refused))
    say("by `unavailable`, with the time to come again",
        [f for f in refused if f["type"] != "error"
         or f["code"] != "unavailable" or f["retry_after_ms"] != 1000][:1])
    print("go on", file=open(T + "/refused", "w"))
    rest = count * each - len(refused)
    collect(sockets, stored, lambda found: len(found) >= rest)
    print(len(stored), file=open(T + "/stored", "w"))
    say("what is not, is stored", len(stored) != rest and len(stored))
    say("each of it", [f for f in stored if f["type"] != "sent"][:1])
    numbers = {f["sequence_number"] for f in stored if f["type"] == "sent"}
    say("at a number of its own", len(numbers) != len(stored))


main()
