#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A WebSocket that subscribes to all groups, and prints each frame's type and
the frame itself: told.py, as $TOKEN, of $URL."""
import asyncio
import json
import os

import websockets


async def main():
    url = os.environ["URL"].replace("http", "ws", 1) + "/api/ws"
    async with websockets.connect(
            url, subprotocols=["groupfs.v1"], ping_interval=None,
            extra_headers={
                "Authorization": "Bearer " + os.environ["TOKEN"]}) as ws:
        await ws.send(json.dumps({"type": "subscribe"}))
        async for text in ws:
            print(json.loads(text)["type"], text, flush=True)


asyncio.run(main())
