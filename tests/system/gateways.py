#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Followers of a group that are spread over several gateways.

  gateways.py GROUP N     N gateways serve $URL; $TOKEN's user writes to $M; the
                          core is killed by whoever started it, when $KILL
                          appears (see lib.sh)

First, $OTHER's user joins the group and leaves, and hears of it on whichever
gateway he is. A sender goes on through the mount all the while. One gateway is killed, then
the core, then all gateways. What did not hold is printed as lines that begin
with "wrong", what was measured as NAME VALUE.
"""
import os
import signal
import sys
import threading
import time

from processes import gateways
from rawws import PATIENCE, Follower, Socket, follow

TOKEN = os.environ["TOKEN"]
FOLLOWERS = 60


def wrong(*what):
    print("wrong", *what, flush=True)


class Sender:
    def __init__(self, group):
        self.path = f"{os.environ['M']}/{group}/messages"
        self.stop = threading.Event()
        self.sent = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        with open(self.path, "ab", 0) as f:
            while not self.stop.wait(0.005):
                f.write(b"message %d\n" % (self.sent + 1))
                self.sent += 1

    def end(self):
        self.stop.set()
        self.thread.join()


def listeners():
    """The sockets that listen at our port."""
    port = "%04X" % int(os.environ["URL"].rsplit(":", 1)[1])
    with open("/proc/net/tcp") as f:
        fields = [line.split() for line in f][1:]
    return {x[9] for x in fields
            if x[1].endswith(":" + port) and x[3] == "0A"}


def kill(pids, before):
    """Milliseconds until as many listen again."""
    left = len(before) - len(pids)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE:
        now = listeners()
        if len(now) == len(before) and len(now & before) == left:
            return round((time.monotonic() - began) * 1000)
        time.sleep(0.001)
    wrong("no gateway came back")
    return 0


def go_on(followers, sender, more=100):
    follow(followers, sender.sent + more)


def closed(followers):
    return [f for f in followers if f.closes]


def one_gateway(followers, sender):
    """Kills one: whose it is resume, the others notice nothing."""
    before = listeners()
    print("ms until it listens again", kill(list(gateways())[:1], before))
    go_on(followers, sender)
    hit = closed(followers)
    print("cut", len(hit), "of", len(followers))
    if not 0 < len(hit) < len(followers):
        wrong(f"{len(hit)} of {len(followers)} were cut")
    if any(f.closes != [None] for f in hit):
        wrong("one was cut more than once, or told to go")
    for f in hit:
        f.closes.clear()


def core(followers, sender):
    """Kills it: nobody notices."""
    sockets = [f.ws for f in followers]
    with open(os.environ["KILL"], "w"):
        pass
    while os.path.exists(os.environ["KILL"]):
        follow(followers, min(f.seq for f in followers) + 1)
    go_on(followers, sender)
    if closed(followers) or [f.ws for f in followers] != sockets:
        wrong("a restart of the core closed a socket")


def all_gateways(followers, sender):
    """Twice, the second time when they are young."""
    for name in "all", "all again":
        print("ms until", name, "listen again",
              kill(list(gateways()), listeners()))
    go_on(followers, sender)
    if len(closed(followers)) != len(followers):
        wrong("one was not cut")


def everywhere(group):
    """Who joins or leaves is told on all of his connections."""
    def edit(line):
        with open(f"{os.environ['M']}/{group}/members", "a") as f:
            f.write(line + "\n")
    mine = [Socket(TOKEN) for _ in range(12)]
    his = [Socket(os.environ["OTHER"]) for _ in range(12)]
    for ws in mine:
        ws.send(type="subscribe", groups=[{"group": group}])
        ws.expect("live", group=group)
    for ws in his:
        ws.expect("hello", user="ann")
    edit("ann")
    for ws in mine:
        ws.expect("member", group=group, user="ann", change="added")
    for ws in his:
        ws.expect("added", group=group)
        ws.expect("live", group=group)
    edit("-ann")
    for ws in mine:
        ws.expect("member", group=group, user="ann", change="removed")
    for ws in his:
        ws.expect("removed", group=group)
    for ws in mine + his:
        if ws.seen and {f["type"] for f in ws.seen} != {"hello"}:
            wrong("came unasked:", ws.seen)
        ws.close()


def spread(group, count):
    if len(listeners()) != int(count):
        wrong(f"{len(listeners())} gateways listen")
    everywhere(group)
    followers = [Follower(TOKEN, group) for _ in range(FOLLOWERS)]
    sender = Sender(group)
    go_on(followers, sender, 300)  # they are not young any more
    one_gateway(followers, sender)
    core(followers, sender)
    all_gateways(followers, sender)
    sender.end()
    follow(followers, sender.sent)
    for problem in (p for f in followers for p in f.problems):
        wrong(problem)
    print("sent", sender.sent)


spread(*sys.argv[1:])
