#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A read pointer never goes back.

cursor.py GROUP: moves that of $TOKEN's user forward (PUT .../read), and looks
at it (GET /api/groups), until the file $STOP exists. What was acknowledged, or
was seen once, is the least that may be seen later. Prints results.
"""
import json
import os
import sys
import time

from programs import say
from peer import request


def main():
    group = sys.argv[1]
    least, puts, looks, wrong = 0, 0, 0, []
    while not os.path.exists(os.environ["STOP"]):
        time.sleep(0.02)
        status, body = request("GET", "/api/groups")
        if status != 200:
            continue
        row = [g for g in body["groups"] if g["name"] == group][0]
        looks += 1
        if row["last_read_seq"] < least:
            wrong.append(f"{row['last_read_seq']} after {least}")
        least = max(least, row["last_read_seq"])
        if row["last_seq"] <= least:
            continue
        status, body = request(
            "PUT", f"/api/groups/{group}/read",
            json.dumps({"last_read_seq": row["last_seq"]}),
            {"Content-Type": "application/json"})
        if status == 200:
            puts += 1
            least = max(least, body["last_read_seq"])
    print(f"# the pointer was moved {puts} times, and seen {looks} times")
    say("a read pointer never went back", "; ".join(wrong[:3]))
    say("it was moved", not puts and "never")


if __name__ == "__main__":
    main()
