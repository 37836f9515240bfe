#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Every Nth call of groupd's store fails, once and for good: nothing that was
acknowledged is lost, nothing is wrong, and groupd goes on or ends in words.

  calls.py [SCENE...]                     all N of all calls, $JOBS (2) at a time
  calls.py SCENE CALL ERROR TIMES N       one again: write EIO once 17

Scenes: new (a store is made), again (groupd starts after a kill), wal (its log
goes into the store), seal (messages go where they are kept), shut (it stops).
$FROM, $UPTO: the least N (1) and the greatest (500), so that a slow machine may
go through a scene in parts; $COUNT: how many, where they are more, spread over
them (500); $CALLS, $ERRORS, $TIMES: which. Prints "ok WHAT" or "not ok WHAT: WHY"
a line.

Each run: groupd on a store in memory, whose Nth call fails; a sender, whose
every answer is recorded; kill -9; a groupd without faults, to which all is sent
again that was not acknowledged; and then all is looked at.
"""
import errno
import os
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

import groupd as harness
from faults import STORE, Faults
from groupd import Groupd, Sender, audit, integrity
from record import Record

BIG = 60000
FROM = int(os.environ.get("FROM", 1))
UPTO = int(os.environ.get("UPTO", 500))
COUNT = int(os.environ.get("COUNT", 500))
JOBS = int(os.environ.get("JOBS", 2))
GROUP = "dev"
SEALED_AT = 61  # seconds: HOT_SOFT_MS, and one more
# SQLite forgets an error of its own sync of the folder, and may: groupd has synced
# that before. So those are apart ("folder").
FILES = {"sync": "/groupd.db /groupd.db-wal", "folder": "/data"}


KINDS = {"write": "write", "sync": "sync", "folder": "sync", "open": "open",
         "truncate": "truncate"}


class Run:
    """One fault. what: (call, error, times, n), or None: calls are counted."""

    def __init__(self, folder, templates, what):
        self.folder, self.templates, self.what = folder, templates, what
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(f"{folder}/data")
        self.faults = Faults(f"{folder}/faults", program="groupd")
        self.groupd = Groupd(folder, f"{folder}/data", self.faults)
        self.ledger = Record(f"{folder}/record")
        self.sender = Sender(self.groupd, self.ledger, GROUP, "w")
        self.status = None
        self.wrong = []

    def use(self, name):
        """The store of an earlier groupd, and what its senders were told."""
        shutil.rmtree(f"{self.folder}/data")
        shutil.copytree(f"{self.templates}/{name}/data", f"{self.folder}/data")
        self.ledger.close()
        shutil.copytree(f"{self.templates}/{name}/record",
                        f"{self.folder}/record", dirs_exist_ok=True)
        self.ledger = self.sender.ledger = Record(f"{self.folder}/record")

    def arm(self):
        if self.what is None:
            for rule, call in enumerate(KINDS):
                self.faults.set(rule, KINDS[call], FILES.get(call, STORE))
            return
        call, error, times, n = self.what
        self.faults.set(0, KINDS[call], FILES.get(call, STORE), "fail",
                        getattr(errno, error), n,
                        1 if times == "once" else 0)

    def start(self):
        try:
            if not self.groupd.serve():
                self.note_end(harness.COULD_NOT_START, harness.UNKNOWN)
        except TimeoutError as e:
            self.wrong.append(str(e))

    def note_end(self, *allowed):
        self.status = self.groupd.process.wait(harness.PATIENCE)
        if self.status not in allowed:
            self.wrong.append(f"it ended with {self.status}")
        elif not any(": error: " in w for w in self.groupd.words()):
            self.wrong.append("it ended without a word")

    def send(self, *sizes):
        for size in sizes:
            if not self.groupd.is_there():
                return
            self.sender.send(size)

    def quiet(self):
        """Until it does nothing more by itself."""
        def counts():
            return [self.faults.seen(rule) for rule in range(len(KINDS))]
        before, end = None, time.monotonic() + 3
        while counts() != before and time.monotonic() < end:
            before = counts()
            time.sleep(0.12)

    def read_along(self):
        """What may be asked of one that lives, or is just dying."""
        try:
            self.wrong += [f"while it ran: {w}" for w in audit(
                self.groupd, f"{self.folder}/record", GROUP)]
        except (harness.Refused, OSError) as e:
            if self.groupd.ended(2) is None:
                self.wrong.append(f"while it ran, reading failed: {e}")

    def look(self):
        if self.groupd.is_there():
            self.read_along()
        if not self.groupd.is_there() and self.status is None:
            self.note_end(harness.UNKNOWN)
        if "silent" in self.sender.results:
            self.wrong.append("it did not answer")
        if (self.what and self.what[0] == "sync" and self.faults.hit(0) > 0
                and self.sender.ack_ns > self.faults.hit_ns(0)):
            self.wrong.append("it acknowledged after a failed sync")

    def recover(self):
        self.sender.close()
        self.groupd.kill()
        if not self.groupd.serve(faulty=False):
            self.wrong.append("it does not start again")
            return
        left = self.sender.settle()
        if left:
            self.wrong.append(f"not stored, even then: {left[:3]}")
        self.wrong += audit(self.groupd, f"{self.folder}/record", GROUP)
        self.sender.close()
        status = self.groupd.end()
        if status != 0:
            self.wrong.append(f"without faults it ended with {status}")
        self.wrong += [f"integrity: {w}"
                       for w in integrity(f"{self.folder}/data")]

    def play(self, scene):
        try:
            scene(self)
            self.look()
            hit = self.faults.hit(0)
            self.recover()
        except Exception as e:  # pylint: disable=broad-except
            self.wrong.append(f"{type(e).__name__}: {e}")
            hit = 0
        finally:
            self.groupd.kill()
            self.ledger.close()
        return hit


def scene_new(run):
    run.arm()
    run.start()
    run.send(*[0, 100, 5000, 0, BIG] * 4)


def scene_again(run):
    run.use("killed")
    run.arm()
    run.start()
    run.send(*[0, 100, 5000, 0, BIG] * 4)


def scene_wal(run):
    run.start()
    run.send(*[BIG] * 24)
    run.arm()
    run.send(*[BIG, 0] * 8)


def scene_seal(run):
    run.use("old")
    run.arm()
    run.start()
    run.send(0, 100, 0)
    run.quiet()
    run.send(0, 5000, 0)


def scene_shut(run):
    run.use("killed")
    run.start()
    run.send(0, BIG)
    run.arm()
    if run.groupd.is_there():
        run.sender.close()
        run.status = run.groupd.end()
        if run.status < 0:
            run.wrong.append(f"it ended with {run.status}")


SCENES = {name[6:]: scene for name, scene in list(globals().items())
          if name.startswith("scene_")}


def make_template(folder, name, sizes, number):
    if os.path.exists(f"{folder}/{name}"):
        return
    os.makedirs(f"{folder}/{name}/data")
    ledger = Record(f"{folder}/{name}/record")
    with Groupd(f"{folder}/{name}", f"{folder}/{name}/data") as groupd:
        groupd.serve()
        sender = Sender(groupd, ledger, GROUP, f"before-{name}")
        for size in sizes:
            assert sender.send(size) == "sent"
        groupd.kill(number)
    ledger.close()


def make_templates(folder, scenes):
    """Stores that scenes begin with: one whose groupd was killed with a long
    log, one whose messages are old enough to be sealed at once."""
    if {"again", "shut"} & set(scenes):
        make_template(folder, "killed", [BIG] * 24, signal.SIGKILL)
    if "seal" in scenes:
        make_template(folder, "old", [0, 0, 5000] * 40, signal.SIGTERM)
        time.sleep(SEALED_AT)


def count_calls(base, scene):
    run = Run(f"{base}/count", f"{base}/templates", None)
    run.play(SCENES[scene])
    if run.wrong or run.sender.open_ones:
        raise AssertionError(f"{scene} without faults: {run.wrong}")
    return {call: run.faults.seen(rule) for rule, call in enumerate(KINDS)}


def play(base, scene, what):
    run = Run(f"{base}/{os.getpid()}", f"{base}/templates", what)
    hit = run.play(SCENES[scene])
    if run.wrong:
        run.wrong += [f"(log) {w}" for w in run.groupd.words()[-3:]]
    return hit, run.status, run.sender.results, run.wrong


def plan(counts):
    for call in os.environ.get("CALLS", " ".join(KINDS)).split():
        for error in os.environ.get("ERRORS", "EIO ENOSPC").split():
            for times in os.environ.get("TIMES", "once always").split():
                last = min(counts[call], UPTO)
                step = max(1, -(-(last - FROM + 1) // COUNT))
                for n in range(FROM, last + 1, step):
                    yield call, error, times, n


class Sums:
    def __init__(self):
        self.runs = self.hit = self.ended = self.on = self.failed = 0
        self.acks = self.refused = 0

    def add(self, hit, status, results, wrong):
        self.runs += 1
        self.hit += hit > 0
        self.ended += status is not None
        self.on += status is None
        self.failed += bool(wrong)
        self.acks += sum(r in ("sent", "duplicate") for r in results)
        self.refused += sum(r == "out_of_space" for r in results)

    def __str__(self):
        return (f"{self.runs} runs, the fault came in {self.hit}; groupd ended "
                f"in {self.ended}, went on in {self.on}; {self.acks} "
                f"acknowledged, {self.refused} refused for space, "
                f"{self.failed} runs in which something was wrong")


def torture(base, scene, pool):
    counts = count_calls(base, scene)
    print(f"# {scene}: " + ", ".join(f"{n} {c}" for c, n in counts.items()),
          flush=True)
    sums, began = Sums(), time.monotonic()
    jobs = [(what, pool.submit(play, base, scene, what))
            for what in plan(counts)]
    for what, job in jobs:
        result = job.result()
        sums.add(*result)
        if result[3]:
            print(f"not ok {scene} {' '.join(map(str, what))}: "
                  f"{'; '.join(result[3])}", flush=True)
    print(f"# {scene}: {sums}; {time.monotonic() - began:.0f} s")
    right = sums.failed == 0 and sums.hit > 0
    print(f"{'ok' if right else 'not ok'} {scene}: whichever call fails, what "
          "was acknowledged is there", flush=True)
    return right


def main():
    args = sys.argv[1:]
    base = tempfile.mkdtemp(prefix="groupfs-calls.", dir=os.environ.get(
        "FOLDER", "/dev/shm"))
    try:
        make_templates(f"{base}/templates", args[:1] if len(args) == 5
                       else args or SCENES)
        if len(args) == 5:
            scene, call, error, times, n = args
            print(play(base, scene, (call, error, times, int(n))))
            return 0
        with ProcessPoolExecutor(JOBS) as pool:
            return 0 if all([torture(base, scene, pool)
                             for scene in args or SCENES]) else 1
    finally:
        if not os.environ.get("KEEP"):
            shutil.rmtree(base)


if __name__ == "__main__":
    sys.exit(main())
