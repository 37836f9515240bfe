# SPDX-License-Identifier: MIT
"""man/openapi.json against a groupd that runs.

described_rest.py PART...: prints STATUS<TAB>WHAT<TAB>WHY, status 0 for true.
What was seen of the document is kept in $SEEN from part to part:
  source     the routes of rest.c and the codes of err.h are those that it has
  answers    each operation, and each refusal of it
  limited    with rate_messages_per_second = 2
  crowded    with max_connections_per_address = 8
  stopped    groupd, $GROUPD_PID, hangs: SIGSTOP
  away       groupd was killed, its gateway lives
  covered    nothing of it was not seen
$URL; $TOKENS: a file of NAME<TAB>TOKEN lines.
"""
import concurrent.futures
import itertools
import json
import os
import re
import signal
import sys
import time

from described import error_codes, say, source
from described_http import (DOCUMENT, JSON, METHODS, OPERATIONS, PATIENCE,
                            SEEN, Operation, ask, connect, exchange,
                            faults_of, read_head, tokens)

GOOD = "https://chat.example"
EVIL = "https://evil.example"

# Codes of a status that is tried with another one.
CODES_NOT_TRIED = {
    "outcome_unknown": "groupd would have to go between the two requests to "
                       "it that most operations make",
    "not_member": "he would have to be removed between these two",
}

# How each operation is asked for, when nothing is wrong with it.

G = {"g": "main"}
EXAMPLES = {
    "list_groups": {}, "list_mentions": {}, "get_group": {"path": G},
    "create_group": {"body": {"name": "never"}},
    "change_group": {"path": G, "body": {"description": "x"}},
    "delete_group": {"path": G},
    "list_messages": {"path": G},
    "send_message": {"path": G, "body": {"content": "x"}},
    "stream": {"path": G}, "set_read": {"path": G,
                                        "body": {"last_read_seq": 0}},
    "list_members": {"path": G},
    "edit_members": {"path": G, "body": {"add": ["dan"]}},
    "get_member": {"path": {**G, "user": "ben"}},
    "put_member": {"path": {**G, "user": "dan"}, "body": {"role": "member"}},
    "change_member": {"path": {**G, "user": "ann"},
                      "body": {"role": "member"}},
    "remove_member": {"path": {**G, "user": "ann"}},
    "list_files": {"path": G},
    "get_file": {"path": {**G, "name": "a.png"}},
    "send_file": {"path": G, "query": {"name": "never"}, "raw": b"x"},
    "page": {}, "page_script": {}, "page_style": {},
    "websocket": {}, "healthz": {}, "readyz": {}, "metrics": {},
}
ADMINS = ("change_group", "delete_group", "edit_members", "put_member",
          "change_member", "remove_member")
serial = itertools.count(1)


def example(op, **changes):
    made = dict(EXAMPLES[op.base()] if op.method != "OPTIONS" else
                {"path": {n: "main" for n in op.names}})
    made.update(changes)
    return made


def has(op, status, code=None):
    answer = op.answers.get(str(status))
    return answer is not None and (code is None or code in codes_in(answer))


def codes_in(answer):
    schema = answer.get("content", {}).get(
        "application/problem+json", {}).get("schema")
    if schema is None:
        return []
    code = schema["allOf"][1]["properties"]["code"]
    return code["enum"] if "enum" in code else [code["const"]]


def fresh(members=()):
    name = f"g{next(serial)}-{os.getpid()}"
    ask("create_group", 201, body={"name": name, "member_ids": list(members)})
    return name


# The parts.


