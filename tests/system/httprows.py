#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a client of HTTP may say, byte by byte, and what must come back.

One row: a name, the pieces that are sent, the status of each answer (one
regular expression for all, with blanks between), and what the connection
does then: OPEN answers one more request, END ends, EITHER does what its last
answer said (RFC 9112 leaves it to the server after most refusals). Each answer is taken apart
by raw.py; each refusal must be a problem+json. $TOKEN and $URL as there; the
token's owner is an admin of "dev".
"""
import collections
import json
import re
import time

import raw
from raw import HALF, RESET, cut

OPEN, END, EITHER, ANY, LOST = "open", "end", "open|end", "any", "lost"
WAIT = "wait for an answer, as a client does that sent Expect: at most 2 s"
SECOND = "wait for a second, or the end"
HOST = b"Host: " + raw.host()
JSON = b"Content-Type: application/json"
MESSAGES = b"/api/groups/dev/messages"
LAST = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\nConnection: close\r\n\r\n"

Row = collections.namedtuple("Row", "name pieces want then also bare beside"
                             " slow")


def row(name, pieces, want, then=OPEN, also=None, bare=(), beside=0,
        slow=False):
    """also(answers): what is wrong with them, else None. bare: which of
    them have no body, as they answer HEAD. beside: so many connections
    more say the first piece and then nothing."""
    if isinstance(pieces, bytes):
        pieces = [pieces]
    return Row(name, pieces, want, then, also, bare, beside, slow)


def ask(method, path, *lines, body=b"", host=HOST, version=b"HTTP/1.1",
        known=True):
    """A request; with a Content-Length where there is a body, with the
    token if `known`."""
    if isinstance(method, str):
        method, path = method.encode(), path.encode()
    lines = [line for line in (host, *lines) if line is not None]
    if known:
        lines.append(raw.bearer())
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return (b" ".join((method, path, version)) + b"\r\n" +
            b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body)


def get(path="/healthz", *lines, **how):
    return ask("GET", path, *lines, **how)


def send(text="x", *lines, **how):
    """A message to dev."""
    return ask("POST", MESSAGES.decode(), JSON, *lines,
               body=json.dumps({"content": text}).encode(), **how)


def post(path, text, *lines, method="POST"):
    return ask(method, path, JSON, *lines, body=text.encode())


def with_length(*values, body=b'{"content":"x"}'):
    """A POST that says these lengths."""
    return ask("POST", MESSAGES.decode(), JSON,
               *[b"Content-Length: " + value for value in values]) + body


def ascending(answers):
    numbers = [json.loads(answer.body)["sequence_number"]
               for answer in answers if answer.status == 201]
    return None if numbers == sorted(set(numbers)) else f"order: {numbers}"


def has_line(name, pattern):
    def check(answers):
        got = answers[-1].headers.get(name, "")
        if re.search(pattern, got) is None:
            return f"{name} is '{got}', wanted /{pattern}/"
        return None
    return check


def allows(*methods):
    """Exactly these in Allow, HEAD and OPTIONS aside."""
    def check(answers):
        got = answers[-1].headers.get("allow", "")
        named = set(re.split(r"\s*,\s*", got)) - {"HEAD", "OPTIONS", ""}
        if named != set(methods):
            return f"Allow is '{got}', wanted {methods}"
        return None
    return check


def pipelines():
    for n in (2, 5, 100):
        yield row(f"{n} GETs in a segment", get() * n,
                  " ".join(["200"] * n))
    paths = ["/healthz", "/api/groups", "/api/groups/dev",
             "/api/groups/dev/members", "/api/mentions"]
    yield row("5 GETs of different things in a segment",
              b"".join(map(get, paths)), "200 200 200 200 200", also=lambda
              answers: None if b'"status"' in answers[0].body and
              b'"role"' in answers[1].body and
              b'"member_count"' in answers[2].body and
              b'"total"' in answers[3].body else "in another order")
    for n in (2, 3, 20):
        yield row(f"{n} POSTs in a segment",
                  b"".join(send(f"{n}: {i}") for i in range(n)),
                  " ".join(["201"] * n), also=ascending)
    two = send("a") + send("b")
    one = len(send("a"))
    head = two.index(b"\r\n\r\n") + 4
    for name, at in (("the first byte", 1), ("the first line", 20),
                     ("the first head", head - 30),
                     ("the first head's last byte", head - 1),
                     ("the first head's end", head),
                     ("the first body", head + 5),
                     ("the first body's last byte", one - 1),
                     ("the first body's end", one),
                     ("the second's first byte", one + 1),
                     ("the second head", one + 50),
                     ("the second head's end", one + head),
                     ("the second body", one + head + 5)):
        yield row(f"2 POSTs cut behind {name}", [two[:at], two[at:]],
                  "201 201", also=ascending)
    yield row("2 POSTs cut into bytes", cut(two), "201 201", also=ascending)
    yield row("5 POSTs cut every 100 bytes",
              [(two * 2 + send("e"))[i:i + 100]
               for i in range(0, 2 * len(two) + one, 100)],
              "201 201 201 201 201", also=ascending)
    yield row("3 POSTs of 60,000 bytes in a segment",
              send("x" * 60000) * 3, "201 201 201", also=ascending)
    yield row("a POST, then a GET", send() + get(), "201 200")
    yield row("a GET, then a POST", get() + send(), "200 201")
    yield row("a GET between POSTs", send() + get() + send() + get(),
              "201 200 201 200", also=ascending)
    yield row("a GET sees what the POST before it sent",
              send("seen by the next one") +
              get("/api/groups/dev/messages?limit=1000&after_seq=0"),
              "201 200", also=lambda answers: None if
              b"seen by the next one" in answers[1].body or
              b'"complete":false' in answers[1].body else "not seen")
    yield row("a PUT, then a GET", post(
        "/api/groups/dev/read", '{"last_read_seq":0}', method="PUT") + get(),
        "200 200")
    yield row("a refused body, then a GET",
              post(MESSAGES.decode(), "rubbish") + get(), "400 200")
    yield row("a body to nowhere, then a GET",
              post("/nowhere", "{}") + get(), "404 200")
    yield row("a body without a token, then a GET",
              send(known=False) + get(), "401 200")
    yield row("a method that is wrong, with a body, then a GET",
              post("/healthz", "{}") + get(), "405 200")
    yield row("a type that is wrong, with a body, then a GET",
              ask("POST", MESSAGES.decode(), b"Content-Type: text/xml",
                  body=b"<x/>") + get(), "415 200")
    yield row("refusals between POSTs", send() + get("/nowhere") + send() +
              post(MESSAGES.decode(), "{}") + send(),
              "201 404 201 400 201", also=ascending)
    yield row("a GET, then rubbish", get() + b"\0\1\2\r\n\r\n", "200 400",
              END)
    yield row("a GET, then what is no request", get() + b"x\r\n\r\n",
              "200 400", END)
    yield row("a POST, then rubbish", send() + b"\0\1\2\r\n\r\n", "201 400",
              END)
    yield row("what is behind Connection: close is not answered",
              get("/healthz", b"Connection: close") + get(), "200", END)
    yield row("nor behind a POST that says so",
              send("x", b"Connection: close") + send(), "201", END)
    yield row("2 GETs, then no more is sent", [get() * 2, HALF],
              "200 200", END)
    yield row("2 POSTs, then no more is sent", [send() + send(), HALF],
              "201 201", END)
    yield row("a GET, then a WebSocket", get() + raw.upgrade(), "200 101",
              ANY)
    yield row("a POST, then a WebSocket", send() + raw.upgrade(), "201 101",
              ANY)


def keeping():
    yield row("HTTP/1.1 stays open", get(), "200")
    yield row("10 GETs, one after the other", [get(), WAIT] * 10,
              " ".join(["200"] * 10))
    yield row("10 POSTs, one after the other", [send(), WAIT] * 10,
              " ".join(["201"] * 10), also=ascending)
    yield row("a GET after a POST was answered", [send(), WAIT, get()],
              "201 200")
    yield row("a GET cut into bytes", cut(get()), "200")
    yield row("a POST cut into bytes", cut(send()), "201")
    for value in (b"close", b"Close", b"CLOSE", b"foo, close",
                  b"keep-alive, close"):
        yield row(f"Connection: {value.decode()}",
                  get("/healthz", b"Connection: " + value), "200", END,
                  has_line("connection", "(?i)^close$"))
    yield row("a POST with Connection: close",
              send("x", b"Connection: close"), "201", END)
    yield row("Connection: keep-alive",
              get("/healthz", b"Connection: keep-alive"), "200")
    yield row("HTTP/1.0", get(version=b"HTTP/1.0"), "200", END)
    yield row("HTTP/1.0 without Host",
              get(version=b"HTTP/1.0", host=None), "200", END)
    yield row("HTTP/1.0 with keep-alive",
              get("/healthz", b"Connection: keep-alive",
                  version=b"HTTP/1.0"), "200", EITHER)
    yield row("a POST of HTTP/1.0", send(version=b"HTTP/1.0"), "201", END)
    # RFC 9110 7.8: what is not wanted of an Upgrade is ignored. curl --http2
    # offers h2c.
    for name, lines in (
            ("foo", (b"Connection: Upgrade", b"Upgrade: foo")),
            ("foo, without Connection", (b"Upgrade: foo",)),
            ("h2c", (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                     b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"))):
        yield row(f"Upgrade: {name}", get("/healthz", *lines), "200")
        yield row(f"Upgrade: {name}, in the second request",
                  [get(), WAIT, get("/healthz", *lines)], "200 200")
        yield row(f"Upgrade: {name}, behind a GET",
                  get() + get("/healthz", *lines), "200 200")
        yield row(f"Upgrade: {name}, in a POST", send("x", *lines), "201")
    yield row("200 idle connections", get(), "200", beside=199)
    yield row("200 connections with half of a request", [get()[:40],
              get()[40:]], "200", beside=199)
    yield row("100 connections with half of a body", [send()[:-4],
              send()[-4:]], "201", beside=99)
    yield row("a client that sends no more, behind a GET", [get(), HALF],
              "200", END)
    yield row("a client that sends no more, behind a POST", [send(), HALF],
              "201", END)
    for name, data in (("at once", b""), ("in the method", b"GE"),
                       ("in a head", get()[:40]),
                       ("before a body", send()[:-15]),
                       ("in a body", send()[:-3])):
        yield row(f"a client that sends no more, {name}", [data, HALF],
                  "(400|408)?", END)
        yield row(f"a client that is gone, {name}", [data, RESET], "", LOST)
        yield row(f"a client that says nothing more, {name}", data,
                  "(408)?", END, slow=True)
    yield row("a client that is gone, behind a GET", [get(), RESET], "",
              LOST)
    yield row("a client that is gone, behind a POST", [send(), RESET], "",
              LOST)
    yield row("a client that is gone, in the second request",
              [send() + send()[:70], RESET], "", LOST)
    # Ended by the server before these 30 s are over.
    yield row("a head of 1 byte a second", [
        piece for byte in cut(get()[:30]) for piece in (byte, SECOND)],
        "(408)?", END, slow=True)
    yield row("a second head of 1 byte a second", [get(), WAIT, *[
        piece for byte in cut(get()[:30]) for piece in (byte, SECOND)]],
        "200( 408)?", END, slow=True)
    yield row("a header a second", [get()[:-2], *[piece for n in range(30)
              for piece in (b"X-%d: 1\r\n" % n, SECOND)]], "(408)?", END,
              slow=True)


def hosts():
    yield row("no Host", get(host=None), "400", EITHER)
    yield row("two Hosts", get("/healthz", b"Host: other"), "400", EITHER)
    yield row("one Host twice", get("/healthz", HOST), "400", EITHER)
    yield row("a Host with a blank", get(host=b"Host: a b"), "400", EITHER)
    yield row("a Host with a slash", get(host=b"Host: a/b"), "400", EITHER)
    yield row("an empty Host", get(host=b"Host:"), "200|400", EITHER)
    yield row("another's Host", get(host=b"Host: example.org"), "200")
    yield row("a Host of IPv6", get(host=b"Host: [::1]:80"), "200")


def framing():
    body = b'{"content":"x"}'
    size = b"%d" % len(body)
    for value in (b"%d" % (len(body) + 1), b"%d" % (len(body) - 1), b"0"):
        yield row(f"Content-Length: {size.decode()} and {value.decode()}",
                  with_length(size, value), "400", END)
        yield row(f"Content-Length: {value.decode()} and {size.decode()}",
                  with_length(value, size), "400", END)
        yield row(f"Content-Length: '{(size + b', ' + value).decode()}'",
                  with_length(size + b", " + value), "400", END)
    yield row("the same Content-Length twice", with_length(size, size),
              "201|400", EITHER)
    for value in (b"+" + size, b"-" + size, b"-1", b"0x0f", b"15x", b"x",
                  b"1 5", b"1_5", b"15.0", b"1e1", b"'15'", b"",
                  b"15;q=1", b"\xef\xbc\x91"):
        yield row(f"Content-Length: '{value.decode()}'",
                  with_length(value), "400", END)
    for name, value in (("2^63", b"%d" % (1 << 63)),
                        ("2^64", b"%d" % (1 << 64)),
                        ("2^64+15", b"%d" % ((1 << 64) + len(body))),
                        ("of 100 digits", b"9" * 100),
                        ("2^32+15", b"%d" % ((1 << 32) + len(body)))):
        yield row(f"Content-Length: {name}", with_length(value), "400|413",
                  END)
    yield row("Content-Length with zeros before", with_length(b"00" + size),
              "201|400", EITHER)
    yield row("Content-Length among blanks",
              with_length(b" \t" + size + b" "), "201")
    yield row("a POST without Content-Length",
              ask("POST", MESSAGES.decode(), JSON), "411|400", EITHER)
    # RFC 9112 6.3: without a length there is no body.
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        path = "/api/groups/dev/members/no-such-user"
        want = "405|411" if method == "POST" else "204|400|404"
        yield row(f"a {method} without a body", ask(method, path), want)
        yield row(f"a {method} without a body, then a GET",
                  ask(method, path) + get(), f"({want}) 200")
    yield row("a POST with Content-Length 0",
              with_length(b"0", body=b""), "400")
    hidden = get("/nowhere")
    yield row("a GET with a body: it is no second request",
              ask("GET", "/healthz", body=hidden), "200|400", EITHER)
    yield row("a HEAD with a body: it is no second request",
              ask("HEAD", "/healthz", body=hidden), "200|400", EITHER,
              bare=(0,))
    yield row("a DELETE with a body: it is no second request",
              ask("DELETE", "/api/groups/none", JSON, body=hidden),
              "404|400", EITHER)
    chunks = b"f\r\n" + body + b"\r\n0\r\n\r\n"
    chunked = b"Transfer-Encoding: chunked"
    yield row("a chunked body", ask("POST", MESSAGES.decode(), JSON,
              chunked) + chunks, "411", EITHER, has_line(
                  "content-type", "problem"))
    yield row("a chunked body that waits", ask(
        "POST", MESSAGES.decode(), JSON, chunked), "411", END)
    yield row("chunked, with a Content-Length", with_length(
        size, body=body).replace(JSON, JSON + b"\r\n" + chunked), "400|411",
        END)
    yield row("chunked, and a Content-Length hides a request", ask(
        "POST", MESSAGES.decode(), JSON, chunked,
        body=b"0\r\n\r\n" + hidden), "400|411", END)
    yield row("chunks hide a request", ask(
        "POST", MESSAGES.decode(), JSON, chunked,
        b"Content-Length: 4") + b"%x\r\n" % len(hidden) + hidden +
        b"\r\n0\r\n\r\n", "400|411", END)
    for value in (b"identity", b"gzip, chunked", b"chunked, gzip",
                  b"xchunked", b"chunked, chunked", b'"chunked"', b"",
                  b"\x0bchunked", b"CHUNKED"):
        # Empty, it is as if it were not there, and the rest is rubbish.
        yield row(f"Transfer-Encoding: {value.decode()!r}", ask(
            "POST", MESSAGES.decode(), JSON,
            b"Transfer-Encoding: " + value) + chunks,
            "(400|411|501)" + ("" if value else "( 400)?"), END)
    yield row("a chunked GET", ask("GET", "/healthz", chunked) +
              b"0\r\n\r\n", "400|411", END)
    yield row("chunked in HTTP/1.0", ask(
        "POST", MESSAGES.decode(), JSON, chunked, version=b"HTTP/1.0") +
        chunks, "400|411", END)
    yield row("a blank before the colon of Content-Length", with_length(
        size).replace(b"Length:", b"Length :"), "400", END)
    yield row("a blank before the colon of Transfer-Encoding", ask(
        "POST", MESSAGES.decode(), JSON,
        b"Transfer-Encoding : chunked") + chunks, "400", END)
    yield row("a body shorter than it says", with_length(b"100"), "(408)?",
              END, slow=True)
    yield row("a body longer than it says", with_length(b"13"), "400( 400)?",
              END)
    yield row("a whole body and rubbish", send() + b"rubbish\r\n\r\n",
              "201 400", END)
    yield row("a line end behind a body", send() + b"\r\n" + send(),
              "201 201")


def expecting():
    expect = b"Expect: 100-continue"

    def halves(*lines, size=0, known=True):
        """Head and body of a message among blanks."""
        body = b" " * size + b'{"content":"expected"}'
        whole = ask("POST", MESSAGES.decode(), JSON, *lines, body=body,
                    known=known)
        return whole[:-len(body)], body

    head, body = halves(expect)
    yield row("Expect: 100-continue", [head, WAIT, body], "(100 )?201")
    yield row("Expect, and no waiting", head + body, "(100 )?201")
    yield row("Expect, and two of them at once", (head + body) * 2,
              "(100 )?201 (100 )?201")
    yield row("Expect, and a GET behind", [head, WAIT, body + get()],
              "(100 )?201 200")
    head, body = halves(expect, size=300000)
    yield row("Expect, and a body of 300 kB", [head, WAIT, body],
              "(100 )?201")
    head, body = halves(expect, size=1500000)
    yield row("Expect, and a body of 1.5 MB", [head, WAIT, body],
              "(100 )?(201|413)", EITHER)
    head, body = halves(expect, known=False)
    yield row("Expect, and no token", [head, WAIT, body], "(100 )?401",
              EITHER)
    yield row("Expect, and too large a body", with_length(
        b"9000000", body=b"").replace(JSON, JSON + b"\r\n" + expect),
        "413", EITHER)
    head, body = halves(b"Expect: the-unexpected")
    yield row("Expect: something else", [head, WAIT, body],
              "(100 )?201|417", EITHER)
    yield row("Expect on a GET", get("/healthz", expect), "(100 )?200")
    yield row("Expect in HTTP/1.0", send("x", expect, version=b"HTTP/1.0"),
              "201", END)


def heads():
    """Headers: their sizes, their number, what is in them."""
    for size in (1024, 2048, 4000):
        yield row(f"a header of {size} bytes",
                  get("/healthz", b"X-Long: " + b"x" * size), "200")
        yield row(f"a cookie of {size} bytes",
                  get("/healthz", b"Cookie: " + b"x" * size), "200")
    for size in (8000, 8192, 9216, 12288, 16384, 32768, 65536):
        yield row(f"a header of {size} bytes",
                  get("/healthz", b"X-Long: " + b"x" * size), "200|431",
                  EITHER)
        yield row(f"headers of {size} bytes, 60 each", get("/healthz", *[
            b"X-%04d: " % n + b"x" * 50 for n in range(size // 60)]),
            "200|431", EITHER)
        yield row(f"a POST with a header of {size} bytes",
                  send("x", b"X-Long: " + b"x" * size), "201|431", EITHER)
    for size in (200000, 1 << 20):
        yield row(f"a header of {size} bytes",
                  get("/healthz", b"X-Long: " + b"x" * size), "431", END)
    yield row("a header without an end", [get()[:-2] + b"X: " + b"x" *
              (1 << 20)], "431", END)
    yield row("a name of 10,000 bytes",
              get("/healthz", b"x" * 10000 + b": 1"), "200|400|431", EITHER)
    yield row("a name without an end", [get()[:-2] + b"x" * 100000],
              "400|431", END)
    yield row("a token of 10,000 bytes", get(
        "/api/groups", b"Authorization: Bearer " + b"t" * 10000,
        known=False), "401|431", EITHER)
    for n, want in ((50, "200"), (100, "200"), (1000, "200|431"),
                    (10000, "431")):
        yield row(f"{n} headers", get("/healthz", *[
            b"X-%d: %d" % (i, i) for i in range(n)]), want, EITHER)
        yield row(f"one header {n} times", get(
            "/healthz", *[b"Accept: */*"] * n), "200|431", EITHER)
    yield row("a header of 4,000 bytes cut into pieces of 7", [
        get("/healthz", b"X-Long: " + b"x" * 4000)[i:i + 7]
        for i in range(0, 4200, 7)], "200")
    for name, line, want in (
            ("a folded header", b"X-Folded: a\r\n b", "200|400"),
            ("a fold at once", b"X-Folded:\r\n b", "200|400"),
            ("a NUL in a value", b"X-Bad: a\0b", "400"),
            ("a NUL in a name", b"X\0Bad: a", "400"),
            ("a bare CR in a value", b"X-Bad: a\rb", "200|400"),
            ("a bare CR hides a header", b"X-Bad: a\rHost: b", "200|400"),
            ("a control character in a value", b"X-Bad: a\1b", "200|400"),
            ("a DEL in a value", b"X-Bad: a\x7fb", "200|400"),
            ("Latin-1 in a value", b"X-Fine: K\xe4the", "200"),
            ("UTF-8 in a value", "X-Fine: Käthe".encode(), "200"),
            ("a tab in a value", b"X-Fine: a\tb", "200"),
            ("an empty value", b"X-Fine:", "200"),
            ("no colon", b"X-Bad", "400"),
            ("no name", b": x", "400"),
            ("a blank in a name", b"X Bad: x", "400"),
            ("a blank before the colon", b"X-Bad : x", "400"),
            ("a bracket in a name", b"X(Bad): x", "400"),
            ("UTF-8 in a name", "X-Käthe: x".encode(), "400"),
            ("many signs in a name", b"!#$%&'*+-.^_`|~0: x", "200")):
        yield row(f"header: {name}", get("/healthz", line), want, EITHER)
    yield row("header: the first line is folded",
              get().replace(HOST, b" " + HOST), "400", EITHER)
    yield row("bare LF line ends", get().replace(b"\r\n", b"\n"), "200|400",
              EITHER)
    yield row("bare LF behind one header",
              get().replace(HOST + b"\r", HOST), "200|400", EITHER)
    yield row("a bare LF as the end", get()[:-2] + b"\n", "200|400", EITHER)
    yield row("CR CR LF", get().replace(HOST, HOST + b"\r"), "200|400",
              EITHER)
    yield row("a line end before the request", b"\r\n" + get(), "200")
    yield row("many line ends before the request", b"\r\n" * 20 + get(),
              "200|400", EITHER)
    yield row("only line ends", b"\r\n" * 20000, "(400|431)?", END,
              slow=True)


def lines():
    """The first line of a request."""
    for method in ("get", "GeT", "GETX", "BREW", "TRACE", "TRACK",
                   "PROPFIND", "M-SEARCH", "!", "X" * 1000, "PRI"):
        yield row(f"method {method[:10]}", ask(method, "/healthz"),
                  "400|405|501|431", EITHER)
    yield row("CONNECT", b"CONNECT example.org:443 HTTP/1.1\r\n" + HOST +
              b"\r\n\r\n", "400|405|501", EITHER)
    yield row("TRACE shows no token", ask("TRACE", "/api/groups"),
              "405|501", EITHER, lambda answers: "it does" if
              raw.token() in answers[0].body else None)
    for version, want in (
            (b"HTTP/1.2", "200|400|505"), (b"HTTP/1.9", "200|400|505"),
            (b"HTTP/2.0", "400|505"), (b"HTTP/3", "400|505"),
            (b"HTTP/0.9", "400|505"), (b"HTTP/1.1x", "400|505"),
            (b"HTTP/11.1", "400|505"), (b"HTTP/1.", "400|505"),
            (b"http/1.1", "400|505"), (b"JTTP/1.1", "400|505"),
            (b"HTTPS/1.1", "400|505"), (b"HTTP 1.1", "400|505"),
            (b"HTTP/1.1 HTTP/1.1", "400|505"), (b"HTTP/-1.1", "400|505")):
        yield row(f"version {version.decode()}",
                  get("/healthz", version=version), want, EITHER)
    for name, data in (("no version", b"GET /healthz\r\n"),
                       ("no path", b"GET HTTP/1.1\r\n"),
                       ("a method only", b"GET\r\n"),
                       ("a word only", b"hello\r\n"),
                       ("an empty path", b"GET  HTTP/1.1\r\n"),
                       ("a path without a slash", b"GET x HTTP/1.1\r\n"),
                       ("a NUL first", b"\0GET /healthz HTTP/1.1\r\n"),
                       ("a blank first", b" GET /healthz HTTP/1.1\r\n"),
                       ("a NUL in the path", b"GET /a\0 HTTP/1.1\r\n")):
        yield row(f"first line: {name}", data + HOST + b"\r\n\r\n",
                  "400|404|505", EITHER)
    for name, data in (("blanks", b"GET   /healthz  HTTP/1.1\r\n"),
                       ("tabs", b"GET\t/healthz\tHTTP/1.1\r\n"),
                       ("a blank last", b"GET /healthz HTTP/1.1 \r\n")):
        yield row(f"first line: {name}", data + HOST + b"\r\n\r\n",
                  "200|400|505", EITHER)
    for name, data in (
            ("TLS", bytes.fromhex("1603010200010001fc0303") + b"\x5a" * 501),
            ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"), ("noise", b"\xff" * 3000),
            ("blanks", b" " * 3000), ("NULs", b"\0" * 3000),
            ("SMTP", b"EHLO example.org\r\n"),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
             b"\0\0\0\4\0\0\0\0\0"),
            ("a frame of WebSocket", raw.frame(raw.TEXT, b"{}")),
            ("a method without an end", b"G" * 100000)):
        yield row(f"instead of a request: {name}", data,
                  "((400|405|431|501|505)( 400)?)?", END, slow=True)


def paths():
    here = raw.host().decode()
    yield row("path: with scheme and host", get(f"http://{here}/healthz"),
              "200")
    yield row("path: with scheme, a token and a query", get(
        f"http://{here}/api/groups/dev/messages?after_seq=0"), "200")
    yield row("path: OPTIONS *", ask("OPTIONS", "*"), "200|204")
    for path, want in (
            ("*", "400|404"), (here, "400|404"), ("/", "200"), ("/?x", "200"),
            ("/healthz/", "404"), ("/healthz/x", "404"),
            ("//healthz", "400|404|200"), ("/HEALTHZ", "404"),
            ("/healthz#x", "200|400|404"), ("/healthz;x", "400|404"),
            ("/healthz%00", "400|404"), ("/healthz%0a", "400|404"),
            ("/%68ealthz", "200|404"), ("/healthz%20", "400|404"),
            ("/api/../healthz", "200|400|404"),
            ("/../../../../etc/passwd", "400|404"),
            ("/%2e%2e/%2e%2e/etc/passwd", "400|404"),
            ("/..%2f..%2fetc%2fpasswd", "400|404"),
            ("/api/groups/", "404|400"), ("/api/groups//", "404|400"),
            ("/api/groups//members", "404|400"),
            ("/api/groups/de%76", "200"), ("/api/groups/%64%65%76", "200"),
            ("/api/groups/dev%2Fmembers", "400|404"),
            ("/api/groups/dev%00", "400|404"),
            ("/api/groups/%00", "400|404"), ("/api/groups/%", "400|404"),
            ("/api/groups/%zz", "400|404"), ("/api/groups/dev%", "400|404"),
            ("/api/groups/dev%2", "400|404"),
            ("/api/groups/%2564ev", "400|404"),
            ("/api/groups/%2e%2e", "400|404"),
            ("/api/groups/%c0%ae", "400|404"),
            ("/api/groups/%ff", "400|404"),
            ("/api/groups/../groups/dev", "200|400|404"),
            ("/api/groups/./dev", "200|400|404"),
            ("/api/groups/" + "x" * 2000, "400|404"),
            ("/api/groups/" + "/" * 500, "400|404")):
        yield row(f"path: {path[:40]}", get(path), want, EITHER)
    yield row("path: bytes of UTF-8", ask(
        b"GET", "/api/groups/Käthe".encode()), "400|404", EITHER)
    yield row("path: bytes that are no text",
              ask(b"GET", b"/api/groups/\xff\xfe"), "400|404", EITHER)
    for size in (4000, 7000, 8192, 9000, 20000, 100000, 1 << 20):
        want = "400|404|414|431" if size < 9000 else "414|431"
        yield row(f"path: of {size} bytes", get("/" + "x" * size), want,
                  EITHER)
        yield row(f"query: of {size} bytes",
                  get("/nowhere?x=" + "x" * size), want, EITHER)
    base = MESSAGES.decode()
    for query, want in (
            ("", "200|400"), ("?", "200|400"), ("?after_seq=0", "200"),
            ("?after_seq", "400"), ("?after_seq=", "400"),
            ("?after_seq=x", "400"), ("?after_seq=-1", "400"),
            ("?after_seq=+1", "400"), ("?after_seq=%2B1", "400"),
            ("?after_seq=1e1", "400"), ("?after_seq=0x1", "400"),
            ("?after_seq=1.0", "400"), ("?after_seq=%zz", "400"),
            ("?after_seq=0%00", "400"), ("?after_seq=%30", "200"),
            ("?after_seq=18446744073709551616", "400"),
            ("?after_seq=9223372036854775808", "400"),
            ("?after_seq=0&limit=0", "400"),
            ("?after_seq=0&limit=1001", "400"),
            ("?after_seq=0&limit=1000", "200"),
            ("?after_seq=0&after_seq=1", "200|400"),
            ("?after_seq=0&unknown=1", "200|400"),
            ("?after_seq=0&&&", "200|400"), ("?&=&after_seq=0", "200|400"),
            ("?after_seq=0?x", "400"), ("?after_seq=0#x", "200|400"),
            ("?%61fter_seq=0", "200|400"),
            ("?after_seq=0&epoch=x", "400"),
            ("?after_seq=0&" + "&".join(f"x{n}=" for n in range(300)),
             "200|400|414|431")):
        yield row(f"query: {query[:40] or 'none'}", get(base + query), want,
                  EITHER)


ROUTES = (("/healthz", ("GET",)), ("/readyz", ("GET",)),
          ("/api/groups", ("GET", "POST")),
          ("/api/groups/dev", ("GET", "PATCH", "DELETE")),
          ("/api/groups/dev/messages", ("GET", "POST")),
          ("/api/groups/dev/stream", ("GET",)),
          ("/api/groups/dev/members", ("GET", "POST")),
          ("/api/groups/dev/members/no-such-user",
           ("GET", "PUT", "PATCH", "DELETE")),
          ("/api/groups/dev/read", ("PUT",)),
          ("/api/mentions", ("GET",)))


def methods():
    def same(answers):
        """Other rows send meanwhile: what grows lies between two GETs."""
        before, head, after = [answer.headers for answer in answers]
        for name, read in (("content-type", str), ("content-length", int)):
            one, it, two = [read(headers.get(name, "-1"))
                            for headers in (before, head, after)]
            if not one <= it <= two:
                return f"{name}: {one}, HEAD: {it}, and then {two}"
        return None

    for path, known in ROUTES:
        if "GET" in known and path != "/api/groups/dev/stream":
            want = "404 404 404" if "no-such" in path else "200 200 200"
            yield row(f"HEAD {path} is as GET",
                      get(path) + ask("HEAD", path) + get(path), want,
                      also=same, bare=(1,))
            yield row(f"HEAD {path}, then a GET", ask("HEAD", path) + get(),
                      want[:4] + "200", bare=(0,))
        yield row(f"OPTIONS {path}", ask("OPTIONS", path), "204",
                  also=allows(*known))
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            if method in known:
                continue
            body = "{}" if method in ("POST", "PUT", "PATCH") else ""
            yield row(f"{method} {path}", post(path, body, method=method),
                      "405", also=allows(*known))
    yield row("HEAD of a stream has no body",
              ask("HEAD", "/api/groups/dev/stream"), "200", EITHER,
              bare=(0,))
    yield row("HEAD /nowhere", ask("HEAD", "/nowhere"), "404", bare=(0,))
    yield row("HEAD without a token",
              ask("HEAD", "/api/groups", known=False), "401", bare=(0,))
    yield row("OPTIONS /nowhere", ask("OPTIONS", "/nowhere"), "404|204")
    yield row("GET /nowhere", get("/nowhere"), "404")
    yield row("GET without a token", get("/api/groups", known=False), "401",
              also=has_line("www-authenticate", "Bearer"))


def bodies():
    def typed(value, want, path=MESSAGES.decode(), text='{"content":"x"}'):
        return row(f"Content-Type: {value or 'none'} to {path}", ask(
            "POST", path, *([b"Content-Type: " + value.encode()] if value
                            else []), body=text.encode()), want)

    for value in ("application/json", "application/json; charset=utf-8",
                  "APPLICATION/JSON", "application/json ;x=y",
                  "text/plain", "text/plain; charset=utf-8", ""):
        yield typed(value, "201")
    for value in ("text/xml", "application/x-www-form-urlencoded",
                  "multipart/form-data; boundary=x", "text/html",
                  "application/jsonx", "json", "*/*",
                  "application/octet-stream"):
        yield typed(value, "415")
    yield typed("text/plain", "415", "/api/groups")
    yield row("a body that is packed", send("x", b"Content-Encoding: gzip"),
              "415|400|201", EITHER)
    for name, size in (("a byte too large", (8 << 20) + 1),
                       ("of 9 MB", 9000000), ("of 100 MB", 10 ** 8),
                       ("of a TB", 10 ** 12)):
        yield row(f"a body {name}, which does not come",
                  with_length(b"%d" % size, body=b""), "413", EITHER)
    yield row("a body of 9 MB, which comes", with_length(
        b"9000000", body=b" " * 9000000), "413", EITHER)
    yield row("a body of 8 MB, blanks mostly", post(
        MESSAGES.decode(), " " * 8000000 + '{"content":"x"}'), "201|413",
        EITHER)
    for name, text, want in (
            ("rubbish", "rubbish", "400"), ("an array", "[]", "400"),
            ("nested arrays", "[" * 100000, "400"),
            ("doubled keys", '{"content":"x","content":"y"}', "400"),
            ("a surrogate", '{"content":"\\ud800"}', "400"),
            ("a NUL", '{"content":"x"}\0', "400"),
            ("an unknown key", '{"content":"x","unknown":1}', "201|400"),
            ("65,537 bytes of content", '{"content":"%s"}' % ("x" * 65537),
             "413")):
        yield row(f"a body: {name}", post(MESSAGES.decode(), text), want)
    yield row("a body: bad UTF-8", ask(
        "POST", MESSAGES.decode(), JSON, body=b'{"content":"\xff"}'), "400")
    for origin, want in ((b"http://evil.example", "403"), (b"null", "403"),
                         (b"http://" + raw.host(), "201"),
                         (b"http://" + raw.host() + b".evil.example",
                          "403")):
        yield row(f"a POST from {origin.decode()}",
                  send("x", b"Origin: " + origin), want)


ROWS = [one for chapter in (pipelines, keeping, hosts, framing, expecting,
                            heads, lines, paths, methods, bodies)
        for one in chapter()]


class Talk:
    """What came back in one row."""

    def __init__(self, peer, row):
        self.peer, self.row = peer, row
        self.answers = []

    def __str__(self):
        return " ".join(str(answer.status) for answer in self.answers)

    def read(self):
        """One answer more; False at the end."""
        bare = len([1 for a in self.answers if a.status >= 200])
        answer = self.peer.response(bare in self.row.bare)
        if answer is None:
            return False
        if answer.status >= 400 and bare not in self.row.bare:
            raw.check_refusal(answer)
        self.answers.append(answer)
        return True

    def say(self):
        for piece in self.row.pieces:
            if piece is SECOND:
                self.peer.fill(1)
            elif piece is WAIT:
                if self.peer.got or self.peer.fill(2):
                    self.read()
            else:
                self.peer.send([piece])
            if len(self.row.pieces) > 1:
                time.sleep(0.001)
            if self.peer.end:
                return


def run(row):
    crowd = [raw.Peer() for _ in range(row.beside)]
    for peer in crowd:
        peer.send_all(row.pieces[0])
    try:
        with raw.Peer(35 if row.slow else 10) as peer:
            return run_alone(peer, row)
    finally:
        for peer in crowd:
            peer.socket.close()


def run_alone(peer, row):
    talk = Talk(peer, row)
    talk.say()
    if row.then is LOST:
        return None
    then = None
    try:
        while not re.fullmatch(row.want, str(talk)) or row.then is END:
            if not talk.read():
                then = END
                break
    except raw.Silence:
        then = "silence"
    if not re.fullmatch(row.want, str(talk)):
        return f"got [{talk}], then {then}; wanted [{row.want}]"
    wrong = row.also(talk.answers) if row.also else None
    says_close = [answer.headers.get("connection") == "close"
                  for answer in talk.answers][-1:]
    wanted = row.then
    if row.then is EITHER and says_close:
        wanted = END if says_close[0] else OPEN
    if wrong is None and row.then in (OPEN, EITHER) and then is None:
        peer.wait(10)
        peer.send_all(LAST)
        try:
            one = peer.response()
        except raw.Silence:
            return f"got [{talk}], then no answer, though it stays open"
        then = END if one is None else OPEN
        if one is not None and (one.status != 200 or peer.response()):
            then = f"a {one.status}"
    if wrong is None and row.then is not ANY and \
            then not in wanted.split("|"):
        wrong = f"got [{talk}], then {then}; wanted {wanted}"
    return wrong


if __name__ == "__main__":
    raw.run_table(ROWS, run)
