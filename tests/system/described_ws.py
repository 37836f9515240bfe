# SPDX-License-Identifier: MIT
"""man/asyncapi.json against a groupd that runs.

described_ws.py PART...: prints STATUS<TAB>WHAT<TAB>WHY, status 0 for true.
What was seen of the document is kept in $SEEN from part to part:
  source    the commands of ws_commands.c, the close codes of ws.h and the
            codes of err.h are those that it has
  told      each command, each frame
  refused   what each command needs, and what it must not have
  closed    the close codes
  limited   with rate_messages_per_second = 2, max_connections_per_user = 6
  stopped   groupd, $GROUPD_PID, with its $DATABASE, hangs: SIGSTOP
  leaving   groupd is told to end
  covered   nothing of it was not seen
$URL; $TOKENS: a file of NAME<TAB>TOKEN lines.
"""
import asyncio
import itertools
import json
import os
import re
import signal
import sqlite3
import sys
import urllib.request

import jsonschema
import websockets

from described import Document, Seen, error_codes, say, source

DOCUMENT = Document("man/asyncapi.json", jsonschema.Draft7Validator)
MESSAGES = DOCUMENT.tree["components"]["messages"]
COMMANDS = {m["name"]: m["payload"] for k, m in MESSAGES.items()
            if k.startswith("client.")}
FRAMES = {m["name"]: m["payload"] for k, m in MESSAGES.items()
          if k.startswith("server.")}
REPLIES = {
    name: [DOCUMENT.at(m)["name"] for m in op["reply"]["messages"]]
    for name, op in DOCUMENT.tree["operations"].items()
    if op["action"] == "receive"}
CODES = FRAMES["error"]["properties"]["code"]["enum"]
CLOSES = {c["code"]: c["reconnect"]
          for c in DOCUMENT.tree["channels"]["ws"]["x-close-codes"]}
PATIENCE = 40 * int(os.environ.get("GROUPFS_TEST_PATIENCE", "1"))

# What is not tried, and why.
CLOSES_NOT_TRIED = {3012: "it takes 75 seconds of silence"}


def tokens():
    with open(os.environ["TOKENS"], encoding="utf-8") as f:
        return dict(line.rstrip("\n").split("\t") for line in f)


# Rows: command, frame, reply, error, close.
SEEN = Seen()
serial = itertools.count(1)


def faults_of(frame):
    """Exactly one of the frames that are described is this one."""
    faults = {name: DOCUMENT.faults(frame, schema)
              for name, schema in FRAMES.items()}
    right = [name for name, wrong in faults.items() if not wrong]
    if right == [frame.get("type")]:
        return []
    return [f"{json.dumps(frame)[:300]} is {right or 'none'}: "
            f"{faults.get(frame.get('type'), 'no such type')}"]


