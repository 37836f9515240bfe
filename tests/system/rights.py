# SPDX-License-Identifier: MIT
"""Who may do what, on each surface: the table below, tried cell by cell.

rights.py MOUNT SOCKET: as root; $URL, and a token of each user in $TOKEN_NAME.
Prints STATUS<TAB>CELL<TAB>DETAIL, status 0 for passed.

"left": was a member, and comes anew. "cut": was one when the descriptor or
the connection was opened, or used in that group, and was removed since.
"nobody": no token, or a uid that is no user. "late": a token that has expired.
A dash: there is no such thing on any surface.
"""
import errno
import http.client
import json
import multiprocessing
import os
import pwd
import select
import sys
import time

import raw
import wireclient

TABLE = """
what      admin  member     left           cut         stranger       nobody           late
read      ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
jsonl     ok     ok         no_such_group  not_member  no_such_group  unauthenticated  -
send      ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
post      ok     ok         no_such_group  not_member  no_such_group  unauthenticated  -
reply     ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
members   ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
info      ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
pointer   ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
unread    ok     ok         no_such_group  not_member  no_such_group  unauthenticated  -
follow    ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
files     ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
get_file  ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
put_file  ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
leave     ok     ok         no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
add       ok     not_admin  no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
remove    ok     not_admin  no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
promote   ok     not_admin  no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
demote    ok     not_admin  no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
describe  ok     not_admin  no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
delete    ok     not_admin  no_such_group  not_member  no_such_group  unauthenticated  unauthenticated
listed    ok     ok         no_such_group  -           no_such_group  unauthenticated  unauthenticated
mentions  ok     ok         no_such_group  -           no_such_group  unauthenticated  unauthenticated
create    ok     ok         ok             -           ok             unauthenticated  unauthenticated
"""
# The contract's errno of a code (design.md, section 7).
ERRNO = {"ok": 0, "no_such_group": errno.ENOENT, "not_member": errno.EACCES,
         "not_admin": errno.EACCES, "unauthenticated": errno.EACCES}
STATUS = {"no_such_group": 404, "not_member": 403, "not_admin": 403,
          "unauthenticated": 401}

USER = {"admin": "gfs-alice", "member": "gfs-bob", "left": "gfs-carol",
        "cut": "gfs-carol", "stranger": "gfs-dave", "late": "gfs-late"}
OTHER = "gfs-eve"  # a member, whom others remove and promote
SECOND = "gfs-second"  # an admin, whom others demote
NEW = "gfs-new"  # no member yet
NO_UID = 54321
MOUNT, SOCKET = sys.argv[1:3]


# Files: open_it() gives what a member gets before he is removed, act() tries.

def write(fd, text):
    os.write(fd, text)


def written(path, flags, text):
    """Opens, writes, closes: errors may come at each."""
    return (lambda d: os.open(d + path, flags),
            lambda fd: os.write(fd, text))


def red(path, flags=os.O_RDONLY):
    return (lambda d: os.open(d + path, flags),
            lambda fd: os.pread(fd, 4096, 0))


def follow_file(fd):
    try:
        os.read(fd, 4096)
    except BlockingIOError:
        pass


def by_path(call):
    return None, call


APPEND = os.O_WRONLY | os.O_APPEND
FILES = {
    "read": red("/messages"),
    "jsonl": red("/messages.jsonl"),
    "send": written("/messages", APPEND, b"hi\n"),
    "post": written("/post", os.O_WRONLY, b"hi\n"),
    "reply": written("/messages", APPEND, b">1 hi\n"),
    "members": red("/members"),
    "info": red("/settings.json"),
    "pointer": written("/last_read", os.O_WRONLY | os.O_TRUNC, b"1\n"),
    "unread": red("/unread"),
    "follow": (lambda d: os.open(d + "/live", os.O_RDONLY | os.O_NONBLOCK),
               follow_file),
    "files": by_path(lambda d: os.listdir(d + "/media")),
    "get_file": red("/media/pic"),
    "put_file": by_path(lambda d: open(d + "/media/new", "w").close()),
    "leave": written("/members", APPEND, b"-ME\n"),
    "add": written("/members", APPEND, NEW.encode() + b"\n"),
    "remove": written("/members", APPEND, b"-" + OTHER.encode() + b"\n"),
    "promote": written("/members", APPEND, OTHER.encode() + b" admin\n"),
    "demote": written("/members", APPEND, SECOND.encode() + b" member\n"),
    "describe": written("/description", os.O_WRONLY | os.O_TRUNC, b"new\n"),
    "listed": by_path(lambda d: found(os.path.basename(d) in
                                      os.listdir(os.path.dirname(d)))),
    "mentions": by_path(lambda d: found(
        os.path.basename(d) + "\t" in
        open(os.path.dirname(d) + "/.me/mentions").read())),
    "create": by_path(lambda d: os.mkdir(d + "-of-" + str(os.getuid()))),
}


