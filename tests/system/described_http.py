# SPDX-License-Identifier: MIT
"""Asks a groupd that runs for one operation of man/openapi.json, and holds the
answer against what the document says of it: status, headers, body.

$URL; $TOKENS: a file of NAME<TAB>TOKEN lines; $SEEN: see described.py.
"""
import json
import os
import re
import socket
import urllib.parse

import jsonschema

from described import Document, Seen, say

DOCUMENT = Document("man/openapi.json", jsonschema.Draft202012Validator)
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
PATIENCE = 30 * int(os.environ.get("GROUPFS_TEST_PATIENCE", "1"))
JSON = "application/json"
STANDARD = ("server", "content-type", "content-length", "connection")


def tokens():
    with open(os.environ["TOKENS"], encoding="utf-8") as f:
        return dict(line.rstrip("\n").split("\t") for line in f)


class Operation:
    def __init__(self, path, method, item):
        tree = item[method]
        self.path, self.method = path, method.upper()
        self.id = tree["operationId"]
        self.open = tree.get("security") == []
        parameters = [DOCUMENT.at(p) for p in
                      item.get("parameters", []) + tree.get("parameters", [])]
        self.query = {p["name"]: p for p in parameters if p["in"] == "query"}
        self.headers = {p["name"].lower(): p for p in parameters
                        if p["in"] == "header"}
        self.names = [p["name"] for p in parameters if p["in"] == "path"]
        self.body = tree.get("requestBody")
        self.answers = {s: DOCUMENT.at(a)
                        for s, a in tree["responses"].items()}

    def base(self):
        """The id of the operation that it is the HEAD of."""
        return self.id.removesuffix("_head")


OPERATIONS = {
    op.id: op for op in
    (Operation(path, method, item)
     for path, item in DOCUMENT.tree["paths"].items()
     for method in METHODS if method in item)}
# (operation, status), (operation, status, code), (operation, parameter).
SEEN = Seen()


# HTTP by hand: so that a request may be wrong.


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        values = [v for n, v in self.headers if n == name]
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


def connect():
    host, port = os.environ["URL"].split("://")[1].rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def read_head(f):
    line = f.readline().decode()
    if not re.match(r"HTTP/1\.1 \d{3} ", line):
        raise ConnectionError(f"no status line: {line!r}")
    headers = []
    for raw in iter(f.readline, b"\r\n"):
        if not raw:
            raise ConnectionError("the head breaks off")
        name, value = raw.decode().rstrip("\r\n").split(":", 1)
        headers.append((name.lower(), value.strip()))
    return int(line.split()[1]), headers


def exchange(method, target, headers, body, version="HTTP/1.1",
             enough=None):
    """The answer. enough: of a stream, whether its text is."""
    head = f"{method} {target} {version}\r\n" + "".join(
        f"{n}: {v}\r\n" for n, v in headers) + "\r\n"
    with connect() as s:
        s.sendall(head.encode("utf-8", "surrogateescape") + body)
        f = s.makefile("rb")
        status, got = read_head(f)
        if status == 100:
            status, got = read_head(f)
        named = dict(got).get("content-length")
        if method == "HEAD" or status in (101, 204, 304):
            # Nothing may follow; who keeps the connection waits for us.
            rest = b"" if status == 101 else f.read()
        elif named is not None:
            rest = f.read(int(named))
        else:
            rest = b""
            while enough is None or not enough(rest):
                line = f.readline()
                if not line:
                    break
                rest += line
        return Answer(status, got, rest)


# One request, and what the document says of its answer.


def faults_of(op, answer):
    described = op.answers.get(str(answer.status))
    if described is None:
        return [f"{answer.status} is not documented: "
                f"{answer.body[:300].decode(errors='replace')}"]
    faults = []
    known = {n.lower(): DOCUMENT.at(h)
             for n, h in described.get("headers", {}).items()}
    for name, value in answer.headers:
        if name in known:
            faults += [f"{name}: {x}" for x in
                       DOCUMENT.faults(value, known[name]["schema"])]
        elif name not in STANDARD:
            faults.append(f"the header {name} is not documented")
    names = [n for n, _ in answer.headers]
    faults += [f"{n} is there twice" for n in set(names)
               if names.count(n) > 1]
    faults += [f"{n} is missing" for n, h in known.items()
               if h.get("required") and n not in names]
    return faults + content_faults(op, answer, described.get("content", {}))


def content_faults(op, answer, content):
    kind = answer.header("content-type")
    if not content:
        return [f"a body: {answer.body[:80]}, {kind}"
                ] if answer.body or kind else []
    described = content.get(kind) or content.get("*/*")
    if described is None:
        return [f"Content-Type {kind} is not documented"]
    if op.method == "HEAD":
        # An address that has too many connections is refused before it says
        # what it wants.
        return ["HEAD has a body"
                ] if answer.body and answer.status != 429 else []
    if not kind.endswith(("/json", "+json")):
        return []
    try:
        return DOCUMENT.faults(answer.json(), described["schema"])
    except ValueError as e:
        return [f"no JSON: {e}"]


def note(op, answer, query, headers, code):
    SEEN.add(op.id, str(answer.status))
    if code is not None:
        SEEN.add(op.id, str(answer.status), code)
    for name in query:
        if name in op.query:
            SEEN.add(op.id, "query " + name)
    for name in headers:
        if name.lower() in op.headers:
            SEEN.add(op.id, "header " + name.lower())


def code_of(answer):
    if answer.header("content-type") != "application/problem+json":
        return None
    return answer.json().get("code") if answer.body else None


def ask(id, status, what="", user="ann", path=None, query=None, headers=None,
        body=None, code=None, raw=None, drop=(), version="HTTP/1.1",
        enough=None):
    """Asks, and prints whether the answer is `status` and as documented.
    body: a value, sent as JSON; raw: bytes. Values of path and query are
    encoded, but for those that are bytes."""
    op = OPERATIONS[id]
    path, query = path or {}, query or {}
    sent = {"Host": "test", "Connection": "close"}
    if user is not None:
        sent["Authorization"] = "Bearer " + tokens().get(user, user)
    if body is not None:
        raw = json.dumps(body).encode()
        sent["Content-Type"] = JSON
    if raw is not None:
        sent["Content-Length"] = str(len(raw))
    sent.update(headers or {})
    for name in drop:
        sent.pop(name, None)
    target = re.sub(r"\{(\w+)\}", lambda m: encode(path[m[1]]), op.path)
    if query:
        target += "?" + "&".join(f"{k}={encode(v)}" for k, v in query.items())
    row = f"{op.method} {op.path}: {status}" + \
        (f" {code}" if code else "") + (f", {what}" if what else "")
    try:
        answer = exchange(op.method, target, sent.items(), raw or b"",
                          version, enough)
    except (OSError, ConnectionError, UnicodeError) as e:
        say(False, row, repr(e))
        return None
    faults = faults_of(op, answer)
    if answer.status != status:
        faults.insert(0, f"it is {answer.status}: {answer.body[:200]}")
    got = code_of(answer)
    if code is not None and op.method != "HEAD" and got != code:
        faults.append(f"the code is {got}")
    if not faults:
        if body is not None and status < 300:
            faults += [f"the request: {x}" for x in DOCUMENT.faults(
                body, op.body["content"][JSON]["schema"])]
        note(op, answer, query, headers or {}, got)
    say(not faults, row, "; ".join(faults))
    return answer


def encode(value):
    if isinstance(value, bytes):
        return value.decode()
    return urllib.parse.quote(str(value), safe="")