class Client:
    """A connection, which looks at each frame that it gets."""

    def __init__(self, user):
        self.user, self.frames, self.faults = user, [], []
        self.came = asyncio.Event()
        self.asked = {}
        self.closed = None

    async def open(self, header=True, hello=True, read=True, **options):
        headers = {"Authorization": "Bearer " +
                   tokens().get(self.user, self.user)} if header else {}
        self.ws = await websockets.connect(
            os.environ["URL"].replace("http", "ws", 1) + "/api/ws",
            subprotocols=["groupfs.v1"], max_size=None, ping_interval=None,
            open_timeout=PATIENCE, extra_headers=headers, **options)
        if read:
            self.reader = asyncio.create_task(self.collect())
        if header and hello and read:
            await self.until("hello")
        return self

    async def collect(self):
        try:
            async for text in self.ws:
                self.look_at(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        self.closed = self.ws.close_code
        SEEN.add("close", self.closed)
        byes = [f["code"] for f in self.frames if f["type"] == "bye"]
        if self.closed is not None and self.closed >= 3000:
            if byes != [self.closed]:
                self.faults.append(f"closed by {self.closed} after {byes}")
        self.came.set()

    def look_at(self, frame):
        self.faults += faults_of(frame)
        kind = frame.get("type")
        for name in frame:
            SEEN.add("frame", kind, name)
        if kind == "error":
            SEEN.add("error", frame.get("code"))
        if kind == "bye":
            code, wait = frame["code"], frame["retry_after_ms"]
            if code not in CLOSES or CLOSES[code] != (wait > 0):
                self.faults.append(f"bye {code} with {wait}")
        command = self.asked.get(frame["id"]) if "id" in frame else None
        if "id" in frame and command is None:
            self.faults.append(f"an id of none: {frame}")
        elif command is not None:
            SEEN.add("reply", command, kind)
            if kind not in REPLIES[command]:
                self.faults.append(f"{command} is answered by {kind}")
        self.frames.append(frame)
        self.came.set()

    async def send(self, type, check=True, **fields):
        """Sends it, with an id of its own; returns that."""
        frame = {"type": type, **fields}
        if "id" not in frame and "id" in COMMANDS[type]["properties"]:
            n = next(serial)
            frame["id"] = n if n % 2 else f"id-{n}"
        if check:
            self.faults += [f"{frame}: {x}" for x in
                            DOCUMENT.faults(frame, COMMANDS[type])]
            for name in frame:
                SEEN.add("command", type, name)
        self.asked[frame.get("id")] = type
        await self.ws.send(json.dumps(frame))
        return frame.get("id")

    async def until(self, *types, **wanted):
        """The first frame of one of the types that has these values."""
        async def wait():
            seen = 0
            while True:
                while seen < len(self.frames):
                    f = self.frames[seen]
                    seen += 1
                    if f["type"] in types and all(
                            f.get(k) == v for k, v in wanted.items()):
                        return f
                if self.closed is not None:
                    raise EOFError
                self.came.clear()
                await self.came.wait()
        try:
            return await asyncio.wait_for(wait(), PATIENCE)
        except (asyncio.TimeoutError, EOFError):
            say(False, f"{self.user} is told {types} {wanted}",
                [f for f in self.frames if f["type"] != "message"][-8:])
            return {}

    async def ask(self, type, what=None, code=None, **fields):
        """Sends a command and waits for its answer, which is a refusal when
        a code is given."""
        id = await self.send(type, check=code is None, **fields)
        answers = ["error"] if code else [
            r for r in REPLIES[type] if r not in ("error", "message")]
        if type == "subscribe" and code is None:
            f = {}
            for g in fields.get("groups", []):
                f = await self.until("live", group=g["group"])
        else:
            f = await self.until(*answers, id=id)
        got = f.get("code") if code else f.get("type")
        say(got == (code or answers[0]),
            f"{type}: {code or answers[0]}{', ' + what if what else ''}", f)
        return f

    async def end(self, code=None, what=""):
        """Until it is closed; with this code, where one is given."""
        if code is None:
            await self.ws.close()
        try:
            await asyncio.wait_for(self.reader, PATIENCE)
        except asyncio.TimeoutError:
            self.faults.append("it is not closed")
        if code is not None:
            say(self.closed == code, f"closed by {code}, {what}",
                (self.closed, self.frames[-3:]))
        say(not self.faults,
            f"{self.user} was told nothing that is not described",
            self.faults[:5])


async def rest(user, method, path, body=None):
    def now():
        request = urllib.request.Request(
            os.environ["URL"] + path, method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + tokens()[user],
                     "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
            return json.loads(text) if text else {}
    return await asyncio.get_running_loop().run_in_executor(None, now)


async def post(user, group, text):
    return await rest(user, "POST", f"/api/groups/{group}/messages",
                      {"content": text})


async def new_group(name, *members):
    return await rest("ann", "POST", "/api/groups",
                      {"name": name, "member_ids": members})


# The parts.


async def part_source():
    told = source("daemon/gateway/ws_commands.c")
    table = told[told.index("commands[] = {"):]
    names = set(re.findall(r'\{ "(\w+)",', table[:table.index("};")]))
    say(names | {"auth"} == set(COMMANDS),
        "the commands are those of ws_commands.c",
        (names | {"auth"}) ^ set(COMMANDS))
    begun = set()
    for name in ("ws_commands.c", "ws_conn.c", "ws_feed.c",
                 "ws_subscribe.c"):
        begun |= set(re.findall(r'ws_frame_(?:begin|type)\([^,]+,\s*"(\w+)"',
                                source("daemon/gateway/" + name)))
    say(begun == set(FRAMES), "the frames are those that the gateway makes",
        begun ^ set(FRAMES))
    codes = {int(n) for name, n in re.findall(
        r"WS_(\w+) = (\d{4})\b", source("daemon/gateway/ws.h"))
        if name.startswith(("BYE", "CLOSE")) and name != "CLOSE_NO_CODE"}
    say(codes == set(CLOSES), "the close codes are those of ws.h",
        codes ^ set(CLOSES))
    say(set(CODES) <= set(error_codes()), "its codes are in err.h",
        set(CODES) - set(error_codes()))
    for name, schema in FRAMES.items():
        say(schema["properties"]["type"]["const"] == name and
            "type" in schema["required"], f"{name} says its type")


async def part_told():
    ann = await Client("ann").open()
    ben = await Client("ben").open(header=False)
    await ben.send("auth", token=tokens()["ben"])
    say((await ben.until("hello")).get("user") == "ben",
        "auth as the first frame: hello")
    other = await Client("ben").open()
    await ben.send("subscribe")
    live = await ben.until("live", group="main")
    await ann.ask("subscribe", groups=[{"group": "main"}])
    await sends(ann)
    await ben.until("mention", group="main")
    await post("ann", "quiet", "@ben where are you")
    await ben.ask("unsubscribe", "a group", group="quiet")
    await post("ann", "quiet", "@ben still not there?")
    await ben.until("mention", group="quiet", sender="ann")
    await pages(ann)
    await ben.ask("read", group="main", last_read_seq=3)
    await other.until("read", group="main", last_read_seq=3)
    await ann.ask("ping")
    await roles(ann, ben)
    late = await Client("ben").open()
    await late.ask("subscribe", "from a place", groups=[
        {"group": "main", "after_seq": 0, "epoch": live["epoch"]}])
    await late.until("message", group="main", replay=True)
    await late.until("mention", group="main", replay=True)
    await late.ask("subscribe", "of another epoch", code="epoch_changed",
                   groups=[{"group": "main", "epoch": "0" * 16}])
    await late.ask("subscribe", "behind the end", code="epoch_changed",
                   groups=[{"group": "main", "after_seq": 10 ** 6,
                            "epoch": live["epoch"]}])
    await late.ask("unsubscribe", "groups", groups=[{"group": "main"}])
    await late.ask("unsubscribe", "all")
    for c in (ann, ben, other, late):
        await c.end()


async def sends(ann):
    await ann.ask("send", group="main", content="hello")
    await ann.ask("send", "all that it may have", group="main", content="c",
                  message_type="media", media_url="media/x", reply_to_seq=1,
                  mentions=["ben"], client_id="c1")
    f = await ann.ask("send", "again", group="main", content="c",
                      client_id="c1")
    say(f.get("duplicate") is True, "which is a duplicate", f)
    await ann.until("message", client_id="c1", group="main")
    number = (await rest("ann", "GET", "/api/groups/main"))["group_id"]
    await ann.ask("send", "by the group's number", group=number, content="n")
    await ann.ask("send", "by it as text", group=str(number), content="n")
    loud = await Client("u000").open()
    f = await loud.ask("send", "with a warning", group="many",
                       content="@everyone hello")
    say(f.get("warnings") == ["mention_dropped"], "mention_dropped", f)
    await loud.end()


async def pages(ann):
    f = await ann.ask("pull", group="main")
    say(len(f["messages"]) >= 4 and f["complete"], "with all", f)
    f = await ann.ask("pull", "a page", group="main", after_seq=1, limit=1)
    say([m["sequence_number"] for m in f["messages"]] == [2] and
        not f["complete"], "with one", f)


async def roles(ann, ben):
    where = "/api/groups/main/members/"
    await rest("ann", "PUT", where + "dan", {"role": "member"})
    await ben.until("member", user="dan", change="added", role="member",
                    by="ann")
    await rest("ann", "PATCH", where + "dan", {"role": "admin"})
    await ben.until("member", user="dan", change="role", role="admin")
    await rest("ann", "DELETE", where + "dan")
    await ben.until("member", user="dan", change="removed")
    say(True, "member: added, role, removed")
    await new_group("later", "ben")
    await post("ann", "later", "early")
    await ben.until("added", group="later")
    await ben.until("live", group="later")
    await rest("ann", "DELETE", "/api/groups/later/members/ben")
    await ben.until("removed", group="later")
    # On this connection he was one.
    await ben.ask("send", "after he was removed", code="not_member",
                  group="later", content="x")
    await new_group("doomed", "ben")
    await ben.until("live", group="doomed")
    await rest("ann", "DELETE", "/api/groups/doomed")
    await ben.until("removed", group="doomed")


EXAMPLES = {
    "subscribe": {"groups": [{"group": "main"}]},
    "unsubscribe": {"group": "main"},
    "send": {"group": "main", "content": "x"},
    "pull": {"group": "main"},
    "read": {"group": "main", "last_read_seq": 0},
    "ping": {},
}


async def part_refused():
    ann = await Client("ann").open()
    for type, fields in EXAMPLES.items():
        schema = COMMANDS[type]
        needed = [n for n in schema["required"] if n != "type"]
        if type == "send":
            needed.append("content")
        for name in needed:
            less = {k: v for k, v in fields.items() if k != name}
            say(DOCUMENT.faults({"type": type, **less}, schema) != [],
                f"{type} needs {name}, as it is described")
            await ann.ask(type, f"without {name}", code="bad_request",
                          **less)
        for name, part in schema["properties"].items():
            if name not in ("type", "id") and \
                    DOCUMENT.faults({"a": 1}, part):
                await ann.ask(type, f"{name} is an object",
                              code="bad_request", **{**fields,
                                                     name: {"a": 1}})
        if "group" in fields and type != "unsubscribe":
            await ann.ask(type, "of no group", code="no_such_group",
                          **{**fields, "group": "none"})
    for name in ("subscribe", "unsubscribe"):
        await ann.ask(name, "groups without group", code="bad_request",
                      groups=[{}])
    await ann.ask("subscribe", "of no group", code="no_such_group",
                  groups=[{"group": "none"}])
    await ann.ask("send", "media without its url", code="bad_request",
                  group="main", content="x", message_type="media")
    await ann.ask("send", "text with one", code="bad_request",
                  group="main", content="x", media_url="media/x")
    await ann.ask("send", "a reply to none", code="bad_request",
                  group="main", content="x", reply_to_seq=999999)
    await ann.ask("send", "too long", code="too_large", group="main",
                  content="x" * 70000)
    for limit in (0, 1001):
        await ann.ask("pull", f"limit {limit}", code="bad_request",
                      group="main", limit=limit)
    for text in ('{"id":"bare"}', '{"type":"none","id":"bare"}'):
        ann.asked["bare"] = "send"
        ann.frames.clear()
        await ann.ws.send(text)
        f = await ann.until("error", id="bare")
        say(f.get("code") == "bad_request", f"{text}: bad_request", f)
    # What cannot be echoed is said, and not done.
    for id in ("x" * 129, -1, 1.5, True, [1], {}):
        ann.frames.clear()
        await ann.ws.send(json.dumps({"type": "ping", "id": id}))
        f = await ann.until("error")
        say(f.get("code") == "bad_request" and "id" not in f and
            '"id"' in f.get("message", ""), f"id {id!r:.9}: bad_request", f)
    for text in ("{", "[]", '{"type":"ping","type":"ping"}'):
        ann.frames.clear()
        await ann.ws.send(text)
        f = await ann.until("error")
        say(f.get("code") == "bad_request", f"{text}: bad_request", f)
    # It goes on after all that.
    await ann.ask("ping")
    await ann.end()


async def part_closed():
    for text, what in (('{"type":"auth"}', "auth without token"),
                       ('{"type":"ping"}', "another frame first"),
                       ('{"type":"auth","token":"x"}', "a token of nobody")):
        c = await Client("nobody").open(header=False)
        await c.ws.send(text)
        f = await c.until("error")
        say(f.get("code") == "unauthenticated", f"{what}: unauthenticated", f)
        await c.end(3500, what)
    c = await Client("x" * 40).open(hello=False)
    await c.end(3500, "a token of nobody in the header")
    # By hand: no client sends these.
    for raw, code, what in (
            (b"\x81\x01x", 1002, "a frame without a mask"),
            (b"\x82\x81\0\0\0\0x", 1003, "a binary frame"),
            (b"\x81\x81\0\0\0\0\xff", 1007, "no UTF-8"),
            (b"\x81\xff" + (1 << 20 | 1).to_bytes(8, "big") + b"\0\0\0\0",
             1009, "a message of over 1 MiB")):
        c = await Client("ann").open()
        c.ws.transport.write(raw)
        await c.end(code, what)
    await slow()


async def slow():
    """One that asks and does not read what it gets."""
    c = await Client("ann").open(read=False, max_queue=1, read_limit=1024,
                                 write_limit=1024)
    big = await Client("ann").open()
    for i in range(3):
        await big.ask("send", group="main", content="x" * 60000)
    await big.end()

    async def ask():
        for i in range(2000):
            c.asked[i] = "pull"
            await c.ws.send(json.dumps({"type": "pull", "group": "main",
                                        "limit": 1000, "id": i}))
    try:
        await asyncio.wait_for(ask(), 4)
    except (asyncio.TimeoutError, websockets.ConnectionClosed):
        pass
    c.reader = asyncio.create_task(c.collect())
    await c.end(3008, "it left too much unread")


async def part_full():
    ann = await Client("ann").open()
    await ann.ask("send", "the disk is full", code="out_of_space",
                  group="main", content="x")
    await ann.end()


async def part_limited():
    held = [await Client("ann").open() for _ in range(6)]
    c = await Client("ann").open(hello=False)
    f = await c.until("error")
    say(f.get("code") == "rate_limited" and f.get("retry_after_ms", 0) > 0,
        "too many connections: rate_limited", f)
    await c.end(3009, "one connection too many")
    for _ in range(20):
        await held[0].send("send", group="main", content="x")
    f = await held[0].until("error", code="rate_limited")
    say(f.get("retry_after_ms", 0) > 0, "send: rate_limited", f)
    for c in held:
        await c.end()


async def part_stopped():
    """groupd hangs when it has a message and has not answered: its store is
    held until it is stopped. Commands are begun in order, so that it has the
    message when the pull behind it is answered."""
    groupd = int(os.environ["GROUPD_PID"])
    store = sqlite3.connect(os.environ["DATABASE"], isolation_level=None)
    c = await Client("ann").open()
    store.execute("BEGIN IMMEDIATE")
    id = await c.send("send", group="main", content="x")
    await c.ask("pull", group="main")
    os.kill(groupd, signal.SIGSTOP)
    store.execute("ROLLBACK")
    store.close()
    try:
        await c.ask("pull", "groupd hangs", code="unavailable", group="main")
        f = await c.until("error", "sent", id=id)
        say(f.get("code") == "outcome_unknown", "send: outcome_unknown", f)
    finally:
        os.kill(groupd, signal.SIGCONT)
    await c.end()


async def part_leaving():
    c = await Client("ann").open()
    os.kill(int(os.environ["GROUPD_PID"]), signal.SIGTERM)
    await c.end(3001, "the gateway leaves")


async def part_covered():
    for kind, tree in (("command", COMMANDS), ("frame", FRAMES)):
        for name, schema in tree.items():
            lost = [p for p in schema["properties"]
                    if (kind, name, p) not in SEEN.all]
            say(not lost, f"the {kind} {name} was seen, with all fields",
                lost)
    for command, replies in REPLIES.items():
        lost = [r for r in replies if (command != "auth" and
                r not in ("message", "live") and
                ("reply", command, r) not in SEEN.all)]
        say(not lost, f"{command} was answered by each of {replies}", lost)
    for code in CODES:
        say(("error", code) in SEEN.all, f"error {code} was seen")
    got = {row[1] for row in SEEN.all if row[0] == "error"}
    say(got <= set(CODES), "and no other", got - set(CODES))
    for code in CLOSES:
        if code in CLOSES_NOT_TRIED:
            print(f"0\tclosed by {code} # SKIP {CLOSES_NOT_TRIED[code]}\t")
        else:
            say(("close", code) in SEEN.all, f"closed by {code} was seen")


if __name__ == "__main__":
    for part in sys.argv[1:]:
        asyncio.run(globals()["part_" + part]())
    SEEN.keep()
