# SPDX-License-Identifier: MIT
"""Orders for intruder.c, and what became of them.

    intruder.py FOLDER PROGRAM PID=WAKE... <ROWS

A row is WHAT<TAB>ARGUMENT<TAB>WANTED<TAB>SENTENCE: wanted is "done", "refused"
(EPERM, EACCES and the like: the process goes on) or "killed" (it was ended by
SIGSYS, or is gone). WAKE is a Unix socket to connect to, or a path to look at,
whereupon the process has its turn. Who is killed is not used again: there must
be as many processes as such rows, and one more for what follows. Prints "ok
SENTENCE" or "not ok SENTENCE: WHY".
"""
import os
import socket
import subprocess
import sys
import time

REFUSED = {"EPERM", "EACCES", "EXDEV", "ENOSYS", "ESRCH"}


def wake(how):
    if os.path.isdir(how):
        # It may hang with who is killed.
        subprocess.Popen(["timeout", "5", "ls", how],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return
    for kind in socket.SOCK_STREAM, socket.SOCK_SEQPACKET:
        s = socket.socket(socket.AF_UNIX, kind)
        try:
            s.connect(how)
            # groupd looks at who says something.
            s.send(b"\0")
        except OSError:
            pass
        s.close()


def is_gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def outcome(log, n, pid):
    """By the log of the process, or its end."""
    with open(log) as f:
        for line in f:
            number, what = line.split()
            if int(number) == n:
                return what
    return "killed" if is_gone(pid) else None


def main():
    folder, program = sys.argv[1:3]
    targets = [t.partition("=") for t in sys.argv[3:]]
    orders, log = (f"{folder}/{program}.{what}" for what in ("orders", "log"))
    # What others have said before.
    os.truncate(log, 0)
    for n, row in enumerate(sys.stdin, 1):
        what, arg, wanted, sentence = row.rstrip("\n").split("\t")
        pid, _, how = targets[0]
        with open(orders + ".new", "w") as f:
            f.write(f"{n} {pid} {what} {arg}")
        with open(orders + ".new") as new, open(orders, "r+") as f:
            # In place: it has this file open.
            f.write(new.read().ljust(390))
        got, until = None, time.monotonic() + 20
        while got is None and time.monotonic() < until:
            wake(how)
            for _ in range(20):
                got = outcome(log, n, pid)
                if got is not None:
                    break
                time.sleep(0.005)
        if got == "killed":
            targets.pop(0)
        if got == wanted or (wanted == "refused" and got in REFUSED):
            print(f"ok {sentence}")
        else:
            print(f"not ok {sentence}: {what} {arg}: {got}")
        if not targets:
            break


main()
