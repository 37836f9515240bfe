# SPDX-License-Identifier: MIT
"""A gateway that somebody has taken over, as groupd sees one: it waits where
groupd looks for a gateway, is adopted, and asks for what is not its clients'.

    taken.py RUNDIR SOCKET TAG GROUP-ID BOB ALICE: as root, $TOKEN_BOB

BOB comes through it, by his token and over the Unix socket; ALICE never does,
and GROUP-ID is a group of hers. Prints "ready", then "ok WHAT" or "not ok ...".
"""
import ctypes
import hashlib
import os
import secrets
import socket
import subprocess
import sys

import wireclient
from wireclient import Refused, Wire

RUNDIR, SOCKET, TAG, GROUP, BOB, ALICE = sys.argv[1:7]
GROUP = int(GROUP)
TOKEN = os.environ["TOKEN_BOB"]
KINDS = {"self": 0, "uid": 1, "token": 2, "ticket": 3}


def listen(name, kind):
    path = os.path.join(RUNDIR, name)
    if os.path.exists(path):
        os.unlink(path)
    s = socket.socket(socket.AF_UNIX, kind)
    s.bind(path)
    s.listen(8)
    s.settimeout(60)
    return s


class Core(Wire):
    """The connection that groupd makes to its gateway."""

    def __init__(self, s):
        self.socket = s
        self.socket.settimeout(20)
        self.serial = 0
        self.principals = 0
        self.request("HELLO", 0, wireclient.VERSION, f"groupd-gateway/{TAG}")

    def open(self, kind, uid=0, shown=""):
        """The number, and whom groupd takes it for: (name, admin)."""
        self.principals += 1
        answer = self.request("OPEN_PRINCIPAL", self.principals, KINDS[kind],
                              uid, shown)
        name, admin = wireclient.fields(answer, "sn")
        return self.principals, name.decode(), admin


def is_refused(sentence, codes, what, *args, **kwargs):
    try:
        got = what(*args, **kwargs)
    except Refused as refused:
        if refused.code in codes:
            print(f"ok {sentence}", flush=True)
            return
        got = refused
    print(f"not ok {sentence}: {got}", flush=True)


def ticket_of(door, user):
    """A request of his over groupd's socket comes to us, with a ticket."""
    curl = subprocess.Popen(["curl", "-s", "-m", "5", "--unix-socket", SOCKET,
                             "http://groupd/api/me"], user=user,
                            stdout=subprocess.DEVNULL)
    data, fds, _, _ = socket.recv_fds(door, 1024, 4)
    for fd in fds:
        os.close(fd)
    curl.wait()
    return data.decode()


def shown_by_nobody(core, alice):
    nobody = ["unauthenticated"]
    is_refused("it is nobody by itself", nobody, core.open, "self")
    is_refused("nor root by its word", nobody, core.open, "uid", 0)
    is_refused("nor a user", nobody, core.open, "uid", alice)
    for sentence, token in (
            ("a token that it guesses is none", secrets.token_urlsafe(32)),
            ("nor an empty one", ""),
            ("nor a token's hash, as the store has it",
             hashlib.sha256(TOKEN.encode()).hexdigest())):
        is_refused(sentence, nobody, core.open, "token", 0, token)
    is_refused("nor is a ticket", nobody, core.open, "ticket", 0,
               f"{alice:08x}" + secrets.token_hex(32))


def tickets(core, door, alice):
    ticket = ticket_of(door, BOB)
    _, name, admin = core.open("ticket", 0, ticket)
    print("ok" if (name, admin) == (BOB, 0) else "not ok",
          "bob's ticket is bob's", flush=True)
    is_refused("with another's uid it is no ticket", ["unauthenticated"],
               core.open, "ticket", 0, f"{alice:08x}" + ticket[8:])
    is_refused("nor with root's", ["unauthenticated"], core.open, "ticket", 0,
               "00000000" + ticket[8:])
    is_refused("nor by another connection of ours", ["unauthenticated"],
               lambda: Wire(SOCKET).request("OPEN_PRINCIPAL", 1,
                                            KINDS["ticket"], 0, ticket))
    _, name, admin = core.open("ticket", 0, ticket_of(door, "root"))
    print("ok" if (name, admin) == ("root", 0) else "not ok",
          "root's ticket administers nothing", flush=True)


def as_bob(core, bob):
    hidden = ["no_such_group"]
    no = ["not_admin", "unauthenticated"]

    def ask(*args):
        return core.ask(*args, principal=bob)
    is_refused("as bob it reads no group of alice's", hidden, ask, "PULL",
               GROUP, 0, 0, 10, 0)
    is_refused("nor watches one", hidden, ask, "WATCH", GROUP, 0)
    is_refused("nor lists its members", hidden, ask, "LIST_MEMBERS", GROUP, "",
               10)
    is_refused("nor adds him there", hidden, ask, "EDIT_MEMBERS", GROUP,
               wireclient.record(1, BOB))
    is_refused("nor deletes it", hidden, ask, "DELETE_GROUP", GROUP)
    is_refused("it makes no token of alice's", no, ask, "CREATE_TOKEN", ALICE,
               0, secrets.token_bytes(32))
    is_refused("nor lists hers", no, ask, "LIST_TOKENS", ALICE, 0)
    is_refused("nor adds users", no, ask, "ADD_USERS", b"\x05mallo")
    is_refused("nor copies the store", no, ask, "BACKUP", 0, 0)
    is_refused("nor looks it through", no, ask, "VERIFY", 0)


def main():
    # What groupd goes by is checked to be a gateway by its name alone.
    ctypes.CDLL(None).prctl(15, b"groupd-gateway", 0, 0, 0)
    alice = int(subprocess.check_output(["id", "-u", ALICE]))
    cores = listen("gateway-0.sock", socket.SOCK_STREAM)
    doors = listen("gateway-0.door", socket.SOCK_SEQPACKET)
    print("ready", flush=True)
    core = Core(cores.accept()[0])
    door = doors.accept()[0]
    door.settimeout(20)
    # An administrator is connected as well, with a principal of his.
    admin = Wire(SOCKET)
    for _ in range(40):
        admin.open_principal()
    shown_by_nobody(core, alice)
    tickets(core, door, alice)
    bob, name, rights = core.open("token", 0, TOKEN)
    print("ok" if (name, rights) == (BOB, 0) else "not ok",
          "bob's token is bob's", flush=True)
    as_bob(core, bob)
    is_refused("a principal of another connection is not its own",
               ["unauthenticated"], core.ask, "PULL", GROUP, 0,
               0, 10, 0, principal=40)
    print("ok" if admin.ask("GET_STATUS", 0, kinds="s") else "not ok",
          "while its owner has it", flush=True)
    print("done", flush=True)


main()
