#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What /metrics says, read by Prometheus' own parser (python3-prometheus-client)
and held against the rules that it does not check.

  metrics.py check                stdin: a scrape; prints each fault
  metrics.py get NAME [L=V...]    stdin: a scrape; the sum of the samples
                                  of that name with those labels
  metrics.py families             stdin: a scrape; name and type of each family
  metrics.py stable               stdin: a scrape without what moves by being
                                  looked at

and WebSockets at $URL with $TOKEN:

  metrics.py idle GROUP N         N of them, subscribed to GROUP; prints `live`
                                  once all are, and stays until stdin ends
  metrics.py greedy GROUP AFTER   asks for pages of GROUP behind AFTER, and
                                  reads nothing until stdin ends
"""
import asyncio
import json
import os
import re
import socket
import sys

from prometheus_client.parser import text_string_to_metric_families

NAME = re.compile(r"^(groupfs|process)_[a-z0-9_]+$")
LINE = re.compile(r'^[a-z_]+(\{[a-z]+="[^"\\\n]*"(,[a-z]+="[^"\\\n]*")*\})? '
                  r"[0-9]+(\.[0-9]+)?$")
SUFFIXES = ("_bucket", "_sum", "_count")
# These move with each scrape, or with time alone.
MOVING = re.compile(r"^(groupfs_requests_total|groupfs_read_seconds.*"
                    r"|groupfs_queued_requests|groupfs_http_requests_total"
                    r"|groupfs_gateway_(written|cpu|resident)_.*"
                    r"|process_.*)$")


def number(sample):
    return float(sample.value)


def raw_faults(text):
    """Of the lines: heads once and before their samples, which are together."""
    seen, current, heads = set(), None, {}
    if not text.endswith("\n"):
        yield "the last line has no end"
    for line in text.splitlines():
        if line.startswith("# "):
            kind, name = line.split(" ")[1:3]
            if kind not in ("HELP", "TYPE"):
                yield f"a comment: {line}"
            if len(line.split(" ", 3)) < 4:
                yield f"nothing said: {line}"
            heads.setdefault(name, []).append(kind)
            if name != current and name in seen:
                yield f"{name} is in two places"
            current = name
            seen.add(name)
            continue
        if not LINE.match(line):
            yield f"no sample: {line}"
        name = re.match(r"^[a-z0-9_]+", line)[0]
        if name != current and not any(
                name == current + s for s in SUFFIXES):
            yield f"{name} stands below {current}"
    for name, kinds in heads.items():
        if kinds != ["HELP", "TYPE"]:
            yield f"{name} has {kinds}"


def histogram_faults(family):
    series = {}
    for s in family.samples:
        labels = {k: v for k, v in s.labels.items() if k != "le"}
        one = series.setdefault(tuple(sorted(labels.items())), {"le": []})
        if s.name.endswith("_bucket"):
            one["le"].append((float(s.labels["le"]), number(s)))
        else:
            one[s.name[len(family.name):]] = number(s)
    for labels, one in series.items():
        bounds = [le for le, _ in one["le"]]
        counts = [count for _, count in one["le"]]
        where = f"{family.name}{dict(labels)}"
        if bounds != sorted(set(bounds)) or bounds[-1] != float("inf"):
            yield f"{where}: the bounds are {bounds}"
        if counts != sorted(counts):
            yield f"{where}: it is not cumulative: {counts}"
        if "_sum" not in one or "_count" not in one:
            yield f"{where}: no sum, no count"
        elif one["_count"] != counts[-1]:
            yield f"{where}: {one['_count']} are not {counts[-1]}"


def family_faults(family):
    if not NAME.match(family.name):
        yield f"the name {family.name}"
    if family.type not in ("counter", "gauge", "histogram"):
        yield f"{family.name} is a {family.type}"
    seen = set()
    for s in family.samples:
        key = (s.name, tuple(sorted(s.labels.items())))
        if key in seen:
            yield f"{key} twice"
        seen.add(key)
        if number(s) < 0 or number(s) != number(s):
            yield f"{key} is {s.value}"
        if family.type == "counter" and not s.name.endswith("_total"):
            yield f"the counter {s.name}"
        if family.type == "gauge" and s.name.endswith("_total"):
            yield f"the gauge {s.name}"
    if family.type == "histogram":
        yield from histogram_faults(family)


def parse(text):
    return list(text_string_to_metric_families(text))


def check(text):
    faults = list(raw_faults(text))
    for family in parse(text):
        faults += family_faults(family)
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


def get(text, name, *wanted):
    labels = dict(w.split("=", 1) for w in wanted)
    values = [number(s) for f in parse(text) for s in f.samples
              if s.name == name and labels.items() <= s.labels.items()]
    if not values:
        sys.exit(f"no sample {name} {labels}")
    print(f"{sum(values):.10g}")


def families(text):
    for f in parse(text):
        print(f.name + ("_total" if f.type == "counter" else ""), f.type)


def stable(text):
    for line in text.splitlines():
        if not line.startswith("#") and not MOVING.match(
                re.match(r"^[a-z0-9_]+", line)[0]):
            print(line)


def connect(**options):
    import websockets
    url = os.environ["URL"].replace("http", "ws", 1) + "/api/ws"
    return websockets.connect(
        url, subprotocols=["groupfs.v1"], max_size=None, ping_interval=None,
        open_timeout=20, extra_headers={
            "Authorization": "Bearer " + os.environ["TOKEN"]}, **options)


async def idle(group, count):
    async def one():
        ws = await connect()
        await ws.send(json.dumps(
            {"type": "subscribe", "groups": [{"group": group}]}))
        while json.loads(await ws.recv())["type"] != "live":
            pass

        async def read():
            async for _ in ws:
                pass
        return asyncio.create_task(read())
    readers = [await one() for _ in range(int(count))]
    print("live", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    assert len(readers) == int(count)
    os._exit(0)  # as who is killed: nothing is said to the gateway


def greedy(group, after):
    """By hand, so that nothing reads before it is time to."""
    host, port = os.environ["URL"].split("://")[1].rsplit(":", 1)
    s = socket.create_connection((host, int(port)), 20)
    s.sendall((f"GET /api/ws HTTP/1.1\r\nHost: {host}:{port}\r\n"
               "Connection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Sec-WebSocket-Protocol: groupfs.v1\r\n"
               f"Authorization: Bearer {os.environ['TOKEN']}\r\n\r\n"
               ).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += s.recv(1)
    body = json.dumps({"type": "pull", "group": group,
                       "after_seq": int(after)}).encode()
    s.sendall((bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body) * 64)
    sys.stdin.read()


def main():
    what, *args = sys.argv[1:]
    if what == "idle":
        asyncio.run(idle(*args))
    elif what == "greedy":
        greedy(*args)
    else:
        {"check": check, "get": get, "families": families,
         "stable": stable}[what](sys.stdin.read(), *args)


if __name__ == "__main__":
    main()
