#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A WebSocket client over a restore, which shares no code with groupd.

  resume.py GROUP EPOCH TOKEN   prints what it reads until it is cut off; then,
                                when the file $STOP exists, with the token in
                                it, resumes from where it was, with the epoch
                                it knew, and prints the refusal
"""
import asyncio
import json
import os
import sys
import time

import websockets

PATIENCE = 30 * int(os.environ.get("GROUPFS_TEST_PATIENCE", "1"))


def connect(token):
    return websockets.connect(
        os.environ["URL"].replace("http", "ws", 1) + "/api/ws",
        subprotocols=["groupfs.v1"], open_timeout=PATIENCE,
        extra_headers={"Authorization": "Bearer " + token})


async def subscribe(ws, group, after, epoch):
    await ws.send(json.dumps({"type": "subscribe", "groups": [
        {"group": group, "after_seq": after, "epoch": epoch}]}))


async def main():
    group, epoch, token = sys.argv[1:]
    last = 0
    async with connect(token) as ws:
        await subscribe(ws, group, 0, epoch)
        try:
            async for text in ws:
                f = json.loads(text)
                print(f["type"], f.get("content", ""), f.get("code", ""),
                      flush=True)
                last = f.get("sequence_number", last)
        except websockets.ConnectionClosed:
            pass
    while not os.path.exists(os.environ["STOP"]):
        time.sleep(0.05)
    with open(os.environ["STOP"], encoding="ascii") as f:
        token = f.read().strip()
    async with connect(token) as ws:
        await subscribe(ws, group, last, epoch)
        async for text in ws:
            f = json.loads(text)
            if f["type"] == "error":
                print(f["code"], f.get("first_seq"), f.get("epoch"),
                      flush=True)
                return
            print(f["type"], f.get("content", ""), flush=True)


asyncio.run(main())
