#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plays systemd for one groupd: passes sockets, listens to what it is told,
wants its watchdog. Shares no code with us.

  systemd.py FOLDER GROUPD ARGUMENT...

FOLDER/groupd.sock is the socket that is passed. Prints "ok WHAT" and
"not ok WHAT: WHY".
"""
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import time

FOLDER, *COMMAND = sys.argv[1:]
PATH = f"{FOLDER}/groupd.sock"
WATCHDOG = 0.25  # seconds
STALL = 10      # watchdogs that a commit may hang, by groupd(8)
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                        ctypes.c_void_p]


def check(what, holds, why=""):
    print(f"ok {what}" if holds else f"not ok {what}: {why!r}", flush=True)


class Told:
    """The notify socket."""

    def __init__(self, path):
        self.path = path
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        self.all = []

    def read(self, seconds):
        """One notification as a dict; None when there is none in time."""
        self.sock.settimeout(max(seconds, 0.001))
        try:
            text = self.sock.recv(65536).decode()
        except (TimeoutError, socket.timeout):
            return None
        fields = dict(line.split("=", 1) for line in text.splitlines() if line)
        self.all.append(fields)
        return fields

    def until(self, seconds, wanted):
        """The first that is wanted; None at the deadline."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            fields = self.read(left)
            if fields is not None and wanted(fields):
                return fields
        return None

    def is_silent(self, seconds):
        """WATCHDOG=1 does not come."""
        return self.until(seconds, lambda f: "WATCHDOG" in f) is None

    def barks(self, n, seconds=20):
        """When WATCHDOG=1 came n times; fewer at the deadline."""
        end = time.monotonic() + seconds
        times = []
        while len(times) < n and self.until(
                end - time.monotonic(), lambda f: "WATCHDOG" in f):
            times.append(time.monotonic())
        return times

    def empty(self):
        while self.read(0) is not None:
            pass


def listening(path):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.path.exists(path):
        os.unlink(path)
    s.bind(path)
    os.chmod(path, 0o666)
    s.listen(64)
    return s


def start(told, fds, names):
    """groupd with these descriptors from 3 on, and the variables."""
    kept = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]

    def become():
        for i, fd in enumerate(kept):
            os.dup2(fd, 3 + i)
        pid = str(os.getpid())
        os.environ.update(
            LISTEN_PID=pid, LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names,
            WATCHDOG_PID=pid, WATCHDOG_USEC=str(int(WATCHDOG * 1e6)))
        os.execvp(COMMAND[0], COMMAND + ["--socket", PATH])

    os.environ["NOTIFY_SOCKET"] = told.path
    # The child sets its own pid, which nobody else knows.
    pid = os.fork()
    if pid == 0:
        become()
    for fd in kept:
        os.close(fd)
    return pid


def ended(pid, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def ctl(*args):
    return subprocess.run(
        [f"{os.path.dirname(COMMAND[0])}/groupctl", "--socket", PATH, *args],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30,
        check=False)


def refused(told, fds, names, words):
    """A start with what groupd has no use for."""
    log = f"{FOLDER}/refused.log"
    saved = os.dup(2)
    with open(log, "wb") as f:
        os.dup2(f.fileno(), 2)
    pid = start(told, fds, names)
    os.dup2(saved, 2)
    os.close(saved)
    code = ended(pid)
    with open(log, encoding="utf-8") as f:
        text = f.read()
    check(f"refused in words: {words}",
          code == 1 and re.search(words, text) is not None, (code, text))
    check("and it was never ready", told.until(0.05, lambda f: "READY" in f)
          is None)


def refusals(told, mine):
    other = listening(f"{FOLDER}/other.sock")
    tcp = socket.create_server(("127.0.0.1", 0))
    refused(told, [mine.fileno(), tcp.fileno()], "groupd.socket:http",
            "passes 2 descriptors")
    refused(told, [tcp.fileno()], "http", r"3 \(http\) is no Unix socket")
    refused(told, [other.fileno()], "x", "other.sock.*groupd.sock")
    other.close()
    tcp.close()


def reloads(told, pid, config):
    os.kill(pid, signal.SIGHUP)
    first = told.until(5, lambda f: "RELOADING" in f) or {}
    usec = int(first.get("MONOTONIC_USEC", 0))
    now = time.clock_gettime(time.CLOCK_MONOTONIC) * 1e6
    check("SIGHUP says RELOADING=1, and when", now - 5e6 < usec <= now,
          (first, now))
    check("then READY=1", told.until(5, lambda f: "READY" in f) is not None)
    with open(config, "w", encoding="utf-8") as f:
        f.write("nonsense = 1\n")
    os.kill(pid, signal.SIGHUP)
    told.until(5, lambda f: "RELOADING" in f)
    after = told.until(5, lambda f: "READY" in f) or {}
    check("a wrong file is in the status, with its line",
          re.search("kept the old configuration: .*:1: unknown key",
                    after.get("STATUS", "")) is not None, after)
    os.unlink(config)
    with open(config, "w", encoding="utf-8"):
        pass
    os.kill(pid, signal.SIGHUP)
    after = told.until(5, lambda f: "READY" in f) or {}
    check("a right one takes it away",
          after.get("STATUS", "").startswith("serving on ") and
          "kept" not in after["STATUS"], after)


def stops_of_the_loop(told, pid):
    told.empty()
    times = told.barks(6)
    gap = min((b - a for a, b in zip(times, times[1:])), default=9)
    check("the watchdog hears of it at half of its time",
          len(times) == 6 and gap < 0.75 * WATCHDOG, times)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.05)
    told.empty()
    check("a loop that stands still says nothing",
          told.is_silent(3 * WATCHDOG), told.all[-3:])
    os.kill(pid, signal.SIGCONT)
    check("one that goes on does", len(told.barks(3)) == 3)


