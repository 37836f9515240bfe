# SPDX-License-Identifier: MIT
"""Prints what is sent to a socket of sd_notify(3), a line each.

notified.py SOCKET
"""
import socket
import sys

server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(sys.argv[1])
while True:
    print(server.recv(4096).decode(), flush=True)
