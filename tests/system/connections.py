# SPDX-License-Identifier: MIT
"""One HTTP connection, treated in one way a scene; says what came of it.

connections.py SCENE HOST PORT TOKEN
"""
import json
import re
import socket
import sys
import time

SCENE, HOST, PORT, TOKEN = sys.argv[1:]
AUTH = f"Host: x\r\nAuthorization: Bearer {TOKEN}\r\n"


def post(text, path="/api/groups/dev/messages", extra=""):
    body = text if text == "{}" else json.dumps({"content": text})
    return (f"POST {path} HTTP/1.1\r\n{AUTH}{extra}"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}")


def get(path, extra="", version="1.1"):
    return f"GET {path} HTTP/{version}\r\n{AUTH}{extra}\r\n"


def connect(receive_buffer=0):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.connect((HOST, int(PORT)))
    return s


def read_all(s, seconds=1.5):
    """All that comes, and how it ended."""
    s.settimeout(seconds)
    out = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return out, "closed"
            out += piece
    except socket.timeout:
        return out, "open"
    except ConnectionResetError:
        return out, "reset"


def statuses(out):
    return re.findall(rb"HTTP/1\.1 (\d+) ", out)


def say(out, end):
    print(" ".join(x.decode() for x in statuses(out)) + ", " + end)


def talk(text, half=False):
    s = connect()
    s.sendall(text.encode())
    if half:
        s.shutdown(socket.SHUT_WR)
    return read_all(s)


def posts():
    out, end = talk("".join(post(str(i)) for i in range(20)))
    seqs = [int(x) for x in re.findall(rb'"sequence_number":(\d+)', out)]
    order = "in order" if seqs == list(range(1, 21)) else f"as {seqs}"
    print(f"201 x{out.count(b'HTTP/1.1 201')}, {order}, {end}")


def one_by_one():
    s = connect()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for c in post("x").encode():
        s.send(bytes([c]))
    say(*read_all(s))


def flood():
    """A chunked body, which is refused while it comes."""
    s = connect()
    s.sendall(f"POST /api/groups/dev/messages HTTP/1.1\r\n{AUTH}"
              "Transfer-Encoding: chunked\r\n\r\n".encode())
    for _ in range(50):
        s.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
        time.sleep(0.005)
    say(*read_all(s))


def stream(then):
    s = connect()
    s.sendall(get("/api/groups/dev/stream?after_seq=0").encode())
    time.sleep(0.3)
    then(s)
    time.sleep(3)


def slow_reader():
    """Takes a large answer slowly, with the next request behind it."""
    talk(post("x" * 60000) * 40)
    s = connect(4096)
    s.sendall((get("/api/groups/dev/messages?after_seq=20&limit=1000") +
               get("/healthz")).encode())
    time.sleep(3)
    out, _ = read_all(s, 3)
    head, _, rest = out.partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head).group(1))
    json.loads(rest[:length])
    whole = b'{"status":"ok"}' in rest[length:]
    print(" ".join(x.decode() for x in statuses(out)) +
          (", whole" if whole else ", cut"))


SCENES = {
    "posts": posts,
    "mixed": lambda: say(*talk(post("m") + get("/healthz") + post("{}") +
                               get("/healthz"))),
    "bytes": one_by_one,
    "close": lambda: say(*talk(get("/healthz", "Connection: close\r\n"))),
    "old": lambda: say(*talk(get("/healthz", version="1.0"))),
    "half": lambda: say(*talk(get("/api/groups"), half=True)),
    "expect": None,
    "unexpected": None,
    "flood": flood,
    "half-stream": lambda: stream(lambda s: s.shutdown(socket.SHUT_WR)),
    "pipelined-stream": lambda: stream(
        lambda s: s.sendall(get("/healthz").encode())),
    "slow-reader": slow_reader,
}


def expect():
    head, _, body = post("e", extra="Expect: 100-continue\r\n").partition(
        "\r\n\r\n")
    s = connect()
    s.sendall((head + "\r\n\r\n").encode())
    s.settimeout(5)
    first = s.recv(1000)
    s.sendall(body.encode())
    rest, end = read_all(s)
    say(first + rest, end)


def unexpected():
    say(*talk(f"POST /api/groups/dev/messages HTTP/1.1\r\n{AUTH}"
              "Expect: 100-continue\r\nContent-Length: 9000000\r\n\r\n"))


SCENES["expect"] = expect
SCENES["unexpected"] = unexpected
SCENES[SCENE]()
