#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Frames and requests at a whole groupd, by the hundred thousand.

  daemon.py SURFACE FRAMES     wire, ws or http; until so many were answered

$SOCKET, $URL, $TOKEN and $SEED as in tests/system/mutate.py, whose cases these
are, many of them on each connection. A line for each conversation that had
another answer than a documented one names its number; FIRST=number FRAMES=1
has that one again. Ends with what was counted, as JSON.
"""
import collections
import json
import multiprocessing
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "system"))

import mutate  # noqa: E402
import mutate_wire  # noqa: E402
import raw  # noqa: E402

LENGTH = 200  # frames a conversation
AT_ONCE = 4
GOOD = [one for one in mutate.REQUESTS if b"/stream" not in one.path]


def talk_wire(rng):
    talk = mutate_wire.Talk(os.environ["SOCKET"], *mutate_wire.conversation(
        rng, LENGTH, raw.token().decode()))
    return len(talk.answered), talk.errors


def exchange(data):
    """Says it all, and hears all, until the server ends it."""
    with raw.Peer(60) as peer:
        peer.send_all(data)
        peer.half_close()
        try:
            return peer.take_rest(), True
        except raw.Silence:
            return peer.got, False


def talk_ws(rng):
    corpus = mutate.commands()
    frames = []
    for text in rng.choices(corpus, k=LENGTH):
        how = rng.random()
        if how < 0.3:
            text = mutate.changed(rng, text, corpus)
            # What is no UTF-8 ends the connection.
            text = text.decode(errors="ignore").encode()
        frame = raw.frame(raw.TEXT, text, mask=rng.randbytes(4))
        if how > 0.997:
            frame = mutate.odd_frame(rng, text)
        elif how > 0.994:
            frame = mutate.changed(rng, frame, frames or [frame])
        elif how > 0.95:
            frame = raw.frame(raw.PING, text[:100])
        frames.append(frame)
    frames.append(raw.close(1000))
    sent = raw.upgrade(raw.bearer()) + b"".join(frames)
    got, ended = exchange(sent)
    mutate.check(sent, got, ended)
    return max(1, got.count(b'"type":"')), got.count(b'"type":"error"')


def talk_http(rng):
    requests = []
    for _ in range(LENGTH // 10):
        mutate.REQUESTS, all_of_them = GOOD, mutate.REQUESTS
        one = mutate.odd_request(rng)
        mutate.REQUESTS = all_of_them
        if one.startswith((b"HEAD", b"OPTIONS")):
            continue
        if rng.random() < 0.01:
            one = mutate.changed(rng, one, requests or [one])
        requests.append(one)
    sent = b"".join(requests) + mutate.said(mutate.Request(
        b"GET", b"/healthz", b"", b"", (b"Connection: close",)))
    got, ended = exchange(sent)
    mutate.check(sent, got, ended)
    return max(1, got.count(b"HTTP/1.1 ")), got.count(b"HTTP/1.1 4")


TALKS = {"wire": talk_wire, "ws": talk_ws, "http": talk_http}


def one(job):
    surface, number = job
    rng = random.Random(f"{os.environ['SEED']} long {surface} {number}")
    try:
        return (number, None, *TALKS[surface](rng))
    except (raw.Broken, raw.Silence, ValueError, KeyError, TypeError,
            IndexError, OSError) as e:
        return number, f"{type(e).__name__}: {str(e)[:300]}", 1, 0


def jobs(surface, first):
    while True:
        yield surface, first
        first += 1


def main(surface, frames):
    counts, wrong = collections.Counter(), 0
    first = int(os.environ.get("FIRST", "0"))
    source = jobs(surface, first)
    with multiprocessing.Pool(AT_ONCE) as pool:
        while counts["frames"] < frames:
            batch = [next(source) for _ in range(4 * AT_ONCE)]
            for number, why, taken, errors in pool.imap_unordered(
                    one, batch):
                counts["frames"] += taken
                counts["errors"] += errors
                counts["conversations"] += 1
                if why is not None:
                    wrong += 1
                    print(f"{surface} {number}: {why}")
            if wrong > 20:
                break
    print(json.dumps({"surface": surface, "next": next(source)[1],
                      "wrong": wrong, **counts}))
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
