#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The figures of the capacity sheet in groupd-cluster(7), from a benchmark.

    make bench-cluster JSON=FILE
    tests/bench/sheet.py FILE                        prints them
    tests/bench/sheet.py FILE man/groupd-cluster.7   puts them into the page

They stand between two comments of the page, which say so; the words around
them are not touched. What is assumed is below; what is measured is a row of the
benchmark's table, by its name.
"""
import json
import math
import sys

BEGIN = '.\\" Made by tests/bench/sheet.py, from here'
END = '.\\" to here.'

# Assumed.
GROUPS = 50_000_000
MESSAGES = 57_870      # a second, on average: 5,000,000,000 a day
PEAK = 3               # times that
MEMBERS = 20           # a group
GROUPS_OF = 50         # a user's
ONLINE = 0.1           # of the users, at a time
WATCHED = (50, 5)      # of the groups of each of these
DAYS = 30              # that are kept
COPIES = 3             # a primary and two standbys
CORES = 2              # of the machine that was measured
NODE_MEMORY = 48e9     # bytes that a node of 64 GB has for this

# LETTER, WHAT, the row METRIC and SIDE, and how many things that is of.
ROWS = (
    ("a", "appends a second, at random groups, each its own commit",
     "random groups", "ours", 1),
    ("b", "messages a second, where a commit has those of 64 groups",
     "batches of groups", "ours", 1),
    ("h", "appends a second to one group: none can have more commits",
     "one hot group", "ours", 1),
    ("s", "bytes of a message on disk, with its index", "bytes a message",
     "ours", 1),
    ("d", "bytes of what tells that it is sent again, kept for a day",
     "bytes a key", "ours", 1),
    ("w", "bytes of PostgreSQL's log for a message, right behind a checkpoint",
     "log a message, random groups", "ours", 1),
    ("G", "bytes of a group on disk", "bytes a group", "ours", 1),
    ("M", "bytes of a membership on disk, by group and by user",
     "bytes a membership", "ours", 1),
    ("c", "KiB that a connection takes of a gateway",
     "10000 online, memory a connection", "ours", 1),
    ("C", "KiB that it takes of groupd",
     "10000 online, groupd's memory a connection", "ours", 1),
    ("x", "bytes that a subscription takes of a gateway",
     "memory of a watched group", "gateway", 1),
    ("X", "bytes that a group takes of groupd, where somebody watches it",
     "memory of a watched group", "groupd", 1),
    ("r", "bytes that the same takes of Redis, with who is online there",
     "memory of a watched group", "Redis", 1),
    ("R", "bytes that a user online takes of Redis",
     "memory of a user online", "Redis", 1),
    ("t", "microseconds of a sweep, for a watched group",
     "sweeps of 10000 watched groups", "one takes", 10),
    ("y", "microseconds of PostgreSQL's processors for the same",
     "sweeps of 10000 watched groups", "PostgreSQL's CPU", 10),
    ("z", "microseconds of them for a user online, in each sweep",
     "sweeps of 10000 users online", "PostgreSQL's CPU", 10),
    ("f", "deliveries a second of both nodes, to WebSockets",
     "10000 online, one by one, deliveries", "ours", 1),
    ("i", "hints a second that one node publishes and one takes",
     "hints, 64 under way", "ours", 1),
)
TIMES = (
    ("A to B, one listener", "A to B, {}", "ours"),
    ("until its sender is answered", "A to B, {}", "the sender's answer"),
    ("a plain insert, committed", "A to B, {}", "plain insert"),
    ("10,000 online, to the last",
     "10000 online, one by one, to the last, {}", "ours"),
    ("to the last on B",
     "10000 online, one by one, to the last on B, {}", "ours"),
    ("10 messages a second, to the last",
     "10000 online, sustained, to the last, {}", "ours"),
)


def short(value):
    """Three digits of it."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def count(value):
    return f"{value:,.0f}"


def size(value):
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if value < 1000 or unit == "PB":
            return f"{value:.3g} {unit}"
        value /= 1000


def median(result, metric, side):
    try:
        return result[metric][side]["median"]
    except KeyError:
        sys.exit(f"sheet.py: the benchmark has no row: {metric}: {side}")


