#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each allocation fails in turn (memory.sh).

memory.py start POINTS             groupd's start
memory.py groupd POINTS GROUP      what groupd does for a request, each kind
memory.py gateway POINTS GROUP     what a gateway does
memory.py groupfs POINTS GROUP M   what a mount at M does

Of each thing all allocations are counted, and then it is done again and again:
in the first try the first one fails, then the second, and so on; at most POINTS
of them, evenly spread. It may be refused, and a connection may end. But nothing
ends by a signal, and what is asked without a fault is answered rightly at once.
Prints results as lib.sh's results() takes them.
"""
import contextlib
import errno
import http.client
import json
import os
import subprocess
import sys
import time

from faults import Faults
from programs import (BUILD, CONTROL, LISTEN, PATIENCE, SOCKET, T, Groupd, Wire,
                      gateways, kill_gateways, say)
from rawws import Closed, Socket
from wireclient import Refused, record

TRY_SECONDS = 3
# No reasons to complain: it was refused, or the connection ended.
EXPECTED = (OSError, Refused, http.client.HTTPException, Closed, ValueError,
            KeyError)


class Points:
    """The allocations of one program."""

    def __init__(self, program, most):
        self.faults = Faults(CONTROL, program)
        os.chmod(CONTROL, 0o666)
        self.most, self.total = most, 0

    def count(self, do):
        self.faults.set(0, "alloc")
        with contextlib.suppress(*EXPECTED):
            do()
        self.faults.clear(0)
        return self.faults.seen(0)

    def spread(self, do):
        """Which are tried. More than were counted: some paths differ."""
        there = max(self.count(do) for _ in range(3))
        step = max(1, there // self.most)
        return range(1, there + 1, step)

    @contextlib.contextmanager
    def failing(self, nth):
        self.faults.set(0, "alloc", does="fail", error=errno.ENOMEM, nth=nth,
                        times=1)
        try:
            yield
        finally:
            self.faults.clear(0)
        self.total += self.faults.hit(0)


def start(most):
    points = Points("groupd", most)
    groupd = Groupd("--gateways", "0")
    env = points.faults.env(BUILD)
    wrong, served, refused, silent = [], 0, 0, 0
    log = T + "/groupd.log"

    def run():
        groupd.start(env)
        return groupd.wait()

    def count():
        run()
        groupd.kill()

    for nth in points.spread(count):
        said = os.path.getsize(log)
        with points.failing(nth):
            took = run()
        if took is not None:
            served += 1
            groupd.kill()
        elif groupd.process.returncode > 0:
            refused += 1
            silent += os.path.getsize(log) == said
        else:
            wrong.append(f"{nth}: ended by signal "
                         f"{-groupd.process.returncode}")
    print(f"# start: {points.total} allocations failed; it served {served} "
          f"times, and said why it cannot {refused} times")
    print(f"# {silent} times it had no memory for a word")
    say("a start that wants memory ends by itself, or serves",
        "; ".join(wrong[:5]))
    say("and mostly in words", silent > max(2, refused / 10) and silent)
    say("each of them was reached", points.total < most and points.total)


def read_http(method, path, body=None, kind="application/json"):
    connection = http.client.HTTPConnection(LISTEN, timeout=TRY_SECONDS)
    try:
        connection.request(method, path, body, {
            "Authorization": "Bearer " + os.environ["TOKEN"],
            "Content-Type": kind})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise ValueError(f"{answer.status} {data[:200]}")
        return json.loads(data)
    finally:
        connection.close()


class Wired:
    """A connection of groupd's own format, made anew for each try."""

    def __init__(self, group):
        self.group = group
        with self.open() as wire:
            self.id = wire.ask("FIND_GROUP", 0, group, 0, kinds="n")[0]

    @contextlib.contextmanager
    def open(self):
        wire = Wire(SOCKET)
        try:
            wire.socket.settimeout(TRY_SECONDS)
            wire.open_principal()
            yield wire
        finally:
            wire.socket.close()

    def ask(self, *request, kinds="n"):
        with self.open() as wire:
            return wire.ask(*request, kinds=kinds)

    def things(self):
        item = record(0, 0, "a message to @everyone", "", "", "")
        g = self.id
        return {
            "hello and a principal": lambda: self.ask(
                "FIND_GROUP", 0, self.group, 0),
            "a send": lambda: self.ask("SEND", g, "", item),
            "a watch": lambda: self.ask("WATCH", g, 0),
            "a page": lambda: self.ask("PULL", g, 0, 0, 50, 0),
            "a text": lambda: self.ask("READ_TEXT", g, 0, 0, 4096,
                                       kinds="s"),
            "members": lambda: self.ask("LIST_MEMBERS", g, "", 100, kinds=""),
            "an edit": lambda: self.ask("EDIT_MEMBERS", g,
                                        record(0, "gfs-reader"), kinds=""),
            "a pointer": lambda: self.ask("SET_READ", g, 1),
            "groups": lambda: self.ask("LIST_GROUPS", 0, 100, kinds=""),
            "metadata": lambda: self.ask("GET_INFO", g, kinds=""),
            "a status": lambda: self.ask("GET_STATUS", 0, kinds=""),
        }


