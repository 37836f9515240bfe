# SPDX-License-Identifier: MIT
"""A groupd of one test, a sender that records what it is told, and a reader of
what is stored: for tests that break groupd, or its disk, many times.

    with Groupd(folder, data, faults) as groupd:
        groupd.serve()
        sender = Sender(groupd, Record(...), "dev", "w1")
        sender.send(); sender.send(size=60000)
        groupd.kill(); groupd.serve()
        sender.settle()
        wrong = audit(groupd, record_folder, "dev")

It speaks groupd's wire format by tests/system/wireclient.py; there is no gateway
unless it is asked for.
"""
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path[:0] = [f"{TOP}/tests/system", f"{TOP}/tests/cluster"]
import check  # noqa: E402
from record import text_of  # noqa: E402
from wireclient import Refused, Wire, record  # noqa: E402

BUILD = os.environ.get("BUILD", f"{TOP}/build")
PATIENCE = 20 * float(os.environ.get("GROUPFS_TEST_PATIENCE", "1"))
# How groupd may end when its disk breaks: it could not start; it does not know
# what is stored.
COULD_NOT_START, UNKNOWN = 1, 3
# A sender that hears one of these tries again with the same client_id.
AGAIN = ("unavailable", "outcome_unknown", "out_of_space", "lost", "refused")
MESSAGE = "nnnnnnnnsssss"