def hold(tid):
    """That thread alone stands still."""
    for request in PTRACE_SEIZE, PTRACE_INTERRUPT:
        if libc.ptrace(request, tid, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request}")
    os.waitpid(tid, 0x40000000)  # __WALL


def hung_commit(told, pid):
    threads = [int(t) for t in os.listdir(f"/proc/{pid}/task")
               if int(t) != pid]
    lane = [t for t in threads if comm(pid, t) == "lane"]
    check("there is one lane", len(lane) == 1, threads)
    hold(lane[0])
    seen = len(told.all)
    time.sleep((STALL + 1) * WATCHDOG)
    told.empty()
    check("a lane that has nothing to do may sleep",
          len(told.barks(2)) == 2 and not any(
              "does not get on" in f.get("STATUS", "")
              for f in told.all[seen:]), told.all[seen:])
    ask = subprocess.Popen(
        [f"{os.path.dirname(COMMAND[0])}/groupctl", "--socket", PATH, "user",
         "add", "ann"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    check("a commit may take a while", len(told.barks(3)) == 3)
    bad = told.until(20, lambda f: "does not get on" in f.get("STATUS", ""))
    check("one that hangs is in the status", bad is not None, told.all[-3:])
    check("and the watchdog is left to bark", "WATCHDOG" not in (bad or {}) and
          told.is_silent(3 * WATCHDOG), told.all[-3:])
    seen = len(told.all)
    libc.ptrace(PTRACE_DETACH, lane[0], None, None)
    check("when it comes back, it is as it was",
          len(told.barks(3)) == 3 and any(
              f.get("STATUS", "").startswith("serving")
              for f in told.all[seen:]), told.all[seen:])
    check("and what was asked is done", ask.wait(20) == 0)


def comm(pid, tid):
    with open(f"/proc/{pid}/task/{tid}/comm", encoding="utf-8") as f:
        return f.read().strip()


def restart(told, mine, pid):
    """Who connects while there is no groupd waits."""
    os.kill(pid, signal.SIGTERM)
    check("SIGTERM says STOPPING=1",
          told.until(5, lambda f: "STOPPING" in f) is not None)
    check("and ends it", ended(pid) == 0)
    check("the socket is left to systemd", os.path.exists(PATH))
    early = subprocess.Popen(
        [f"{os.path.dirname(COMMAND[0])}/groupctl", "--socket", PATH,
         "status"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    check("a client that comes meanwhile waits", early.poll() is None)
    pid = start(told, [mine.fileno()], "groupd.socket")
    check("the next one is ready", told.until(
        20, lambda f: f.get("READY") == "1") is not None)
    check("and the client is served", early.wait(20) == 0)
    return pid


def main():
    config = COMMAND[COMMAND.index("-c") + 1]
    told = Told(f"{FOLDER}/notify")
    mine = listening(PATH)
    refusals(told, mine)
    pid = start(told, [mine.fileno()], "groupd.socket")
    ready = told.until(20, lambda f: f.get("READY") == "1") or {}
    check("it is ready, and says what it serves where", re.fullmatch(
        rf"serving on 127\.0\.0\.1:\d+ and {re.escape(PATH)}: 0 groups in use,"
        r" 0 clients, 0 WebSockets and streams",
        ready.get("STATUS", "")) is not None, ready)
    check("it answers on the socket that it was given",
          ctl("status").returncode == 0)
    reloads(told, pid, config)
    stops_of_the_loop(told, pid)
    if os.geteuid() == 0:
        hung_commit(told, pid)
    pid = restart(told, mine, pid)
    os.kill(pid, signal.SIGTERM)
    check("it ends", ended(pid) == 0)


main()
