#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The disk of groupd's store is full, or in each second run the quota of its
user: sends are refused as out_of_space, all else works, and sends work again
when there is room, without a restart.

  fulldisk.py [RUNS]   (20)

Prints "ok WHAT" or "not ok WHAT: WHY" a line; "skip WHY" and 77 where no disk
can be made.
"""
import errno
import os
import random
import shutil
import sys
import tempfile

from disk import Disk, own_mounts, skip, why_not
from faults import DB, WAL, Faults
from groupd import Groupd, Sender, audit, integrity
from record import Record

DISK = 24
SIZES = (0, 100, 3000, 60000)
REFUSED = 20  # sends that are tried when it is full


class Ballast:
    """All the room that there is."""

    def __init__(self, point):
        self.point, self.path = point, f"{point}/ballast"

    def take(self):
        with open(self.path, "wb", buffering=0) as file:
            piece = 1 << 20
            while piece >= 512:
                try:
                    file.write(bytes(piece))
                except OSError:
                    piece //= 2
        os.sync()
        return (["the disk is not full"]
                if os.statvfs(self.point).f_bavail > 1 else [])

    def give_back(self):
        os.unlink(self.path)


class Quota:
    """Played by faults.so: root, as whom this runs, has none."""

    def __init__(self, faults):
        self.faults = faults

    def take(self):
        self.faults.set(0, "write", f"{DB} {WAL}", "fail", errno.EDQUOT)
        return []

    def give_back(self):
        self.faults.clear(0)


class Try:
    def __init__(self, folder, number):
        self.folder, self.chance = folder, random.Random(number)
        self.has_quota = number % 2 == 1
        self.wrong = []
        self.refused = 0

    def size(self):
        return self.chance.choice(SIZES)

    def fill(self, sender):
        """There may be room in the files themselves."""
        result = "sent"
        while result == "sent" and sender.count < 5000:
            result = sender.send(self.size())
        results = {result} | {sender.attempt(list(sender.open_ones)[-1])
                              for _ in range(REFUSED)}
        self.refused += 1 + REFUSED
        if results != {"out_of_space"}:
            self.wrong.append(f"when full it answers {results}")

    def play(self):
        with Disk(self.folder, "ext4", DISK) as disk:
            disk.make()
            disk.mount()
            ledger = Record(f"{self.folder}/record")
            faults = Faults(f"{self.folder}/faults", program="groupd")
            room = Quota(faults) if self.has_quota else Ballast(disk.point)
            with Groupd(self.folder, f"{disk.point}/data", faults) as groupd:
                sender = Sender(groupd, ledger, "dev", "w")
                groupd.serve()
                for _ in range(self.chance.randrange(1, 60)):
                    sender.send(self.size())
                self.wrong += room.take()
                self.fill(sender)
                self.wrong += [f"when full: {w}" for w in self.audit(groupd)]
                room.give_back()
                self.wrong += [f"with room it is not stored: {n}"
                               for n in sender.settle()]
                if sender.send(60000) != "sent":
                    self.wrong.append("with room it does not store")
                sender.close()
                if not groupd.is_there():
                    self.wrong.append("it has ended")
                groupd.kill()
                groupd.serve()
                self.wrong += self.audit(groupd)
                self.wrong += [] if groupd.end() == 0 else ["it ended badly"]
                self.wrong += integrity(groupd.data)
                # A line a minute, not one a refusal.
                said = sum("no space left" in w for w in groupd.words())
                if said > 2:
                    self.wrong.append(f"the log says {said} times that there "
                                      "is no space left")
            disk.umount()
            ledger.close()
        return self

    def audit(self, groupd):
        return audit(groupd, f"{self.folder}/record", "dev")


def main():
    own_mounts()
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    base = tempfile.mkdtemp(prefix="groupfs-fulldisk.", dir=os.environ.get(
        "FOLDER", "/dev/shm"))
    wrong, refused = [], 0
    try:
        why = why_not("ext4", base)
        if why:
            skip(why)
        for number in range(runs):
            folder = f"{base}/{number}"
            os.makedirs(folder)
            one = Try(folder, number).play()
            refused += one.refused
            wrong += [f"run {number}: {w}" for w in one.wrong]
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"{'not ok' if wrong else 'ok'} {runs - runs // 2} full disks, "
          f"{runs // 2} full quotas: {refused} sends "
          "refused in words, all can be read, and with room it goes on"
          + (f": {'; '.join(wrong[:5])}" if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
