#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Stands between groupd and PostgreSQL, and is a bad network on demand.

pgproxy.py HOST:PORT SERVER FOLDER      SERVER: the path of its Unix socket

Does as the files in FOLDER say, which are looked at all the time:

  cut     nothing is passed on any more, either way, or, where it says
          "answers", nothing of the server's: connections stay open and silent,
          as when a cable is pulled. When it goes, what waited goes on
  lose    holds PATTERN N (a regex for SQL, a number): the next N answers of
          transactions in which such a statement ran well are not passed on
          and their connections are closed: they are committed, and nobody is
          told. Counts down in the file, and removes it at the last
  lost    one line of each that was lost
  reset   connections are closed at once, and new ones too

Speaks enough of the protocol (version 3) to know when a transaction is over.
"""
import os
import re
import selectors
import socket
import struct
import sys
import threading
import time

POLL = 0.01


class Orders:
    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()

    def path(self, name):
        return os.path.join(self.folder, name)

    def is_cut(self, is_server=True):
        try:
            with open(self.path("cut")) as file:
                return is_server or file.read().strip() != "answers"
        except OSError:
            return False

    def is_reset(self):
        return os.path.exists(self.path("reset"))

    def pattern(self):
        try:
            with open(self.path("lose")) as file:
                return file.read().rsplit(None, 1)[0]
        except (OSError, IndexError):
            return None

    def lose(self, sql):
        """Whether this one is to be lost, which is then counted."""
        with self.lock:
            try:
                with open(self.path("lose")) as file:
                    pattern, left = file.read().rsplit(None, 1)
            except (OSError, ValueError):
                return False
            fresh = self.path("lose.new")
            if int(left) <= 1:
                os.unlink(self.path("lose"))
            else:
                with open(fresh, "w") as file:
                    print(pattern, int(left) - 1, file=file)
                os.rename(fresh, self.path("lose"))
            with open(self.path("lost"), "a") as file:
                print(sql.split("\n")[0], file=file)
            return True


class Frames:
    """Cuts a stream into messages. The first of a client has no type."""

    def __init__(self, has_start):
        self.data = b""
        self.start = has_start

    def take(self, data):
        self.data += data
        while True:
            head = 0 if self.start else 1
            if len(self.data) < head + 4:
                return
            size = struct.unpack_from("!I", self.data, head)[0] + head
            if len(self.data) < size:
                return
            message, self.data = self.data[:size], self.data[size:]
            kind = b"" if self.start else message[:1]
            if self.start:
                # What asks for TLS (80877103) or GSS (...104) is no start.
                code = struct.unpack_from("!I", message, 4)[0]
                self.start = code in (80877103, 80877104)
            yield kind, message[head + 4:], message


class Connection:
    def __init__(self, client, server, orders):
        self.client, self.server, self.orders = client, server, orders
        self.statements = {}
        self.sql = None       # a statement that matched, since the last idle
        self.failed = False
        self.negotiates = False
        self.held = b""       # the server's, until it is ready again
        self.lock = threading.Lock()
        self.ended = False

    def text_of(self, kind, body):
        """What SQL this message runs, or None."""
        if kind == b"Q":
            return body.rstrip(b"\0").decode(errors="replace")
        if kind == b"P":
            name, text = body.split(b"\0")[:2]
            self.statements[name] = text.decode(errors="replace")
        if kind == b"B":
            return self.statements.get(body.split(b"\0")[1])
        return None

    def from_client(self, frames, data):
        pattern = self.orders.pattern()
        for kind, body, message in frames.take(data):
            if kind == b"":
                self.negotiates = len(message) == 8
            text = self.text_of(kind, body)
            if pattern and text and re.search(pattern, text):
                with self.lock:
                    self.sql = text
        self.server.sendall(data)

    def from_server(self, frames, data):
        if self.negotiates:
            # One byte, which is no message.
            self.negotiates = False
            self.client.sendall(data)
            return
        for kind, body, message in frames.take(data):
            with self.lock:
                if self.sql is None:
                    self.client.sendall(self.held + message)
                    self.held = b""
                    continue
                self.held += message
                self.failed |= kind == b"E"
                if kind != b"Z":
                    continue
                held, self.held = self.held, b""
                sql, failed = self.sql, self.failed
                if body == b"I":
                    self.sql, self.failed = None, False
            if body == b"I" and not failed and self.orders.lose(sql):
                raise ConnectionError
            self.client.sendall(held)

    def pump(self, source, work, frames):
        ready = selectors.DefaultSelector()
        ready.register(source, selectors.EVENT_READ)
        is_server = source is self.server
        try:
            while not self.ended and not self.orders.is_reset():
                if self.orders.is_cut(is_server):
                    time.sleep(POLL)
                    continue
                if not ready.select(POLL):
                    continue
                data = source.recv(65536)
                if not data:
                    break
                while self.orders.is_cut(is_server) and not self.ended:
                    time.sleep(POLL)
                work(frames, data)
        except OSError:
            pass
        self.end()

    def end(self):
        self.ended = True
        for sock in (self.client, self.server):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def run(self):
        threads = [threading.Thread(target=self.pump, args=args) for args in (
            (self.client, self.from_client, Frames(True)),
            (self.server, self.from_server, Frames(False)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.client.close()
        self.server.close()


def serve(client, path, orders):
    while orders.is_cut():
        time.sleep(POLL)
    server = socket.socket(socket.AF_UNIX)
    try:
        if orders.is_reset():
            raise ConnectionError
        server.connect(path)
    except OSError:
        client.close()
        server.close()
        return
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    Connection(client, server, orders).run()


def main():
    address, path, folder = sys.argv[1:]
    host, port = address.rsplit(":", 1)
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, int(port)))
    listener.listen()
    orders = Orders(folder)
    while True:
        client = listener.accept()[0]
        threading.Thread(target=serve, daemon=True,
                         args=(client, path, orders)).start()


if __name__ == "__main__":
    main()
