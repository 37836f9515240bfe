# SPDX-License-Identifier: MIT
"""groupd's wire format (lib/wire.h) by hand: a client that shares no code with
ours. The types and the numbers of the codes come from the two headers.

    wire = Wire(SOCKET)
    wire.open_principal()            # who we are; or uid=N, or token="..."
    wire.ask("PULL", group, 0, 0, 10, 0)      # fields in order: int or bytes

ask() gives the answer's fields by the list of their kinds, or raises Refused.
"""
import os
import re
import socket
import struct

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def read(path):
    with open(os.path.join(TOP, path)) as f:
        return f.read()


def load_types():
    text = read("lib/wire.h")
    table = text[text.index("#define WIRE_TYPES(M)"):]
    return {m[0]: int(m[1]) for m in re.findall(
        r"M\((\w+), \w+, (\d+), \w+\)", table)}


def load_codes():
    return [None] + re.findall(r'X\(\w+,\s*\\?\s*"(\w+)"', read("lib/err.h"))


TYPES = load_types()
CODES = load_codes()
VERSION = int(re.search(r"WIRE_VERSION = (\d+)", read("lib/wire.h"))[1])


class Refused(Exception):
    """code: as in the table of errors."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


def put(value):
    """A number as LEB128, bytes with their length before them."""
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return put(len(value)) + value
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def record(*fields):
    return b"".join(put(f) for f in fields)


def get_number(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data, kinds):
    """kinds: "n" a number, "s" bytes; "ns*" goes over records to the end."""
    out, at = [], 0
    for kind in kinds:
        value, at = get_number(data, at)
        if kind == "s":
            value, at = data[at:at + value], at + value
        out.append(value)
    return out


class Wire:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.settimeout(20)
        self.serial = 0
        self.principals = 0
        self.request("HELLO", 0, VERSION, "test/1")

    def take(self, n):
        out = b""
        while len(out) < n:
            piece = self.socket.recv(n - len(out))
            if not piece:
                raise ConnectionError("groupd closed the connection")
            out += piece
        return out

    def request(self, name, principal, *values):
        """The body of the answer; events on the way are dropped."""
        self.serial += 1
        body = record(*values)
        self.socket.sendall(struct.pack("<IHHII", len(body), TYPES[name], 0,
                                        self.serial, principal) + body)
        while True:
            size, kind, _, serial, _ = struct.unpack("<IHHII", self.take(16))
            body = self.take(size)
            if serial != self.serial:
                continue
            if kind == TYPES["ERROR"]:
                code, text = fields(body, "ns")
                raise Refused(CODES[code], text.decode())
            return body

    def open_principal(self, uid=None, token=""):
        self.principals += 1
        kind = 2 if token else 0 if uid is None else 1
        self.request("OPEN_PRINCIPAL", self.principals, kind, uid or 0, token)
        return self.principals

    def ask(self, name, *values, kinds="", principal=1):
        return fields(self.request(name, principal, *values), kinds)
