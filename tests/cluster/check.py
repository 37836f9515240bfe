#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compares what senders were told with what readers read.

check.py RECORD LOG [READER...]

  RECORD  a folder of load.py:
            acks      ID<TAB>SEQ<TAB>OFFSET   a send that was acknowledged
            attempts  NODE<TAB>ID<TAB>BEGAN<TAB>ENDED<TAB>RESULT   each try
            sent      ID<TAB>BEGAN   each message, before its first try; where
                      there is none, a message that no try is of was not sent
            faults    BEGAN<TAB>ENDED<TAB>NAME   what was done meanwhile, if any
            recoveries  ENDED<TAB>TIME<TAB>NAME   when all readers had all again
  LOG     a copy of the group's `messages`: each text is one ID, or one that
          record.py's text_of() makes of it
  READER  the same from elsewhere, or SEQ<TAB>SENDER<TAB>JSON of the text

$LIMIT: the seconds within which each try must have had its answer (2.5);
$RESULTS: what may be answered ("sent duplicate unavailable outcome_unknown");
$RESENT: not empty where gateways, too, send again: what lost its node.
Prints "ok WHAT" or "not ok WHAT: WHY" a line, and comments: of each fault how
long a node acknowledged nothing, from when the fault began, and how soon after
its end it did, and all readers had all that was; and the sums.
"""
import json
import os
import sys

from record import id_of

WRONG_SHOWN = 3
ACKNOWLEDGED = ("sent", "duplicate")
# After these a message may be stored, or not.
UNKNOWN = ("outcome_unknown", "lost", "silent")


def lines(path):
    """The complete lines of a file, as bytes without their ends."""
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        return file.read().split(b"\n")[:-1]


def table(path, columns):
    rows = [line.decode().split("\t") for line in lines(path)]
    for row in rows:
        if len(row) != columns:
            raise ValueError(f"{path}: not {columns} columns: {row}")
    return rows


class Message:
    def __init__(self, seq, sender, text, time="", offset=None):
        self.seq, self.sender, self.text = seq, sender, text
        self.time, self.offset = time, offset

    @property
    def id(self):
        return id_of(self.text)

    def same(self, other):
        return (self.seq, self.sender, self.text) == \
            (other.seq, other.sender, other.text)

    def __str__(self):
        return f"{self.seq} {self.sender} {self.text[:80]}"


def read_log(path):
    """Messages of either form. Offsets are those in the file."""
    found, offset = [], 0
    for line in lines(path):
        fields = line.decode().split("\t")
        if len(fields) == 4:
            found.append(Message(int(fields[0]), fields[2], fields[3],
                                 fields[1], offset))
        elif len(fields) == 3:
            found.append(Message(int(fields[0]), fields[1],
                                 json.loads(fields[2])))
        else:
            raise ValueError(f"{path}: no message: {line!r}")
        offset += len(line) + 1
    return found


def gaps(log):
    want = 1
    for m in log:
        if m.seq != want:
            yield f"{m.seq} where {want} should be"
        want = m.seq + 1


def doubles(log):
    seen = {}
    for m in log:
        if m.id in seen:
            yield f"{m.id} is {seen[m.id]} and {m.seq}"
        seen[m.id] = m.seq


def backward(log):
    for before, m in zip(log, log[1:]):
        if m.time < before.time:
            yield f"{m.seq} is earlier than {before.seq}"


def lost(log, acks):
    there = {m.id for m in log}
    for name, _, _ in acks:
        if name not in there:
            yield f"{name} is not there"


def unsent(log, sent, attempts):
    """What nobody has sent; other bytes than were sent, too."""
    known = {row[0] for row in sent} | {a[1] for a in attempts}
    for m in log:
        if m.id not in known:
            yield f"{m}"


def misplaced(log, acks):
    stands = {m.id: m for m in log}
    for name, seq, offset in acks:
        m = stands.get(name)
        # Of what write(2) has acknowledged nobody was told where it is.
        if m and seq != "-" and \
                (m.seq, m.offset) != (int(seq), int(offset)):
            yield (f"{name} was told {seq} at byte {offset},"
                   f" and is {m.seq} at {m.offset}")


def disagrees(log, other):
    for ours, theirs in zip(log, other):
        if not ours.same(theirs):
            yield f"{theirs} where the log has {ours}"
            return
    if len(log) != len(other):
        yield f"{len(other)} messages, the log has {len(log)}"


def took(attempts):
    return [float(a[3]) - float(a[2]) for a in attempts] or [0]


def late(attempts, limit):
    for node, name, began, ended, result in attempts:
        took = float(ended) - float(began)
        if took > limit:
            yield f"{name} on {node}: {result} after {took:.2f} s"


def unexpected(attempts, allowed):
    for node, name, _, _, result in attempts:
        if result not in allowed:
            yield f"{name} on {node}: {result}"


def say(what, wrong):
    wrong = list(wrong)
    if not wrong:
        print("ok", what)
        return
    more = len(wrong) - WRONG_SHOWN
    print(f"not ok {what}: {'; '.join(wrong[:WRONG_SHOWN])}"
          + (f"; and {more} more" if more > 0 else ""))


def unasked(attempts):
    """Duplicates of what nobody can have stored before."""
    open_ones = set()
    for node, name, _, _, result in attempts:
        if result in UNKNOWN:
            open_ones.add(name)
        if result == "duplicate" and name not in open_ones:
            yield f"{name} on {node}"


def outage(acknowledged, began, ended):
    """Of one node: the longest time without an acknowledgement, from the begin
    of a fault until a message that was begun after its end is acknowledged;
    and when that was, from its end. None: never."""
    after = [e for b, e in acknowledged if b > ended]
    if not after:
        return None
    again = min(after)
    ends = [began] + sorted(e for _, e in acknowledged if began < e <= again)
    return (max(b - a for a, b in zip(ends, ends[1:])), again - ended)


def median_and_most(numbers):
    numbers = sorted(numbers)
    return f"{numbers[len(numbers) // 2]:.2f} s (at most {numbers[-1]:.2f} s)"


def recovery(attempts, faults):
    """Of each kind of fault, by node, how long it was felt. A comment: a time
    is no test."""
    for name in sorted({f[2] for f in faults}):
        for node in sorted({a[0] for a in attempts}):
            acknowledged = [(float(a[2]), float(a[3])) for a in attempts
                            if a[0] == node and a[4] in ACKNOWLEDGED]
            found = [outage(acknowledged, float(f[0]), float(f[1]))
                     for f in faults if f[2] == name]
            felt = [f for f in found if f]
            if felt:
                print(f"# {name}, {len(felt)} times: node {node} silent for "
                      f"{median_and_most(f[0] for f in felt)}; once it was "
                      f"over, {median_and_most(f[1] for f in felt)}")
            if len(felt) < len(found):
                print(f"# {name}: {len(found) - len(felt)} times node {node}"
                      " stored nothing more")


def reading(recoveries):
    for name in sorted({r[2] for r in recoveries}):
        took = [float(r[1]) - float(r[0]) for r in recoveries if r[2] == name]
        print(f"# {name}: once it was over, all readers had what was stored "
              f"in {median_and_most(took)}")


def sums(log, acks, attempts):
    results = [a[4] for a in attempts]
    print(f"# {len(log)} messages, {len({a[0] for a in acks})} acknowledged, "
          f"{len(list(lost(log, acks)))} of them lost, "
          f"{len(list(doubles(log)))} doubled")
    print(f"# {len(attempts)} tries: " + ", ".join(
        f"{results.count(r)} {r}" for r in sorted(set(results)))
        + f"; the slowest took {max(took(attempts)):.2f} s")


def stored(log, sent, acks, attempts):
    """What is to be true of a log whatever has happened: WHAT and its faults,
    each."""
    yield "seq has no gap", gaps(log)
    yield "nothing is there twice", doubles(log)
    yield "times do not go back", backward(log)
    yield "nothing acknowledged is lost", lost(log, acks)
    yield "each stands where its sender was told", misplaced(log, acks)
    yield "nothing is there that was not sent", unsent(log, sent, attempts)


def main():
    record, path, *readers = sys.argv[1:]
    log = read_log(path)
    acks = table(f"{record}/acks", 3)
    attempts = table(f"{record}/attempts", 5)
    sent = table(f"{record}/sent", 2)
    limit = float(os.environ.get("LIMIT", 2.5))
    allowed = os.environ.get(
        "RESULTS", "sent duplicate unavailable outcome_unknown").split()

    say("messages were acknowledged", [] if acks else ["none"])
    for what, wrong in stored(log, sent, acks, attempts):
        say(what, wrong)
    for reader in readers:
        say(f"{os.path.basename(reader)} read that order",
            disagrees(log, read_log(reader)))
    say(f"each try was answered within {limit:g} s", late(attempts, limit))
    say(f"with one of: {', '.join(allowed)}", unexpected(attempts, allowed))
    if not os.environ.get("RESENT"):
        say("a duplicate is only what may have been stored", unasked(attempts))
    recovery(attempts, table(f"{record}/faults", 3))
    reading(table(f"{record}/recoveries", 3))
    sums(log, acks, attempts)


if __name__ == "__main__":
    main()