def found(there):
    if not there:
        raise FileNotFoundError(errno.ENOENT, "not there")


def hold_file(group, what):
    """What a member can open; None where that is nothing."""
    open_it = FILES[what][0]
    try:
        return open_it and open_it(os.path.join(MOUNT, group))
    except PermissionError:
        return None


def file_code(group, what, held):
    """An errno, 0 for fine."""
    open_it, act = FILES[what]
    path = os.path.join(MOUNT, group)
    if what == "leave":
        name = pwd.getpwuid(os.getuid()).pw_name if \
            os.getuid() != NO_UID else "nobody-here"
        act = lambda fd: os.write(fd, b"-" + name.encode() + b"\n")
    try:
        if open_it is None:
            act(path)
            return 0
        fd = open_it(path) if held is None else held
        try:
            act(fd)
        except OSError:
            try:
                os.close(fd)
            except OSError:
                pass
            raise
        os.close(fd)
        return 0
    except OSError as e:
        return e.errno


# The Unix socket.

def edit(op, name):
    return wireclient.record(op, name)


ADD, MEMBER, ADMIN, REMOVE = range(4)
serial = 0


def key():
    global serial
    serial += 1
    return f"key{os.getpid()}x{serial}x{time.monotonic_ns()}"


def item(content, reply=0):
    return wireclient.record(0, reply, content, "", "", "")


def in_pages(wire, name, group, listed_kinds, *args):
    """Is the group among those that the answer's list holds?"""
    data = wire.ask(name, *args, kinds="s")[0]
    if group.encode() not in data:
        raise wireclient.Refused("no_such_group", "not in the list")


def put_media(wire, g, name=None):
    k = key()
    wire.ask("WRITE_MEDIA", g, k, 0, 1, b"")
    wire.ask("WRITE_MEDIA", g, k, 0, 0, b"data")
    wire.ask("SEND_MEDIA", g, k, "", name or f"f{k}", "")


WIRE = {
    "read": lambda w, g, n, me: w.ask("PULL", g, 0, 0, 10, 0),
    "jsonl": lambda w, g, n, me: w.ask("READ_TEXT", g, 1, 0, 100),
    "send": lambda w, g, n, me: w.ask("SEND", g, key(), item("hi")),
    "reply": lambda w, g, n, me: w.ask("SEND", g, key(), item("hi", 1)),
    "members": lambda w, g, n, me: w.ask("LIST_MEMBERS", g, "", 10),
    "info": lambda w, g, n, me: w.ask("GET_INFO", g),
    "pointer": lambda w, g, n, me: w.ask("SET_READ", g, 1),
    "follow": lambda w, g, n, me: w.ask("WATCH", g, 0),
    "files": lambda w, g, n, me: w.ask("LIST_MEDIA", g, "", 10),
    "get_file": lambda w, g, n, me: w.ask("FIND_MEDIA", 0, g, "pic"),
    "put_file": lambda w, g, n, me: put_media(w, g),
    "leave": lambda w, g, n, me: w.ask("EDIT_MEMBERS", g, edit(REMOVE, me)),
    "add": lambda w, g, n, me: w.ask("EDIT_MEMBERS", g, edit(ADD, NEW)),
    "remove": lambda w, g, n, me: w.ask("EDIT_MEMBERS", g,
                                        edit(REMOVE, OTHER)),
    "promote": lambda w, g, n, me: w.ask("EDIT_MEMBERS", g,
                                         edit(ADMIN, OTHER)),
    "demote": lambda w, g, n, me: w.ask("EDIT_MEMBERS", g,
                                        edit(MEMBER, SECOND)),
    "describe": lambda w, g, n, me: w.ask("SET_INFO", g, 1, 0, "new", "", 1,
                                          ""),
    "delete": lambda w, g, n, me: w.ask("DELETE_GROUP", g),
    "listed": lambda w, g, n, me: in_pages(w, "LIST_GROUPS", n, "", "", 1000),
    "mentions": lambda w, g, n, me: in_pages(w, "LIST_MENTIONS", n, "", "", 0,
                                             1000),
    "create": lambda w, g, n, me: w.ask("CREATE_GROUP", f"{n}-of-{me}", "",
                                        "", "", key()),
}


