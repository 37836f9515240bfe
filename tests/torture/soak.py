#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The middle of a soak (soak.sh): faults at random, ten probes a second on each
surface, and what our programs use.

soak.py SECONDS GROUP MOUNT OTHER-MOUNT FULL MESSAGES

For two thirds of the time groupd, the gateways and groupfs of OTHER-MOUNT are
killed or stopped in good order, one of them each few seconds, and a WebSocket
stops reading for a while now and then; in the last third only that. A probe
succeeds when it is answered rightly within a second. It counts where it lies
outside of all intended restarts: from each kill or SIGTERM until WINDOW seconds
after the process has ended. So an orderly stop belongs to its restart, and has
a bound of its own: STOP_MS, though clients have stopped reading.
groupd's caches have a bound (64 MiB of pages for who writes), to which they grow
with what is stored: so the last third begins with that many MESSAGES to the
group FULL, which fill them, and from then on memory, descriptors and threads are
compared, to the end.
Prints results as lib.sh's results() takes them.
"""
import http.client
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time

from programs import (LISTEN, PATIENCE, SOCKET, Groupd, Groupfs, Wire, gateways,
                      kill_gateways, quantiles, say)
from rawws import Closed, Socket

PERIOD = 0.1
PROBE_SECONDS = 1
WINDOW = 1.0 * PATIENCE
START_MS = 500
STOP_MS = 1000
FAULT_SECONDS = (3, 9)
QUIET_PART = 1 / 3
SAMPLE_SECONDS = 1
AIM = 99.99
TOKEN = os.environ["TOKEN"]


class Clock:
    def __init__(self, seconds):
        self.full = False  # groupd's caches
        self.began = time.monotonic()
        self.end = self.began + seconds
        self.calm = self.end - seconds * QUIET_PART

    def over(self):
        return time.monotonic() >= self.end


class Probe(threading.Thread):
    """One surface, in a thread of its own."""

    def __init__(self, name, look, clock):
        super().__init__(daemon=True)
        self.surface, self.look, self.clock = name, look, clock
        self.results = []  # (began, ended, what was wrong or "")

    def run(self):
        due = time.monotonic()
        while not self.clock.over():
            time.sleep(max(0, due - time.monotonic()))
            began = time.monotonic()
            try:
                wrong = self.look() or ""
            except (OSError, ValueError, KeyError, http.client.HTTPException,
                    Closed) as e:
                wrong = f"{type(e).__name__}: {e}"
            ended = time.monotonic()
            if not wrong and ended - began > PROBE_SECONDS:
                wrong = f"took {ended - began:.1f} s"
            self.results.append((began, ended, wrong))
            due = max(due + PERIOD, ended)

    def outside(self, windows):
        for began, ended, wrong in self.results:
            if not any(began < end and ended > start
                       for start, end in windows):
                yield began, wrong

    def report(self, windows):
        all_of_them = list(self.outside(windows))
        failed = [(at, wrong) for at, wrong in all_of_them if wrong]
        share = 100 * (1 - len(failed) / max(1, len(all_of_them)))
        within = [w for _, _, w in self.results if w]
        print(f"# {self.surface}: {len(all_of_them)} probes outside of "
              f"restarts, {len(failed)} failed: {share:.3f} %; with those "
              f"within, {len(within)} of {len(self.results)} failed")
        say(f"{self.surface}: {AIM} % and more",
            share < AIM and "; ".join(
                f"after {at - self.clock.began:.1f} s {wrong}"
                for at, wrong in failed[:3]))


def wire_look(group):
    def look():
        wire = Wire(SOCKET)
        try:
            wire.socket.settimeout(2)
            wire.open_principal()
            wire.ask("FIND_GROUP", 0, group, 0, kinds="n")
        finally:
            wire.socket.close()
    return look


def rest_look(group):
    def look():
        connection = http.client.HTTPConnection(LISTEN, timeout=2)
        try:
            connection.request(
                "GET", f"/api/groups/{group}/messages?after_seq=0&limit=1",
                headers={"Authorization": "Bearer " + TOKEN})
            answer = connection.getresponse()
            body = json.loads(answer.read())
            if answer.status != 200 or len(body["messages"]) != 1:
                return f"{answer.status} {body.get('code')}"
        finally:
            connection.close()
        return None
    return look


class WebSocketLook:
    """One connection, made anew where it ends."""

    def __init__(self, group):
        self.group, self.ws, self.number = group, None, 0

    def __call__(self):
        try:
            if self.ws is None:
                self.ws = Socket(TOKEN, timeout=2)
            self.number += 1
            self.ws.send(type="pull", id=self.number, group=self.group,
                         after_seq=0, limit=1)
            self.ws.expect("messages", id=self.number)
            self.ws.seen.clear()
        except (OSError, Closed):
            if self.ws is not None:
                self.ws.close()
            self.ws = None
            raise


def mount_look(mount, group):
    def look():
        path = f"{mount}/{group}/messages"
        size = os.stat(path).st_size
        with open(path, "rb") as file:
            file.seek(max(0, size - 200))
            if not file.read(200).endswith(b"\n"):
                return "no end of a line"
        return None
    return look


class Usage(threading.Thread):
    """What processes have, each second of the last third, from when groupd's
    caches are full."""

    def __init__(self, clock, find):
        super().__init__(daemon=True)
        self.clock, self.find = clock, find
        self.samples = {}  # (program, what): [(seconds, value)]

    def run(self):
        while not self.clock.over():
            time.sleep(SAMPLE_SECONDS)
            now = time.monotonic()
            if now < self.clock.calm or not self.clock.full:
                continue
            for program, pid in self.find():
                for what, value in uses(pid).items():
                    self.samples.setdefault((program, what), []).append(
                        (now - self.clock.calm, value))

    def report(self):
        say("what the programs use was looked at", not self.samples)
        for (program, what), samples in sorted(self.samples.items()):
            grows(program, what, samples)


def uses(pid):
    try:
        with open(f"/proc/{pid}/status") as file:
            status = dict(line.split(":", 1) for line in file)
        return {"KiB of memory": int(status["VmRSS"].split()[0]),
                "threads": int(status["Threads"]),
                "descriptors": len(os.listdir(f"/proc/{pid}/fd"))}
    except (OSError, KeyError):
        return {}


def slope(samples):
    """Of the straight line that fits best, a minute."""
    if len(samples) < 3:
        return 0
    return 60 * statistics.linear_regression(*zip(*samples)).slope


def grows(program, what, samples):
    """Says whether it does: the last quarter beside the first one."""
    values = [value for _, value in samples]
    part = max(1, len(values) // 4)
    first, last = (statistics.median(v)
                   for v in (values[:part], values[-part:]))
    room = first * 0.05 + (1024 if "memory" in what else 2)
    print(f"# {program}: {first:g} {what} at first, {last:g} in the end, "
          f"{slope(samples):+.1f} a minute")
    say(f"{program}: as many {what} in the end, and no more",
        last > first + room and f"{first:g}, then {last:g}")


class Filler(threading.Thread):
    """At the begin of the last third."""

    def __init__(self, clock, log, messages):
        super().__init__(daemon=True)
        self.clock, self.log, self.messages = clock, log, messages
        self.wrong = "it did not come to its end"

    def run(self):
        time.sleep(max(0, self.clock.calm - time.monotonic()))
        began = time.monotonic()
        with open(self.log, "ab") as log:
            done = subprocess.run(
                ["seq", "-f", "one of many that fill the caches: %.0f",
                 str(self.messages)], stdout=log, stderr=subprocess.PIPE)
        self.wrong = done.stderr.decode()
        print(f"# {self.messages} messages filled the caches in "
              f"{time.monotonic() - began:.1f} s")
        self.clock.full = True


class Faults:
    def __init__(self, clock, mount, group):
        self.clock = clock
        self.groupd, self.groupfs = Groupd(), Groupfs(mount)
        self.group = group
        self.windows, self.starts, self.mounts = [], [], []
        self.stops = []
        self.counts = {}
        self.sleeper = None

    def begin(self):
        self.groupd.start()
        self.starts.append(self.groupd.wait())
        self.groupfs.start()
        self.groupfs.wait()

    def restart(self, how):
        began = time.monotonic()
        self.groupd.kill(how)
        ended = self.window(began)
        if how == signal.SIGTERM:
            self.stops.append(ended - began)
        self.groupd.start()
        self.starts.append(self.groupd.wait())

    def window(self, began=None):
        now = time.monotonic()
        self.windows.append((began or now, now + WINDOW))
        return now

    def kill_groupd(self):
        self.restart(signal.SIGKILL)

    def stop_groupd(self):
        self.restart(signal.SIGTERM)

    def kill_gateways(self):
        self.window()
        kill_gateways()

    def kill_groupfs(self):
        self.groupfs.kill()
        self.groupfs.start()
        self.mounts.append(self.groupfs.wait())

    def stop_a_client(self):
        """It reads no more, and is gone at the next turn."""
        if self.sleeper is not None:
            self.sleeper.close()
        self.sleeper = Socket(TOKEN, receive_buffer=4096, timeout=5)
        self.sleeper.send(type="subscribe", groups=[
            {"group": self.group, "after_seq": 0}])

    def run(self):
        hard = [self.kill_groupd, self.kill_groupd, self.stop_groupd,
                self.kill_gateways, self.kill_groupfs, self.stop_a_client]
        while not self.clock.over():
            end = time.monotonic() + random.uniform(*FAULT_SECONDS)
            while time.monotonic() < end and not self.clock.over():
                time.sleep(0.05)
            if self.clock.over():
                return
            fault = (random.choice(hard)
                     if time.monotonic() < self.clock.calm - FAULT_SECONDS[1]
                     else self.stop_a_client)
            name = fault.__name__.replace("_", " ")
            self.counts[name] = self.counts.get(name, 0) + 1
            try:
                fault()
            except OSError as e:  # a client found no gateway
                print(f"# {name}: {e}")

    def programs(self):
        found = [("groupd", self.groupd.process.pid),
                 ("groupfs", int(os.environ["GROUPFS"]))]
        return found + [("gateway", pid) for pid in gateways()]

    def bounded(self, what, times, limit_ms):
        quantiles(what, times, limit_ms)
        ms = sorted(1000 * s for s in times) or [0]
        p99 = ms[min(len(ms) - 1, int(len(ms) * 0.99))]
        say(f"{what}: p99 is {limit_ms} ms and less",
            p99 > limit_ms * PATIENCE and f"{p99:.0f} ms")

    def report(self):
        print("# " + ", ".join(f"{n} times {name}" for name, n in
                               sorted(self.counts.items())))
        self.bounded("groupd from its start until it answers", self.starts,
                     START_MS)
        self.bounded("groupd from SIGTERM to its end", self.stops, STOP_MS)
        quantiles("a mount after kill -9 of groupfs", self.mounts, 2000)


def main():
    seconds, group, mount, other, full, messages = sys.argv[1:]
    clock = Clock(float(seconds))
    faults = Faults(clock, other, group)
    faults.begin()
    time.sleep(1)
    clock.__init__(float(seconds))
    probes = [Probe(name, look, clock) for name, look in (
        ("wire", wire_look(group)), ("REST", rest_look(group)),
        ("WebSocket", WebSocketLook(group)), ("mount", mount_look(mount, group))
    )]
    usage = Usage(clock, faults.programs)
    filler = Filler(clock, f"{mount}/{full}/messages", int(messages))
    for thread in (*probes, usage, filler):
        thread.start()
    faults.run()
    for thread in (*probes, usage, filler):
        thread.join(30)
    say("the caches were filled", filler.wrong)
    faults.report()
    for probe in probes:
        probe.report(faults.windows)
    usage.report()
    say("groupd stops well", faults.groupd.kill(signal.SIGTERM))


if __name__ == "__main__":
    main()
