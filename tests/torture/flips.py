#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Bits of a store are flipped, and its files cut off: what groupd shows then is
what was written, or it refuses, in words that say what to do.

  flips.py ROUNDS [SEED]     one case each; a case that is wrong prints itself
  flips.py SEED:CASE         that one again

A store is made, with messages in both tiers, members, tokens, mentions, media
files and free pages, and groupd is killed, so that its log holds a part of it.
Each case damages a copy of that, starts groupd on it and asks for everything, by
the wire and by REST. An answer is wrong where it differs by a byte from that of
the sound copy and is no refusal that says how to go on.

Damage in the last commit of the log, and a log that is cut off, is what a power
cut leaves, too: then the answers may be those of an earlier moment, and these
cases are counted by themselves ("earlier"). So the answers of every earlier
moment are known beforehand: of the log cut off at the end of each commit.
"""
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from groupd import BUILD, Groupd, records
from wireclient import Refused, Wire, record

PAGE, LOG_HEADER, FRAME = 4096, 32, 4120
GROUPS = ("lunch", "log", "crowd")
WORDS = ("damaged", "is empty, and was not", "is not a store",
         "is missing")
WAYS = ("restore a backup", "is not a store")
KINDS = ("database-bit", "database-bit", "database-bit", "log-bit", "log-bit",
         "log-bit", "database-header", "log-header", "frame-header",
         "database-cut", "log-cut", "page-zeroed", "pages-exchanged",
         "sector-lost", "media-bit", "media-cut")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ctl(groupd, *arguments, given=None):
    return subprocess.run([f"{BUILD}/groupctl", "--socket", groupd.socket,
                           *arguments], input=given, check=True,
                          stdout=subprocess.PIPE).stdout


def fill(groupd, folder):
    ctl(groupd, "user", "add", "ann", "bob", *(f"u{i}" for i in range(300)))
    for group in (*GROUPS, "gone"):
        ctl(groupd, "create", group)
    ctl(groupd, "add", "crowd", *(f"u{i}" for i in range(300)))
    ctl(groupd, "add", "lunch", "ann", "bob")
    lines = "".join(f"line {i} of gone\n" * 20 for i in range(100))
    ctl(groupd, "send", "gone", "--lines", given=lines.encode())
    lines = "".join(f"line {i} {'x' * (i * 7 % 90)}\n" for i in range(3000))
    ctl(groupd, "send", "log", "--lines", given=lines.encode())
    ctl(groupd, "delete", "gone")
    token = ctl(groupd, "token", "create", "root").decode().strip()
    for i in range(12):
        with open(f"{folder}/file{i}", "wb") as file:
            file.write(random.randbytes(3000 + 9000 * i))
        if i < 3:
            ctl(groupd, "send", "lunch", "--media", f"{folder}/file{i}",
                f"caption {i}")
        ctl(groupd, "send", "lunch", f"@ann message {i}",
            "--client-id", f"once-{i}")
        ctl(groupd, "send", "lunch", "long " * (i * 400))
        ctl(groupd, "token", "create", f"u{i}")
    return token


def make(folder, data):
    """The token of root."""
    with Groupd(folder, data) as groupd:
        if not groupd.serve():
            raise OSError("groupd does not start on an empty folder")
        token = fill(groupd, folder)
        # All of it is put in order; what comes then lies in the log.
        groupd.end()
        groupd.serve()
        for i in range(40):
            ctl(groupd, "send", GROUPS[i % 3], f"late {i}" * (1 + i * 30))
        groupd.kill()
    return token


class Asker:
    """Everything that can be asked, a name and an answer each; an answer is
    bytes, or a refusal's sentence."""

    def __init__(self, groupd, url, token):
        self.url, self.token = url, token
        self.wire = Wire(groupd.socket)
        self.wire.open_principal()
        self.answers = {}

    def ask(self, name, *values):
        key = f"{name} {' '.join(str(v) for v in values)}"
        try:
            self.answers[key] = self.wire.request(name, 1, *values)
        except Refused as e:
            self.answers[key] = str(e)
        return self.answers[key]

    def get(self, path):
        request = urllib.request.Request(
            self.url + path, headers={"Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                self.answers[path] = answer.read()
        except urllib.error.HTTPError as e:
            said = json.loads(e.read())
            self.answers[path] = f"{said['code']}: {said.get('detail', '')}"
        except OSError as e:  # broken off before its end
            self.answers[path] = f"lost: {e}"

    def all(self):
        self.ask("LIST_USERS", "", 1000)
        self.ask("LIST_TOKENS", "", 0)
        self.ask("LIST_GROUPS", "", 100)
        self.ask("LIST_MENTIONS", "", 0, 100)
        for number in range(1, 4):
            self.ask("FIND_GROUP", number, "", 0)
            self.ask("GET_INFO", number)
            self.ask("LIST_MEMBERS", number, "", 1000)
            self.ask("LIST_MEDIA", number, "", 100)
            self.ask("PULL", number, 0, 0, 1000, 0)
            for at in range(0, 400000, 100000):
                self.ask("READ_TEXT", number, 0, at, 100000)
            self.ask("READ_TEXT", number, 1, 0, 1 << 20)
        for number in range(1, 4):
            self.ask("READ_MEDIA", number, 0, 1 << 20)
        self.get("/api/groups")
        for group in GROUPS:
            self.get(f"/api/groups/{group}")
            self.get(f"/api/groups/{group}/members?limit=1000")
            self.get(f"/api/groups/{group}/messages?limit=1000")
        self.wire.socket.close()
        return self.answers


class Case:
    def __init__(self, scene, seed, number):
        self.scene, self.name = scene, f"{seed}:{number}"
        self.random = random.Random(self.name)
        self.kind = KINDS[number % len(KINDS)]
        self.what = self.kind
        self.data = f"{scene.folder}/data"
        self.earlier = False  # what an earlier moment was like is right

    def path(self, suffix=""):
        return f"{self.data}/groupd.db{suffix}"

    def patch(self, path, at, data):
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(data)

    def flip(self, path, begin, end):
        at = self.random.randrange(begin, end)
        bit = self.random.randrange(8)
        with open(path, "rb") as file:
            file.seek(at)
            byte = file.read(1)[0]
        self.patch(path, at, bytes([byte ^ 1 << bit]))
        self.what += f" {os.path.basename(path)} byte {at} bit {bit}"
        return at

    def cut(self, path, begin, end):
        at = self.random.randrange(begin, end)
        os.truncate(path, at)
        self.what += f" {os.path.basename(path)} at byte {at}"
        return at

    def pages(self):
        return os.path.getsize(self.path()) // PAGE

    def read_page(self, number):
        with open(self.path(), "rb") as file:
            file.seek(number * PAGE)
            return file.read(PAGE)

    def media(self):
        found = [f"{folder}/{f}" for folder, _, files in
                 os.walk(f"{self.data}/media") for f in files]
        return self.random.choice(sorted(found))

    def damage(self):
        kind, log = self.kind, self.path("-wal")
        ends = self.scene.commits
        last = ends[-2]
        if kind == "database-bit":
            self.flip(self.path(), 0, self.pages() * PAGE)
        elif kind == "database-header":
            self.flip(self.path(), 0, 100)
        elif kind == "log-bit":
            at = self.flip(log, LOG_HEADER, os.path.getsize(log))
            self.earlier = last <= at
        elif kind == "log-header":
            self.flip(log, 0, LOG_HEADER)
        elif kind == "frame-header":
            frame = self.random.randrange((ends[-1] - LOG_HEADER) // FRAME)
            at = LOG_HEADER + frame * FRAME
            self.flip(log, at, at + 24)
            self.earlier = last <= at
        elif kind == "log-cut":
            self.cut(log, 0, ends[-1])
            self.earlier = True
        elif kind == "database-cut":
            self.cut(self.path(), 0, self.pages() * PAGE)
        elif kind == "media-bit":
            path = self.media()
            self.flip(path, 0, os.path.getsize(path))
        elif kind == "media-cut":
            path = self.media()
            self.cut(path, 0, os.path.getsize(path))
        else:
            self.damage_pages(kind)

    def damage_pages(self, kind):
        one = self.random.randrange(self.pages())
        other = self.random.randrange(self.pages())
        self.what += f" {one + 1}"
        if kind == "page-zeroed":
            self.patch(self.path(), one * PAGE, bytes(PAGE))
        elif kind == "sector-lost":
            at = one * PAGE + 512 * self.random.randrange(8)
            self.patch(self.path(), at, bytes(512))
        else:
            first, second = self.read_page(one), self.read_page(other)
            self.patch(self.path(), one * PAGE, second)
            self.patch(self.path(), other * PAGE, first)
            self.what += f" and {other + 1}"

    def judge(self, answers):
        """"same", "refused", "earlier" or what is wrong."""
        sound = self.scene.answers
        refused = [a for a in answers.values() if isinstance(a, str)
                   and any(w in a for w in WORDS)]
        for text in refused:
            if not any(w in text for w in WAYS):
                return f"says no way back: {text}"
        wrong = [k for k, a in answers.items()
                 if isinstance(a, str) and a not in refused
                 and a != sound.get(k) and not a.startswith("lost")]
        shown = {k: a for k, a in answers.items() if isinstance(a, bytes)}
        if all(a == sound.get(k) for k, a in shown.items()):
            lost = [k for k, a in answers.items() if isinstance(a, str)
                    and a.startswith("lost")]
            if wrong or (lost and not refused):
                return f"refused otherwise: {[(k, answers[k]) for k in wrong + lost][:3]}"
            return "refused" if refused else "same"
        if self.earlier:
            for moment in self.scene.moments():
                if all(a == moment.get(k) for k, a in shown.items()):
                    return "earlier"
        return "wrong: " + ", ".join(k for k, a in shown.items()
                                     if a != sound.get(k))

    def run(self):
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.scene.sound, self.data)
        self.damage()
        return self.scene.look(self)


class Scene:
    def __init__(self, folder, seed):
        self.folder, self.sound = folder, f"{folder}/sound"
        random.seed(seed)
        self.token = make(folder, self.sound)
        self.port = free_port()
        self.commits = self.find_commits()
        self.known = {}  # answers, by where the log ends
        self.answers = self.answers_of(None)
        problems = [f"{k}: {a}" for k, a in self.answers.items()
                    if isinstance(a, str)]
        if problems:
            raise ValueError(f"the sound store refuses: {problems[:3]}")

    def moments(self):
        """The newest first; each is known once it was asked for."""
        for end in self.commits[-2::-1] + [0]:
            if end not in self.known:
                self.known[end] = self.answers_of(end)
            yield self.known[end]

    def find_commits(self):
        """Where each ends in the log."""
        with open(f"{self.sound}/groupd.db-wal", "rb") as file:
            log = file.read()
        ends = []
        for at in range(LOG_HEADER, len(log) - FRAME + 1, FRAME):
            _, commit = struct.unpack(">II", log[at:at + 8])
            if log[at + 8:at + 16] != log[16:24]:
                break
            if commit != 0:
                ends.append(at + FRAME)
        if len(ends) < 3:
            raise ValueError("the log holds too few commits")
        return ends

    def answers_of(self, end):
        case = Case(self, "sound", 0)
        shutil.rmtree(case.data, ignore_errors=True)
        shutil.copytree(self.sound, case.data)
        if end is not None:
            os.truncate(case.path("-wal"), end)
        with self.groupd(case.data) as groupd:
            if not groupd.serve():
                raise ValueError(f"the sound store: {groupd.words()[-1:]}")
            return self.ask(groupd)

    def groupd(self, data):
        return Groupd(self.folder, data, options=(
            "--gateways", "1", "--listen", f"127.0.0.1:{self.port}"))

    def ask(self, groupd):
        answers = Asker(groupd, f"http://127.0.0.1:{self.port}",
                        self.token).all()
        if not groupd.is_there():
            raise ChildProcessError("groupd has ended")
        if groupd.end() not in (0, 3):
            raise ChildProcessError(f"groupd ended with "
                                    f"{groupd.process.returncode}")
        return answers

    def look(self, case):
        if os.path.exists(f"{self.folder}/groupd.log"):
            os.unlink(f"{self.folder}/groupd.log")
        with self.groupd(case.data) as groupd:
            if groupd.serve():
                return case.judge(self.ask(groupd))
            said = " ".join(groupd.words())
            if groupd.process.returncode != 1:
                return f"ended with {groupd.process.returncode}: {said}"
            if any(w in said for w in WORDS) and any(w in said for w in WAYS):
                return "not started"
            return f"says no way back: {said}"


def main(what, seed="1"):
    one = None
    if ":" in what:
        seed, one = what.split(":")
    total, bad = {}, 0
    with tempfile.TemporaryDirectory(dir="/var/tmp",
                                     prefix="groupfs-flips.") as folder:
        scene = Scene(folder, seed)
        numbers = [int(one)] if one else range(int(what))
        for number in numbers:
            case = Case(scene, seed, number)
            try:
                result = case.run()
            except (OSError, ValueError) as e:
                result = f"{type(e).__name__}: {e}"
            if result not in ("same", "refused", "not started", "earlier"):
                bad += 1
                print(f"not ok {case.name} {case.what}: {result}", flush=True)
                result = "WRONG"
            elif one:
                print(f"{case.name} {case.what}: {result}")
            row = total.setdefault(case.kind, {})
            row[result] = row.get(result, 0) + 1
    for kind, row in sorted(total.items()):
        print(f"# {kind}: " + ", ".join(f"{n} {r}" for r, n in
                                        sorted(row.items())))
    print(f"{'not ok' if bad else 'ok'} {len(numbers)} cases of damage, "
          f"seed {seed}: {bad} shown or refused wrongly")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
