# SPDX-License-Identifier: MIT
"""A WebSocket that waits for its end: tokens.py GROUP, as $TOKEN at $URL.

Prints "ready" once it is subscribed, then each word that comes (raw.word()),
and at last what became of the connection and after how many messages.
"""
import json
import sys

import raw


def main(group):
    with raw.Peer(40) as peer:
        peer.open_ws(raw.bearer())
        peer.send_all(raw.frame(raw.TEXT, json.dumps(
            {"type": "subscribe", "groups": [{"group": group}]}).encode()))
        while True:
            said = raw.word(*peer.event())
            print("ready" if said == "live" else said, flush=True)
            if said.startswith("close"):
                peer.send_all(raw.close(1000))
            if said in ("end", "reset"):
                return


main(*sys.argv[1:])
