#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""foreign.py GROUP NAME: what follow.mjs does, with python3-websockets, which
shows the token in the header; $URL, $TOKEN. Frames go to stdout."""
import asyncio
import json
import os
import sys

import websockets


def log(**frame):
    print(json.dumps(frame), flush=True)


class Client:
    def __init__(self, group, name):
        self.group, self.name = group, name
        self.where = {"group": group, "after_seq": 0}
        self.greeted = False

    async def take(self, ws, frame):
        if frame["type"] == "hello":
            await self.send(ws, type="subscribe", groups=[self.where])
        elif frame.get("group") != self.group:
            return
        elif frame["type"] == "message":
            self.where["after_seq"] = frame["sequence_number"]
        elif frame["type"] == "live":
            self.where["epoch"] = frame["epoch"]
            if not self.greeted:
                await self.send(ws, type="send", id="first", group=self.group,
                                content=f"I am {self.name}")
            self.greeted = True

    async def send(self, ws, **frame):
        await ws.send(json.dumps(frame))

    async def connection(self):
        url = os.environ["URL"].replace("http", "ws", 1) + "/api/ws"
        async with websockets.connect(
                url, subprotocols=["groupfs.v1"], extra_headers={
                    "Authorization": "Bearer " + os.environ["TOKEN"]}) as ws:
            log(type="open", protocol=ws.subprotocol)
            async for text in ws:
                frame = json.loads(text)
                log(**frame)
                await self.take(ws, frame)
        log(type="closed", code=ws.close_code)

    async def run(self):
        while True:
            try:
                await self.connection()
            except websockets.ConnectionClosed as e:
                log(type="closed", code=e.code)
            except (OSError, websockets.WebSocketException):
                pass
            await asyncio.sleep(0.2)


asyncio.run(Client(*sys.argv[1:]).run())
