# SPDX-License-Identifier: MIT
"""Kills `groupctl migrate` at a random moment, ten times, and until the last
time leaves a new store that is not complete; prints how often it was killed.
kill_migrate.py DIR COMMAND... TO; DIR has the new store alone, but media/."""
import glob
import os
import random
import sqlite3
import subprocess
import sys
import time

folder, command = sys.argv[1], sys.argv[2:]


def run(seconds):
    """Whether it had to be killed."""
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
    try:
        p.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
        return True


def remove():
    for name in glob.glob(folder + "/*.db*"):
        os.unlink(name)


def is_begun():
    try:
        db = sqlite3.connect(f"file:{folder}/groupd.db?mode=ro", uri=True)
        try:
            return db.execute("SELECT count(*) FROM meta"
                              " WHERE k='moved_from'").fetchone()[0] == 1
        finally:
            db.close()
    except sqlite3.Error:
        return False


began = time.monotonic()
run(60)
whole = time.monotonic() - began
remove()
kills = 0
while kills < 10 or not is_begun():
    if run(random.uniform(0, whole)):
        kills += 1
    else:
        remove()
print(kills)
