# SPDX-License-Identifier: MIT
"""Our programs, started and killed by a torture test that lib.sh has prepared:
$BUILD, $T (the test's folder), $SOCKET, $LISTEN. Their words go into $T/*.log.
"""
import glob
import os
import signal
import subprocess
import time

import groupd
from groupd import BUILD
from wireclient import Wire  # noqa: F401

T = os.environ["T"]
SOCKET, LISTEN = os.environ["SOCKET"], os.environ["LISTEN"]
# Where groupd's locks let it, and a gateway, read and write: beside the socket.
CONTROL = os.path.dirname(SOCKET) + "/faults"
PATIENCE = float(os.environ.get("GROUPFS_TEST_PATIENCE", 1))


class Groupd(groupd.Groupd):
    """The one of this test, with gateways."""

    def __init__(self, *options):
        super().__init__(T, T + "/data", socket=SOCKET,
                         options=("--listen", LISTEN, *options))


class Groupfs:
    """A mount, as an ordinary one is made."""

    def __init__(self, point):
        self.point = point
        self.process = None
        os.makedirs(point, exist_ok=True)

    def start(self):
        options = "socket=" + SOCKET
        if os.getuid() == 0:
            options += ",allow_other"
        with open(T + "/groupfs2.log", "ab") as log:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                [BUILD + "/groupfs", "-f", "-o", options, self.point],
                stderr=log)

    def wait(self, seconds=20):
        """The seconds from its start until its state can be read."""
        while time.monotonic() < self.began + seconds * PATIENCE:
            try:
                with open(self.point + "/.me/state") as state:
                    state.read()
                return time.monotonic() - self.began
            except OSError:
                time.sleep(0.005)
        raise TimeoutError("no mount")

    def kill(self):
        self.process.kill()
        self.process.wait()


def gateways():
    """The pids of those that serve this test."""
    mark = f"GROUPFS_TEST_ID={T}".encode()
    found = []
    for exe in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.readlink(exe) != BUILD + "/groupd-gateway":
                continue
            with open(exe[:-3] + "environ", "rb") as file:
                if mark in file.read().split(b"\0"):
                    found.append(int(exe.split("/")[2]))
        except OSError:
            pass
    return found


def kill_gateways():
    killed = gateways()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    return killed


def quantiles(what, times, limit_ms=None):
    """A comment: p50, p99 and the most of some seconds."""
    if not times:
        print(f"# {what}: none")
        return
    ms = sorted(1000 * t for t in times)
    p99 = ms[min(len(ms) - 1, int(len(ms) * 0.99))]
    aim = f" (aim: {limit_ms})" if limit_ms else ""
    print(f"# {what}: {len(ms)} times, p50 {ms[len(ms) // 2]:.0f} ms, "
          f"p99 {p99:.0f} ms{aim}, most {ms[-1]:.0f} ms", flush=True)


def say(what, wrong):
    """A line for results() of lib.sh."""
    print(f"not ok {what}: {wrong}" if wrong else f"ok {what}", flush=True)
