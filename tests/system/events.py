#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What WebSockets are told, by a client that shares no code with groupd.

  events.py SCENARIO [ARG...]   one of the functions below; prints what each
                                client got, for the shell to compare

$URL is http://HOST:PORT, $TOKENS a file of NAME<TAB>TOKEN lines, where NAME/2
is another token of the same user. A frame is printed as its type and what
matters of it: `message 3`, `mention 3 ann`, `read 4`, with `+` where it has
replay:true and `#ID` where it has an id.
"""
import asyncio
import json
import os
import socket
import sys
import urllib.error
import urllib.request

import websockets

PATIENCE = 30 * int(os.environ.get("GROUPFS_TEST_PATIENCE", "1"))


def tokens():
    with open(os.environ["TOKENS"], encoding="utf-8") as f:
        return dict(line.rstrip("\n").split("\t") for line in f)


def rest_now(user, method, path, body=None):
    """(status, decoded body) of a request as user."""
    request = urllib.request.Request(
        os.environ["URL"] + path, method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + tokens()[user],
                 "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else {}
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read())


async def rest(*args):
    """The body of an answer that is no refusal."""
    loop = asyncio.get_running_loop()
    status, body = await loop.run_in_executor(None, rest_now, *args)
    assert status < 300, (args, status, body)
    return body


async def post(user, group, text):
    body = await rest(user, "POST", f"/api/groups/{group}/messages",
                      {"content": text})
    return body["sequence_number"]


def short(f):
    words = [f["type"]]
    for key in ("sequence_number", "last_read_seq", "last_seq", "user",
                "change", "role", "by"):
        if key in f:
            words.append(str(f[key]))
    if f["type"] == "mention":
        words.append(f["sender"])
    if f.get("replay"):
        words.append("+")
    if "id" in f:
        words.append(f"#{f['id']}")
    return " ".join(words)


class Client:
    """A connection; what it got is in frames, but for hello."""

    def __init__(self, user):
        self.user = user
        self.frames = []
        self.came = asyncio.Event()
        self.reader = None

    async def open(self, read=True):
        options = {}
        if not read:
            # Little room: what is not read soon stops the other side.
            where = os.environ["URL"].split("://")[1].rsplit(":", 1)
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            sock.connect((where[0], int(where[1])))
            options = {"sock": sock, "max_queue": 1, "read_limit": 4096}
        self.ws = await websockets.connect(
            os.environ["URL"].replace("http", "ws", 1) + "/api/ws",
            subprotocols=["groupfs.v1"], max_size=None, ping_interval=None,
            open_timeout=PATIENCE, **options, extra_headers={
                "Authorization": "Bearer " + tokens()[self.user]})
        hello = json.loads(await self.ws.recv())
        assert hello["type"] == "hello", hello
        assert hello["user"] == self.user.split("/")[0], hello
        if read:
            self.read()
        return self

    def read(self):
        self.reader = asyncio.create_task(self.collect())

    async def collect(self):
        try:
            async for text in self.ws:
                self.frames.append(json.loads(text))
                self.came.set()
        except websockets.ConnectionClosed:
            pass

    async def send(self, **frame):
        await self.ws.send(json.dumps(frame))

    async def until(self, test):
        """The first frame of which test is true, waiting for it."""
        async def wait():
            seen = 0
            while True:
                while seen < len(self.frames):
                    seen += 1
                    if test(self.frames[seen - 1]):
                        return self.frames[seen - 1]
                self.came.clear()
                await self.came.wait()
        try:
            return await asyncio.wait_for(wait(), PATIENCE)
        except asyncio.TimeoutError:
            sys.exit(f"{self.user} waits in vain; got {self.short()[-20:]}")

    async def until_seq(self, seq, what="message"):
        return await self.until(lambda f: f["type"] == what and
                                f["sequence_number"] == seq)

    async def until_read(self, seq):
        return await self.until(lambda f: f["type"] == "read" and
                                f["last_read_seq"] == seq)

    async def until_type(self, what):
        return await self.until(lambda f: f["type"] == what)

    async def subscribe(self, group, **where):
        await self.send(type="subscribe", groups=[{"group": group, **where}])
        await self.until(lambda f: f["type"] == "live" and
                         f["group"] == group)

    async def settled(self):
        """All that the gateway had for us is here."""
        self.pings = getattr(self, "pings", 0) + 1
        name = f"settled{self.pings}"
        await self.send(type="ping", id=name)
        await self.until(lambda f: f.get("id") == name)

    def clear(self):
        self.frames.clear()

    def short(self):
        return [short(f) for f in self.frames
                if not str(f.get("id", "")).startswith("settled")]


def show(name, client):
    print(f"{name}: " + ", ".join(client.short()))


async def clients(*users):
    return [await Client(user).open() for user in users]


async def mentions(group):
    """Who is subscribed is told behind the message, who is not by name."""
    ann, bob, bare, eve = await clients("ann", "bob", "bob", "eve")
    for c in (ann, bob, eve):
        await c.subscribe(group)
        c.clear()
    await post("ann", group, "hi @bob and mail@eve")
    await post("ann", group, "@everyone")
    await bob.send(type="send", group=group, content="@bob @eve", id="s")
    await bob.until(lambda f: f.get("id") == "s")
    await post("ann", group, "@everyone and @bob by name")
    await post("ann", group, "nobody")
    for c in (ann, bob, eve):
        await c.until_seq(5)
    await bare.until_seq(4, "mention")
    bob.frames = [f for f in bob.frames if f["type"] != "sent"]
    show("ann", ann)
    show("bob", bob)
    show("bob, not subscribed", bare)
    show("eve", eve)
    # Who comes later is told again, as of the past.
    late = await Client("bob").open()
    await late.subscribe(group, after_seq=0)
    show("bob, late", late)
    # Who is not subscribed any more is told by name again.
    await bob.send(type="unsubscribe", group=group)
    await bob.settled()
    bob.clear()
    await post("ann", group, "@everyone, not @bob")
    await late.until_seq(6)
    await bob.until_seq(6, "mention")
    show("bob, unsubscribed", bob)
    bob.clear()
    await rest("ann", "DELETE", f"/api/groups/{group}/members/bob")
    await post("ann", group, "@bob")
    await eve.until_seq(7)
    await bob.until_type("removed")
    await bob.settled()
    show("bob, removed", bob)


async def slow(group, count, size):
    """Each message that mentions him is followed by that, and once, for him
    too whose socket was full again and again."""
    bob = await Client("bob").open(read=False)
    await bob.send(type="subscribe", groups=[{"group": group}])
    ann = (await clients("ann"))[0]
    text = "@bob " + "x" * int(size)
    for n in range(int(count)):
        await ann.send(type="send", group=group, id=n,
                       content=text if n % 3 else "nobody")
    await ann.until(lambda f: f.get("id") == int(count) - 1)
    last = await post("ann", group, "end")
    bob.read()
    await bob.until_seq(last)
    expected = []
    for f in bob.frames:
        if f["type"] == "message":
            expected.append(f["sequence_number"])
    got = iter(f for f in bob.frames if f["type"] in ("message", "mention"))
    mentioned = 0
    for seq in range(1, last + 1):
        f = next(got)
        assert f["type"] == "message" and f["sequence_number"] == seq, short(f)
        if f["content"].startswith("@bob"):
            m = next(got)
            assert short(m).split()[:3] == ["mention", str(seq), "ann"], m
            assert m.get("replay") == f.get("replay"), m
            mentioned += 1
    assert next(got, None) is None
    print(len(expected), mentioned)


async def pointer(user, group, *how):
    """A WebSocket of a user whose pointer something else moves."""
    client = (await clients(user))[0]
    process = await asyncio.create_subprocess_exec(*how)
    assert await process.wait() == 0
    await client.until_type("read")
    await client.settled()
    print(", ".join(client.short()))


async def read(group):
    """To the others of the user, once; to him who asked, with his id."""
    all_of_mine = await clients("ann", "ann", "ann", "ann/2", "ann/2")
    eve = (await clients("eve"))[0]
    await eve.subscribe(group)
    eve.clear()
    asks = all_of_mine[0]
    await asks.send(type="read", group=group, last_read_seq=2, id="a")
    await asks.until(lambda f: f.get("id") == "a")
    await asks.send(type="read", group=group, last_read_seq=2, id="b")
    await asks.send(type="read", group=group, last_read_seq=1, id="c")
    await asks.until(lambda f: f.get("id") == "c")
    await rest("ann", "PUT", f"/api/groups/{group}/read", {"last_read_seq": 3})
    await rest("ann", "PUT", f"/api/groups/{group}/read", {"last_read_seq": 3})
    # A message of his own moves it without a word.
    last = await post("ann", group, "mine")
    await eve.until_seq(last)
    await rest("ann", "PUT", f"/api/groups/{group}/read",
               {"last_read_seq": last})
    await asks.send(type="read", group=group, last_read_seq=last, id="d")
    await asks.until(lambda f: f.get("id") == "d")
    for c in all_of_mine:
        await c.until_read(3)
        await c.settled()
    show("who asked", asks)
    for c in all_of_mine[1:]:
        show("another", c)
    show("eve", eve)


async def members(group):
    """Whoever comes or goes."""
    ann, bob, bare, eve = await clients("ann", "bob", "bob", "eve")
    for c in (ann, eve):
        await c.subscribe(group)
        c.clear()
    path = f"/api/groups/{group}/members"
    await rest("ann", "PUT", f"{path}/bob", {})
    await bob.until_type("live")
    await bare.until_type("live")
    added = bob.frames[0]
    print("added", added["group"], "and", len(bob.frames) - 2, "from",
          bob.frames[1]["sequence_number"], "to",
          bob.frames[-2]["sequence_number"],
          {f.get("replay") for f in bob.frames[1:-1]}, short(bob.frames[-1]))
    assert bare.short() == bob.short()
    for c in (bob, bare):
        c.clear()
    await bare.send(type="unsubscribe")
    await bare.settled()
    await post("ann", group, "before")
    await rest("ann", "PATCH", f"{path}/bob", {"role": "admin"})
    await post("ann", group, "between")
    await rest("bob", "PUT", f"{path}/cat", {"role": "admin"})
    last = await post("ann", group, "after")
    for c in (ann, bob, eve):
        await c.until_seq(last)
    await rest("cat", "DELETE", f"{path}/bob")
    await rest("cat", "DELETE", f"{path}/cat")
    last = await post("ann", group, "end")
    for c in (ann, eve):
        await c.until_seq(last)
    for c in (bob, bare):
        await c.until_type("removed")
        await c.settled()
    assert ann.short() == eve.short()
    show("eve", eve)
    show("bob", bob)
    show("bob, not subscribed", bare)
    # Gone and back in one step.
    await rest("ann", "PUT", f"{path}/bob", {})
    await bob.until_type("live")
    bob.clear()
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"printf '%s\\n' -bob bob >>'{os.environ['M']}/{group}/members'")
    assert await process.wait() == 0
    await bob.until_type("live")
    print("bob, gone and back:", ", ".join(
        f["type"] for f in bob.frames if f["type"] != "message"))
    await rest("ann", "DELETE", f"/api/groups/{group}")
    await bob.until(lambda f: f["type"] == "removed" and
                    f is not bob.frames[0])
    await eve.until_type("removed")
    print("deleted:", short(bob.frames[-1]), short(eve.frames[-1]))


async def order(group, rounds):
    """Messages and changes of members in one order, for a slow one too."""
    quick, other = await clients("eve", "ann")
    late = await Client("bob").open(read=False)
    await late.send(type="subscribe", groups=[{"group": group}])
    for c in (quick, other):
        await c.subscribe(group)
        c.clear()
    path = f"/api/groups/{group}/members/"

    async def change(user):
        for _ in range(int(rounds)):
            await rest("ann", "PUT", path + user, {})
            await rest("ann", "DELETE", path + user)

    async def talk(size):
        sender = (await clients("ann"))[0]
        for n in range(int(rounds) * 8):
            await sender.send(type="send", group=group, id=n,
                              content="x" * size)
            if n % 8 == 7:
                await sender.until(lambda f, n=n: f.get("id") == n)

    await asyncio.gather(change("cat"), change("dan"), talk(9), talk(9000))
    last = await post("ann", group, "end")
    late.read()
    for c in (quick, other, late):
        await c.until_seq(last)
    seen = [[s.replace(" +", "") for s in c.short() if s.startswith("me")]
            for c in (quick, other, late)]
    assert seen[0] == seen[1]
    seqs = [int(s.split()[1]) for s in seen[0] if s.startswith("message")]
    assert seqs == list(range(1, last + 1)), seqs
    # He began to watch a little earlier or later.
    first = next(i for i, s in enumerate(seen[2]) if s.startswith("member"))
    n = len(seen[2]) - first
    print("the same" if seen[2][first:] == seen[0][-n:] else "differ",
          sum(s.startswith("member") for s in seen[0]),
          "all" if seen[2] == seen[0] else "a part")


async def leave(count):
    """What all are told when the gateway goes."""
    many = await clients(*["ann"] * int(count))
    print("connected", flush=True)
    byes = [await c.until_type("bye") for c in many]
    for c in many:
        await c.ws.wait_closed()
    times = [f["retry_after_ms"] for f in byes]
    print({f["code"] for f in byes}, {c.ws.close_code for c in many},
          all(100 <= t < 5100 for t in times),
          len(set(times)) > len(times) // 2)


async def stranger():
    ws = await websockets.connect(
        os.environ["URL"].replace("http", "ws", 1) + "/api/ws",
        subprotocols=["groupfs.v1"], ping_interval=None)
    await ws.send(json.dumps({"type": "auth", "token": "none"}))
    frames = []
    try:
        async for text in ws:
            frames.append(json.loads(text))
    except websockets.ConnectionClosed:
        pass
    print(frames[0]["code"], frames[-1]["type"], frames[-1]["code"],
          frames[-1]["retry_after_ms"], ws.close_code)


async def watch(user, group):
    """Is subscribed until it is ended."""
    client = (await clients(user))[0]
    await client.subscribe(group)
    print("live", flush=True)
    await client.reader


async def unread(user, group):
    """How many messages and mentions there are from the read pointer on."""
    client = (await clients(user))[0]
    await client.subscribe(group)
    types = [f["type"] for f in client.frames if f.get("replay")]
    print(types.count("message"), types.count("mention"))


async def main(what, *args):
    await globals()[what](*args)
    # Not by closing each connection, which takes its time.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
