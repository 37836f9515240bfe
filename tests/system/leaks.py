# SPDX-License-Identifier: MIT
"""What a user gets who must get nothing. Prints for each attempt a line
STATUS<TAB>SENTENCE<TAB>DETAIL, status 0 for passed.

leaks.py guess MOUNT EXISTING MISSING
    the two groups must look the same to the caller, who is a member of none
leaks.py pass MOUNT GROUP OWNER STRANGER
    root; OWNER opens all files, STRANGER gets the descriptors by a socket
leaks.py inherit MOUNT GROUP OWNER STRANGER
    root; a process opens them as OWNER and then becomes STRANGER
leaks.py keep MOUNT GROUP READY GO
    opens them, makes the file READY, waits for the file GO, and tries them
"""
import array
import errno
import mmap
import os
import pwd
import select
import socket
import statistics
import sys
import time

REFUSED = {errno.EACCES, errno.ENOENT, errno.EPERM}
# What calls say that are refused to everybody.
NOT_HERE = REFUSED | {errno.EINVAL, errno.ENODEV, errno.EOPNOTSUPP,
                      errno.EBADF, errno.ESPIPE}


def check(sentence, passed, detail=""):
    print(0 if passed else 1, sentence, str(detail)[:300], sep="\t",
          flush=True)


def outcome(call, *args, **named):
    """The errno, or what it returned."""
    try:
        return None, call(*args, **named)
    except OSError as e:
        return e.errno, None


def refused(sentence, allowed, call, *args, **named):
    code, result = outcome(call, *args, **named)
    check(sentence, code in allowed,
          f"{errno.errorcode.get(code)} {result!r}")


def guess(mount, existing, missing):
    calls = {
        "stat": os.stat,
        "lstat": os.lstat,
        "opendir": os.listdir,
        "open": lambda p: os.open(p, os.O_RDONLY),
        "open to write": lambda p: os.open(p, os.O_WRONLY | os.O_APPEND),
        "access": lambda p: os.close(os.open(p, os.O_PATH)),
        "chdir": os.chdir,
        "chmod": lambda p: os.chmod(p, 0o777),
        "chown": lambda p: os.chown(p, os.getuid(), -1),
        "utime": os.utime,
        "truncate": lambda p: os.truncate(p, 0),
        "unlink": os.unlink,
        "rmdir": os.rmdir,
        "rename": lambda p: os.rename(p, p + "x"),
        "rename onto": lambda p: os.rename(os.path.join(mount, "mine"), p),
        "readlink": os.readlink,
        "getxattr": lambda p: os.getxattr(p, "user.x"),
        "listxattr": os.listxattr,
        "statvfs": os.statvfs,
    }
    inside = ["", "/", "/.", "/..", "/messages", "/messages.jsonl", "/live",
              "/post", "/unread", "/last_read", "/members", "/description",
              "/settings.json", "/media", "/media/x", "/nothing"]
    for what, call in calls.items():
        differ = []
        for name in inside:
            a, r = outcome(call, os.path.join(mount, existing) + name)
            b, _ = outcome(call, os.path.join(mount, missing) + name)
            if a != b or a is None:
                differ.append((name, errno.errorcode.get(a),
                               errno.errorcode.get(b), r))
        check(f"{what}: a foreign group is as one that is not there",
              not differ, differ)
    for name in existing, missing:
        outcome(os.stat, os.path.join(mount, name))
        with open(os.path.join(mount, ".me/error")) as f:
            said = f.read().replace(name, "NAME")
        if name == existing:
            first = said
    check("the sentence is the same", said == first, (first, said))
    took = {existing: [], missing: []}
    for _ in range(500):
        for name in existing, missing:
            path = os.path.join(mount, name, "messages")
            began = time.perf_counter_ns()
            outcome(os.stat, path)
            took[name].append(time.perf_counter_ns() - began)
    a, b = (statistics.median(took[n]) / 1000 for n in (existing, missing))
    check("and takes as long", max(a, b) < 3 * min(a, b) + 100,
          f"{a:.0f} and {b:.0f} us")


OPENED = {
    "messages to read": ("messages", os.O_RDONLY),
    "messages to append": ("messages", os.O_WRONLY | os.O_APPEND),
    "post": ("post", os.O_WRONLY),
    "live": ("live", os.O_RDONLY | os.O_NONBLOCK),
    "unread": ("unread", os.O_RDONLY),
    "last_read": ("last_read", os.O_RDWR),
    "members": ("members", os.O_RDWR),
    "the folder": (".", os.O_RDONLY | os.O_DIRECTORY),
    "the folder by O_PATH": (".", os.O_PATH),
    "messages by O_PATH": ("messages", os.O_PATH),
}


def open_all(mount, group):
    return {what: os.open(os.path.join(mount, group, name), flags)
            for what, (name, flags) in OPENED.items()}


