#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What one subscriber that stopped reading costs the others.

  /usr/bin/python3 tests/bench/slow.py [--rounds N] [--json FILE]

100 WebSockets follow one group of a groupd of their own ($BUILD, build/).
Messages of 1 to 4 KiB are sent at a fixed rate, and each of 99 measures the
time from the send to its frame. Rounds of a second, with the 100th reading
and with it stopped (its socket full), alternate. Prints both p99s, as medians over the
rounds, and their ratio; the aim is <= 1.1. Only the ratio counts: client and
server share the machine.
"""
import argparse
import json
import os
import pwd
import random
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))
from rawws import Socket  # noqa: E402

BUILD = os.environ.get("BUILD", os.path.join(HERE, "..", "..", "build"))
SENT_AT = re.compile(rb'"content":"(\d+) ')
FOLLOWERS = 100
RATE = 50        # messages a second
MESSAGES = 50    # measured a round
FILLING = 100    # before: more than the socket of the stopped one takes


class Groupd:
    """One of our own, with a group; ends with the block."""

    def __init__(self, folder):
        self.socket = os.path.join(folder, "groupd.sock")
        self.process = subprocess.Popen(
            [BUILD + "/groupd", "--data", folder + "/data", "--socket",
             self.socket, "--listen", "127.0.0.1:0"],
            stderr=open(folder + "/log", "w"))

    def __enter__(self):
        deadline = time.monotonic() + 20
        while subprocess.run([BUILD + "/groupctl", "--socket", self.socket,
                              "status"], capture_output=True).returncode:
            if time.monotonic() > deadline:
                sys.exit("groupd did not start")
            time.sleep(0.1)
        self.ctl("create", "bench")
        status = json.loads(self.ctl("status", "--json"))
        os.environ["URL"] = "http://" + status["listen"]
        self.token = self.ctl("token", "create",
                              pwd.getpwuid(os.getuid()).pw_name)
        return self

    def ctl(self, *args):
        return subprocess.run(
            [BUILD + "/groupctl", "--socket", self.socket, *args], check=True,
            capture_output=True, text=True).stdout.strip()

    def __exit__(self, *what):
        self.process.terminate()
        self.process.wait()


class Scene:
    """The sockets; sends and reads in one thread."""

    def __init__(self, token):
        self.rng = random.Random(1)
        self.sender = Socket(token)
        self.sleeper = subscriber(token, 4096)
        self.others = [subscriber(token) for _ in range(FOLLOWERS - 1)]
        self.sent = 0
        self.seen = {ws: 0 for ws in (self.sleeper, *self.others)}
        self.times = []
        self.poll = select.epoll()
        self.by_fd = {}
        for ws in (self.sender, *self.others):
            self.listen(ws)

    def listen(self, ws):
        self.poll.register(ws.fileno(), select.EPOLLIN)
        self.by_fd[ws.fileno()] = ws

    def sleep(self):
        self.poll.unregister(self.sleeper.fileno())

    def send(self):
        text = "x" * self.rng.randrange(1000, 4000)
        self.sender.send(type="send", group="bench",
                         content=f"{time.monotonic_ns()} {text}")
        self.sent += 1

    def read(self, seconds):
        for fd, _ in self.poll.poll(max(seconds, 0)):
            ws = self.by_fd[fd]
            now = time.monotonic_ns()
            for text in ws.take():
                if not text.startswith(b'{"type":"message"'):
                    continue
                self.seen[ws] += 1
                if ws is not self.sleeper:
                    self.times.append(now - int(SENT_AT.search(text)[1]))

    def catch_up(self, readers):
        deadline = time.monotonic() + 20
        while any(self.seen[ws] < self.sent for ws in readers):
            if time.monotonic() > deadline:
                sys.exit("frames did not come")
            self.read(0.1)

    def fill(self, readers):
        for _ in range(FILLING // 20):
            for _ in range(20):
                self.send()
            self.catch_up(readers)
        self.times.clear()

    def measure(self, readers):
        due = time.monotonic()
        for _ in range(MESSAGES):
            self.send()
            due += 1 / RATE
            while time.monotonic() < due:
                self.read(due - time.monotonic())
        self.catch_up(readers)
        return [t / 1e6 for t in self.times]

    def slice(self, stopped):
        """The 99's p50 and p99 in milliseconds."""
        readers = self.others
        if not stopped:
            self.listen(self.sleeper)
            readers = [self.sleeper, *readers]
            self.catch_up(readers)
        self.fill(readers)
        times = self.measure(readers)
        if not stopped:
            self.sleep()
        return percentile(times, 50), percentile(times, 99)


def percentile(times, p):
    return sorted(times)[int(len(times) * p / 100)]


def subscriber(token, receive_buffer=None):
    ws = Socket(token, receive_buffer)
    ws.send(type="subscribe", groups=[{"group": "bench"}])
    ws.expect("live")
    return ws


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json")
    args = parser.parse_args()
    rounds = {"all read": [], "one stopped": []}
    with tempfile.TemporaryDirectory() as folder, Groupd(folder) as groupd:
        scene = Scene(groupd.token)
        for n in range(args.rounds):
            for name in sorted(rounds, reverse=n % 2 == 1):
                rounds[name].append(scene.slice(name == "one stopped"))
    middle = {name: [statistics.median(column) for column in zip(*slices)]
              for name, slices in rounds.items()}
    for name, (p50, p99) in middle.items():
        print(f"{name:12} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms")
    ratio = middle["one stopped"][1] / middle["all read"][1]
    print(f"p99, medians of {args.rounds} rounds: {ratio:.2f} x with one that "
          "stopped")
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"rounds": rounds, "median": middle, "ratio": ratio}, f,
                      indent=1)


if __name__ == "__main__":
    main()
