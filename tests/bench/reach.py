#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What `make bench` has reached: reach.py FOLDER [JSON]

FOLDER has what report.py made of each benchmark, as NAME.json. Prints a row an
aim: the medians of both sides, ours by the other's with the lowest and the
highest of the rounds, the aim, and whether it is met. The order is that of
issue 7; behind them are the aims of the other issues."""
import json
import os
import re
import sys

BROKERS = "mosquitto|nats|redis"
# What issue 7 wants to reach, BENCHMARK, METRIC, SIDE, and the AIM where that
# tells it from others; None: there is no aim, but what is worth a look beside.
REACH = (
    ("64 and 512 senders, beside a bare file with group commit",
     "send", r"N=(64|512) random groups, messages", "file", ""),
    ("the same by Redis that syncs always, like for like over a socket",
     "send", r"N=(64|512) random groups(, a link each)?, messages", "redis",
     ""),
    ("a single sender's p50, by one fdatasync",
     "send", r"N=1 random groups, p50", "fdatasync", ""),
    ("p99.9 under sustained load, ms",
     "send", r"N=\d+ random groups, sustained, p99\.9", "itself", ""),
    ("bytes of the log a message of 200 bytes, in batches",
     "send", r"N=\d+ random groups, log", "itself", ""),
    ("fan-out, deliveries by the plain loop's",
     "ws", r".*, deliveries", "plain", ""),
    ("the same by those of a loop that first writes to a bare file",
     "ws", r".*, deliveries", "durable", None),
    ("by every broker's", "ws", r".*, deliveries", BROKERS, ""),
    ("p99 until the last has it, by every broker's",
     "ws", r".*, to the last, p99", BROKERS, ""),
    ("10,000 members reached, ms",
     "ws", r"N=10000 one by one, to the last, p50", "itself", ""),
    ("cat of 1 GiB by the store's own render loop",
     "catchup", "cat", "store", ""),
    ("that loop, MB/s", "catchup", "cat, store", "itself", ""),
    ("a WebSocket that resumes, messages a second",
     "catchup", "resume, ours", "itself", ""),
    ("writes where there are very many groups, by few",
     "flat", r".*", r"\d+ groups", r"<= 1\.1"),
    ("point reads where there are very many groups, by few",
     "flat", r".*", r"\d+ groups", r"<= 1\.5"),
    ("a group of 100,000 members by one of 20",
     "flat", r".*", "20 members", ""),
    ("start, ms", "flat", r"start.*", "itself", ""),
    ("memory a group, bytes", "flat", r"memory a group.*", "itself", ""),
    ("who is idle, wake-ups a second",
     "ws", r".*'s wake-ups", "itself", ""),
    ("an idle connection, KiB of ours",
     "ws", r"N=10000 memory a connection, both", "itself", ""),
    ("instructions an operation, by the table in the tree",
     "instructions", r".*", "table", ""),
)


def number(value):
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"


def row(name, result, a):
    """An aim, with the medians that it is made of."""
    entry = result.get(a["metric"], {})
    return {"bench": name, **a,
            "ours": entry.get("ours", {}).get("median"),
            "beside": entry.get(a["side"], {}).get("median")}


def beside(name, result, metric, side):
    """Rows that no aim is for."""
    for what, entry in result.items():
        r = side in entry and entry[side].get("ours_by_this")
        if r and re.fullmatch(metric, what):
            yield row(name, result,
                      {"metric": what, "side": side, "aim": "",
                       "is": r["median"], "low": r["low"],
                       "high": r["high"], "met": None})


def matching(rows, name, metric, side, aim):
    return [r for r in rows
            if r["bench"] == name and re.fullmatch(metric, r["metric"])
            and re.fullmatch(side, r["side"]) and re.match(aim, r["aim"])]


def show(title, rows):
    print(f"\n{title}")
    if not rows:
        print("  NOT MEASURED")
    for r in rows:
        verdict = {True: "met", False: "MISSED", None: ""}[r["met"]]
        spread = f"({number(r['low'])}..{number(r['high'])})"
        what = r["metric"]
        if r["side"] != "itself":
            what += f", by {r['side']}"
        print(f"  {verdict:7}{what:57}{number(r['ours']):>9}"
              f"{number(r['beside']):>9}{number(r['is']):>9} {spread:17}"
              f" {r['aim']}".rstrip())


def load(folder):
    results = {}
    for file in sorted(os.listdir(folder)):
        with open(os.path.join(folder, file), encoding="utf-8") as f:
            results[file.removesuffix(".json")] = json.load(f)
    return results


def main():
    results = load(sys.argv[1])
    others = [row(name, results[name], a)
              for name, result in results.items() for a in result.pop("aims")]
    out = {"benches": results, "reach": []}
    print(f"{'':9}{'':57}{'ours':>9}{'beside':>9}{'reached':>9}"
          f" {'spread':17} aim")
    for title, name, metric, side, aim in REACH:
        if aim is None:
            rows = list(beside(name, results.get(name, {}), metric, side))
        else:
            rows = matching(others, name, metric, side, aim)
            others = [r for r in others if r not in rows]
        show(title, rows)
        out["reach"].append({"what": title, "rows": rows})
    if others:
        show("what other issues aim at", others)
    out["others"] = others
    aimed = [r for part in out["reach"] for r in part["rows"]] + others
    met = sum(r["met"] is True for r in aimed)
    missed = sum(r["met"] is False for r in aimed)
    print(f"\n{met} met, {missed} MISSED")
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w", encoding="utf-8") as f:
            json.dump(out, f, indent=1)
            f.write("\n")


main()