class Websocketed:
    def __init__(self, group):
        self.group = group

    @contextlib.contextmanager
    def open(self):
        ws = Socket(os.environ["TOKEN"], timeout=TRY_SECONDS)
        try:
            ws.expect("hello")
            yield ws
        finally:
            ws.close()

    def subscribe(self):
        with self.open() as ws:
            ws.send(type="subscribe", id=1, groups=[
                {"group": self.group, "after_seq": 0}])
            ws.expect("live")

    def send(self):
        with self.open() as ws:
            ws.send(type="send", id=1, group=self.group, content="to @everyone")
            ws.expect("sent", id=1)

    def stream(self):
        connection = http.client.HTTPConnection(LISTEN, timeout=TRY_SECONDS)
        try:
            connection.request(
                "GET", f"/api/groups/{self.group}/stream?after_seq=0",
                headers={"Authorization": "Bearer " + os.environ["TOKEN"]})
            if not connection.getresponse().readline():
                raise ValueError("it ended")
        finally:
            connection.close()

    def things(self):
        path = f"/api/groups/{self.group}"
        return {
            "a GET": lambda: read_http("GET", path + "/messages?after_seq=0"),
            "a POST": lambda: read_http("POST", path + "/messages",
                                        '{"content": "to @everyone"}'),
            "a GET of groups": lambda: read_http("GET", "/api/groups"),
            "members in bulk": lambda: read_http(
                "POST", path + "/members", '{"add": ["gfs-reader"]}'),
            "a WebSocket that subscribes": self.subscribe,
            "a WebSocket that sends": self.send,
            "a stream": self.stream,
        }


def mounted_things(mount, group):
    def read(name):
        with open(f"{mount}/{group}/{name}", "rb") as file:
            return file.read(4096)

    def write(name, data):
        fd = os.open(f"{mount}/{group}/{name}", os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)

    return {
        "stat": lambda: os.stat(f"{mount}/{group}/messages"),
        "ls -l": lambda: [e.stat() for e in os.scandir(f"{mount}/{group}")],
        "a read": lambda: read("messages"),
        "a line": lambda: write("messages", b"a line to @everyone\n"),
        "a post": lambda: write("post", b"a post\n"),
        "members": lambda: read("members"),
        "an edit": lambda: write("members", b"gfs-reader\n"),
        "unread": lambda: read("unread"),
        "groups": lambda: list(os.scandir(mount)),
    }


def try_all(points, things, alive):
    """alive() gives what is wrong with the processes, and heals it."""
    only = os.environ.get("THINGS", "")
    for what, do in things.items():
        if only not in what:
            continue
        wrong, tries, refused = [], 0, 0
        for nth in points.spread(do):
            tries += 1
            with points.failing(nth):
                try:
                    do()
                except EXPECTED:
                    refused += 1
            wrong += [f"{nth}: {w}" for w in alive()]
            try:
                do()
            except EXPECTED as e:
                wrong.append(f"{nth}, and then without a fault: "
                             f"{type(e).__name__} {e}")
                time.sleep(1)
        print(f"# {what}: {tries} times, of which {refused} were refused")
        say(f"{points.faults.program} wants memory in {what}",
            "; ".join(wrong[:4]) + f" ({len(wrong)})" if wrong else "")
    print(f"# {points.total} allocations failed")


def serve(groupd, env):
    if groupd.process is None or groupd.process.poll() is not None:
        groupd.start(env)
        groupd.wait()
    end = time.monotonic() + 10 * PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(*EXPECTED):
            read_http("GET", "/api/groups")
            return
        time.sleep(0.05)


def in_groupd(most, group):
    points, groupd = Points("groupd", most), Groupd()
    env = points.faults.env(BUILD)

    def alive():
        status = groupd.ended(0)
        if status is None:
            return
        if status < 0:
            yield f"ended by signal {-status}"
        serve(groupd, env)

    serve(groupd, env)
    try_all(points, Wired(group).things(), alive)
    groupd.kill()


def in_gateway(most, group):
    points, groupd = Points("groupd-gateway", most), Groupd()
    log = T + "/groupd.log"
    env = points.faults.env(BUILD)

    def alive():
        with open(log, encoding="utf-8") as file:
            file.seek(alive.at)
            text = file.read()
        alive.at = os.path.getsize(log)
        for line in text.splitlines():
            if "gateway exited" in line:
                yield line
                time.sleep(0.5)
    # Those of before were not started with this environment.
    kill_gateways()
    serve(groupd, env)
    alive.at = os.path.getsize(log)
    try_all(points, Websocketed(group).things(), alive)
    serve(groupd, env)
    say("there is a gateway", not gateways() and "none")
    groupd.kill()


def in_groupfs(most, group, mount):
    points, groupd = Points("groupfs", most), Groupd()

    def begin():
        options = "socket=" + SOCKET + (",allow_other" * (os.getuid() == 0))
        with open(T + "/groupfs2.log", "ab") as log:
            begin.process = subprocess.Popen(
                [BUILD + "/groupfs", "-f", "-o", options, mount], stderr=log,
                env=points.faults.env(BUILD))
        end = time.monotonic() + 10 * PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                os.stat(f"{mount}/{group}/messages")
                return
            time.sleep(0.02)

    def alive():
        status = begin.process.poll()
        if status is None:
            return
        yield f"ended with {status}"
        begin()
    os.makedirs(mount, exist_ok=True)
    serve(groupd, None)
    begin()
    try_all(points, mounted_things(mount, group), alive)
    begin.process.terminate()
    begin.process.wait()
    groupd.kill()


def main():
    what, most, *args = sys.argv[1:]
    {"start": start, "groupd": in_groupd, "gateway": in_gateway,
     "groupfs": in_groupfs}[what](int(most), *args)


if __name__ == "__main__":
    main()
