#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The power fails under groupd's disk while senders send: what was acknowledged
is there when it is back.

  powercut.py [KIND=CUTS...]       ext4=150 xfs=150, side by side
  powercut.py --lie [KIND=CUTS]    the same with an fdatasync of the log that does
                                   nothing (as PRAGMA synchronous=NORMAL): ends
                                   well where something is lost

A cut: groupd is stopped (SIGSTOP), so that no fsync is under way; the file
system is shut down, with all that it has not written; groupd is killed; the disk
is mounted again. Prints "ok WHAT" or "not ok WHAT: WHY" a line; "skip WHY" and
77 where no disk can be made.
"""
import os
import random
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from disk import Disk, own_mounts, skip, why_not
from faults import WAL, Faults
from groupd import Groupd, Sender, audit, integrity
from record import Record

SENDERS = 4
CUTS_A_DISK = 25
MEBIBYTES = 1024  # more than any machine fills meanwhile
SIZES = (0, 0, 0, 100, 3000, 60000)


class Senders:
    def __init__(self, groupd, ledger, cut):
        self.all = [Sender(groupd, ledger, "dev", f"c{cut}-{i}")
                    for i in range(SENDERS)]
        self.stop = False
        self.threads = [threading.Thread(target=self.work, args=(s,))
                        for s in self.all]
        self.all[0].enter()
        for thread in self.threads:
            thread.start()

    def work(self, sender):
        chance = random.Random(sender.name)
        while not self.stop:
            if sender.send(chance.choice(SIZES)) != "sent":
                return

    def end(self):
        self.stop = True
        for thread in self.threads:
            thread.join()

    def count(self, result):
        return sum(s.results.count(result) for s in self.all)

    def refusals(self):
        """Where the disk is well there is no reason for any."""
        return {r for s in self.all for r in s.results} - {
            "sent", "duplicate", "lost", "refused"}


class Tries:
    """Cuts of one disk after the other."""

    def __init__(self, folder, kind, lie):
        self.folder, self.kind, self.lie = folder, kind, lie
        self.cuts = self.acks = self.open = 0
        self.wrong = []
        os.makedirs(folder)

    def one(self, groupd, disk, ledger, chance):
        senders = Senders(groupd, ledger, self.cuts)
        time.sleep(chance.uniform(0.05, 0.3))
        groupd.hold()
        disk.cut()
        groupd.kill()
        senders.end()
        self.cuts += 1
        self.acks += senders.count("sent")
        disk.umount()
        disk.mount()
        if not groupd.serve():
            return [f"it does not start again: {groupd.words()[-1:]}"]
        wrong = [f"it answered {r}" for r in senders.refusals()]
        for sender in senders.all:
            self.open += len(sender.open_ones)
            if not self.lie:
                wrong += [f"not stored, even then: {n}"
                          for n in sender.settle()]
            sender.close()
        if not groupd.is_there() or groupd.ended(0) is not None:
            return wrong + [f"it has ended: {groupd.words()[-2:]}"]
        return wrong + audit(groupd, ledger_folder(self.folder), "dev")

    def on_one_disk(self, count):
        shutil.rmtree(ledger_folder(self.folder), ignore_errors=True)
        ledger = Record(ledger_folder(self.folder), sync=True)
        faults = Faults(f"{self.folder}/faults", program="groupd")
        if self.lie:
            faults.set(0, "sync", WAL, "lie")
        chance = random.Random(f"{self.kind} {self.cuts}")
        with Disk(self.folder, self.kind, MEBIBYTES) as disk:
            disk.make()
            disk.mount()
            data = f"{disk.point}/data"
            with Groupd(self.folder, data,
                        faults if self.lie else None) as groupd:
                groupd.serve()
                for _ in range(count):
                    wrong = self.one(groupd, disk, ledger, chance)
                    self.wrong += [f"cut {self.cuts}: {w}" for w in wrong]
                    if wrong:
                        break
                groupd.end()
                if not self.wrong:
                    self.wrong += integrity(data)
                groupd.kill()
            disk.umount()
        ledger.close()

    def all(self, count):
        while self.cuts < count and not self.wrong:
            self.on_one_disk(min(CUTS_A_DISK, count - self.cuts))
        return self


def ledger_folder(folder):
    return f"{folder}/record"


def say(tries):
    what = (f"{tries.kind}: {tries.cuts} power cuts, {tries.acks} "
            f"acknowledged, {tries.open} unknown")
    if tries.lie:
        lost = [w for w in tries.wrong if "acknowledged is lost" in w]
        print(f"{'ok' if lost else 'not ok'} {what}: without fdatasync "
              "acknowledged messages are lost"
              + ("" if lost else f": none was, but {tries.wrong[:3]}"))
        print(f"# {'; '.join(lost[:1])}")
        return bool(lost)
    print(f"{'not ok' if tries.wrong else 'ok'} {what}: nothing acknowledged "
          "is lost, nothing is wrong"
          + (f": {'; '.join(tries.wrong[:5])}" if tries.wrong else ""))
    return not tries.wrong


def main():
    own_mounts()
    args = sys.argv[1:]
    lie = args[:1] == ["--lie"]
    plan = args[1:] if lie else args
    plan = [p.split("=") for p in
            plan or (["ext4=12"] if lie else ["ext4=150", "xfs=150"])]
    base = tempfile.mkdtemp(prefix="groupfs-powercut.", dir=os.environ.get(
        "FOLDER", "/dev/shm"))
    try:
        for kind, _ in plan:
            why = why_not(kind, base)
            if why:
                skip(why)
        began = time.monotonic()
        with ThreadPoolExecutor(len(plan)) as pool:
            done = list(pool.map(lambda p: Tries(f"{base}/{p[0]}", p[0], lie)
                                 .all(int(p[1])), plan))
        right = [say(tries) for tries in done]
        print(f"# {time.monotonic() - began:.0f} s")
        return 0 if all(right) else 1
    finally:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
