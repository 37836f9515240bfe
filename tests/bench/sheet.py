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
DAYS = 30              # that are kept
COPIES = 3             # a primary and two standbys
CORES = 2              # of the machine that was measured
NODE_MEMORY = 48e9     # bytes that a node of 64 GB has for this

# LETTER, WHAT, (METRIC, SIDE) of the table; N: how many things that row is of.
ROWS = (
    ("a", "appends a second, each a commit", "random groups", "ours", 1),
    ("b", "messages a second, 32 groups a commit",
     "batches of groups", "ours", 1),
    ("h", "appends a second, one group", "one hot group", "ours", 1),
    ("s", "bytes a message", "bytes a message", "ours", 1),
    ("d", "bytes of its key, kept a day", "bytes a key", "ours", 1),
    ("w", "bytes of log a message, at worst",
     "log a message, random groups", "ours", 1),
    ("G", "bytes a group", "bytes a group", "ours", 1),
    ("M", "bytes a membership", "bytes a membership", "ours", 1),
    ("c", "KiB a connection, gateway",
     "10000 online, memory a connection", "ours", 1),
    ("C", "KiB a connection, groupd",
     "10000 online, groupd's memory a connection", "ours", 1),
    ("x", "bytes a watched group, gateway",
     "memory of a watched group", "gateway", 1),
    ("X", "bytes a watched group, groupd",
     "memory of a watched group", "groupd", 1),
    ("r", "bytes a watched group, Redis",
     "memory of a watched group", "Redis", 1),
    ("R", "bytes a user online, Redis", "memory of a user online", "Redis", 1),
    ("t", "us a watched group, a sweep",
     "sweeps of 10000 watched groups", "one takes", 10),
    ("y", "us of a core, the same, PostgreSQL",
     "sweeps of 10000 watched groups", "PostgreSQL's CPU", 10),
    ("z", "us of a core, a user online, the same",
     "sweeps of 10000 users online", "PostgreSQL's CPU", 10),
    ("f", "deliveries a second",
     "10000 online, one by one, deliveries", "ours", 1),
    ("i", "hints a second", "hints, 64 under way", "ours", 1),
)
TIMES = (
    ("A to B, one listener", "A to B, {}", "ours"),
    ("its sender's answer", "A to B, {}", "the sender's answer"),
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


def size(value):
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if value < 1000 or unit == "PB":
            return f"{value:.3g} {unit}"
        value /= 1000


def measured(result):
    """{letter: value}, and the lines."""
    values, lines = {}, []
    for letter, what, metric, side, n in ROWS:
        values[letter] = result[metric][side]["median"] / n
        lines.append(f"{letter} {what:38} {short(values[letter]):>8}  "
                     f"{metric}" + ("" if side == "ours" else f", {side}"))
    return values, lines


def times(result):
    lines = [f"{'ms':34} {'p50':>7} {'p99':>7}"]
    for what, metric, side in TIMES:
        p50, p99 = (result[metric.format(p)][side]["median"]
                    for p in ("p50", "p99"))
        lines.append(f"{what:34} {p50:7.1f} {p99:7.1f}")
    for what, metric in (("one listener", "commit, by A to B"),
                         ("10,000 online", "commit, by all of them")):
        share = result[metric]["ours"]["median"]
        lines.append(f"{'the commit is, ' + what:34} {share:6.0f}%")
    return lines


def derived(v):
    users = GROUPS * MEMBERS / GROUPS_OF
    members = GROUPS * MEMBERS
    online = users * ONLINE
    watched = online * GROUPS_OF
    peak = MESSAGES * PEAK
    each = MEMBERS * ONLINE
    day = 86400 * MESSAGES
    sweeps = (watched * v["y"] + online * v["z"]) / 1e6
    by_messages = peak / v["b"]
    servers = by_messages + sweeps / CORES
    kept = GROUPS * v["G"] + members * v["M"]
    disk = day * (DAYS * v["s"] + v["d"]) + kept
    memory = (online * (v["c"] + v["C"]) * 1024 +
              watched * (v["x"] + v["X"]))
    nodes = {
        "o (c + C) + W (x + X), by 48 GB": memory / NODE_MEMORY,
        "W t, by a second": watched * v["t"] / 1e6,
        f"{each:g} p / f": each * peak / v["f"],
    }
    redis = online * v["R"] + watched * v["r"]
    return [
        ("peak, messages a second", "p = 3 m", f"{peak:,}"),
        ("connections", "o", f"{online:,.0f}"),
        ("watched groups, all nodes", "W = 50 o", f"{watched:,.0f}"),
        None,
        ("servers, for messages", "p / b", short(by_messages)),
        ("servers, for sweeps", "(W y + o z) / 2", short(sweeps / CORES)),
        ("servers, with standbys", "k times both",
         f"{servers * COPIES:,.0f}"),
        ("disk of messages, a day", "86,400 m s", size(day * v["s"])),
        ("kept for 30 days, and keys", "86,400 m (30 s + d)",
         size(day * (DAYS * v["s"] + v["d"]))),
        ("groups and members", "g G + u M", size(kept)),
        ("disk, all copies", "k times both", size(disk * COPIES)),
        ("log a second, at the peak", "p w", size(peak * v["w"])),
        ("memory for what is hot", "g G + u M + 3,600 p s",
         size(kept + 3600 * peak * v["s"])),
        None,
        *(("nodes", formula, f"{value:,.0f}")
          for formula, value in nodes.items()),
        None,
        ("Redis, memory", "o R + W r", size(redis)),
        ("Redis, of what one did", f"{each:g} p / i",
         f"{100 * each * peak / v['i']:.0f}%"),
    ]


def block(lines):
    return [".Bd -literal", *lines, ".Ed"]


def sheet(result):
    values, lines = measured(result)
    rows = derived(values)
    return "\n".join([
        BEGIN,
        ".Pp", "Measured:", *block(lines),
        ".Pp", "How long a message takes:", *block(times(result)),
        ".Pp", "Derived:",
        *block("" if row is None else f"{row[0]:28} {row[1]:32} {row[2]:>14}"
               for row in rows),
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
