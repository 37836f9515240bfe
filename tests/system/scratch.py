# SPDX-License-Identifier: MIT
"""A scratch file is a file like any other.

scratch.py GROUP_FOLDER: a line for each check, "0 SENTENCE" where it holds,
else "1 SENTENCE (why)".
"""
import ctypes
import errno
import os
import stat
import sys

NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
MIB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)


def check(sentence, got, wanted):
    if got == wanted:
        print(0, sentence)
    else:
        print(1, sentence, "(got %r, wanted %r)" % (got, wanted))


def refused(work, *args, **named):
    """The name of the errno that it fails with."""
    try:
        work(*args, **named)
    except OSError as e:
        return errno.errorcode[e.errno]
    return "succeeded"


def rename2(old, new, flags):
    if libc.renameat2(-100, old.encode(), -100, new.encode(), flags) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def put(name, text, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    fd = os.open(name, flags, 0o666)
    try:
        while text:
            text = text[os.write(fd, text):]
    finally:
        os.close(fd)


def text_of(name):
    with open(name, "rb") as f:
        return f.read()


def open_and_write():
    os.umask(0o027)
    put("a", b"one\n")
    check("it has the mode asked for", stat.S_IMODE(os.stat("a").st_mode),
          0o640)
    put("a", b"two\n", os.O_WRONLY | os.O_APPEND)
    check("O_APPEND appends", text_of("a"), b"one\ntwo\n")
    check("O_EXCL finds it", refused(os.open, "a", os.O_CREAT | os.O_EXCL),
          "EEXIST")
    check("O_EXCL finds the fixed ones",
          refused(os.open, "members", os.O_CREAT | os.O_EXCL), "EEXIST")
    put("a", b"new")
    check("O_TRUNC empties it", text_of("a"), b"new")
    fd = os.open("a", os.O_RDWR)
    os.pwrite(fd, b"X", 6)
    check("a gap is zeros", os.pread(fd, 100, 0), b"new\0\0\0X")
    os.ftruncate(fd, 2)
    check("ftruncate cuts", os.pread(fd, 100, 0), b"ne")
    check("the size is exact", os.fstat(fd).st_size, 2)
    os.unlink("a")
    os.pwrite(fd, b"still", 0)
    check("unlinked, it lives on while it is open", os.pread(fd, 9, 0),
          b"still")
    check("it has no link then", os.fstat(fd).st_nlink, 0)
    os.close(fd)
    check("and no name", refused(os.stat, "a"), "ENOENT")
    big = os.urandom(3 * MIB + 1)
    put("a", big)
    check("megabytes are the same when read back", text_of("a") == big, True)


def attributes():
    put("a", b"x")
    before = os.stat("a")
    put("a", b"y", os.O_WRONLY)
    after = os.stat("a")
    check("mtime changes with each write",
          after.st_mtime_ns > before.st_mtime_ns, True)
    check("the number stays", after.st_ino, before.st_ino)
    os.utime("a", ns=(10**18, 2 * 10**18 + 7))
    st = os.stat("a")
    check("utimes is kept", (st.st_atime_ns, st.st_mtime_ns),
          (10**18, 2 * 10**18 + 7))
    os.chmod("a", 0o400)
    check("chmod is kept", stat.S_IMODE(os.stat("a").st_mode), 0o400)
    check("and counts", (refused(os.open, "a", os.O_WRONLY),
                         os.access("a", os.R_OK), os.access("a", os.W_OK)),
          ("EACCES", True, False))
    os.chown("a", os.getuid(), os.getgid())
    check("it cannot be given away", refused(os.chown, "a", 0, -1), "EPERM")
    check("hard links are refused", refused(os.link, "a", "b"), "EPERM")
    check("so are folders", refused(os.mkdir, "d"), "EPERM")
    check("and pipes", refused(os.mkfifo, "p"), "EPERM")
    check("a name may have 255 bytes",
          (refused(put, "n" * 255, b""), refused(put, "n" * 256, b"")),
          ("succeeded", "ENAMETOOLONG"))
    os.unlink("n" * 255)


def links():
    os.symlink("alice@host.1:2", ".#members")
    check("a symbolic link is read back", os.readlink(".#members"),
          "alice@host.1:2")
    check("and is one", stat.S_ISLNK(os.lstat(".#members").st_mode), True)
    check("it is there once", refused(os.symlink, "x", ".#members"), "EEXIST")
    check("it does not become members",
          refused(os.rename, ".#members", "members"), "EINVAL")
    os.unlink(".#members")
    os.symlink("members", "link")
    check("it leads where it points", text_of("link"), text_of("members"))
    os.unlink("link")


def renames():
    put("a", b"A")
    put("b", b"B")
    check("RENAME_NOREPLACE replaces nothing",
          refused(rename2, "a", "b", NOREPLACE), "EEXIST")
    rename2("a", "b", EXCHANGE)
    check("RENAME_EXCHANGE exchanges", (text_of("a"), text_of("b")),
          (b"B", b"A"))
    os.rename("a", "b")
    check("a rename replaces", (text_of("b"), refused(os.stat, "a")),
          (b"B", "ENOENT"))
    check("an exchange needs two", refused(rename2, "b", "a", EXCHANGE),
          "ENOENT")
    check("nor is members exchanged",
          (refused(rename2, "b", "members", EXCHANGE),
           refused(rename2, "members", "b", EXCHANGE)), ("EINVAL", "EPERM"))
    check("nor replaced where it must not be",
          refused(rename2, "b", "members", NOREPLACE), "EEXIST")
    check("whiteouts are refused", refused(rename2, "b", "c", WHITEOUT),
          "EINVAL")
    for name in "messages", "post", "live", "unread", "media":
        if os.path.exists(name):
            check("%s is not replaced" % name,
                  refused(os.rename, "b", name) in ("EPERM", "EISDIR"), True)
            check("nor renamed", refused(os.rename, name, "c"), "EPERM")
    check("nor removed", refused(os.unlink, "members"), "EPERM")
    before = text_of("members")
    os.rename("members", "b")
    check("members renamed is a copy", (text_of("b"), text_of("members")),
          (before, before))
    os.unlink("b")


def pointer():
    last = text_of("last_read")
    put("b", b"99x\n")
    check("a bad pointer is refused", refused(os.rename, "b", "last_read"),
          "EINVAL")
    check("and stays where it was", text_of("b"), b"99x\n")
    put("b", b"all\n")
    os.rename("b", "last_read")
    check("a good one moves the pointer",
          int(text_of("last_read")) > int(last), True)
    check("and is gone", refused(os.stat, "b"), "ENOENT")
    os.rename("last_read", "b")
    check("a copy of it", text_of("b"), text_of("last_read"))
    os.unlink("b")


def bounds():
    full = bytes(16 * MIB)
    check("a file has 16 MiB at most", refused(put, "a", full + b"x"),
          "EFBIG")
    put("a", full)
    put("b", full)
    check("a user has 32 MiB", refused(put, "c", b"x"), "EDQUOT")
    os.truncate("b", 0)
    check("what is cut is free again", refused(put, "c", b"x"), "succeeded")
    for name in "abc":
        os.unlink(name)
    made = 0
    while refused(put, "f%d" % made, b"") == "succeeded":
        made += 1
    check("and 64 files", made, 64)
    for i in range(made):
        os.unlink("f%d" % i)


def main():
    os.chdir(sys.argv[1])
    names = sorted(os.listdir("."))
    open_and_write()
    attributes()
    os.unlink("a")
    links()
    renames()
    pointer()
    bounds()
    check("nothing is left", sorted(os.listdir(".")), names)


main()
