# SPDX-License-Identifier: MIT
"""A WebSocket subscribed to all groups of $TOKEN: a line for each frame, its
type and its group."""
import json

import raw

with raw.Peer(60) as peer:
    peer.open_ws(raw.bearer())
    peer.send_all(raw.frame(raw.TEXT, b'{"type":"subscribe"}'))
    while True:
        opcode, payload = peer.event()
        if opcode is None:
            break
        if opcode == raw.TEXT:
            said = json.loads(payload)
            print(said["type"], said.get("group"), said.get("content", ""),
                  flush=True)
