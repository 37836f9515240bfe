# SPDX-License-Identifier: MIT
"""Clients of media over REST that are slow, or too fast, as curl cannot be.

    slow.py pipeline HOST:PORT PATH TOKEN    sends two uploads in one segment,
                                             prints the status of both
    slow.py stall HOST:PORT PATH TOKEN       sends half a body, then nothing,
                                             until it is cut
    slow.py pause HOST:PORT PATH TOKEN FILE  reads 1 MiB, prints "paused", goes
                                             on at a line on stdin; the body
                                             goes to FILE; prints what came of
                                             it
"""
import hashlib
import re
import socket
import sys


def connect(where):
    host, port = where.rsplit(":", 1)
    s = socket.socket()
    # What the kernel takes for us hides who is slow.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    s.settimeout(120)
    s.connect((host, int(port)))
    return s


def pipeline(where, path, token):
    with connect(where) as s:
        s.sendall(b"".join((
            f"POST {path}{name} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\n"
            "Content-Length: 5\r\n\r\nhello").encode() for name in "12"))
        answers = b""
        while answers.count(b"}") < 2:
            piece = s.recv(1000)
            if not piece:
                break
            answers += piece
        print(*re.findall(r"HTTP/1.1 (\d+)", answers.decode()))


def stall(where, path, token):
    with connect(where) as s:
        s.sendall((f"POST {path} HTTP/1.1\r\nHost: x\r\n"
                   f"Authorization: Bearer {token}\r\n"
                   "Content-Length: 1000000\r\n\r\n").encode())
        s.sendall(bytes(500000))
        print("sent", flush=True)
        try:
            answer = s.recv(1000)
        except ConnectionResetError:
            answer = b""
        print("cut" if answer == b"" else answer)


def pause(where, path, token, name):
    got = 0
    head = b""
    with connect(where) as s, open(name, "wb") as out:
        s.sendall((f"GET {path} HTTP/1.1\r\nHost: x\r\n"
                   f"Authorization: Bearer {token}\r\n\r\n").encode())
        while b"\r\n\r\n" not in head:
            head += s.recv(1)
        length = int(head.lower().split(b"content-length: ")[1].split()[0])
        paused = False
        digest = hashlib.sha256()
        while got < length:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                break
            out.write(piece)
            digest.update(piece)
            got += len(piece)
            if got >= 1 << 20 and not paused:
                paused = True
                print("paused", flush=True)
                sys.stdin.readline()
    print("whole" if got == length else "cut", got, digest.hexdigest())


if __name__ == "__main__":
    {"pipeline": pipeline, "stall": stall, "pause": pause}[sys.argv[1]](*sys.argv[2:])
