#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The control file of faults.so (faults.c), to a test and on the command line.

    faults = Faults(path, program="groupd")
    run(["groupd", ...], env=faults.env(BUILD))
    faults.set(0, "write sync", files=STORE, does="fail", error=errno.EIO,
               nth=5, times=1)
    faults.seen(0), faults.hit(0), faults.hit_ns(0)

  faults.py FILE new [PROGRAM]
  faults.py FILE set RULE CALLS [KEY=VALUE...]    as set(); error=EIO
  faults.py FILE clear RULE
  faults.py FILE show                     RULE<TAB>SEEN<TAB>HIT of each that is

CALLS: words of write, sync, open, truncate, alloc, send, read; or sql alone: a
step of a statement whose SQL begins with one of `files`, which have ";" between
them. does: count,
fail, lie, kill-before, kill-after, tear, wait. nth: the first call that is
meant, of those from now on; times: how many, 0 for all. files: ends of paths.
A path ends with what it is to SQLite: see STORE.
"""
import errno as numbers
import mmap
import os
import struct
import sys

CALLS = {"write": 1, "sync": 2, "open": 4, "truncate": 8, "alloc": 16,
         "send": 32, "read": 64, "sql": 128}
DOES = ("count", "fail", "lie", "kill-before", "kill-after", "tear", "wait")
RULES = 8
MAGIC = 0x66746c73
HEAD = struct.Struct("<Q56s")
AHEAD = struct.Struct("<q")
RULE = struct.Struct("<IIIIQQQQQ200s")

# All that groupd's SQLite store consists of, the folder too.
STORE = "/groupd.db /groupd.db-wal /groupd.db-shm /groupd.db-journal /data /data/"
WAL = "/groupd.db-wal"
DB = "/groupd.db"


class Faults:
    def __init__(self, path, program=None):
        """program: None: the file is there."""
        self.path, self.program = path, program
        size = HEAD.size + RULES * RULE.size + AHEAD.size
        if program is not None:
            with open(path, "wb") as file:
                file.write(HEAD.pack(MAGIC, program.encode()).ljust(
                    size, b"\0"))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), size)

    def env(self, build):
        """LD_PRELOAD for a child; the sanitizers want to be the first."""
        return {**os.environ, "FAULTS": self.path,
                "LD_PRELOAD": os.environ.get("GROUPFS_TEST_PRELOAD", "")
                              + f" {build}/torture/faults.so",
                "ASAN_OPTIONS": "verify_asan_link_order=0:"
                                + os.environ.get("ASAN_OPTIONS", "")}

    def at(self, rule):
        return HEAD.size + rule * RULE.size

    def set(self, rule, calls, files="", does="count", error=0, nth=1,
            times=0):
        mask = 0
        for call in calls.split():
            mask |= CALLS[call]
        self.clear(rule)
        RULE.pack_into(self.map, self.at(rule), 0, DOES.index(does), error, 0,
                       nth, times, 0, 0, 0, files.encode())
        struct.pack_into("<I", self.map, self.at(rule), mask)

    def set_ahead(self, ms):
        """The program sees another time of day from now on."""
        AHEAD.pack_into(self.map, self.at(RULES), ms)

    def clear(self, rule):
        """The counts stay."""
        struct.pack_into("<I", self.map, self.at(rule), 0)

    def get(self, rule):
        return RULE.unpack_from(self.map, self.at(rule))

    def seen(self, rule):
        return self.get(rule)[6]

    def hit(self, rule):
        return self.get(rule)[7]

    def hit_ns(self, rule):
        """As time.monotonic_ns(), of the first; 0: there was none."""
        return self.get(rule)[8]


def main():
    path, command, *args = sys.argv[1:]
    if command == "new":
        Faults(path, args[0] if args else "")
        return
    faults = Faults(path)
    if command == "set":
        rule, calls, *words = args
        options = dict(w.split("=", 1) for w in words)
        for key in ("nth", "times"):
            if key in options:
                options[key] = int(options[key])
        error = options.get("error", "0")
        options["error"] = (int(error) if error.isdigit()
                            else getattr(numbers, error))
        faults.set(int(rule), calls, **options)
    elif command == "clear":
        faults.clear(int(args[0]))
    elif command == "show":
        for rule in range(RULES):
            if faults.get(rule)[0]:
                print(rule, faults.seen(rule), faults.hit(rule), sep="\t")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
