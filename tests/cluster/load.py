#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writers on several nodes, and a record of what each was told (check.py).

load.py GROUP RECORD WRITERS NODE=URL...

On each node WRITERS by REST and WRITERS by WebSocket send, one message after
the other, each text its own client_id; what was not acknowledged is sent again
with that client_id, on the same node, until it is. Ends when the file $STOP
exists, each writer after an acknowledgement or $GIVE_UP seconds (20) later.
NODE=FOLDER: WRITERS append lines in that mount. A line has no client_id, so
what could not be written is perhaps stored, and is not sent again.
$TOKEN: whose. $PAUSE: seconds between messages (0.005).

The answer of a try is "sent", "duplicate" (a success, too), a code, "lost" when
the connection ended before one, "refused" when there was none, "silent" after
$PATIENCE seconds (10), or "unwritten" in a mount.
"""
import asyncio
import http.client
import json
import os
import sys
import threading
import time

import websockets

from record import Record

PAUSE = float(os.environ.get("PAUSE", 0.005))
PATIENCE = float(os.environ.get("PATIENCE", 10))
GIVE_UP = float(os.environ.get("GIVE_UP", 20))
BETWEEN_TRIES = 0.05


class Stop:
    def __init__(self):
        self.since = None

    def asked(self):
        if self.since is None and os.path.exists(os.environ["STOP"]):
            self.since = time.time()
        return self.since is not None

    def too_late(self):
        return self.asked() and time.time() - self.since > GIVE_UP


def success(body):
    return "duplicate" if body["duplicate"] else "sent"


class Rest:
    def __init__(self, url, group):
        self.host = url.split("://")[1]
        self.path = f"/api/groups/{group}/messages"
        self.connection = None

    async def send(self, name):
        return await asyncio.get_running_loop().run_in_executor(
            None, self.post, name)

    def post(self, name):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(
                self.host, timeout=PATIENCE)
        try:
            self.connection.connect() if not self.connection.sock else None
        except OSError:
            return "refused", None
        try:
            self.connection.request(
                "POST", self.path, json.dumps({"content": name}),
                {"Authorization": "Bearer " + os.environ["TOKEN"],
                 "Content-Type": "application/json",
                 "Idempotency-Key": name})
            response = self.connection.getresponse()
            body = json.loads(response.read())
        except TimeoutError:
            self.connection.close()
            return "silent", None
        except (OSError, http.client.HTTPException, ValueError):
            self.connection.close()
            return "lost", None
        return (success(body) if response.status in (200, 201)
                else body.get("code", response.status)), body


class Ws:
    def __init__(self, url, group):
        self.url = url.replace("http", "ws", 1) + "/api/ws"
        self.group = group
        self.ws = None
        self.id = 0

    async def open(self):
        self.ws = await websockets.connect(
            self.url, subprotocols=["groupfs.v1"], max_size=None,
            ping_interval=None, open_timeout=PATIENCE, extra_headers={
                "Authorization": "Bearer " + os.environ["TOKEN"]})

    async def send(self, name):
        if self.ws is None:
            try:
                await self.open()
            except (OSError, asyncio.TimeoutError,
                    websockets.WebSocketException):
                return "refused", None
        self.id += 1
        try:
            await self.ws.send(json.dumps(
                {"type": "send", "id": self.id, "group": self.group,
                 "content": name, "client_id": name}))
            return await asyncio.wait_for(self.answer(), PATIENCE)
        except asyncio.TimeoutError:
            result = "silent"
        except (OSError, websockets.WebSocketException):
            result = "lost"
        await self.close()
        return result, None

    async def answer(self):
        while True:
            frame = json.loads(await self.ws.recv())
            if frame.get("id") == self.id:
                return (success(frame) if frame["type"] == "sent"
                        else frame["code"]), frame

    async def close(self):
        if self.ws is not None:
            self.ws.transport.abort()
            self.ws = None


class Mount:
    def __init__(self, folder, group):
        self.path = f"{folder}/{group}/messages"

    async def send(self, name):
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(fd, f"{name}\n".encode())
            finally:
                os.close(fd)
        except OSError:
            return "unwritten", None
        # write(2) tells neither.
        return "sent", {"sequence_number": "-", "offset": "-"}


async def write(node, client, prefix, record, stop):
    n = 0
    while not stop.asked():
        n += 1
        name = f"{prefix}-{n}"
        while not stop.too_late():
            began = time.time()
            result, body = await client.send(name)
            record.write("attempts", node, name, f"{began:.4f}",
                         f"{time.time():.4f}", result)
            if result in ("sent", "duplicate"):
                record.write("acks", name, body["sequence_number"],
                             body["offset"])
                break
            if result == "unwritten":
                break
            if result not in ("unavailable", "outcome_unknown", "lost",
                              "refused", "silent"):
                print(f"{name}: {result}", file=sys.stderr, flush=True)
                return
            await asyncio.sleep(BETWEEN_TRIES)
        await asyncio.sleep(PAUSE)


def main():
    group, folder, writers, *nodes = sys.argv[1:]
    record, stop, threads = Record(folder), Stop(), []
    for node, url in (n.split("=", 1) for n in nodes):
        for number in range(int(writers)):
            for kind in (Mount,) if url[0] == "/" else (Rest, Ws):
                prefix = f"{node}-{kind.__name__.lower()}-{number}"
                threads.append(threading.Thread(
                    target=lambda n, c, p: asyncio.run(
                        write(n, c, p, record, stop)),
                    args=(node, kind(url, group), prefix)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
