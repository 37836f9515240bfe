#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""fsync fails truly: the disk of groupd's store is a file in a file system that
has no room for all of it. groupd stops at the first error; started again on the
same mount, where the kernel shows what never reached the disk, it acknowledges
nothing that a power cut then takes.

  badsync.py [RUNS]   (20)

Prints "ok WHAT" or "not ok WHAT: WHY" a line; "skip WHY" and 77 where no disk
can be made.
"""
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from disk import Disk, own_mounts, run, skip, why_not
from groupd import UNKNOWN, Groupd, Sender, audit, integrity
from record import Record

DISK = 64
ROOM = 256  # MiB that are enough
SENDS = 4000
SIZES = (0, 0, 100, 3000, 60000)


class Small:
    """A tmpfs, whose size changes."""

    def __init__(self, point):
        self.point = point
        os.makedirs(point)
        run("mount", "-t", "tmpfs", "-o", f"size={ROOM}m", "none", point)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.point], check=False)

    def resize(self, size):
        run("mount", "-o", f"remount,size={size}", self.point)

    def leave(self, size):
        """So many bytes."""
        s = os.statvfs(self.point)
        self.resize((s.f_blocks - s.f_bfree) * s.f_bsize + size)


def keep_journal(disk):
    """Has the room for the file system's own log be there, so that what fails
    is what groupd writes, and the mount may go on."""
    def ask(what):
        return subprocess.run(["debugfs", "-R", what, disk.image],
                              capture_output=True, text=True, check=True).stdout
    block = int(re.search(r"Block size: *(\d+)", ask("stats -h")).group(1))
    with open(disk.image, "r+b") as image:
        for first, last in re.findall(r"\(\d+-\d+\):(\d+)-(\d+)",
                                      ask("stat <8>")):
            os.posix_fallocate(image.fileno(), int(first) * block,
                               (int(last) - int(first) + 1) * block)


def write_pages(disk):
    """Has each page be a request of its own: of a longer one that is written in
    part, the loop device says that all was."""
    device = os.path.basename(disk.device())
    with open(f"/sys/block/{device}/queue/max_sectors_kb", "w",
              encoding="ascii") as file:
        file.write("4")


class Try:
    def __init__(self, folder, number):
        self.folder, self.chance = folder, random.Random(number)
        self.wrong = []
        self.again = "nothing"

    def fill(self, groupd, sender):
        """Until it does not acknowledge; then it is to end."""
        result = "sent"
        while result == "sent" and sender.count < SENDS:
            result = sender.send(self.chance.choice(SIZES))
        if groupd.ended(10) is None:
            self.wrong.append(f"after \"{result}\" it went on")
            return
        if groupd.process.returncode != UNKNOWN:
            self.wrong.append(f"it ended with {groupd.process.returncode}")
        if not any("disk fails under the store" in w or
                   "No space is left on the disk" in w
                   for w in groupd.words()):
            self.wrong.append(f"in other words: {groupd.words()[-1:]}")

    def go_on(self, groupd, sender, disk):
        """On the same mount, if the file system lets it; then the power is
        cut."""
        if groupd.serve():
            sender.settle()
            self.again = "duplicate" if "duplicate" in sender.results \
                else "sent"
            if groupd.is_there():
                groupd.hold()
                disk.cut()
        groupd.kill()
        sender.close()
        disk.umount()
        disk.mount()
        if not groupd.serve():
            self.wrong.append(f"it does not start: {groupd.words()[-1:]}")
            return
        self.wrong += [f"not stored, even then: {n}" for n in sender.settle()]
        self.wrong += audit(groupd, f"{self.folder}/record", "dev")
        groupd.end()
        self.wrong += integrity(groupd.data)

    def play(self):
        with Small(f"{self.folder}/small") as small, \
                Disk(small.point, "ext4", DISK) as disk:
            disk.make("-b", "4096")
            keep_journal(disk)
            disk.mount()
            write_pages(disk)
            ledger = Record(f"{self.folder}/record")
            with Groupd(self.folder, f"{disk.point}/data") as groupd:
                sender = Sender(groupd, ledger, "dev", "w")
                groupd.serve()
                sender.send()
                os.sync()
                small.leave(self.chance.randrange(256 << 10, 4 << 20))
                self.fill(groupd, sender)
                small.resize(f"{ROOM}m")
                if not self.wrong:
                    self.go_on(groupd, sender, disk)
                groupd.kill()
                disk.umount()
            ledger.close()
        return self


def main():
    own_mounts()
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    base = tempfile.mkdtemp(prefix="groupfs-badsync.", dir=os.environ.get(
        "FOLDER", "/dev/shm"))
    again, wrong = {}, []
    try:
        why = why_not("ext4", base)
        if why:
            skip(why)
        for number in range(runs):
            folder = f"{base}/{number}"
            os.makedirs(folder)
            one = Try(folder, number).play()
            again[one.again] = again.get(one.again, 0) + 1
            wrong += [f"run {number}: {w}" for w in one.wrong]
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    print(f"# on the same mount the last message was stored anew in "
          f"{again.get('sent', 0)} runs, was there already in "
          f"{again.get('duplicate', 0)}; {again.get('nothing', 0)} could not go "
          "on there")
    print(f"{'not ok' if wrong else 'ok'} {runs} true errors of fsync: groupd "
          "stops at the first, and nothing acknowledged is lost"
          + (f": {'; '.join(wrong[:5])}" if wrong else ""))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
