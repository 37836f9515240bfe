#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Kills a process (SIGKILL) as soon as something is in the file system.

  killer.py PID SECONDS PATTERN [NOT-PATTERN]   PATTERN: a glob that matches
                                                something, NOT-PATTERN nothing

Says "watching" as it begins to look, and ends with 1 where that did not happen
in so many seconds.
"""
import glob
import os
import signal
import sys
import time


def main():
    pid, seconds, pattern = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    without = sys.argv[4:]
    end = time.monotonic() + seconds
    print("watching", flush=True)
    while time.monotonic() < end:
        if glob.glob(pattern) and not any(glob.glob(p) for p in without):
            os.kill(pid, signal.SIGKILL)
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
