# SPDX-License-Identifier: MIT
"""What senders were told: the record that check.py compares with what is read.

    record = Record(folder)
    record.write("sent", ID, BEGAN)
    record.write("attempts", NODE, ID, BEGAN, ENDED, RESULT)
    record.write("acks", ID, SEQ, OFFSET)

Lines are written whole and at once, and are on disk then where `sync` is asked
for: where the machine of the writers is to break down with what they test.

A text may be longer than its ID: text_of() makes it, id_of() says whose it is,
and no two texts of one length are alike.
"""
import os

NAMES = ("sent", "acks", "attempts")


class Record:
    def __init__(self, folder, sync=False):
        os.makedirs(folder, exist_ok=True)
        self.sync = sync
        self.files = {name: open(f"{folder}/{name}", "ab", buffering=0)
                      for name in NAMES}

    def write(self, name, *fields):
        self.files[name].write(("\t".join(map(str, fields)) + "\n").encode())
        if self.sync:
            os.fdatasync(self.files[name].fileno())

    def close(self):
        for file in self.files.values():
            file.close()


def text_of(name, size=0):
    """NAME, or where that is too short, "NAME:SIZE NAME NAME..." of so many
    bytes."""
    if size <= len(name):
        return name
    head = f"{name}:{size} "
    return (head + f"{name} " * (size // (len(name) + 1) + 1))[:size]


def id_of(text):
    """Of one that text_of() has not made: None."""
    if " " not in text:
        return text
    name, _, size = text.split(" ", 1)[0].rpartition(":")
    if not size.isdigit() or text_of(name, int(size)) != text:
        return None
    return name