def part_source():
    rest = source("daemon/gateway/rest.c")
    routes = {(m, p) for m, p in re.findall(
        r'\{\s*HTTP_([A-Z]+),\s*"([^"]+)"', rest)}
    described = {(op.method, re.sub(r"\{\w+\}", "*", op.path))
                 for op in OPERATIONS.values()
                 if op.method not in ("HEAD", "OPTIONS")}
    say(len(routes) > 15, "rest.c has a table of routes", routes)
    for row in sorted(routes | described):
        say(row in routes and row in described,
            f"{row[0]} {row[1]} is a route, and described",
            "no route" if row not in routes else "not described")
    for path, item in DOCUMENT.tree["paths"].items():
        say(("get" in item) == ("head" in item) and "options" in item,
            f"{path} is described with its HEAD and OPTIONS")
    table = error_codes()
    codes = DOCUMENT.tree["components"]["schemas"]["Code"]["enum"]
    say(codes == list(table), "the codes are those of err.h",
        set(codes) ^ set(table))
    # bad_request is also what HTTP itself refuses.
    for name, answer in DOCUMENT.tree["components"]["responses"].items():
        status = [p["schema"]["allOf"][1]["properties"]["status"]["const"]
                  for p in answer.get("content", {}).values()
                  if "allOf" in p["schema"]]
        wrong = [c for c in codes_in(answer) if c != "bad_request" and
                 table[c] != status[0] and (c, status[0]) !=
                 ("too_large", 431)]
        say(not wrong, f"{name} has the status of its code", wrong)


def refusals_of_all():
    """What HTTP itself refuses, of each operation."""
    for op in OPERATIONS.values():
        plain = {"user": None if op.open else "ann"}
        e = example(op, **plain)
        ask(op.id, 400, "no Host", code="bad_request", drop=("Host",), **e)
        ask(op.id, 431, "a long head",
            code="too_large",
            headers={"X": "x" * 9000}, **e)
        ask(op.id, 505, code="bad_request", version="HTTP/1.2", **e)
        e.pop("body", None)
        ask(op.id, 411, "chunked", code="bad_request",
            **{**e, "raw": b"0\r\n\r\n"}, drop=("Content-Length",),
            headers={"Transfer-Encoding": "chunked"})
        if has(op, 413):
            ask(op.id, 413, "a large body", code="too_large",
                **{**e, "raw": b""},
                headers={"Content-Length": "9" * 13})
        if has(op, 415):
            ask(op.id, 415, "XML", code="bad_request",
                **{**e, "raw": b"<a/>"},
                headers={"Content-Type": "application/xml"})
        if has(op, 401):
            ask(op.id, 401, "no token", code="unauthenticated",
                **{**example(op), "user": None})
            ask(op.id, 401, "another token", code="unauthenticated",
                **{**example(op), "user": "x" * 40})
        if has(op, 403, "bad_request") and op.id != "websocket":
            ask(op.id, 403, "a foreign page", code="bad_request",
                headers={"Origin": EVIL}, **example(op))


def refusals_of_groups():
    ask("edit_members", 200, path=G, body={"add": ["cut"]})
    ask("get_group", 200, "one who will be cut", path=G, user="cut")
    ask("edit_members", 200, path=G, body={"remove": ["cut"]})
    for op in OPERATIONS.values():
        if has(op, 404, "no_such_group"):
            ask(op.id, 404, "by a stranger", code="no_such_group",
                **example(op, user="dan"))
            ask(op.id, 404, "by who was a member", code="no_such_group",
                **example(op, user="cut"))
        if has(op, 403, "not_admin"):
            ask(op.id, 403, "by no admin", code="not_admin",
                **example(op, user="ben"))


def bodies():
    """What is no JSON, not UTF-8, or has not what is required."""
    for op in OPERATIONS.values():
        if op.body is None or JSON not in op.body["content"]:
            continue
        e = example(op)
        whole = e.pop("body")
        h = {"Content-Type": JSON}
        ask(op.id, 400, "no JSON", code="bad_request", raw=b"{", headers=h,
            **e)
        ask(op.id, 400, "no UTF-8", code="bad_utf8", raw=b'{"a":"\xff"}',
            headers=h, **e)
        schema = DOCUMENT.at(op.body["content"][JSON]["schema"])
        for name in schema["required"]:
            ask(op.id, 400, f"without {name}", code="bad_request",
                body={k: v for k, v in whole.items() if k != name}, **e)
        if op.body["required"] and not schema["required"] and \
                op.id not in ("change_group", "edit_members"):
            ask(op.id, 400, "nothing in it", code="bad_request", body={}, **e)
        for name, part in schema["properties"].items():
            if DOCUMENT.faults([0], part):
                ask(op.id, 400, f"{name} is [0]", code="bad_request",
                    body={**whole, name: [0]}, **e)


