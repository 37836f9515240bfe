#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Clients that ask for more than they take, and stop reading.

  stuck.py GROUP      one of each kind: WebSockets that follow the log of GROUP,
                      are idle, and know no token; a page, a stream, and a
                      client of the Unix socket. Says "stuck" when all are
                      so, and stays until stdin ends.

$URL, $TOKEN, $SOCKET; the log has some MiB.
"""
import os
import socket
import struct
import sys
import time

from rawws import Socket
from wireclient import TYPES, Wire, record

TOKEN = os.environ["TOKEN"]
GROUP = sys.argv[1]
FULL_S = 0.3  # in which no byte more went


def websocket(**command):
    ws = Socket(TOKEN, receive_buffer=4096)
    ws.expect("hello")
    if command:
        ws.send(**command)
    return ws


def get(path):
    host, port = os.environ["URL"].split("://")[1].split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect((host, int(port)))
    sock.sendall((f"GET /api/groups/{GROUP}/{path} HTTP/1.1\r\nHost: {host}\r\n"
                  f"Authorization: Bearer {TOKEN}\r\n\r\n").encode())
    return sock


def wire():
    """It asks until nobody takes another question."""
    w = Wire(os.environ["SOCKET"])
    w.open_principal()
    group = w.ask("FIND_GROUP", 0, GROUP, 0, kinds="n")[0]
    body = record(group, 0, 0, 1000, 0)
    w.socket.setblocking(False)
    idle = time.monotonic()
    serial = 100
    while time.monotonic() - idle < FULL_S:
        serial += 1
        try:
            w.socket.sendall(struct.pack("<IHHII", len(body), TYPES["PULL"], 0,
                                         serial, 1) + body)
            idle = time.monotonic()
        except BlockingIOError:
            break
    return w.socket


def unread(sock):
    """The bytes that wait in it."""
    import fcntl
    import termios
    return struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"0000"))[0]


def main():
    follows = websocket(type="subscribe",
                        groups=[{"group": GROUP, "after_seq": 0}])
    clients = [follows.sock, websocket().sock, get("messages?limit=1000"),
               get("stream?after_seq=0"), wire()]
    before = None
    while before != [unread(c) for c in clients]:
        before = [unread(c) for c in clients]
        time.sleep(FULL_S)
    print("stuck", *before, flush=True)
    sys.stdin.read()


main()
