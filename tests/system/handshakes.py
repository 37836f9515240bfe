#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How a WebSocket may begin, and how not (RFC 6455 4.2, design.md section 5).

One row: a name, the request in pieces, the status that must come back (a
regular expression; for some requests more than one is right), and what more
the answer must say. What is not 101 is a problem+json.
"""
import collections
import re

import raw

Row = collections.namedtuple("Row", "name pieces status also slow")

ORIGIN = b"http://" + raw.host()


def row(name, request, status, also=None):
    pieces = [request] if isinstance(request, bytes) else request
    return Row(name, pieces, status, also, False)


def changed(name, *lines):
    """The good handshake with these lines for the header of this name."""
    return raw.upgrade(*lines, without=[name])


def says(header, value):
    def check(answer):
        got = answer.headers.get(header)
        if got != value and not (header == "upgrade" and got and
                                 got.lower() == value):
            return f"{header} is {got}, not {value}"
        return None
    return check


def good():
    yield row("a good one", raw.upgrade(), "101",
              says("sec-websocket-protocol", "groupfs.v1"))
    yield row("cut into bytes", raw.cut(raw.upgrade()), "101")
    yield row("with a token", raw.upgrade(raw.bearer()), "101")
    yield row("the token is not in the answer", raw.upgrade(raw.bearer()),
              "101", lambda answer: "it is" if raw.token().decode() in
              str(answer.headers) else None)
    yield row("names of headers in small letters", b"".join(
        line.split(b":", 1)[0].lower() + b":" + line.split(b":", 1)[1]
        if b":" in line and b"HTTP" not in line else line
        for line in raw.upgrade().splitlines(True)), "101")
    yield row("no blank behind the colons",
              raw.upgrade().replace(b": ", b":"), "101")
    yield row("blanks around the values", raw.upgrade().replace(
        b": ", b": \t ").replace(b"13\r\n", b"13 \t\r\n"), "101")
    for value in (b"WebSocket", b"WEBSOCKET"):
        yield row(f"Upgrade: {value.decode()}",
                  changed(b"Upgrade", b"Upgrade: " + value), "101")
    for value in (b"upgrade", b"keep-alive, Upgrade", b"Upgrade, keep-alive",
                  b"UPGRADE"):
        yield row(f"Connection: {value.decode()}",
                  changed(b"Connection", b"Connection: " + value), "101")
    yield row("an unknown header", raw.upgrade(b"X-Unknown: 1"), "101")
    yield row("a cookie and what browsers send", raw.upgrade(
        b"Cookie: a=b; c=d", b"User-Agent: Mozilla/5.0", b"DNT: 1",
        b"Accept-Language: de", b"Cache-Control: no-cache",
        b"Pragma: no-cache", b"Accept-Encoding: gzip", b"Accept: */*"),
        "101")


def wrong():
    for version in (b"0", b"7", b"8", b"12", b"14", b"113", b"13x", b"+13",
                    b""):
        yield row(f"version '{version.decode()}'", changed(
            b"Sec-WebSocket-Version", b"Sec-WebSocket-Version: " + version),
            "426" if version else "400|426",
            says("sec-websocket-version", "13") if version else None)
    yield row("no version", changed(b"Sec-WebSocket-Version"), "400|426")
    yield row("two versions", changed(
        b"Sec-WebSocket-Version", b"Sec-WebSocket-Version: 8",
        b"Sec-WebSocket-Version: 13"), "400|426")
    for name, key in (("empty", b""), ("short", b"dGhlIHNhbXBs"),
                      ("of 15 bytes", b"dGhlIHNhbXBsZSBub25j"),
                      ("of 17 bytes", b"dGhlIHNhbXBsZSBub25jZSE="),
                      ("long", b"QUFB" * 200),
                      ("of wrong letters", b"dGhlIHNhbXBsZSBub25j!Q=="),
                      ("without its end", b"dGhlIHNhbXBsZSBub25jZQ")):
        yield row(f"a key {name}", changed(
            b"Sec-WebSocket-Key", b"Sec-WebSocket-Key: " + key), "400")
    yield row("no key", changed(b"Sec-WebSocket-Key"), "400")
    yield row("two keys", raw.upgrade(
        b"Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="), "400")
    for value in (b"websockets", b"web socket", b"", b"TLS/1.0"):
        yield row(f"Upgrade: '{value.decode()}'",
                  changed(b"Upgrade", b"Upgrade: " + value), "400|404|426")
    yield row("no Upgrade", changed(b"Upgrade"), "400|404|426")
    for value in (b"close", b"keep-alive", b"Upgrades", b""):
        yield row(f"Connection: '{value.decode()}'", changed(
            b"Connection", b"Connection: " + value), "400|404|426")
    yield row("no Connection", changed(b"Connection"), "400|404|426")
    yield row("neither, a GET as any other", changed(
        b"Upgrade").replace(b"Connection: Upgrade\r\n", b""), "400|404|426")
    yield row("no Host", changed(b"Host"), "400")
    yield row("HTTP/1.0", raw.upgrade().replace(b"/1.1", b"/1.0", 1),
              "400|426|505")
    for method in (b"POST", b"PUT", b"HEAD", b"OPTIONS", b"BREW"):
        yield row(f"{method.decode()} instead of GET",
                  raw.upgrade().replace(b"GET", method, 1),
                  "204|400|404|405|411|426|501")
    for path in (b"/", b"/api", b"/api/ws/", b"/api/ws/x", b"/api/wsx",
                 b"/API/WS", b"/api//ws", b"/api/groups", b"/healthz",
                 b"/api/ws%00", b"/api/ws%2F"):
        yield row(f"at {path.decode()}", raw.upgrade(path=path),
                  "400|404|405")
    # lab/ws.md: an upgrade to h2c crashes where HTTP/2 is not wanted.
    yield row("an upgrade to h2c", raw.upgrade(
        b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        without=[b"Upgrade"]), "400|404|426")
    yield row("an upgrade to h2c or websocket", raw.upgrade(
        b"Upgrade: h2c, websocket", without=[b"Upgrade"]),
        "101|400|404|426", lambda answer: None if answer.status != 101
        else says("upgrade", "websocket")(answer))


def subprotocols():
    name = b"Sec-WebSocket-Protocol"

    def offer(*values):
        return changed(name, *[name + b": " + value for value in values])

    def silent(answer):
        if answer.status == 101:
            return says("sec-websocket-protocol", None)(answer)
        return None

    ours = says("sec-websocket-protocol", "groupfs.v1")
    yield row("subprotocol: none", changed(name), "101|400", silent)
    yield row("subprotocol: ours behind another",
              offer(b"chat, groupfs.v1"), "101", ours)
    yield row("subprotocol: ours before another",
              offer(b"groupfs.v1,chat"), "101", ours)
    yield row("subprotocol: ours among blanks",
              offer(b" chat ,\t groupfs.v1 \t, x"), "101", ours)
    yield row("subprotocol: on two lines", offer(b"chat", b"groupfs.v1"),
              "101", ours)
    for value in (b"chat", b"groupfs.v2", b"groupfs.v1x", b"xgroupfs.v1",
                  b"GROUPFS.V1", b"groupfs", b"groupfs-http",
                  b"groupfs v1", b"chat, mqtt", b"groupfs.v1;q=1"):
        yield row(f"subprotocol: {value.decode()}", offer(value), "400")
    yield row("subprotocol: an empty one", offer(b""), "101|400", silent)
    yield row("subprotocol: 2,000 of them",
              offer(b", ".join(b"p%d" % n for n in range(2000))),
              "400|431")
    for value in (b"permessage-deflate",
                  b"permessage-deflate; client_max_window_bits",
                  b"permessage-deflate; server_no_context_takeover; "
                  b"client_max_window_bits=15", b"x-webkit-deflate-frame",
                  b"bbf-usp-protocol, permessage-bzip2", b"", b";;;,,,=\"",
                  b"permessage-deflate; server_max_window_bits=99"):
        yield row(f"no extension: '{value.decode()}'", raw.upgrade(
            b"Sec-WebSocket-Extensions: " + value), "101",
            says("sec-websocket-extensions", None))


def origins():
    def of(*values):
        return raw.upgrade(*[b"Origin: " + value for value in values])

    address, _, port = raw.host().partition(b":")
    yield row("origin: our own", of(ORIGIN), "101")
    yield row("origin: our own by TLS", of(b"https://" + raw.host()), "101")
    for name, value in (
            ("foreign", b"http://evil.example"), ("null", b"null"),
            ("another port of ours", b"http://" + address + b":1"),
            ("no port", b"http://" + address),
            ("our port elsewhere", b"http://evil.example:" + port),
            ("ours as subdomain", ORIGIN + b".evil.example"),
            ("ours with more of a port", ORIGIN + b"0"),
            ("ours as user", ORIGIN + b"@evil.example"),
            ("ours as password", b"http://x:" + raw.host() + b"@evil.example"),
            ("ours as path", b"http://evil.example/" + raw.host()),
            ("ours with a path", ORIGIN + b"/"),
            ("ours behind a letter", b"http://x" + raw.host()),
            ("ours twice", ORIGIN + b" " + ORIGIN),
            ("ours before another", ORIGIN + b", http://evil.example"),
            ("ours with another scheme", b"ftp://" + raw.host()),
            ("ours without a scheme", raw.host()),
            ("file", b"file://"), ("star", b"*"),
            ("of 3,000 bytes", b"http://" + b"e" * 3000)):
        yield row(f"origin: {name}", of(value), "403")
    yield row("origin: too long for any page", of(b"http://" + b"e" * 5000),
              "403|400|431")
    yield row("origin: ours and a foreign one",
              of(ORIGIN, b"http://evil.example"), "400|403")
    yield row("origin: a foreign one, and ours",
              of(b"http://evil.example", ORIGIN), "400|403")


ROWS = [one for chapter in (good, wrong, subprotocols, origins)
        for one in chapter()]


def run(one):
    with raw.Peer(10) as peer:
        peer.send(one.pieces)
        answer = peer.response(bodiless=one.pieces[0].startswith(b"HEAD"))
        if answer is None:
            return f"got nothing, wanted {one.status}"
        if not re.fullmatch(one.status, str(answer.status)):
            return f"got {answer.status}, wanted {one.status}"
        wrong = one.also(answer) if one.also else None
        if answer.status == 101:
            raw.check_accept(answer.headers)
            peer.send_all(raw.close(1000))
            while wrong is None and (got := raw.word(*peer.event())) != \
                    "close:1000":
                if got != "hello":
                    wrong = f"then {got}"
        elif answer.status >= 400:
            raw.check_refusal(answer)
    return wrong


if __name__ == "__main__":
    raw.run_table(ROWS, run)