def arguments():
    for op in OPERATIONS.values():
        if op.method not in ("GET", "HEAD"):
            continue
        for name, p in op.query.items():
            kind = DOCUMENT.at(p["schema"])
            if kind["type"] == "integer" or name == "epoch":
                ask(op.id, 400, f"{name}=x", code="bad_request",
                    **example(op, query={name: "x"}))
            if "maximum" in kind:
                for bad in (kind["minimum"] - 1, kind["maximum"] + 1):
                    ask(op.id, 400, f"{name}={bad}", code="bad_request",
                        **example(op, query={name: bad}))
            if name in ("after", "name", "content"):
                ask(op.id, 400, f"{name} twice", code="bad_request",
                    **example(op, query={name: b"a&%s=a" % name.encode()}))
            if name == "after" and has(op, 400, "bad_name"):
                ask(op.id, 400, "after no name", code="bad_name",
                    **example(op, query={"after": "/"}))
    ask("list_mentions", 400, "after is no place", code="bad_request",
        query={"after": "x"})


def groups():
    for op in ("create_group",):
        ask(op, 400, "no name", code="bad_name", body={"name": "No"})
        ask(op, 404, code="no_such_user",
            body={"name": "never", "member_ids": ["nobody-here"]})
        ask(op, 409, code="group_exists", body={"name": "main"})
        ask(op, 201, "all that it may have",
            headers={"Idempotency-Key": "k1"},
            body={"name": "all", "member_ids": ["ben"], "description": "d",
                  "settings": {"a": [1]}})
        ask(op, 400, "a long key", code="bad_request",
            headers={"Idempotency-Key": "k" * 65}, body={"name": "never"})
    ask("list_groups", 200)
    ask("list_groups", 200, "a page", query={"limit": 1, "after": "all"})
    got = ask("get_group", 200, path=G)
    tag = got.header("etag")
    ask("get_group", 200, "by its number",
        path={"g": got.json()["group_id"]})
    ask("get_group", 304, path=G, headers={"If-None-Match": tag})
    ask("get_group_head", 304, path=G, headers={"If-None-Match": tag})
    ask("change_group", 200, "as it is", path=G,
        headers={"If-Match": tag}, body={
            k: got.json()[k] for k in
            DOCUMENT.tree["components"]["schemas"]["GroupChange"][
                "properties"]})
    ask("change_group", 200, path=G, body={"description": "new"})
    ask("change_group", 412, code="precondition_failed", path=G,
        headers={"If-Match": tag}, body={"description": "newer"})
    for key in ("name", "created_by", "created_at"):
        ask("change_group", 400, f"{key} is fixed", code="bad_request",
            path=G, body={key: "2"})
    ask("change_group", 400, "what it does not know", code="bad_request",
        path=G, body={"colour": "red"})
    ask("change_group", 413, "settings", code="too_large", path=G,
        body={"settings": {"a": "x" * 70000}})
    ask("delete_group", 204, path={"g": fresh()})