def measured(result):
    """{letter: value}, and a list."""
    values = {}
    lines = ['.Bl -tag -width "G = 123,456" -compact']
    for letter, what, metric, side, n in ROWS:
        values[letter] = median(result, metric, side) / n
        row = metric.replace("'", "\\(aq")
        if side != "ours":
            row += ": " + side.replace("'", "\\(aq")
        lines += [f".It Ar {letter} No = {short(values[letter])}",
                  what, f".Pq Dq {row}"]
    return values, [*lines, ".El"]


def times(result):
    lines = [f"{'':34} {'p50':>7} {'p99':>7}"]
    for what, metric, side in TIMES:
        p50, p99 = (median(result, metric.format(p), side)
                    for p in ("p50", "p99"))
        lines.append(f"{what:34} {p50:7.1f} {p99:7.1f}")
    for what, metric in (("one listener", "commit, by A to B"),
                         ("10,000 online", "commit, by all of them")):
        share = median(result, metric, "ours")
        lines.append(f"{'the commit is, ' + what:34} {share:6.3g}%")
    return lines


def derived(v, watches):
    """(WHAT, FORMULA, VALUE) each, where a user watches so many groups."""
    members = GROUPS * MEMBERS
    online = members / GROUPS_OF * ONLINE
    watched = online * watches
    peak = MESSAGES * PEAK
    each = MEMBERS * ONLINE
    day = 86400 * MESSAGES
    sweeps = (watched * v["y"] + online * v["z"]) / 1e6
    servers = math.ceil(peak / v["b"] + sweeps / CORES)
    kept = GROUPS * v["G"] + members * v["M"]
    held = day * (DAYS * v["s"] + v["d"])
    memory = (online * (v["c"] + v["C"]) * 1024 +
              watched * (v["x"] + v["X"]))
    return [
        ("peak, messages/s", "p = 3 m", count(peak)),
        ("connections", "o", count(online)),
        ("watched groups", "W", count(watched)),
        None,
        ("servers, by messages", "p / b", short(peak / v["b"])),
        ("servers, by sweeps", "(W y + o z) / 2 cores", short(sweeps / CORES)),
        ("with standbys", "k times both", count(servers * COPIES)),
        ("disk, a day", "86,400 m s", size(day * v["s"])),
        ("disk, 30 days", "86,400 m (30 s + d)", size(held)),
        ("groups and members", "g G + u M", size(kept)),
        ("disk, all copies", "k times both", size((held + kept) * COPIES)),
        ("log, a second", "p w", size(peak * v["w"])),
        ("hot in memory", "g G + u M + 3,600 p s",
         size(kept + 3600 * peak * v["s"])),
        None,
        ("nodes, by memory", "(o (c+C) + W (x+X)) / 48 GB",
         count(math.ceil(memory / NODE_MEMORY))),
        ("nodes, by sweeps", "W t / 1 s",
         count(math.ceil(watched * v["t"] / 1e6))),
        ("nodes, by deliveries", f"{2 * each:g} p / f",
         count(math.ceil(2 * each * peak / v["f"]))),
        None,
        ("Redis, memory", "o R + W r",
         size(online * v["R"] + watched * v["r"])),
        ("Redis, processor", f"{each:g} p / i",
         f"{100 * each * peak / v['i']:.0f}%"),
    ]


def both(v):
    """A line each: all of a user's groups watched, and a few of them."""
    yield f"{'':49}" + "".join(f"{f'W = {n} o':>12}" for n in WATCHED)
    for rows in zip(*(derived(v, n) for n in WATCHED)):
        if rows[0] is None:
            yield ""
            continue
        yield f"{rows[0][0]:21}{rows[0][1]:28}" + "".join(
            f"{value:>12}" for _, _, value in rows)


def block(lines):
    return [".Bd -literal", *lines, ".Ed"]


def sheet(result):
    values, lines = measured(result)
    return "\n".join([
        BEGIN,
        *lines,
        ".Pp", "How long a message takes, in milliseconds:",
        *block(times(result)),
        ".Pp", "What follows:",
        *block(both(values)),
        END])


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        text = sheet(json.load(f))
    if len(sys.argv) == 2:
        print(text)
        return
    with open(sys.argv[2], encoding="utf-8") as f:
        page = f.read()
    before, rest = page.split(BEGIN)
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        f.write(before + text + rest.split(END)[1])


main()
