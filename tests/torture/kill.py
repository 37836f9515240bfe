#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""kill -9, again and again, under whatever load there is.

  kill.py CYCLES RECORD [MOUNT]       at random: groupd, and in each tenth cycle
                                      the gateways, or groupfs of MOUNT instead
  kill.py CYCLES RECORD at POINT      groupd at a point that has a name

Goes on when something was acknowledged since the last one (RECORD/acks of
load.py grows). Prints results as lib.sh's results() takes them. groupd is
stopped in the end.
"""
import os
import random
import signal
import sys
import time

from faults import DB, WAL, Faults
from programs import (BUILD, CONTROL, PATIENCE, T, Groupd, Groupfs, kill_gateways,
                      quantiles, say)

AFTER_SECONDS = 0.06  # of an acknowledgement, at most
ACK_SECONDS = 20
POINT_SECONDS = 60
# Rows that are older are sealed when nothing else is to be done: with the
# writers stopped.
OLD_MS = 61000
SURFACES = ("core", "mount", "other")
LOADER = int(os.environ["LOADER"])

# Calls, of what, how; and at one of so many times that it comes there. A WAL is
# written at a commit, and the file of the store by a checkpoint alone.
POINTS = {
    "before a commit": ("write", WAL, "kill-before", 60),
    "within a commit": ("write", WAL, "tear", 60),
    "before its sync": ("sync", WAL, "kill-before", 20),
    "behind a commit, before anybody is told": ("sync", WAL, "kill-after", 20),
    "when one was told": ("send", "", "kill-after", 100),
    "in sealing": ("sql", "REPLACE INTO messages(id;DELETE FROM hot",
                   "kill-before", 5),
    "in a checkpoint": ("write", DB, "kill-before", 200),
}


class Ledger:
    def __init__(self, record):
        self.path = record + "/acks"
        self.stuck = 0

    def size(self):
        return os.path.getsize(self.path) if os.path.exists(self.path) else 0

    def since(self, at):
        if self.size() == at:
            return 0
        with open(self.path, "rb") as acks:
            acks.seek(at)
            return acks.read().count(b"\n")

    def grows(self, messages=1):
        """Waits for so many to be acknowledged that were not before."""
        was, end = self.size(), time.monotonic() + ACK_SECONDS * PATIENCE
        while self.since(was) < messages:
            if time.monotonic() > end:
                self.stuck += 1
                return
            time.sleep(0.002)

    def all_grow(self):
        """The same of each surface: a mount that gets nothing done for 10 s
        says so to whoever reads in it, and between kills some come again later
        than others."""
        wanted, at = set(SURFACES), self.size()
        end = time.monotonic() + ACK_SECONDS * PATIENCE
        while wanted:
            if time.monotonic() > end:
                self.stuck += 1
                return
            time.sleep(0.01)
            with open(self.path, encoding="utf-8") as acks:
                acks.seek(at)
                wanted -= {line.split("-")[0] for line in acks}


def stop(groupd):
    say("groupd stops well", groupd.kill(signal.SIGTERM))


def restart(groupd, took, env=None):
    groupd.start(env)
    seconds = groupd.wait()
    if seconds is not None:
        took.append(seconds)


def at_random(cycles, record, mount):
    groupd, ledger, took, mounted = Groupd(), Ledger(record), [], []
    groupfs = Groupfs(mount) if mount else None
    gateways = 0
    if groupfs:
        groupfs.start()
        groupfs.wait()
    restart(groupd, took)
    for cycle in range(cycles):
        ledger.grows()
        time.sleep(random.uniform(0, AFTER_SECONDS))
        if cycle % 10 == 3:
            gateways += len(kill_gateways())
        elif cycle % 10 == 7 and groupfs:
            groupfs.kill()
            groupfs.start()
            mounted.append(groupfs.wait())
        else:
            groupd.kill()
            restart(groupd, took)
    ledger.grows()
    say("between all kills messages were acknowledged",
        ledger.stuck and f"{ledger.stuck} times not")
    print(f"# killed: groupd {len(took) - 1} times, gateways {gateways}, "
          f"groupfs {len(mounted)}")
    quantiles("groupd from its start until it answers", took)
    quantiles("a mount after kill -9 of groupfs, until it is there again",
              mounted, 2000)
    stop(groupd)


def at_point(cycles, record, point):
    groupd, ledger, took = Groupd(), Ledger(record), []
    faults = Faults(CONTROL, "groupd")
    calls, files, does, most = POINTS[point]
    wrong, ahead, began = 0, 0, time.monotonic()
    for cycle in range(cycles):
        if point == "in sealing":
            faults.clear(0)
            restart(groupd, took, faults.env(BUILD))
            ledger.grows(most)  # each is a call, at least
            groupd.kill()
            os.kill(LOADER, signal.SIGSTOP)
            ahead += OLD_MS
            faults.set_ahead(ahead)
        faults.set(0, calls, files=files, does=does, nth=random.randint(1, most))
        restart(groupd, took, faults.env(BUILD))
        if groupd.ended(POINT_SECONDS * PATIENCE) != -signal.SIGKILL:
            wrong += 1
            groupd.kill()
        if point == "in sealing":
            os.kill(LOADER, signal.SIGCONT)
    faults.clear(0)
    restart(groupd, took, faults.env(BUILD))
    ledger.all_grow()
    print(f"# that took {time.monotonic() - began:.1f} s")
    say(f"it was killed {cycles} times: {point}",
        wrong and f"{wrong} times not")
    say("after the last kill messages are acknowledged",
        ledger.stuck and "none")
    stop(groupd)


def main():
    cycles, record, *rest = sys.argv[1:]
    if rest[:1] == ["at"]:
        at_point(int(cycles), record, rest[1])
    else:
        at_random(int(cycles), record, rest[0] if rest else None)


if __name__ == "__main__":
    main()