def messages():
    for content in ("hello", "@ben look"):
        ask("send_message", 201, path=G, body={"content": content})
    ask("send_message", 201, "all that it may have", path=G, body={
        "content": "c", "message_type": "media", "media_url": "media/x",
        "reply_to_seq": 1, "mentions": ["ben"], "client_id": "c1"})
    got = ask("send_message", 201, "the same again", path=G,
              body={"content": "c", "client_id": "c1"})
    say(got.json()["duplicate"], "it is a duplicate", got.body)
    ask("send_message", 201, "text/plain", path=G, raw=b"plain",
        headers={"Content-Type": "text/plain", "Idempotency-Key": "k2"})
    ask("send_message", 400, "text/plain", code="bad_utf8", path=G,
        raw=b"\xff", headers={"Content-Type": "text/plain"})
    ask("send_message", 400, "a reply to none", code="bad_request", path=G,
        body={"content": "x", "reply_to_seq": 999999})
    ask("send_message", 400, "media without its url", code="bad_request",
        path=G, body={"content": "x", "message_type": "media"})
    ask("send_message", 400, "text with one", code="bad_request", path=G,
        body={"content": "x", "media_url": "media/x"})
    ask("send_message", 413, "too long", code="too_large", path=G,
        body={"content": "x" * 70000})
    ask("list_messages", 200, path=G)
    page = ask("list_messages", 200, "arguments", path=G, query={
        "after_seq": 0, "before_seq": 4, "limit": 2}).json()
    ask("list_messages", 200, "the epoch", path=G,
        query={"epoch": page["epoch"]})
    got = ask("list_messages", 410, path=G, code="epoch_changed",
              query={"epoch": "0" * 16})
    ask("list_messages_head", 410, path=G, query={"epoch": "0" * 16})
    ask("list_mentions", 200, user="ben")
    page = ask("list_mentions", 200, "a page", user="ben",
               query={"limit": 1}).json()
    ask("list_mentions", 200, "the next", user="ben",
        query={"after": page["next_after"]})
    ask("set_read", 200, user="ben", path=G, body={"last_read_seq": 2})
    everyone()


def everyone():
    """@everyone in a group of over 100 members, by no admin."""
    many = fresh([f"u{i:03}" for i in range(100)])
    got = ask("send_message", 201, "with a warning", user="u000",
              path={"g": many}, body={"content": "@everyone hello"})
    say(got.json().get("warnings") == ["mention_dropped"],
        "the warning is mention_dropped", got.body)


def stream():
    def lines(op, answer):
        described = op.answers["200"]["content"]["application/x-ndjson"]
        return [x for line in answer.body.split(b"\n") if line
                for x in DOCUMENT.faults(json.loads(line),
                                         described["x-line-schema"])]
    op = OPERATIONS["stream"]
    got = ask("stream", 200, "lines", path=G, query={"after_seq": 1},
              enough=lambda text: text.count(b"\n") >= 3)
    say(not lines(op, got), "each line is a message", lines(op, got))
    got = ask("stream", 200, "events", path=G, headers={
        "Accept": "text/event-stream", "Last-Event-ID": "1"},
        enough=lambda text: b"event: live\n" in text and
        text.endswith(b"\n\n"))
    events(got, {"message", "live"})
    doomed = fresh(["ben"])
    ask("send_message", 201, path={"g": doomed}, body={"content": "x"})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        def until_end(text):
            if b"event: live\n" in text and not removed:
                removed.append(pool.submit(
                    ask, "remove_member", 204,
                    path={"g": doomed, "user": "ben"}))
            return False
        removed = []
        got = ask("stream", 200, "to its end", path={"g": doomed},
                  user="ben", headers={"Accept": "text/event-stream"},
                  query={"after_seq": 0}, enough=until_end)
    events(got, {"message", "live", "end"})
    ask("stream", 400, "no such place", code="bad_request", path=G,
        query={"after_seq": 999999})
    ask("stream", 400, "no such id", code="bad_request", path=G,
        headers={"Last-Event-ID": "x"})


def events(answer, wanted):
    described = OPERATIONS["stream"].answers["200"]["content"][
        "text/event-stream"]["x-event-schemas"]
    seen, faults = set(), []
    for event in answer.body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in event.split("\n")
                      if ": " in line)
        if not fields:
            continue
        kind = fields.get("event", "message")
        seen.add(kind)
        faults += DOCUMENT.faults(json.loads(fields["data"]),
                                  described[kind])
        if kind == "end":
            SEEN.add("stream", "end", json.loads(fields["data"])["code"])
        if kind == "message" and fields.get("id") != str(
                json.loads(fields["data"])["sequence_number"]):
            faults.append(f"the id of {event}")
    say(seen == wanted and not faults,
        f"the events {' and '.join(sorted(wanted))} are as described",
        (seen, faults))