class Groupd:
    def __init__(self, folder, data, faults=None, options=(), socket=None):
        """folder: for what is not to be lost with data: socket and log."""
        self.folder, self.data, self.faults = folder, data, faults
        self.options = options or ("--gateways", "0")
        self.socket = socket or f"{folder}/s"
        self.log = f"{folder}/groupd.log"
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self, env=None):
        """Waits for nothing: wait() does."""
        with open(self.log, "ab") as log:
            self.began = time.monotonic()
            self.process = subprocess.Popen(
                [f"{BUILD}/groupd", "--data", self.data, "--socket",
                 self.socket, *self.options,
                 *(() if "--listen" in self.options
                   else ("--listen", "none"))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)

    def wait(self):
        """The seconds from its start until it has answered; None: it has
        ended."""
        while self.process.poll() is None:
            if self.answers():
                return time.monotonic() - self.began
            if time.monotonic() > self.began + PATIENCE:
                raise TimeoutError("groupd neither answers nor ends")
            time.sleep(0.002)
        return None

    def serve(self, faulty=True):
        """Whether it answers; else it has ended."""
        self.start(self.faults.env(BUILD) if self.faults and faulty else None)
        return self.wait() is not None

    def answers(self):
        """Its own word of welcome: a socket of one before may be there."""
        try:
            wire = Wire(self.socket)
        except OSError:
            return False
        wire.socket.close()
        return self.process.poll() is None

    def is_there(self):
        return self.process is not None and self.process.poll() is None

    def ended(self, seconds=PATIENCE):
        """Its status, negative for a signal; None: it goes on for so long."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self, how=signal.SIGKILL):
        """Its status, of a signal or before; None: it was never started."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            # Nobody lives on after SIGKILL; and a wait that has an end polls.
            return self.process.wait(
                None if how == signal.SIGKILL else PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def end(self):
        return self.kill(signal.SIGTERM)

    def hold(self):
        """SIGSTOP, and until each thread has stopped."""
        pid = self.process.pid
        os.kill(pid, signal.SIGSTOP)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                states = {open(f"/proc/{pid}/task/{t}/stat").read()
                          .rsplit(")", 1)[1].split()[0]
                          for t in os.listdir(f"/proc/{pid}/task")}
            except FileNotFoundError:
                continue
            if states <= {"T", "Z", "X"}:
                return
            time.sleep(0.001)
        raise TimeoutError("groupd does not stop")

    def words(self):
        """What it has logged as errors and warnings."""
        with open(self.log, encoding="utf-8") as log:
            return [line.rstrip("\n") for line in log
                    if ": error: " in line or ": warning: " in line]


class Sender:
    """One connection, one message after the other. A result is "sent",
    "duplicate", a code, "lost", "refused" or "silent", as in load.py."""

    def __init__(self, groupd, ledger, group, name):
        self.groupd, self.ledger, self.group = groupd, ledger, group
        self.name, self.count, self.group_id = name, 0, None
        self.wire, self.open_ones = None, {}
        self.ack_ns = 0  # when the newest acknowledgement came
        self.results = []

    def connect(self):
        if self.wire is None:
            self.wire = Wire(self.groupd.socket)
            self.wire.socket.settimeout(PATIENCE)
            self.wire.open_principal()

    def close(self):
        if self.wire is not None:
            self.wire.socket.close()
            self.wire = None

    def ask(self, *request, kinds=""):
        """Fields of the answer, or the word for why there is none."""
        try:
            self.connect()
        except Refused as e:
            self.close()
            return str(e).split(":", 1)[0]
        except OSError:
            self.close()
            return "refused"
        try:
            return self.wire.ask(*request, kinds=kinds)
        except Refused as e:
            return str(e).split(":", 1)[0]
        except TimeoutError:
            word = "silent"
        except OSError:
            word = "lost"
        self.close()
        return word

    def enter(self):
        """The group is there, and its id known; else why not."""
        if self.group_id is not None:
            return "sent"
        found = self.ask("FIND_GROUP", 0, self.group, 0, kinds="n")
        if found == "no_such_group":
            found = self.ask("CREATE_GROUP", self.group, "", "", "",
                             f"key of {self.group}", kinds="n")
        if isinstance(found, str):
            return found
        self.group_id = found[0]
        return "sent"

    def send(self, size=0):
        self.count += 1
        name = f"{self.name}-{self.count}"
        self.ledger.write("sent", name, f"{time.time():.4f}")
        self.open_ones[name] = size
        return self.attempt(name)

    def attempt(self, name):
        size = self.open_ones[name]
        began = time.time()
        entered = self.enter()
        if entered != "sent":
            self.results.append(entered)
            return entered
        item = record(0, 0, text_of(name, size), "", "", name)
        answer = self.ask("SEND", self.group_id, "", item, kinds="nnnnnn")
        result = (answer if isinstance(answer, str)
                  else "duplicate" if answer[5] else "sent")
        self.results.append(result)
        self.ledger.write("attempts", "a", name, f"{began:.4f}",
                          f"{time.time():.4f}", result)
        if not isinstance(answer, str):
            self.ack_ns = time.monotonic_ns()
            self.ledger.write("acks", name, answer[0], answer[2])
            del self.open_ones[name]
        return result

    def settle(self):
        """Sends again what was not acknowledged; what is not even then, and the
        answer."""
        self.close()  # of a groupd that may have gone since
        answers = {name: self.attempt(name) for name in list(self.open_ones)}
        return [f"{name}: {answers[name]}" for name in self.open_ones]


class Reader:
    """What a group has, by two ways of the wire."""

    def __init__(self, groupd):
        self.wire = Wire(groupd.socket)
        self.wire.socket.settimeout(PATIENCE)
        self.wire.open_principal()

    def close(self):
        self.wire.socket.close()

    def find(self, group):
        try:
            return self.wire.ask("FIND_GROUP", 0, group, 0, kinds="n")[0]
        except Refused as e:
            if e.args[0].startswith("no_such_group"):
                return None
            raise

    def text(self, group_id):
        """The bytes of `messages`."""
        parts, at = [], 0
        while True:
            part = self.wire.ask("READ_TEXT", group_id, 0, at, 1 << 20,
                                 kinds="s")[0]
            if not part:
                return b"".join(parts)
            parts.append(part)
            at += len(part)

    def pulled(self, group_id):
        """Lines of SEQ, SENDER, JSON of the text: as check.py reads them."""
        lines, after = [], 0
        while True:
            body = self.wire.ask("PULL", group_id, after, 0, 1000, 0,
                                 kinds="nnns")
            if not body[3]:
                return "".join(lines).encode()
            for m in records(body[3], MESSAGE):
                after = m[0]
                lines.append(f"{m[0]}\t{m[8].decode()}\t"
                             f"{json.dumps(m[9].decode())}\n")

    def problems(self):
        body = self.wire.ask("VERIFY", 0, kinds="nns")
        return [p[0].decode() for p in records(body[2], "s")]


def records(data, kinds):
    at = 0
    while at < len(data):
        values, at = one_record(data, at, kinds)
        yield values


def one_record(data, at, kinds):
    values = []
    for kind in kinds:
        number = shift = 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                break
        if kind == "s":
            values.append(data[at:at + number])
            at += number
        else:
            values.append(number)
    return values, at


def save(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return check.read_log(path)


def audit(groupd, folder, group):
    """What is wrong with what is stored, in sentences: by the wire's text and
    its messages, and groupd's own audit. folder: the record."""
    reader = Reader(groupd)
    try:
        group_id = reader.find(group)
        log = pulled = []
        if group_id is not None:
            log = save(f"{folder}/log", reader.text(group_id))
            pulled = save(f"{folder}/pulled", reader.pulled(group_id))
        problems = reader.problems()
    finally:
        reader.close()
    wrong = [f"verify: {p}" for p in problems]
    rows = (check.table(f"{folder}/{name}", columns)
            for name, columns in (("sent", 2), ("acks", 3), ("attempts", 5)))
    for what, faults in check.stored(log, *rows):
        wrong += [f"not so: {what}: {fault}" for fault in list(faults)[:3]]
    wrong += [f"not so: messages are as the text says: {fault}"
              for fault in check.disagrees(log, pulled)]
    return wrong


def integrity(data):
    """What SQLite itself finds, when groupd has ended."""
    path = f"{data}/groupd.db"
    if not os.path.exists(path):
        return []
    db = sqlite3.connect(path)
    try:
        return [row[0] for row in db.execute("PRAGMA integrity_check")
                if row[0] != "ok"]
    finally:
        db.close()
