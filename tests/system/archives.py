#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Archives that are no backup, or not a whole one, made of one that is.

  archives.py BACKUP DIR   writes them into DIR, named by what is wrong

Those whose name begins with `deep-` have right sums: only groupd, which opens
the database, can tell. And `older-format` is a good one.
"""
import gzip
import hashlib
import io
import json
import os
import sqlite3
import sys
import tarfile

import reseal


def members(path):
    with tarfile.open(path) as tar:
        return [(m, tar.extractfile(m).read()) for m in tar]


def write(path, parts, sums=False):
    """parts: (name or TarInfo, bytes). sums: makes SHA256SUMS right."""
    if sums:
        parts = [p for p in parts if named(p[0]) != "SHA256SUMS"]
        text = "".join(f"{hashlib.sha256(data).hexdigest()}  {named(m)}\n"
                       for m, data in parts)
        parts.append(("SHA256SUMS", text.encode()))
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for m, data in parts:
            info = tarfile.TarInfo(m) if isinstance(m, str) else m
            info.size = len(data) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(data))


def named(m):
    return m if isinstance(m, str) else m.name


def manifest(parts, **changes):
    """The same with another manifest."""
    found = json.loads(parts[0][1])
    database = dict(parts_by_name(parts))["groupd.db"]
    found["database_bytes"] = len(database)
    found["database_sha256"] = hashlib.sha256(database).hexdigest()
    found.update(changes)
    return [("manifest.json", json.dumps(found).encode())] + parts[1:]


def parts_by_name(parts):
    return [(named(m), data) for m, data in parts]


def with_database(parts, change):
    """change(path) does something to the database."""
    path = "/var/tmp/archives-" + str(os.getpid())
    with open(path, "wb") as f:
        f.write(dict(parts_by_name(parts))["groupd.db"])
    change(path)
    with open(path, "rb") as f:
        data = f.read()
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(path + suffix):
            os.unlink(path + suffix)
    return [(m, data if named(m) == "groupd.db" else d) for m, d in parts]


def sql(*statements):
    def change(path):
        db = sqlite3.connect(path, isolation_level=None)
        db.execute("PRAGMA journal_mode=DELETE")
        for s in statements:
            db.execute(s)
        db.close()
        reseal.reseal(path)
    return change


def without_checksums(path):
    """As SQLite alone makes it: no room for them in its pages."""
    db = sqlite3.connect(path)
    whole = "\n".join(db.iterdump())
    version = db.execute("PRAGMA user_version").fetchone()[0]
    db.close()
    os.unlink(path)
    db = sqlite3.connect(path)
    db.executescript(whole)
    db.executescript("PRAGMA application_id=0x474D5347;"
                     f"PRAGMA user_version={version}")
    db.close()


def scribble(path):
    with open(path, "r+b") as f:
        for page in range(2, os.path.getsize(path) // 4096, 3):
            f.seek(4096 * page)
            f.write(b"\xff" * 100)


def other_database(path):
    os.unlink(path)
    sqlite3.connect(path).executescript("CREATE TABLE t(x)")


def flipped(whole, at):
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]


def plain(backup, out):
    """What is done to the bytes of the file."""
    with open(backup, "rb") as f:
        whole = f.read()
    with tarfile.open(backup) as tar:
        for m in tar:
            name = m.name.replace("/", "-")[:16]
            if m.size > 0:
                out(f"flip-in-{name}",
                    flipped(whole, m.offset_data + m.size // 2))
            out(f"flip-in-head-of-{name}", flipped(whole, m.offset + 130))
            out(f"cut-in-{name}", whole[:m.offset_data + m.size // 2])
            out(f"cut-before-{name}", whole[:m.offset])
    out("empty", b"")
    out("text", b"hello\n" * 1000)
    out("gzip", gzip.compress(whole))
    out("zeros", bytes(20480))


def link(name, kind, target):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def shaped(parts, path):
    """Other members than a backup has."""
    names = parts_by_name(parts)
    media = [p for p in names if p[0].startswith("media/")]
    tail = names[-1:]
    rest = names[:-1]
    write(path("foreign"), [("a", b"1"), ("b/c", b"2")])
    for i, evil in enumerate(("../evil", "/var/tmp/evil", "media/../../evil",
                              "media/" + "A" * 64, "media/", "evil")):
        write(path(f"evil-{i}"), rest + [(evil, b"x")], True)
    write(path("more-behind"), names + [("evil", b"x")])
    write(path("symlink"), [rest[0], (link(
        "groupd.db", tarfile.SYMTYPE, "/etc/passwd"), b"")] + rest[2:] + tail)
    write(path("hardlink"), [rest[0], (link(
        "groupd.db", tarfile.LNKTYPE, "manifest.json"), b"")] + rest[2:] + tail)
    write(path("folder"), [rest[0], (link("groupd.db", tarfile.DIRTYPE, ""),
                                     b"")] + rest[2:] + tail)
    write(path("media-out-of-order"), rest[:2] + media[::-1], True)
    write(path("media-twice"), rest + media[-1:], True)
    write(path("media-missing"), rest[:-1], True)
    write(path("no-manifest"), names[1:])
    write(path("no-sums"), rest)
    write(path("later-format"), manifest(rest, format=2), True)
    write(path("manifest-says-more"), manifest(rest, media_bytes=7), True)
    write(path("manifest-without-time"), [("manifest.json", b"{}")] + rest[1:],
          True)


def deep(parts, path):
    """Right sums of what groupd must not take."""
    rest = parts_by_name(parts)[:-1]
    write(path("deep-other-counts"), manifest(rest, groups=77), True)
    less = [p for p in rest if not p[0].startswith("media/")]
    write(path("deep-content-missing"), manifest(less, media=0, media_bytes=0),
          True)
    for name, change in (
            ("deep-a-gap", sql("DELETE FROM messages WHERE id%7=3",
                               "DELETE FROM hot WHERE seq%7=3")),
            ("deep-later-version", sql("PRAGMA user_version=99")),
            ("deep-of-another-program", other_database),
            ("deep-damaged", scribble)):
        changed = with_database(rest, change)
        write(path(name), manifest(changed), True)


def older(parts, path):
    """As groupd wrote it before mentions were numbered, logs cut, and messages
    had two tiers, and pages checksums."""
    rest = parts_by_name(parts)[:-1]
    columns = ("off,len,jsonl_off,jsonl_len,rv,time_ms,type,reply_to,sender,"
               "media_url,mentions,client_id,content")
    changed = with_database(rest, sql(
        f"INSERT INTO messages(id,{columns}) SELECT group_id<<32|seq,{columns}"
        " FROM hot h WHERE seq>(SELECT tail_seq FROM groups g"
        " WHERE g.group_id=h.group_id)",
        "DROP TABLE hot",
        "UPDATE groups SET tail_seq=0,tail_off=0,tail_jsonl=0",
        "DROP INDEX groups_kept",
        "ALTER TABLE groups DROP COLUMN keep_ms",
        "ALTER TABLE groups DROP COLUMN keep_messages",
        "ALTER TABLE groups DROP COLUMN keep_bytes",
        "ALTER TABLE mentions DROP COLUMN n",
        "ALTER TABLE everyone DROP COLUMN n",
        "DROP INDEX admins",
        "DROP TRIGGER group_added", "DROP TRIGGER group_deleted",
        "DROP TRIGGER user_added", "DROP TRIGGER user_deleted",
        "DELETE FROM meta WHERE k='identity' OR k LIKE 'count_%'",
        "PRAGMA user_version=2"))
    changed = with_database(changed, without_checksums)
    write(path("older-format"), manifest(changed), True)


def main():
    backup, where = sys.argv[1:]
    parts = members(backup)

    def path(name):
        return os.path.join(where, name)

    def out(name, data):
        with open(path(name), "wb") as f:
            f.write(data)

    plain(backup, out)
    shaped(parts, path)
    deep(parts, path)
    older(parts, path)


if __name__ == "__main__":
    main()
