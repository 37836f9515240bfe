# SPDX-License-Identifier: MIT
"""The processes of the test that we run in."""
import contextlib
import os


def gateways():
    """Their pids."""
    mark = ("GROUPFS_TEST_ID=" + os.environ["GROUPFS_TEST_ID"]).encode()
    program = os.environ["BUILD"] + "/groupd-gateway"
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe") != program:
                continue
            with open(f"/proc/{pid}/environ", "rb") as f:
                if mark in f.read().split(b"\0"):
                    yield int(pid)