class WireUser:
    """Its principal is opened when it first acts."""

    def __init__(self):
        self.wire = None

    def code(self, what, group_id, group, me):
        try:
            if self.wire is None:
                self.wire = wireclient.Wire(SOCKET)
                self.wire.open_principal()
            WIRE[what](self.wire, group_id, group, me)
            return "ok"
        except wireclient.Refused as e:
            self.wire = self.wire if self.wire and self.wire.principals and \
                e.code != "unauthenticated" else None
            return e.code


def act_as(uid, me, pipe):
    """A process that is one user: does what it is told to by the pipe."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    wire, held = WireUser(), None
    while True:
        order, what, group_id, group = pipe.recv()
        if order == "file":
            pipe.send(file_code(group, what, held))
            held = None
        elif order == "hold":
            held = hold_file(group, what)
            pipe.send(held is not None)
        elif order == "wire":
            pipe.send(wire.code(what, group_id, group, me))


# REST and WebSocket: in this process, by token.

def rest(what, group, me):
    """(method, path, body)"""
    g = f"/api/groups/{group}"
    edits = {"add": {"add": [NEW]}, "remove": {"remove": [OTHER]}}
    return {
        "read": ("GET", f"{g}/messages?after_seq=0", None),
        "send": ("POST", f"{g}/messages", {"content": "hi"}),
        "reply": ("POST", f"{g}/messages",
                  {"content": "hi", "reply_to_seq": 1}),
        "members": ("GET", f"{g}/members", None),
        "info": ("GET", g, None),
        "pointer": ("PUT", f"{g}/read", {"last_read_seq": 1}),
        "follow": ("GET", f"{g}/stream?after_seq=0", None),
        "files": ("GET", f"{g}/media", None),
        "get_file": ("GET", f"{g}/media/pic", None),
        "put_file": ("POST", f"{g}/media?name=f{time.monotonic_ns()}",
                     b"data"),
        "leave": ("DELETE", f"{g}/members/{me}", None),
        "add": ("POST", f"{g}/members", edits["add"]),
        "remove": ("POST", f"{g}/members", edits["remove"]),
        "promote": ("PATCH", f"{g}/members/{OTHER}", {"role": "admin"}),
        "demote": ("PATCH", f"{g}/members/{SECOND}", {"role": "member"}),
        "describe": ("PATCH", g, {"description": "new"}),
        "delete": ("DELETE", g, None),
        "listed": ("GET", "/api/groups", None),
        "mentions": ("GET", "/api/mentions", None),
        "create": ("POST", "/api/groups", {"name": f"{group}-of-{me}"}),
    }.get(what)


def rest_code(what, group, me, token):
    method, path, body = rest(what, group, me)
    connection = http.client.HTTPConnection(*raw.address(), timeout=20)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if isinstance(body, dict):
        body = json.dumps(body)
        headers["Content-Type"] = "application/json"
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        if what == "follow" and answer.status == 200:
            return "ok"
        text = answer.read()
    finally:
        connection.close()
    if answer.status >= 400:
        problem = json.loads(text)
        if STATUS.get(problem["code"]) != answer.status:
            return f"{problem['code']} with {answer.status}"
        return problem["code"]
    if what in ("listed", "mentions") and f'"{group}"'.encode() not in text:
        return "no_such_group"
    return "ok"


WS = {
    "read": {"type": "pull", "after_seq": 0, "limit": 10},
    "send": {"type": "send", "content": "hi"},
    "reply": {"type": "send", "content": "hi", "reply_to_seq": 1},
    "pointer": {"type": "read", "last_read_seq": 1},
    "follow": {"type": "subscribe"},
}


class Socket:
    """A WebSocket of one user."""

    def __init__(self, token):
        self.peer = raw.Peer(20)
        more = [f"Authorization: Bearer {token}".encode()] if token else []
        self.peer.open_ws(*more)
        self.number = 0

    def code(self, what, group):
        self.number += 1
        command = {**WS[what], "id": self.number}
        if what == "follow":
            command["groups"] = [{"group": group, "after_seq": 0}]
        else:
            command["group"] = group
        self.peer.send_all(raw.frame(raw.TEXT, json.dumps(command).encode()))
        while True:
            kind, payload = self.peer.event()
            if kind is None or kind == raw.CLOSE:
                return f"closed {payload}"
            if kind != raw.TEXT:
                continue
            said = json.loads(payload)
            if said["type"] == "error" and \
                    said.get("id", self.number) == self.number:
                return said["code"]
            if said.get("id") == self.number or \
                    (what == "follow" and said["type"] == "live"):
                return "ok"

    def close(self):
        self.peer.socket.close()


# The table.

class Setting:
    """Root, who makes a group for each cell."""

    def __init__(self):
        self.wire = wireclient.Wire(SOCKET)
        self.wire.open_principal()
        self.count = 0

    def group(self):
        """alice is its admin, bob, carol and eve its members."""
        self.count += 1
        name = f"cell{self.count}"
        people = (edit(ADMIN, USER["admin"]) + edit(ADMIN, SECOND) +
                  b"".join(edit(ADD, n) for n in
                           (USER["member"], USER["left"], OTHER)))
        group_id = self.wire.ask("CREATE_GROUP", name, "", "", people, key(),
                                 kinds="n")[0]
        named = " ".join("@" + USER[r] for r in ("admin", "member", "left"))
        self.wire.ask("SEND", group_id, key(), item(f"hello {named}"))
        put_media(self.wire, group_id, "pic")
        return name, group_id

    def remove(self, group_id):
        self.wire.ask("EDIT_MEMBERS", group_id, edit(REMOVE, USER["left"]))


def check(cell, wanted, got):
    print(0 if wanted == got else 1, cell, f"got {got}, wanted {wanted}",
          sep="\t", flush=True)


def uid_of(role):
    return NO_UID if role == "nobody" else pwd.getpwnam(USER[role]).pw_uid


class Actors:
    """A process for each uid."""

    def __init__(self):
        self.pipes = {}

    def tell(self, role, *order):
        uid = uid_of(role)
        if uid not in self.pipes:
            mine, theirs = multiprocessing.Pipe()
            multiprocessing.Process(
                target=act_as, args=(uid, USER.get(role, "nobody"), theirs),
                daemon=True).start()
            self.pipes[uid] = mine
        self.pipes[uid].send(order)
        return self.pipes[uid].recv()


def try_local(actors, setting, role, what, wanted):
    """By files and by the Unix socket."""
    if role == "late":
        return
    for surface in ("file", "wire"):
        if what not in (WIRE if surface == "wire" else FILES):
            continue
        name, group_id = setting.group()
        if role == "cut":
            if surface == "file" and not actors.tell(role, "hold", what,
                                                     group_id, name):
                continue  # by its path: as "left"
            if surface == "wire":
                actors.tell(role, "wire", "info", group_id, name)
        if role in ("left", "cut"):
            setting.remove(group_id)
        got = actors.tell(role, surface, what, group_id, name)
        if surface == "file":
            check(f"{role}: {what} by file", errno.errorcode.get(
                ERRNO[wanted], "ok"), errno.errorcode.get(got, "ok"))
        else:
            check(f"{role}: {what} by the Unix socket", wanted, got)


def try_remote(setting, role, what, wanted):
    token = os.environ.get(f"TOKEN_{role.upper()}", "")
    me = USER.get(role, "nobody")
    for surface in ("REST", "WebSocket"):
        if surface == "WebSocket" and what not in WS:
            continue
        if surface == "REST" and rest(what, "x", me) is None:
            continue
        name, group_id = setting.group()
        ws = Socket(token) if surface == "WebSocket" else None
        if role == "cut" and ws is None:
            rest_code("info", name, me, token)
        elif role == "cut":
            ws.code("send", name)
        if role in ("left", "cut"):
            setting.remove(group_id)
        got = rest_code(what, name, me, token) if ws is None else \
            ws.code(what, name)
        if ws is not None:
            ws.close()
        check(f"{role}: {what} by {surface}", wanted, got)


def main():
    head, *rows = [line.split() for line in TABLE.strip().splitlines()]
    actors, setting = Actors(), Setting()
    for what, *codes in rows:
        for role, wanted in zip(head[1:], codes):
            if wanted == "-":
                continue
            try_local(actors, setting, role, what, wanted)
            try_remote(setting, role, what, wanted)


main()
