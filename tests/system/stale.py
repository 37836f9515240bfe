#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a process holds of a mount over a restore.

  stale.py GROUP OTHER   in a mount ($M): opens files of GROUP and stands in
                         its folder, says `ready`, and when the file $GO exists
                         tries what it holds. Lines of GROUP must begin with
                         `B-GROUP-` then; what begins with `B-OTHER-` is
                         another group's. Prints "ok WHAT", "not ok WHAT: WHY".
"""
import errno
import os
import sys
import time


def say(right, what, why=""):
    print(("ok " if right else "not ok ") + what + ("" if right else f": {why}"),
          flush=True)


def refused(what, fn, *args):
    """ESTALE, and nothing else."""
    try:
        got = fn(*args)
    except OSError as e:
        say(e.errno == errno.ESTALE, what, e)
    else:
        say(False, what, f"gave {got!r:.80}")


def main():
    group, other = sys.argv[1:]
    mount = os.environ["M"]
    os.chdir(os.path.join(mount, group))
    read = os.open("messages", os.O_RDONLY)
    write = os.open("messages", os.O_WRONLY | os.O_APPEND)
    half = os.open("messages", os.O_WRONLY | os.O_APPEND)
    jsonl = os.open("messages.jsonl", os.O_RDONLY)
    post = os.open("post", os.O_WRONLY)
    members = os.open("members", os.O_RDONLY)
    media = os.open("media/old", os.O_RDONLY)
    begun = os.open("media/begun", os.O_WRONLY | os.O_CREAT, 0o600)
    scratch = os.open("notes~", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(scratch, b"notes")
    os.write(begun, b"x" * 1000)
    os.write(half, b"half a line")
    os.write(post, b"half a post")
    os.pread(read, 100000, 0)
    os.pread(jsonl, 10, 0)
    inode = os.stat("messages").st_ino
    print("ready", flush=True)
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.05)
    refused("a read of an open log", os.pread, read, 100, 0)
    refused("a read ahead of it", os.pread, read, 100, 1000)
    refused("one of the JSON", os.pread, jsonl, 100, 0)
    refused("a stat of the descriptor", os.fstat, read)
    refused("an append", os.write, write, b"to whom?\n")
    refused("members that were open", os.read, members, 100)
    refused("a media file", os.pread, media, 100, 0)
    refused("a file that is being copied in", os.write, begun, b"more")
    refused("a scratch file", os.pread, scratch, 10, 0)
    refused("the close of a line that is not complete", os.close, half)
    refused("the close of a post", os.close, post)
    for fd in (read, jsonl, members):
        os.close(fd)
    say(True, "what only read is closed without an error")
    for where in ("messages", os.path.join(mount, group, "messages")):
        try:
            with open(where, "rb") as f:
                text = f.read()
        except OSError as e:
            say(where == "messages" and e.errno == errno.ESTALE,
                f"opened anew, {where} is no other group's", e)
            continue
        mine = text.count(f"\tB-{group}-".encode())
        say(mine > 0 and mine == text.count(b"\n") - 1,
            f"opened anew, {where} is the group's", text[:100])
        say(f"B-{other}-".encode() not in text, "and nothing of another's")
    say(os.stat(os.path.join(mount, group, "messages")).st_ino != inode,
        "it is another file for who compares numbers")
    say("notes~" not in os.listdir(os.path.join(mount, group)),
        "scratch files are gone")
    say("begun" not in os.listdir(os.path.join(mount, group, "media")) and
        "begun" not in os.listdir(os.path.join(mount, other, "media")),
        "and what was being copied in")


if __name__ == "__main__":
    main()
