#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""REST as groupd-api(7) has it, by http.client. Each section prints its
results as "ok WHAT" or "not ok WHAT: WHY".

  rest.py SECTION GROUP...   $URL; $TOKEN of an admin of the groups, $OTHER of
                             a member, $STRANGER of nobody's

  paging LOG        reads a log of some thousand messages in all ways
  members CROWD     edits the members: u0001, u0002, ... of $USERS are known
  keys KEYS         sends the same twice
  again KEYS        after a restart: sends the same once more
  pointer LOG       the read pointer
  mentions A B C    $OTHER was mentioned in each message of these
  problems LOG      refusals
"""
import http.client
import json
import os
import sys

MINE, OTHER, STRANGER = (os.environ[n] for n in ("TOKEN", "OTHER", "STRANGER"))


def check(what, got, wanted=True):
    if got == wanted:
        print("ok", what)
    else:
        print(f"not ok {what}: got {str(got)[:300]}, "
              f"wanted {str(wanted)[:300]}")


class Answer:
    def __init__(self, response, body):
        self.status, self.headers = response.status, response.headers
        self.body = json.loads(body) if body else None

    def __getitem__(self, name):
        return self.body[name]

    def code(self):
        return self.status, self.body["code"]


def ask(method, path, body=None, token=MINE, **headers):
    c = http.client.HTTPConnection(os.environ["URL"].split("://")[1],
                                   timeout=30)
    headers = {name.replace("_", "-"): value
               for name, value in headers.items()}
    if token:
        headers["Authorization"] = "Bearer " + token
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    try:
        c.request(method, path, body, headers)
        response = c.getresponse()
        return Answer(response, response.read())
    finally:
        c.close()


def get(path, **query):
    parts = "&".join(f"{name}={value}" for name, value in query.items())
    return ask("GET", f"{path}?{parts}" if parts else path)


def numbers(page):
    return [m["sequence_number"] for m in page["messages"]]


def forwards(path, limit):
    """The whole log; False where a page is not as it must be."""
    log, after = [], 0
    while True:
        page = get(path, after_seq=after, limit=limit)
        log += page["messages"]
        last = page["last_seq"]
        if numbers(page) != list(range(after + 1, min(after + limit, last)
                                       + 1)):
            return False
        after += len(page["messages"])
        if (page["next_after"] != after or page["first_seq"] != 1
                or page["complete"] != (after == last)):
            return False
        if page["complete"]:
            return log


def backwards(path, limit, last):
    log, before = [], last + 1
    while True:
        page = get(path, before_seq=before, limit=limit)
        if numbers(page) != list(range(max(before - limit, 1), before)):
            return False
        log[:0] = page["messages"]
        before -= len(page["messages"])
        if page["complete"] != (before == 1):
            return False
        if page["complete"]:
            return log


def ends(path, last):
    def page(**query):
        p = get(path, **query)
        return numbers(p), p["next_after"], p["complete"]
    check("the first 50 when nothing is asked", page(),
          (list(range(1, 51)), 50, False))
    check("nothing is behind the last", page(after_seq=last),
          ([], last, True))
    check("nor before the first", page(before_seq=1), ([], 0, True))
    check("before a number far behind the end: the last ones",
          page(before_seq=last + 1000, limit=2)[0], [last - 1, last])
    check("between two numbers", page(after_seq=100, before_seq=104),
          ([101, 102, 103], 103, True))
    check("between two, the first of them when there are more",
          page(after_seq=100, before_seq=110, limit=4),
          ([101, 102, 103, 104], 104, False))
    check("on from there", page(after_seq=104, before_seq=110),
          (list(range(105, 110)), 109, True))
    check("between neighbours is nothing",
          page(after_seq=100, before_seq=101), ([], 100, True))
    for query in ({"limit": 0}, {"limit": 1001}, {"limit": -1},
                  {"limit": "x"}, {"after_seq": -1}, {"before_seq": "1.5"},
                  {"after_seq": "1&after_seq=2"}, {"epoch": "xyz"}):
        check(f"refused: {query}", get(path, **query).code(),
              (400, "bad_request"))


def identity(group, path):
    info = get(f"/api/groups/{group}")
    number = info["group_id"]
    by_id = f"/api/groups/{number}"
    check("a group has the same metadata by its id", get(by_id).body,
          info.body)
    check("and messages", get(by_id + "/messages").body, get(path).body)
    check("and members", get(by_id + "/members").body,
          get(f"/api/groups/{group}/members").body)
    right = get(path, epoch=info["epoch"], limit=1)
    check("with its epoch the log is read",
          (right.status, right["epoch"]), (200, info["epoch"]))
    wrong = get(path, epoch="%016x" % (int(info["epoch"], 16) ^ 1))
    check("with another it is gone", wrong.code(), (410, "epoch_changed"))
    lost = get(path, epoch=info["epoch"], after_seq=10 ** 9)
    check("nor is a log that ends before what is known of it", lost.code(),
          (410, "epoch_changed"))
    check("and says where to start", (wrong["first_seq"], wrong["epoch"]),
          (1, info["epoch"]))


def paging(group):
    path = f"/api/groups/{group}/messages"
    log = forwards(path, 1000)
    last = len(log)
    check("forwards by 1000", last > 2000)
    check("forwards by 7 it is the same", forwards(path, 7) == log)
    check("backwards by 1000 too", backwards(path, 1000, last) == log)
    check("backwards by 7 too", backwards(path, 7, last) == log)
    check("one at a time",
          [numbers(get(path, after_seq=n, limit=1)) for n in range(3)],
          [[1], [2], [3]])
    ends(path, last)
    identity(group, path)


def roster(path, limit):
    """name -> role; False where a page is not as it must be."""
    everybody, after = {}, ""
    while True:
        page = get(path, after=after, limit=limit)
        names = [m["user"] for m in page["members"]]
        total = page["total"]
        if names != sorted(names) or names and names[0] <= after:
            return False
        everybody.update((m["user"], m["role"]) for m in page["members"])
        if page["complete"] != (len(everybody) == total):
            return False
        if page["complete"]:
            return everybody
        if len(names) != limit or page["next_after"] != names[-1]:
            return False
        after = names[-1]


def bulk(path, me, names):
    done = ask("POST", path, {"add": names})
    check("2,600 are added in one", (done.status, done["changed"]),
          (200, len(names)))
    wanted = {name: "member" for name in names} | {me: "admin"}
    for limit in 1000, 77:
        check(f"and listed by {limit}", roster(path, limit) == wanted)
    check("added again nothing changes",
          ask("POST", path, {"add": names})["changed"], 0)
    for what, edits, code in (
            ("an unknown name", {"remove": names[:5], "add": ["ann", "nosuch"]},
             (404, "no_such_user")),
            ("one who is none", {"add": ["ann"], "remove": ["ben"]},
             (404, "no_such_user")),
            ("the last admin", {"add": ["ann"], "remove": [me]},
             (409, "last_admin")),
            ("no name at all", {"add": ["ann", ""]}, (404, "no_such_user")),
            ("a number", {"remove": names[:5], "add": [7]},
             (400, "bad_request"))):
        check(f"an edit with {what} is refused",
              ask("POST", path, edits).code(), code)
        check("and nothing of it is done", roster(path, 1000) == wanted)
    done = ask("POST", path, {"add": ["ann"], "remove": names[:100]})
    check("one comes, 100 go", (done.status, done["changed"]), (200, 101))
    wanted = {n: r for n, r in wanted.items() if n not in names[:100]}
    check("and that is all", roster(path, 1000) == wanted | {"ann": "member"})


def one_member(path):
    ann = path + "/ann"

    def role():
        return get(ann).body and get(ann).body.get("role")
    for n in "once", "twice":
        check(f"PUT {n}", ask("PUT", ann, {}).status, 200)
        check("is a member", role(), "member")
    for n in "once", "twice":
        check(f"PATCH {n}", ask("PATCH", ann, {"role": "admin"}).status, 200)
        check("is an admin", role(), "admin")
    check("PUT without a role leaves it",
          (ask("PUT", ann, {}).status, role()), (200, "admin"))
    check("PUT with one sets it",
          (ask("PUT", ann, {"role": "member"}).status, role()),
          (200, "member"))
    total = get(path, limit=1)["total"]
    check("DELETE", ask("DELETE", ann).status, 204)
    check("DELETE again finds nobody", ask("DELETE", ann).code(),
          (404, "no_such_user"))
    check("and takes nobody else", get(path, limit=1)["total"], total - 1)
    check("PATCH does not add", ask("PATCH", ann, {"role": "member"}).code(),
          (404, "no_such_user"))
    check("nor is he there", get(ann).code(), (404, "no_such_user"))
    check("PATCH needs a role", ask("PATCH", ann, {}).code(),
          (400, "bad_request"))
    check("a member may not add",
          ask("PUT", ann, {}, token=OTHER).code(), (403, "not_admin"))


def members(group):
    path = f"/api/groups/{group}/members"
    names = [f"u{n:04}" for n in range(1, int(os.environ["USERS"]) + 1)]
    check("one page has all there is",
          [m["role"] for m in get(path)["members"]], ["admin", "member"])
    me, other = (m["user"] for m in get(path)["members"])
    ask("DELETE", f"{path}/{other}")
    bulk(path, me, names)
    check("who was removed is back", ask("PUT", f"{path}/{other}", {}).status,
          200)
    one_member(path)


def plain(answer):
    return {name: answer[name] for name in
            ("sequence_number", "timestamp", "offset", "epoch")}


def keys(group):
    path = f"/api/groups/{group}/messages"
    text = {"content": "once"}
    first = ask("POST", path, text, Idempotency_Key="one")
    check("a message with a key", (first.status, first["duplicate"]),
          (201, False))
    second = ask("POST", path, text, Idempotency_Key="one")
    check("again is a duplicate", (second.status, second["duplicate"]),
          (201, True))
    check("with the same numbers", plain(second), plain(first))
    third = ask("POST", path, {"content": "other", "client_id": "one"})
    check("the key is the client_id", (third["duplicate"], plain(third)),
          (True, plain(first)))
    bytes_ = ask("POST", path, b"once", Idempotency_Key="one",
                 Content_Type="text/plain")
    check("of text/plain too", (bytes_["duplicate"], plain(bytes_)),
          (True, plain(first)))
    other = ask("POST", path, text, token=OTHER, Idempotency_Key="one")
    check("another sender's key is his own",
          (other.status, other["duplicate"], other["sequence_number"]),
          (201, False, 2))
    fresh = ask("POST", path, text, Idempotency_Key="two")
    check("another key is another message", fresh["sequence_number"], 3)
    check("none is too", ask("POST", path, text)["sequence_number"], 4)
    check("a key that is too long",
          ask("POST", path, text, Idempotency_Key="k" * 300).code(),
          (400, "bad_request"))
    made = [ask("POST", "/api/groups", {"name": "made"},
                Idempotency_Key="make") for _ in range(2)]
    check("a group with a key is made once and answered twice",
          [(m.status, m.body) for m in made], [(201, made[0].body)] * 2)
    check("without it exists", ask("POST", "/api/groups",
                                   {"name": "made"}).code(),
          (409, "group_exists"))
    with open(os.environ["KEPT"], "w") as f:
        json.dump(plain(first), f)


def again(group):
    path = f"/api/groups/{group}/messages"
    with open(os.environ["KEPT"]) as f:
        first = json.load(f)
    second = ask("POST", path, {"content": "once"}, Idempotency_Key="one")
    check("after a restart it is a duplicate still",
          (second["duplicate"], plain(second)), (True, first))
    check("no message was added", len(get(path)["messages"]), 4)


def pointer(group):
    path = f"/api/groups/{group}/read"

    def put(seq):
        return ask("PUT", path, {"last_read_seq": seq}, token=OTHER)

    def mine():
        groups = ask("GET", "/api/groups", token=OTHER)["groups"]
        g = next(g for g in groups if g["name"] == group)
        return g["last_read_seq"], g["last_seq"] - g["unread"]
    start, _ = mine()
    for seq, stored in ((start + 5, start + 5), (start + 2, start + 5),
                        (0, start + 5), (start + 6, start + 6)):
        check(f"the pointer put to {seq} is {stored}",
              put(seq)["last_read_seq"], stored)
        check("and counts so", mine(), (stored, stored))
    last = get(f"/api/groups/{group}")["last_seq"]
    check("a place that is not there yet", put(last + 1).code(),
          (400, "bad_request"))
    check("changes nothing", mine(), (start + 6, start + 6))
    for bad in -1, "5", 1.5, None:
        check(f"refused: {bad!r}", put(bad).code(), (400, "bad_request"))
    number = get(f"/api/groups/{group}")["group_id"]
    moved = ask("PUT", f"/api/groups/{number}/read",
                {"last_read_seq": last}, token=OTHER)
    check("by the group's id, to the end",
          (moved["last_read_seq"], mine()), (last, (last, last)))


def mentions(*groups):
    def walk(limit):
        found, after = [], ""
        while True:
            page = ask("GET", f"/api/mentions?limit={limit}&after={after}",
                       token=OTHER)
            found += [(m["group"], m["sequence_number"])
                      for m in page["mentions"]]
            if page["complete"]:
                return found
            after = page["next_after"]
            if after != "%s/%d" % found[-1] or \
                    len(page["mentions"]) != limit:
                return False
    wanted = [(g, n + 1) for g in sorted(groups)
              for n in range(get(f"/api/groups/{g}")["last_seq"])]
    check("there are many", len(wanted) > 1000)
    for limit in 1000, 100, 7:
        check(f"all mentions by {limit}", walk(limit) == wanted)


def problem(what, answer, status, code):
    check(what, answer.code(), (status, code))
    body = answer.body
    check("as problem+json", (answer.headers["Content-Type"], body["status"]),
          ("application/problem+json", status))
    check("in words", bool(body["type"] and body["title"]
                           and len(body["detail"]) > 10))


def problems(group):
    path = f"/api/groups/{group}"
    post = path + "/messages"
    nobody = ask("GET", path, token=None)
    problem("no token", nobody, 401, "unauthenticated")
    check("says how", nobody.headers["WWW-Authenticate"], "Bearer")
    rows = (
        ("a token that is none", 401, "unauthenticated",
         ("GET", path, None, "gfs_nonsense")),
        ("a stranger", 404, "no_such_group", ("GET", path, None, STRANGER)),
        ("no such group", 404, "no_such_group", ("GET", "/api/groups/none")),
        ("an id that is none", 404, "no_such_group",
         ("GET", "/api/groups/999999")),
        ("a member who edits", 403, "not_admin",
         ("PATCH", path, {"description": "x"}, OTHER)),
        ("a member who deletes", 403, "not_admin",
         ("DELETE", path, None, OTHER)),
        ("an unknown user", 404, "no_such_user",
         ("PUT", path + "/members/nosuch", {})),
        ("a group that exists", 409, "group_exists",
         ("POST", "/api/groups", {"name": group})),
        ("a bad name", 400, "bad_name", ("POST", "/api/groups",
                                         {"name": "A b"})),
        ("bad UTF-8", 400, "bad_utf8", ("POST", post, b'{"content":"\xff"}')),
        ("too large", 413, "too_large",
         ("POST", post, {"content": "x" * 65537})),
        ("nonsense", 400, "bad_request", ("POST", post, b"{")),
        ("a reply to nothing", 400, "bad_request",
         ("POST", post, {"content": "x", "reply_to_seq": 999999})),
    )
    for what, status, code, how in rows:
        problem(what, ask(*how), status, code)
    full = ask("PATCH", path, {"max_members": 2})
    check("a limit of members", full.status, 200)
    problem("one more", ask("PUT", path + "/members/u0001", {}), 409,
            "group_full")
    me = next(m["user"] for m in get(path + "/members")["members"]
              if m["role"] == "admin")
    problem("the last admin leaves",
            ask("DELETE", f"{path}/members/{me}"), 409, "last_admin")
    problem("and is demoted", ask("PATCH", f"{path}/members/{me}",
                                  {"role": "member"}), 409, "last_admin")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
