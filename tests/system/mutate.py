#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Good requests and frames, changed at random, and what comes back.

  mutate.py http FIRST COUNT   requests
  mutate.py ws FIRST COUNT     handshakes and frames

$TOKEN, $URL as in raw.py; $SEED and the number of a case make it: FIRST 17
COUNT 1 sends that one again, and shows it. Whatever is sent, an answer has a
status, a code or a close code that is documented, and is well-formed.
"""
import asyncio
import collections
import json
import os
import random
import re
import struct
import sys

import raw

# What groupd-api(7) and lib/err.h name, and RFC 9110 for what is not HTTP.
STATUSES = {100, 101, 200, 201, 204, 206, 304, 400, 401, 403, 404, 405, 408,
            409, 410, 411, 412, 413, 414, 415, 416, 417, 426, 429, 431, 501,
            503, 505, 507}
CODES = {"unauthenticated", "not_member", "not_admin", "no_such_group",
         "no_such_user", "group_exists", "last_admin", "group_full",
         "bad_request", "bad_name", "bad_utf8", "too_large", "rate_limited",
         "epoch_changed", "out_of_space", "unavailable", "outcome_unknown",
         "no_such_file", "file_exists"}
# Of the server's own; a client's is echoed.
CLOSES = {1000, 1002, 1003, 1007, 1009, 3001, 3008, 3012, 3500}
AT_ONCE = 128
QUIET_S = 0.15 * raw.PATIENCE  # then we say that we send no more
WAIT_S = 0.5 * raw.PATIENCE  # then we go

TOKENS = [b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"/", b"?", b"%",
          b"%00", b"%2e%2e/", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80",
          b"\r\n\r\n", b"\r\n ", b"HTTP/1.0", b"HTTP/1.1", b"GET ", b"HEAD ",
          b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n",
          b"Connection: close\r\n", b"Connection: Upgrade\r\n",
          b"Upgrade: websocket\r\n", b"Expect: 100-continue\r\n",
          b"0", b"-1", b"65536", b"4294967296", b"18446744073709551616",
          b'"', b"\\", b"\\u0000", b"\\ud800", b"{", b"[", b"}", b"]", b",",
          b"null", b"1e999", b'"type":', b'"id":', b"x" * 5000]


Request = collections.namedtuple("Request", "method path body kind lines",
                                 defaults=(b"", b"application/json", ()))
GROUP = b"/api/groups/dev"
MESSAGE = b'{"content":"hi @bob","message_type":"text","client_id":"c"}'
REQUESTS = [
    Request(b"POST", GROUP + b"/messages", MESSAGE),
    Request(b"POST", GROUP + b"/messages", MESSAGE),
    Request(b"POST", GROUP + b"/messages", b"plain", b"text/plain"),
    Request(b"POST", GROUP + b"/messages", MESSAGE, b"application/json",
            (b"Expect: 100-continue", b"Idempotency-Key: k")),
    Request(b"GET", GROUP + b"/messages?after_seq=0&limit=5"),
    Request(b"GET", GROUP + b"/messages?before_seq=9&limit=2"),
    Request(b"GET", GROUP + b"/stream?after_seq=0"),
    Request(b"GET", GROUP + b"/stream", b"", b"",
            (b"Accept: text/event-stream", b"Last-Event-ID: 1")),
    Request(b"POST", b"/api/groups", b'{"name":"g1","member_ids":["bob"],'
            b'"settings":{"a":[1,2]},"description":"d"}'),
    Request(b"GET", b"/api/groups"), Request(b"GET", GROUP),
    Request(b"PATCH", GROUP, b'{"description":"new","max_members":9,'
            b'"avatar_url":"http://x/y","settings":{"k":null}}'),
    Request(b"DELETE", b"/api/groups/g1"),
    Request(b"GET", GROUP + b"/members?limit=1&after=a"),
    Request(b"POST", GROUP + b"/members", b'{"add":["bob"],"remove":[]}'),
    Request(b"PUT", GROUP + b"/members/bob", b'{"role":"member"}'),
    Request(b"PATCH", GROUP + b"/members/bob", b'{"role":"admin"}'),
    Request(b"DELETE", GROUP + b"/members/bob"),
    Request(b"PUT", GROUP + b"/read", b'{"last_read_seq":1}'),
    Request(b"GET", b"/api/mentions?limit=3"), Request(b"GET", b"/healthz"),
    Request(b"HEAD", GROUP), Request(b"OPTIONS", GROUP),
    Request(b"GET", b"/readyz"),
    Request(b"GET", GROUP, b"", b"", (
        b"Connection: close", b"Accept: */*", b"User-Agent: mutate",
        b"Origin: http://x"))]


def said(request):
    """The bytes of one."""
    lines = [b"Host: " + raw.host(), raw.bearer(), *request.lines]
    if request.body:
        lines += [b"Content-Type: " + request.kind,
                  b"Content-Length: %d" % len(request.body)]
    return (request.method + b" " + request.path + b" HTTP/1.1\r\n" +
            b"".join(line + b"\r\n" for line in lines) + b"\r\n" +
            request.body)


def commands():
    texts = [{"type": "ping", "id": 1},
             {"type": "subscribe", "id": "s"},
             {"type": "subscribe", "groups": [
                 {"group": "dev", "after_seq": 0},
                 {"group": "other", "epoch": "0123456789abcdef"}]},
             {"type": "send", "id": 2, "group": "dev", "content": "hé €😀",
              "client_id": "w", "mentions": ["bob"]},
             {"type": "send", "id": 3, "group": "dev", "content": "x" * 300},
             {"type": "pull", "id": 4, "group": "dev", "after_seq": 0,
              "limit": 3},
             {"type": "read", "id": 5, "group": "dev", "last_read_seq": 1},
             {"type": "unsubscribe", "group": "dev"},
             {"type": "auth", "token": raw.token().decode()}]
    return [json.dumps(text, ensure_ascii=False).encode() for text in texts]


def change(rng, data, others):
    """One change of some bytes."""
    at, to = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    if to - at > 200 and rng.random() < 0.7:
        to = at + rng.randrange(200)
    piece = data[at:to]
    how = rng.randrange(8)
    if how == 0 and data:  # a bit
        i = rng.randrange(len(data))
        return (data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) +
                data[i + 1:])
    if how == 1:
        return data[:at] + data[to:]
    if how == 2:
        return data[:to] + piece * rng.choice([1, 1, 2, 30]) + data[to:]
    if how == 3:
        return data[:at] + rng.choice(TOKENS) + data[at:]
    if how == 4:
        return data[:at] + rng.choice(TOKENS) + data[to:]
    if how == 5:
        return data[:at] + rng.randbytes(rng.randrange(1, 9)) + data[at:]
    if how == 6:  # two pieces change places
        end = rng.randrange(to, len(data) + 1)
        return data[:at] + data[to:end] + piece + data[end:]
    other = rng.choice(others)
    begin = rng.randrange(len(other) + 1)
    return data[:at] + other[begin:begin + rng.randrange(300)] + data[to:]


def changed(rng, data, others):
    for _ in range(rng.choice([1, 1, 1, 2, 2, 3, 5])):
        data = change(rng, data, others)
    return data


def quoted(path):
    """As it may stand in a request line."""
    return re.sub(rb"[^!-~]", lambda c: b"%%%02x" % c[0][0], path)


def odd_request(rng):
    """A well-formed one that asks for something odd."""
    one, other = rng.sample(REQUESTS, 2)
    how = rng.randrange(5)
    if how <= 1 and one.body:
        one = one._replace(body=changed(rng, one.body, [
            request.body for request in REQUESTS]))
    elif how <= 2:
        one = one._replace(path=quoted(changed(rng, one.path, [
            request.path for request in REQUESTS])))
    elif how == 3:
        one = one._replace(method=other.method, lines=other.lines,
                           kind=other.kind)
    return said(one)


def http_case(rng, corpus):
    """Up to three of them, and then often no more well-formed."""
    data = b"".join(odd_request(rng)
                    for _ in range(rng.choice([1, 1, 1, 2, 3])))
    if rng.random() < 0.1:
        data += raw.upgrade(raw.bearer())
    if rng.random() < 0.5:
        data = changed(rng, data, corpus["requests"])
    return data


def odd_frame(rng, text):
    """A frame that may say anything of itself."""
    how = {"fin": rng.random() < 0.8, "rsv": rng.choice([0] * 9 + [1, 2, 4]),
           "mask": None if rng.random() < 0.1 else rng.randbytes(4)}
    if rng.random() < 0.1:
        how["length"] = rng.choice([0, 1, 125, 126, 65535, 65536, 1 << 20,
                                    1 << 31, 1 << 62, 1 << 63])
        how["form"] = 8
    opcode = rng.choice([raw.TEXT] * 6 + [raw.CONTINUATION, raw.BINARY,
                                          raw.CLOSE, raw.PING, raw.PONG, 3,
                                          11])
    return raw.frame(opcode, text, **how)


def ws_case(rng, corpus):
    request = raw.upgrade(*([raw.bearer()] if rng.random() < 0.8 else []))
    texts = rng.choices(corpus["commands"], k=rng.randrange(1, 6))
    how = rng.randrange(4)
    if how == 0:  # good frames of bad texts
        texts = [changed(rng, text, corpus["commands"]) for text in texts]
    if how == 1:  # bad frames of good texts
        frames = [odd_frame(rng, text) for text in texts]
    else:
        frames = [raw.frame(raw.TEXT, text, mask=rng.randbytes(4))
                  for text in texts]
    frames.append(raw.close(rng.choice([1000, 1001, 3999, 4000])))
    if how == 2:  # bad bytes
        frames = [changed(rng, b"".join(frames), frames)]
    if how == 3 and rng.random() < 0.5:
        rng.shuffle(frames)
    if rng.random() < 0.1:
        request = changed(rng, request, corpus["requests"])
    return request + b"".join(frames)


def cut(rng, data):
    """In one piece, mostly."""
    ends = sorted(rng.randrange(len(data) + 1)
                  for _ in range(rng.choice([0, 0, 1, 3])))
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)])]


async def talk(pieces):
    """(what came, whether the server ended it)."""
    got, ended = b"", False
    try:
        reader, writer = await asyncio.open_connection(*raw.address())
    except OSError:  # there is no gateway: the test asks for its pid
        return got, ended
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.wait_for(writer.drain(), WAIT_S)
            await asyncio.sleep(0)
        patience = QUIET_S
        while True:
            try:
                piece = await asyncio.wait_for(reader.read(65536), patience)
            except asyncio.TimeoutError:
                if patience == WAIT_S:
                    break
                writer.write_eof()
                patience = WAIT_S
                continue
            got += piece
            if not piece or len(got) > 1 << 22:
                ended = not piece
                break
    except OSError:
        pass  # a reset may have cut what came
    except asyncio.TimeoutError:
        pass
    writer.transport.abort()
    return got, ended


def sent_closes(data):
    """The close codes in what a client sent."""
    data, codes = data.partition(b"\r\n\r\n")[2], set()
    while len(data) >= 6:
        size, at = data[1] & 127, 2
        if data[1] < 0x80:
            break  # an unmasked one ends the connection
        if size > 125:
            at, form = (4, ">H") if size == 126 else (10, ">Q")
            if len(data) < at:
                break
            size = struct.unpack(form, data[2:at])[0]
        body = raw.masked(data[at + 4:at + 4 + size], data[at:at + 4])
        if data[0] & 15 == raw.CLOSE and len(body) >= 2:
            codes.add(struct.unpack(">H", body[:2])[0])
        data = data[at + 4 + size:]
    return codes


def check_event(opcode, payload, sent):
    word = raw.word(opcode, payload)
    name, _, code = word.partition("#")[0].partition(":")
    if opcode == raw.CLOSE and code and int(code) not in CLOSES | sent:
        raise raw.Broken(f"close code {code}")
    if name == "error" and code not in CODES:
        raise raw.Broken(f"error code {code}")


def check(sent, got, ended):
    """Raises Broken; returns what it was, to be counted."""
    peer, statuses = raw.Recorded(got, ended), []
    try:
        while True:
            # Which answer is one to HEAD is not known here.
            answer = peer.response(b"HEAD" in sent)
            if answer is None:
                break
            statuses.append(str(answer.status))
            if answer.status not in STATUSES:
                raise raw.Broken(f"status {answer.status}")
            if answer.status == 101:
                while (event := peer.event())[0] is not None:
                    check_event(*event, sent_closes(sent))
                break
            if b"HEAD" in sent:
                break
            if answer.status >= 400:
                raw.check_refusal(answer)
                if json.loads(answer.body)["code"] not in CODES:
                    raise raw.Broken(f"code of {answer.body}")
    except raw.Silence:
        pass
    return statuses[0] if statuses else "nothing"


async def run(what, first, count):
    seed = os.environ["SEED"]
    corpus = {"requests": [said(request) for request in REQUESTS],
              "commands": commands()}
    make = {"http": http_case, "ws": ws_case}[what]
    gate, counts, wrong = asyncio.Semaphore(AT_ONCE), {}, []

    async def one(number):
        rng = random.Random(f"{seed} {what} {number}")
        sent = make(rng, corpus)
        async with gate:
            got, ended = await talk(cut(rng, sent))
        if count == 1:
            print(sent, got, sep="\n")
        try:
            name = check(sent, got, ended)
        except (raw.Broken, ValueError, KeyError) as e:
            name = "wrong"
            wrong.append(f"case {number}: {type(e).__name__}: {e}")
        counts[name] = counts.get(name, 0) + 1

    for begin in range(first, first + count, 250):
        # One of the last may have deleted it.
        await talk([said(Request(b"POST", b"/api/groups",
                                 b'{"name":"dev"}'))])
        await asyncio.gather(*map(one, range(
            begin, min(begin + 250, first + count))))
    print(what, *[f"{name}:{n}" for name, n in sorted(counts.items())])
    for line in wrong[:40]:
        print(line)
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1], *map(int, sys.argv[2:]))))
