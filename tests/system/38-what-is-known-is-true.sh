#!/bin/sh
# SPDX-License-Identifier: MIT
# A mount answers from what groupd's events keep true. Whoever acts on what
# another mount just did must find it done: a message is in the size, a removed
# member is out, a restart changes nothing of that.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
rounds=2000
kicks=200
[ "$LOAD" = small ] && rounds=300 kicks=30
start_groupd
mount_fs
A=$M
M=$T/mnt2
mount_fs
ok "a group" as_user gfs-alice "mkdir '$A/dev' && echo gfs-bob >> '$A/dev/members'"

cat >"$T/sizes.py" <<'END'
# sizes.py A B ROUNDS: appends through one mount, asks the other.
import os, sys
a, b, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
fds = [os.open(m + "/dev/messages", os.O_WRONLY | os.O_APPEND) for m in (a, b)]
size = os.stat(a + "/dev/messages").st_size
wrong = 0
for i in range(rounds):
    os.write(fds[i % 2], b"message %d\n" % i)
    here, there = (a, b) if i % 2 == 0 else (b, a)
    s1 = os.stat(there + "/dev/messages")
    s2 = os.stat(here + "/dev/messages")
    tail = os.pread(os.open(there + "/dev/messages", os.O_RDONLY), 4096, size)
    if s1.st_size != s2.st_size or s1.st_size <= size or \
            not tail.endswith(b"\tmessage %d\n" % i) or \
            len(tail) != s1.st_size - size or s1.st_mtime_ns != s2.st_mtime_ns:
        wrong += 1
        print(i, size, s1.st_size, s2.st_size, tail)
    size = s1.st_size
    for fd in os.listdir("/proc/self/fd"):
        if int(fd) > max(fds) and os.path.exists("/proc/self/fd/" + fd):
            os.close(int(fd))
sys.exit(wrong != 0)
END
ok "what one mount stored, the other shows at once" \
	as_user gfs-alice "$PY '$T/sizes.py' '$A' '$M' $rounds"

cat >"$T/kicks.py" <<'END'
# kicks.py A B ROUNDS: as root; alice removes bob through A, bob tries B.
import errno, os, pwd, sys
a, b, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
def become(name):
    p = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(p.pw_gid)
    os.setuid(p.pw_uid)
def outcome(f):
    try:
        f()
        return "ok"
    except OSError as e:
        return errno.errorcode[e.errno]
def bob(fd, files):
    return [outcome(lambda: os.pread(files[0], 65536, 131072)),
            outcome(lambda: os.fstat(files[0])),
            outcome(lambda: os.write(files[1], b"sneaked in\n")),
            outcome(lambda: os.stat(b + "/dev")),
            outcome(lambda: os.stat(b + "/dev/messages")),
            outcome(lambda: os.listdir(b + "/dev"))]
to_bob, from_bob = os.pipe(), os.pipe()
if os.fork() == 0:
    os.close(to_bob[1])
    become("gfs-bob")
    while os.read(to_bob[0], 1):
        files = [os.open(b + "/dev/messages", os.O_RDONLY),
                 os.open(b + "/dev/messages", os.O_WRONLY | os.O_APPEND)]
        for _ in range(3):  # so that the mount knows it well
            assert outcome(lambda: os.fstat(files[0])) == "ok"
            os.stat(b + "/dev/messages")
        # What is read ahead, and what was just listed, is not his either.
        os.pread(files[0], 65536, 0)
        os.pread(files[0], 65536, 65536)
        listing = os.scandir(b)
        next(listing)
        os.write(from_bob[1], b"r")
        os.read(to_bob[0], 1)
        got = bob(b, files)
        listing.close()
        for f in files:  # of a refused write the close tells, too
            outcome(lambda: os.close(f))
        os.write(from_bob[1], (" ".join(got) + "\n").encode().ljust(100))
    os._exit(0)
os.close(to_bob[0])
os.close(from_bob[1])
become("gfs-alice")
wrong = 0
for i in range(rounds):
    fd = os.open(a + "/dev/members", os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"gfs-bob\n")
    os.close(fd)
    os.write(to_bob[1], b"g")
    assert os.read(from_bob[0], 1) == b"r"
    fd = os.open(a + "/dev/members", os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"-gfs-bob\n")
    os.close(fd)
    os.write(to_bob[1], b"t")
    got = os.read(from_bob[0], 100).decode().split()
    # The kernel does not say of which descriptor an fstat(2) is.
    if got != ["EACCES", "ENOENT", "EACCES", "ENOENT", "ENOENT",
               "ENOENT"]:
        wrong += 1
        print(i, got)
os.close(to_bob[1])
assert b"sneaked" not in open(a + "/dev/messages", "rb").read()
sys.exit(wrong != 0)
END
ok "the log is long enough to be read ahead" as_user gfs-alice \
	"seq -f 'line %.0f of a log that is read ahead' 30000 >> '$A/dev/messages'"
ok "who is removed through one mount is out on the other" \
	"$PY" "$T/kicks.py" "$A" "$M" $kicks
ok "and on the same" "$PY" "$T/kicks.py" "$A" "$A" $kicks

# A restart, and a role that changes.
ok "bob is back" as_user gfs-alice "echo gfs-bob >> '$A/dev/members'"
for _ in 1 2 3; do
	as_user gfs-bob "stat '$M/dev/messages' '$M/dev/description'" >/dev/null
done
fails "he may not write description" as_user gfs-bob "test -w '$M/dev/description'"
ok "he becomes an admin" as_user gfs-alice "echo gfs-bob admin >> '$A/dev/members'"
ok "and may" as_user gfs-bob "test -w '$M/dev/description'"
kill9_groupd
start_groupd
ok "after a restart a message" as_user gfs-alice "echo after >> '$A/dev/messages'"
is "is in the size on both" "$(as_user gfs-bob "stat -c %s '$M/dev/messages'")" \
	"$(as_user gfs-alice "cat '$A/dev/messages' | wc -c")"
ok "a group is deleted" as_user gfs-alice "'$BUILD/groupctl' --socket '$SOCKET' delete dev"
fails "and gone for bob" as_user gfs-bob "stat '$M/dev/messages'"
fails "and alice" as_user gfs-alice "ls '$A/dev'"
done_testing