def members():
    ask("list_members", 200, path=G)
    ask("list_members", 200, "a page", path=G,
        query={"limit": 1, "after": "ann"})
    g = {"g": fresh(["ben"])}
    ann, ben, dan = ({**g, "user": u} for u in ("ann", "ben", "dan"))
    ask("edit_members", 200, "both", path=g,
        body={"add": ["dan"], "remove": ["ben"]})
    ask("edit_members", 404, code="no_such_user", path=g,
        body={"add": ["nobody-here"]})
    ask("edit_members", 409, code="last_admin", path=g,
        body={"remove": ["ann"]})
    ask("get_member", 200, path=dan)
    ask("put_member", 200, "with a role", path=ben, body={"role": "admin"})
    ask("put_member", 200, "without a body", path=ben)
    ask("change_member", 200, path=ben, body={"role": "member"})
    for op in ("put_member", "change_member"):
        ask(op, 409, code="last_admin", path=ann, body={"role": "member"})
    ask("remove_member", 409, code="last_admin", path=ann)
    nobody = {**g, "user": "nobody-here"}
    for op in ("get_member", "get_member_head", "remove_member"):
        ask(op, 404, code="no_such_user", path=nobody)
    for op in ("put_member", "change_member"):
        ask(op, 404, code="no_such_user", path=nobody,
            body={"role": "member"})
    ask("remove_member", 204, path=dan)
    ask("change_group", 200, path=g, body={"max_members": 2})
    ask("change_group", 400, "fewer than there are", code="bad_request",
        path=g, body={"max_members": 1})
    ask("put_member", 409, code="group_full", path=dan,
        body={"role": "member"})
    ask("edit_members", 409, code="group_full", path=g,
        body={"add": ["dan"]})


def files():
    name = iter(f"f{n}.bin" for n in itertools.count(1))
    ask("send_file", 201, path=G, raw=b"picture",
        query={"name": "a.png", "content": "look"},
        headers={"Idempotency-Key": "f1"})
    got = ask("send_file", 201, "again", path=G, raw=b"picture",
              query={"name": "a.png"}, headers={"Idempotency-Key": "f1"})
    say(got.json()["duplicate"], "it is a duplicate", got.body)
    ask("send_file", 201, "its name in a header", path=G, raw=b"x", headers={
        "Content-Disposition": f'attachment; filename="{next(name)}"'})
    form = (b"--b\r\nContent-Disposition: form-data; name=file; "
            b'filename="%s"\r\n\r\nbytes\r\n--b\r\nContent-Disposition: '
            b'form-data; name="content"\r\n\r\nlook\r\n--b--\r\n' %
            next(name).encode())
    ask("send_file", 201, "a form", path=G, raw=form,
        headers={"Content-Type": "multipart/form-data; boundary=b"})
    ask("send_file", 400, "no name", code="bad_request", path=G, raw=b"x")
    ask("send_file", 400, "no name of a file", code="bad_name", path=G,
        raw=b"x", query={"name": "a/b"})
    ask("send_file", 400, "no UTF-8", code="bad_utf8", path=G, raw=b"x",
        query={"name": next(name), "content": b"%ff"})
    ask("send_file", 409, code="file_exists", path=G, raw=b"other",
        query={"name": "a.png"})
    ask("list_files", 200, path=G)
    ask("list_files", 200, "a page", path=G,
        query={"limit": 1, "after": "a.png"})
    png = {**G, "name": "a.png"}
    got = ask("get_file", 200, path=png)
    say(got.body == b"picture" and
        got.header("content-type") == "image/png", "it is the file",
        (got.headers, got.body))
    tag, changed = got.header("etag"), got.header("last-modified")
    got = ask("get_file", 206, path=png, headers={
        "Range": "bytes=1-3", "If-Range": tag})
    say(got.body == b"ict", "it is that part", got.body)
    ask("get_file", 416, path=png, headers={"Range": "bytes=99-"},
        code="bad_request")
    for op in ("get_file", "get_file_head"):
        ask(op, 304, path=png, headers={"If-None-Match": tag})
        ask(op, 304, path=png, headers={"If-Modified-Since": changed})
        ask(op, 404, path={**G, "name": "none"}, code="no_such_file")
    # Only GET knows ranges.
    got = ask("get_file_head", 200, path=png, headers={"Range": "bytes=1-3"})
    say(got.header("content-length") == "7", "HEAD is of the whole file",
        got.headers)