def map_it(fd):
    """In a child, for touching the pages may kill it."""
    pid = os.fork()
    if pid == 0:
        try:
            m = mmap.mmap(fd, 10, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
            os._exit(1 if m[:1] else 0)
        except (OSError, ValueError):
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 1


def splice_it(fd):
    r, w = os.pipe()
    try:
        return os.splice(fd, w, 100)
    finally:
        os.close(r)
        os.close(w)


def try_readable(what, fd):
    refused(f"{what}: read", {errno.EACCES}, os.read, fd, 100)
    refused(f"{what}: pread at 0", {errno.EACCES}, os.pread, fd, 100, 0)
    code, n = outcome(splice_it, fd)
    check(f"{what}: splice", code in NOT_HERE or n == 0, (code, n))
    check(f"{what}: mmap", not map_it(fd), "its pages were read")
    for whence in "SEEK_END", "SEEK_HOLE":
        code, end = outcome(os.lseek, fd, 0, getattr(os, whence))
        check(f"{what}: lseek by {whence} tells no size",
              code in NOT_HERE or end == 0, (code, end))


def try_folder(fd):
    refused("the folder: readdir", REFUSED, os.listdir, fd)
    refused("the folder: stat of a file in it", REFUSED, os.stat, "messages",
            dir_fd=fd)
    refused("the folder: open of a file in it", REFUSED, os.open, "messages",
            os.O_RDONLY, dir_fd=fd)
    refused("the folder: making a file in it", REFUSED, os.open, "new",
            os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    refused("the folder: making a folder in it", REFUSED, os.mkdir, "new",
            dir_fd=fd)
    refused("the folder: fchdir", REFUSED, os.fchdir, fd)


def try_all(fds):
    for what, fd in fds.items():
        if what != "live":
            refused(f"{what}: fstat", REFUSED, os.fstat, fd)
    for what in "messages to read", "unread", "last_read", "members":
        try_readable(what, fds[what])
    for what in "messages to append", "post", "last_read", "members":
        refused(f"{what}: write", {errno.EACCES}, os.write, fds[what],
                b"1\n" if what == "last_read" else b"gfs-leak\n")
    refused("messages to append: ftruncate", REFUSED, os.ftruncate,
            fds["messages to append"], 0)
    refused("members: ftruncate", REFUSED, os.ftruncate, fds["members"], 0)
    poll = select.poll()
    poll.register(fds["live"], select.POLLIN)
    poll.poll(0)
    refused("live: read", {errno.EACCES}, os.read, fds["live"], 100)
    for what in "messages by O_PATH", "messages to read":
        refused(f"{what}: open by /proc/self/fd", REFUSED, os.open,
                f"/proc/self/fd/{fds[what]}", os.O_RDONLY)
    refused("messages to read: fchmod", REFUSED, os.fchmod,
            fds["messages to read"], 0o777)
    refused("messages to read: futimens", REFUSED, os.utime,
            fds["messages to read"])
    refused("the folder by O_PATH: open of a file in it", REFUSED, os.open,
            "messages", os.O_RDONLY, dir_fd=fds["the folder by O_PATH"])
    try_folder(fds["the folder"])


def become(name):
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


def pass_them(mount, group, owner, stranger):
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        become(owner)
        fds = array.array("i", open_all(mount, group).values())
        mine = os.open(os.path.join(mount, ".me/groups"), os.O_RDONLY)
        fds.append(mine)
        theirs.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        theirs.recv(1)
        os._exit(0)
    theirs.close()
    become(stranger)
    got = array.array("i")
    _, anc, _, _ = ours.recvmsg(1, socket.CMSG_SPACE(100 * got.itemsize))
    got.frombytes(anc[0][2])
    try_all(dict(zip(OPENED, got)))
    refused(".me/groups: read", {errno.EACCES}, os.read, got[-1], 1000)
    for fd in got:
        outcome(os.close, fd)
    ours.send(b"x")
    os.waitpid(pid, 0)


def inherit(mount, group, owner, stranger):
    user = pwd.getpwnam(owner)
    os.setgroups([])
    os.setresuid(user.pw_uid, user.pw_uid, 0)
    fds = open_all(mount, group)
    os.setresuid(0, 0, 0)
    # What root reads by a member's descriptor: he is none.
    refused("root, by a descriptor of a member: read", {errno.EACCES},
            os.read, fds["messages to read"], 100)
    become(stranger)
    try_all(fds)


def keep(mount, group, ready, go):
    fds = open_all(mount, group)
    os.chdir(os.path.join(mount, group))
    # A part of a message, begun while it was allowed.
    half = os.open("messages", os.O_WRONLY | os.O_APPEND)
    os.write(half, b"half a line")
    posted = os.open("post", os.O_WRONLY)
    os.write(posted, b"half a post")
    open(ready, "w").close()
    while not os.path.exists(go):
        time.sleep(0.02)
    try_all(fds)
    for name in ".", "messages", "live", "../" + group, "..//" + group + "/.":
        refused(f"the current folder: stat of {name}", REFUSED, os.stat, name)
    refused("the current folder: ls", REFUSED, os.listdir, ".")
    code, names = outcome(os.listdir, mount)
    check("the group is gone from the mount", code is None and
          group not in names, (code, names))
    for fd, what in (half, "a begun line"), (posted, "a begun post"):
        refused(f"{what} is not sent by the close", {errno.EACCES},
                os.close, fd)


command, *rest = sys.argv[1:]
{"guess": guess, "pass": pass_them, "inherit": inherit,
 "keep": keep}[command](*rest)
