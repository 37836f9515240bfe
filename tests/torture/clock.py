#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The time of day jumps while groupd and its gateways run (clock.sh).

clock.py GROUP USER

After each jump, and after a restart at that time, messages are sent over REST
one by one, faster than the limit of LIMIT a second (groupd was given it): they
are refused for that, and a second later they are not. A token for an hour holds
where the hour is not over, and not where it is. An hour of standing still costs
no processor time. Prints results as lib.sh's results() takes them.
"""
import json
import os
import subprocess
import sys
import time

from descriptors import cpu
from faults import Faults
from programs import (BUILD, CONTROL, PATIENCE, SOCKET, T, Groupd, gateways,
                      kill_gateways, say)
from peer import request

LIMIT = 1
HOUR = 3600000
DAY = 24 * HOUR
YEAR = 365 * DAY
# And whether the token holds then; None: one that is over may be taken away.
JUMPS = (("a day ahead", DAY, False), ("back", 0, True),
         ("a day behind", -DAY, True), ("50 years behind", -50 * YEAR, True),
         ("an hour behind", -HOUR, True), ("50 years ahead", 50 * YEAR, False),
         ("back again", 0, None))
IDLE_SECONDS = 1
# Far less than an hour: a gateway must start in it, too.
COMES_SECONDS = 20
if os.environ.get("TORTURE") == "short":
    JUMPS, IDLE_SECONDS = JUMPS[4:6], 0.3
MOST_CPU = 0.1


def send(group, text):
    status, body = request(
        "POST", f"/api/groups/{group}/messages", json.dumps({"content": text}),
        {"Content-Type": "application/json", "Idempotency-Key": text})
    return (body.get("sequence_number") or body.get("code")
            or f"status {status}")


def burst(group, what):
    """All that fits the limit, and some that do not."""
    return [send(group, f"{what} {n}") for n in range(40 * LIMIT)]


def comes_through(group, what):
    end = time.monotonic() + COMES_SECONDS * PATIENCE
    n = 0
    while time.monotonic() < end:
        n += 1
        if isinstance(send(group, f"{what}, later {n}"), int):
            return True
        time.sleep(0.1)
    return False


def holds(token):
    was = os.environ["TOKEN"]
    os.environ["TOKEN"] = token
    status, _ = request("GET", "/api/groups")
    os.environ["TOKEN"] = was
    if status not in (200, 401):
        print(f"# a look at the groups: {status}")
    return status == 200


def look(group, groupd, what, token, wanted):
    answers = burst(group, what)
    bad = [a for a in answers if not isinstance(a, int) and a != "rate_limited"]
    say(f"{what}: messages are stored, or over the limit",
        bad and f"{bad[:3]}")
    say(f"{what}: the limit holds", "rate_limited" not in answers
        and f"{len(answers)} at once")
    say(f"{what}: and lets who waits come through",
        not comes_through(group, what) and "not soon")
    if wanted is not None:
        say(f"{what}: a token for an hour {'holds' if wanted else 'is over'}",
            holds(token) != wanted and "not so")
    pids = [groupd.process.pid, *gateways()]
    had = sum(map(cpu, pids))
    time.sleep(IDLE_SECONDS)
    used = (sum(map(cpu, pids)) - had) / IDLE_SECONDS
    say(f"{what}: no timer storms", used > MOST_CPU and f"{100 * used:.0f} %")


def main():
    group, user = sys.argv[1:]
    faults, groupd = Faults(CONTROL, ""), Groupd("--config", T + "/conf")
    os.chmod(CONTROL, 0o666)
    env = faults.env(BUILD)
    kill_gateways()
    groupd.start(env)
    groupd.wait()
    comes_through(group, "first")
    token = subprocess.run(
        [BUILD + "/groupctl", "--socket", SOCKET, "token", "create", user,
         "--expires", "1h"], check=True, capture_output=True,
        text=True).stdout.strip()
    for what, ahead, wanted in JUMPS:
        faults.set_ahead(ahead)
        look(group, groupd, what, token, wanted)
        groupd.kill()
        groupd.start(env)
        groupd.wait()
        say(f"{what}: after a restart messages are stored",
            not comes_through(group, what + ", restarted") and "none")
    groupd.kill(15)


if __name__ == "__main__":
    main()
