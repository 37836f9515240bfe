# SPDX-License-Identifier: MIT
"""A disk that a test may break: a file system in a file, by a loop device.

    with Disk(folder, "ext4", mebibytes=64) as disk:
        disk.make(); disk.mount()
        ... disk.point ...
        disk.cut(); disk.umount(); disk.mount()

own_mounts() first: another's mount namespace would keep what is unmounted here,
as it was when the power was cut. cut(): from then on nothing reaches the disk any more, as when the power fails:
the file system's shutdown ioctl, which does not even write its own log. What
was not synced before is gone with the mount.
"""
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32), of xfs and of ext4
NO_LOG_FLUSH = 2
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F", "-m", "0", "-E",
                 "lazy_itable_init=0,lazy_journal_init=0"],
        "xfs": ["mkfs.xfs", "-q", "-f"]}
XFS_MIN = 320


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise OSError(f"{' '.join(command)}: {done.stdout.decode().strip()}")
    return done.stdout.decode()


def own_mounts():
    """This program again, in a mount namespace of its own, which keeps no mounts
    of other tests."""
    if os.geteuid() != 0:
        skip("needs root, to mount a disk")
    if "GROUPFS_OWN_MOUNTS" not in os.environ:
        os.environ["GROUPFS_OWN_MOUNTS"] = "yes"
        os.execvp("unshare", ["unshare", "-m", "--propagation", "private",
                              sys.executable, *sys.argv])
    with open("/proc/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in reversed(points):
        if "/groupfs" in point:
            subprocess.run(["umount", "-l", point], check=False,
                           stderr=subprocess.DEVNULL)


class Disk:
    def __init__(self, folder, kind="ext4", mebibytes=64):
        self.kind = kind
        self.size = max(mebibytes, XFS_MIN if kind == "xfs" else 0)
        self.image, self.point = f"{folder}/image", f"{folder}/disk"
        self.mounted = False
        os.makedirs(self.point, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.mounted:
            subprocess.run(["umount", "-l", self.point], check=False)
        if os.path.exists(self.image):
            os.unlink(self.image)

    def make(self, *options):
        with open(self.image, "wb") as file:
            file.truncate(self.size << 20)
        run(*MAKE[self.kind], *options, self.image)

    def mount(self):
        run("mount", "-o", "loop", "-t", self.kind, self.image, self.point)
        self.mounted = True

    def device(self):
        """The name of its loop device; empty: it has none any more."""
        return run("losetup", "-n", "-O", "NAME", "-j", self.image).strip()

    def umount(self):
        end = time.monotonic() + 10
        while True:
            try:
                if self.mounted:
                    run("umount", self.point)
                self.mounted = False
                if not self.device():
                    return
                why = OSError(f"{self.image} stays mounted elsewhere")
            except OSError as e:
                why = e
            if time.monotonic() > end:
                raise why
            time.sleep(0.02)

    def cut(self):
        fd = os.open(self.point, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)


def why_not(kind, folder):
    """Why there can be no such disk here; None: there can."""
    if shutil.which(MAKE[kind][0]) is None:
        return f"needs {MAKE[kind][0]}"
    try:
        with Disk(f"{folder}/probe", kind) as disk:
            disk.make()
            disk.mount()
            disk.umount()
    except OSError as e:
        return f"no loop device with {kind}: {e}"
    finally:
        shutil.rmtree(f"{folder}/probe", ignore_errors=True)
    return None


def skip(why):
    print(f"skip {why}")
    sys.exit(77)
