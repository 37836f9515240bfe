#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A program has no descriptors left (descriptors.sh).

descriptors.py PID HOW    HOW: "wire", of groupd by its socket, or "rest"

It may have 16 descriptors more than it has, and 64 clients come. Meanwhile
it does not spin, and who was there is served; and when they have gone, or it may
have more, who comes is served at once. Prints results as lib.sh's results()
takes them.
"""
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time

from programs import LISTEN, PATIENCE, SOCKET, Wire, say

CROWD = 64
ROOM = 16
LOOK_SECONDS = 0.5 if os.environ.get("TORTURE") == "short" else 2
MOST_RUNS = 0.3
BACK_SECONDS = 1


class ByWire:
    def knock(self):
        crowd = socket.socket(socket.AF_UNIX)
        crowd.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            crowd.connect(SOCKET)
        return crowd

    def __init__(self):
        self.wire = Wire(SOCKET)
        self.wire.open_principal()

    def ask(self):
        self.wire.ask("LIST_GROUPS", 0, 100)

    def close(self):
        self.wire.socket.close()


class ByRest:
    def knock(self):
        host, port = LISTEN.split(":")
        crowd = socket.socket()
        crowd.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            crowd.connect((host, int(port)))
        return crowd

    def __init__(self):
        self.connection = http.client.HTTPConnection(LISTEN, timeout=5)
        self.ask()

    def ask(self):
        self.connection.request("GET", "/api/groups", headers={
            "Authorization": "Bearer " + os.environ["TOKEN"]})
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")

    def close(self):
        self.connection.close()


def cpu(pid):
    """Seconds that it has had."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def runs(pid):
    """Whether it runs or would: also on a machine that has no time for it."""
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "R"


def descriptors(pid):
    return [int(n) for n in os.listdir(f"/proc/{pid}/fd")]


def limit_of(pid):
    with open(f"/proc/{pid}/limits") as file:
        row = [line for line in file if line.startswith("Max open files")][0]
    return tuple(map(int, row.split()[3:5]))


def limit(pid, soft, hard):
    """As the user that it is: root need not be allowed to."""
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.split(":", 1) for line in file)
    uid, gid = (status[name].split()[0] for name in ("Uid", "Gid"))
    subprocess.run(
        ["setpriv", f"--reuid={uid}", f"--regid={gid}",
         "--clear-groups", "prlimit", "--pid", str(pid),
         f"--nofile={soft}:{hard}"], check=True)


def timed(do):
    began = time.monotonic()
    do()
    return time.monotonic() - began


def comes(how):
    """The seconds until one who comes now has been served."""
    return timed(lambda: how().close())


def want(pid, how, relieve):
    """relieve(crowd): how it is over."""
    there = how()
    soft, hard = limit_of(pid)
    # A new one gets the lowest number; those above the limit stay.
    taken = set(descriptors(pid))
    free = [n for n in range(len(taken) + ROOM) if n not in taken]
    limit(pid, free[ROOM - 1] + 1, hard)
    crowd = [there.knock() for _ in range(CROWD)]
    time.sleep(0.2)
    had, began = cpu(pid), time.monotonic()
    slowest, looks = 0, []
    while time.monotonic() < began + LOOK_SECONDS:
        slowest = max(slowest, timed(there.ask))
        for _ in range(5):
            time.sleep(0.02)
            looks.append(runs(pid))
    share = (cpu(pid) - had) / (time.monotonic() - began)
    relieve(crowd)
    back = comes(how)
    limit(pid, soft, hard)
    for one in crowd:
        one.close()
    there.close()
    return share, sum(looks) / len(looks), slowest, back


def main():
    pid, how = int(sys.argv[1]), {"wire": ByWire, "rest": ByRest}[sys.argv[2]]

    def leave(crowd):
        for one in crowd:
            one.close()

    def allow(_):
        hard = limit_of(pid)[1]
        limit(pid, hard, hard)

    for what, relieve in (("they leave", leave), ("it may have more", allow)):
        share, running, slowest, back = want(pid, how, relieve)
        print(f"# {100 * share:.1f} % of a processor (aim: 5), "
              f"{100 * running:.0f} % of the time runnable; who was there is answered"
              f" in {1000 * slowest:.0f} ms; when {what}, who comes in "
              f"{1000 * back:.0f} ms")
        say("without descriptors it does not spin",
            running > MOST_RUNS and f"{100 * running:.0f} % runnable")
        say("who was there is served", slowest > BACK_SECONDS * PATIENCE
            and f"after {slowest:.1f} s")
        say(f"who comes is served when {what}", back > BACK_SECONDS * PATIENCE
            and f"after {back:.1f} s")


if __name__ == "__main__":
    main()