WS = {"Upgrade": "websocket", "Connection": "Upgrade",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Version": "13"}


def gateway():
    for op in ("page", "page_script", "page_style"):
        got = ask(op, 200, user=None)
        known = {"If-None-Match": got.header("etag")}
        ask(op, 304, user=None, headers=known)
        ask(op + "_head", 304, user=None, headers=known)
    ask("healthz", 200, user=None)
    ask("readyz", 200, user=None)
    ask("metrics", 200, user=None)
    ask("websocket", 426, "no upgrade", user=None, code="bad_request")
    ask("websocket_head", 426, user=None)
    ask("websocket", 426, "version 8", user=None, code="bad_request",
        headers={**WS, "Sec-WebSocket-Version": "8"})
    ask("websocket", 400, "another protocol", user=None, code="bad_request",
        headers={**WS, "Sec-WebSocket-Protocol": "chat"})
    ask("websocket", 403, "a foreign page", user=None, code="bad_request",
        headers={**WS, "Origin": EVIL})
    ask("websocket", 101, user=None,
        headers={**WS, "Sec-WebSocket-Protocol": "groupfs.v1"})
    ask("websocket", 101, "no subprotocol", user=None, headers=WS)


def elsewhere():
    """Paths and methods that are not described."""
    answers = {s: DOCUMENT.at(a) for s, a in
               DOCUMENT.tree["x-elsewhere"]["responses"].items()}

    def check(method, target, status):
        got = exchange(method, target, [
            ("Host", "test"), ("Connection", "close"), ("Content-Length", "0"),
            ("Authorization", "Bearer " + tokens()["ann"])], b"")
        op = of_no_operation(method, answers)
        faults = faults_of(op, got)
        if got.status != status:
            faults.append(f"it is {got.status}")
        say(not faults, f"{method} {target}: {status}", "; ".join(faults))
        return got
    for target in ("/index.html", "/app.js/", "/api", "/api/groups/", "/api/groups/main/nothing"):
        check("GET", target, 404)
    for path in sorted({op.path for op in OPERATIONS.values()}):
        item = DOCUMENT.tree["paths"][path]
        target = re.sub(r"\{\w+\}", "main", path)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            if method.lower() in item:
                continue
            got = check(method, target, 405)
            say(set((got.header("allow") or "").split(", ")) ==
                {m.upper() for m in METHODS if m in item},
                f"and its Allow is what is described of {path}",
                got.header("allow"))
    for method in ("TRACE", "CONNECT", "BREW"):
        check(method, "/api/groups", 501)


def of_no_operation(method, answers):
    op = Operation.__new__(Operation)
    op.method, op.answers = method, answers
    return op


def heads_and_options():
    for op in OPERATIONS.values():
        if op.method == "HEAD" and op.base() not in ("websocket",):
            e = example(op)
            ask(op.id, 200, user=None if op.open else "ann",
                **{k: v for k, v in e.items() if k != "user"})
        elif op.method == "OPTIONS":
            got = ask(op.id, 204, user=None, path=example(op).get("path"))
            ask(op.id, 204, "to a page", user=None, headers={"Origin": GOOD},
                path=example(op).get("path"))
            allowed = {m.upper() for m in METHODS
                       if m in DOCUMENT.tree["paths"][op.path]}
            say(set(got.header("allow").split(", ")) == allowed,
                f"{op.path} allows what is described", got.header("allow"))


def part_answers():
    groups()
    messages()
    members()
    stream()
    files()
    gateway()
    heads_and_options()
    got = ask("list_groups", 200, "to a page", headers={"Origin": GOOD})
    say(got.header("access-control-allow-origin") == GOOD,
        "which may read it", got.headers)
    refusals_of_all()
    refusals_of_groups()
    bodies()
    arguments()
    elsewhere()


def part_limited():
    for i in range(40):
        got = ask("send_message", 201, "under a limit", path=G,
                  body={"content": "x"}) if i == 0 else \
            exchange("POST", "/api/groups/main/messages", [
                ("Host", "test"), ("Connection", "close"),
                ("Authorization", "Bearer " + tokens()["ann"]),
                ("Content-Type", "text/plain"), ("Content-Length", "1")],
                b"x")
        if i == 0:
            say(got.header("ratelimit-limit") is not None,
                "which is told", got.headers)
        if got.status == 429:
            break
    got = ask("send_message", 429, "too fast", code="rate_limited", path=G,
              body={"content": "x"})
    say(got.header("ratelimit-remaining") == "0", "nothing is left",
        got.headers)


def hold():
    """A connection that was not refused, and is kept. The streams before it
    may be counted for a moment longer."""
    deadline = time.monotonic() + PATIENCE
    while True:
        s = connect()
        s.sendall(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
        status, headers = read_head(s.makefile("rb"))
        if status == 200 and dict(headers)["connection"] == "keep-alive":
            return s
        s.close()
        if time.monotonic() > deadline:
            raise TimeoutError("the streams are counted still")
        time.sleep(0.05)


def part_crowded():
    streams = [connect() for _ in range(2)]
    for s in streams:
        s.sendall(b"GET /api/groups/main/stream HTTP/1.1\r\nHost: test\r\n"
                  b"Authorization: Bearer " + tokens()["ann"].encode() +
                  b"\r\n\r\n")
        say(read_head(s.makefile("rb"))[0] == 200, "a stream is open")
    ask("stream", 429, "of one user", code="rate_limited", path=G)
    for s in streams:
        s.close()
    held = [hold() for _ in range(8)]
    for op in OPERATIONS.values():
        ask(op.id, 429, "of one address", code="rate_limited",
            **{"user": None if op.open else "ann", **example(op)})
    for s in held:
        s.close()


def all_at_once(status, what):
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for op in OPERATIONS.values():
            if not has(op, status):
                continue
            e = example(op)
            if op.id == "create_group":
                e = {"body": {"name": "later"}}
            # What changes nothing, such as a read pointer that would go back,
            # is not written.
            if op.id == "set_read":
                e.update(user="ben", body={"last_read_seq": 7})
            pool.submit(ask, op.id, status, what,
                        **{"user": None if op.open else "ann", **e})


def part_stopped():
    """groupd hangs, and what it was asked for may have been done."""
    groupd = int(os.environ["GROUPD_PID"])
    os.kill(groupd, signal.SIGSTOP)
    try:
        ask("create_group", 503, "it hangs", code="outcome_unknown",
            body={"name": "perhaps"})
    finally:
        os.kill(groupd, signal.SIGCONT)


def part_away():
    all_at_once(503, "groupd is away")


def part_full():
    all_at_once(507, "the disk is full")


def part_covered():
    for op in OPERATIONS.values():
        for status, answer in op.answers.items():
            what = f"{op.method} {op.path}: {status} was seen"
            codes = codes_in(answer)
            why = None
            if codes and set(codes) <= set(CODES_NOT_TRIED):
                why = CODES_NOT_TRIED[codes[0]]
            if why:
                print(f"0\t{what} # SKIP {why}\t")
                continue
            say((op.id, status) in SEEN.all, what)
            if op.method == "HEAD":
                continue
            lost = [c for c in codes
                    if (op.id, status, c) not in SEEN.all and
                    c not in CODES_NOT_TRIED]
            if len(codes) > 1:
                say(not lost, f"{what} with each code", lost)
        if op.method == "HEAD":
            continue
        for kind, parameters in (("query", op.query), ("header", op.headers)):
            for name in parameters:
                say((op.id, f"{kind} {name}") in SEEN.all,
                    f"{op.method} {op.path}: {name} was used")
    everything = {row[2] for row in SEEN.all if len(row) == 3}
    for code in CODES_NOT_TRIED:
        say(code in everything, f"{code} was seen somewhere")


if __name__ == "__main__":
    for part in sys.argv[1:]:
        globals()["part_" + part]()
    SEEN.keep()
