# SPDX-License-Identifier: MIT
"""Stands between groupfs and groupd and loses answers.

dropper.py LISTEN GROUPD COUNTER: the first of each two SENT answers (type 11
of lib/wire.h) is not passed on: both connections are cut, as when groupd dies
between its commit and its answer. Writes how many were lost to COUNTER.
"""
import os
import socket
import struct
import sys
import threading

HEADER = struct.Struct("<IHHII")
SENT = 11


def pump(source, sink):
    while True:
        data = source.recv(65536)
        if not data:
            return
        sink.sendall(data)


def exactly(sock, size):
    data = b""
    while len(data) < size:
        part = sock.recv(size - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


class Dropper:
    def __init__(self, counter):
        self.counter = counter
        self.seen = 0
        self.lost = 0
        self.lock = threading.Lock()

    def loses(self):
        with self.lock:
            self.seen += 1
            if self.seen % 2 == 0:
                return False
            self.lost += 1
            with open(self.counter, "w") as out:
                print(self.lost, file=out)
            return True

    def answers(self, groupd, client):
        while True:
            header = exactly(groupd, HEADER.size)
            size, kind = HEADER.unpack(header)[:2]
            body = exactly(groupd, size)
            if kind == SENT and self.loses():
                return
            client.sendall(header + body)

    def serve(self, client, path):
        groupd = socket.socket(socket.AF_UNIX)
        try:
            groupd.connect(path)
        except OSError:
            client.close()
            return

        def run(work, *args):
            try:
                work(*args)
            except OSError:
                pass
            for sock in (client, groupd):
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        threading.Thread(target=run, args=(pump, client, groupd)).start()
        threading.Thread(target=run,
                         args=(self.answers, groupd, client)).start()


def main():
    listen, path, counter = sys.argv[1:]
    server = socket.socket(socket.AF_UNIX)
    server.bind(listen)
    os.chmod(listen, 0o666)
    server.listen()
    dropper = Dropper(counter)
    while True:
        dropper.serve(server.accept()[0], path)


main()
