# SPDX-License-Identifier: MIT
"""Types into nano, as a person does.

nano.py FILE LINE...: the LINEs take the place of the first two lines of FILE,
which is saved. Exits with 1, and shows the screen, where nano said that it
could not write.
"""
import os
import pty
import re
import select
import sys
import time

CUT = b"\x0b"
WRITE_OUT = b"\x0f"
EXIT = b"\x18"
ENTER = b"\r"


class Screen:
    def __init__(self, fd):
        self.fd = fd
        self.seen = b""

    def read_until(self, pattern, seconds=20):
        """What matches in all that is shown from now on."""
        self.seen = b""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                sys.exit("nano did not show %r: %r" % (pattern, self.seen))
            self.seen += os.read(self.fd, 65536)
        return re.search(pattern, self.seen).group()

    def type(self, keys):
        os.write(self.fd, keys)


def main():
    path, lines = sys.argv[1], sys.argv[2:]
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execvp("nano", ["nano", "--ignorercfiles", path])
    screen = Screen(fd)
    screen.read_until(rb"Read \d+ lines")
    screen.type(CUT + CUT)
    screen.type(b"".join(line.encode() + ENTER for line in lines))
    screen.type(WRITE_OUT)
    screen.read_until(rb"File Name to Write")
    screen.type(ENTER)
    said = screen.read_until(rb"Wrote \d+ lines|Error \w+ [^\x1b]*")
    screen.type(EXIT)
    if said.startswith(b"Error"):
        screen.read_until(rb"Save modified buffer")
        screen.type(b"n")
    while True:
        try:
            if not os.read(fd, 65536):
                break
        except OSError:
            break
    os.waitpid(pid, 0)
    if said.startswith(b"Error"):
        sys.exit(said.decode(errors="replace"))


main()
