# SPDX-License-Identifier: MIT
"""Plays a WebSocket session as a page shows it, on standard input:

  > FRAME    the client sends this
  < FRAME    the server sends that next: JSON with these fields, of which times,
             epochs and waits may be others; "..." is any text

session.py URL TOKEN: `TOKEN` in a frame is replaced. Says what was otherwise.
"""
import asyncio
import json
import re
import sys

import websockets

FREE = {"timestamp", "epoch", "ping_interval"}


def differs(wanted, got):
    """The first field that is not as the page has it; "" if all are."""
    for key in list(wanted) + [k for k in got if k not in wanted]:
        if key not in got or key not in wanted:
            return key
        free = key in FREE and type(wanted[key]) is type(got[key])
        if not free and wanted[key] not in ("...", got[key]):
            return key
    return ""


async def play(lines, url, token):
    async with websockets.connect(url, subprotocols=["groupfs.v1"]) as ws:
        for line in lines:
            mark, text = line[0], line[2:].replace("TOKEN", token)
            if mark == ">":
                json.loads(text)
                await ws.send(text)
                continue
            got = await asyncio.wait_for(ws.recv(), 10)
            field = differs(json.loads(text), json.loads(got))
            if field:
                return f"{field}: wanted {text}, got {got}"
    return ""


def main():
    # A frame that is too long for a line goes on below, indented.
    text = re.sub(r"\n +", " ", sys.stdin.read())
    lines = [line for line in text.split("\n") if line]
    why = asyncio.run(play(lines, sys.argv[1], sys.argv[2]))
    if why:
        sys.exit(why)


main()
