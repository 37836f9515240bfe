# SPDX-License-Identifier: MIT
"""Our programs, started and killed by a torture test that lib.sh has prepared:
$BUILD, $T (the test's folder), $SOCKET, $LISTEN. Their words go into $T/*.log.
"""
import glob
import os
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path[:0] = [TOP + "/tests/system"]

from wireclient import Wire  # noqa: E402

BUILD, T = os.environ["BUILD"], os.environ["T"]
SOCKET, LISTEN = os.environ["SOCKET"], os.environ["LISTEN"]
# Where groupd's locks let it, and a gateway, read and write: beside the socket.
CONTROL = os.path.dirname(SOCKET) + "/faults"
PATIENCE = float(os.environ.get("GROUPFS_TEST_PATIENCE", 1))


class Groupd:
    def __init__(self, *options):
        self.options = options
        self.process = None

    def start(self, env=None):
        with open(T + "/groupd.log", "ab") as log:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                [BUILD + "/groupd", "--data", T + "/data", "--socket", SOCKET,
                 "--listen", LISTEN, *self.options], stderr=log, env=env)

    def serves(self):
        try:
            Wire(SOCKET).socket.close()
            return True
        except OSError:
            return False

    def wait(self, seconds=20):
        """The seconds from its start until it has answered; None: it ended."""
        while self.process.poll() is None:
            if self.serves():
                return time.monotonic() - self.began
            if time.monotonic() > self.began + seconds * PATIENCE:
                raise TimeoutError("groupd does not serve")
            time.sleep(0.002)
        return None

    def ended(self, seconds):
        """Its status, negative for a signal, or None: it goes on."""
        try:
            return self.process.wait(seconds * PATIENCE)
        except subprocess.TimeoutExpired:
            return None

    def kill(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        return self.process.wait()


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
