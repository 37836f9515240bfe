#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""bot.py GROUP STATE_FILE: rolls dice in a group: "!roll 2d6".

Answers each question once, as a reply, over REST, from anywhere: over lost
connections, restarts of groupd and its own. Standard library only.

  groupctl user add dicebot; echo +dicebot >> /groups/dev/members
  GROUPFS_URL=https://chat.example.org GROUPFS_TOKEN=$(groupctl token create \
      dicebot) ./bot.py dev /var/lib/dicebot/dev.json

STATE_FILE keeps the number of the last question that is done with, written
after the answer. If the bot dies between the two it asks again, with the same
client_id, and groupd says that it has that one already (for 24 hours: the
dedupe_window of groupd.conf). Only what is no reply is a question, so bots
never answer bots. The first start begins with what is said from then on.
"""
import http.client
import json
import os
import random
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL = os.environ.get("GROUPFS_URL", "http://127.0.0.1:7480")
SIGN_OF_LIFE = 60  # seconds; the stream has one more often


def answer(text):
    """What there is to say to a message, or None."""
    dice = re.fullmatch(r"!roll ([1-9]\d?)d([1-9]\d{0,3})", text.strip())
    if not dice:
        return None
    rolls = [random.randint(1, int(dice[2])) for _ in range(int(dice[1]))]
    return f"{' + '.join(map(str, rolls))} = {sum(rolls)}"


class Bot:
    def __init__(self, group, state_file):
        self.path = f"/api/groups/{urllib.parse.quote(group, safe='')}"
        self.file = state_file
        self.epoch, self.done = None, None

    def request(self, path, body=None):
        headers = {"Authorization": "Bearer " + os.environ["GROUPFS_TOKEN"]}
        if body is not None:
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        return urllib.request.urlopen(urllib.request.Request(
            URL + self.path + path, body, headers), timeout=SIGN_OF_LIFE)

    def load(self):
        """Where to go on; at the end, of a log that is new to us."""
        with self.request("") as r:
            group = json.load(r)
        if self.done is None and os.path.exists(self.file):
            with open(self.file, encoding="utf-8") as f:
                state = json.load(f)
            self.epoch, self.done = state["epoch"], state["done"]
        if self.epoch != group["epoch"]:  # the first start, or a restored log
            self.epoch = group["epoch"]
            self.done = group["last_seq"]
            self.save()

    def save(self):
        with open(self.file + ".new", "w", encoding="utf-8") as f:
            json.dump({"epoch": self.epoch, "done": self.done}, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(self.file + ".new", self.file)

    def reply(self, seq, text):
        body = {"content": text, "reply_to_seq": seq,
                "client_id": f"bot.py-{seq}"}
        while True:
            try:
                with self.request("/messages", body):
                    return
            except urllib.error.HTTPError as e:
                if e.code in (401, 403, 404):
                    raise
                if e.code not in (429, 503):  # it never will be taken
                    print(f"bot.py: {seq}: {e.read()}", file=sys.stderr)
                    return
                time.sleep(int(e.headers.get("Retry-After") or 1))

    def follow(self):
        """Until the connection is lost."""
        self.load()
        with self.request(f"/stream?after_seq={self.done}") as stream:
            for line in stream:
                if not line.strip():
                    continue  # a sign of life
                m = json.loads(line)
                if "sequence_number" not in m:
                    return  # why the stream ends
                text = None if "reply_to_seq" in m else answer(m["content"])
                if text is not None:
                    self.reply(m["sequence_number"], text)
                self.done = m["sequence_number"]
                if text is not None:
                    self.save()

    def run(self):
        pause = 0.1
        while True:
            began = time.monotonic()
            try:
                self.follow()
                why = "the stream ended"
            except urllib.error.HTTPError as e:
                why = e.read().decode(errors="replace")
                if e.code in (401, 403, 404):
                    sys.exit(f"bot.py: {why}")  # trying again will not help
            except (OSError, http.client.HTTPException) as e:
                why = str(e)
            print(f"bot.py: {why}; coming back", file=sys.stderr)
            if time.monotonic() - began > 10:
                pause = 0.1
            # At random, so that not all bots come back at once.
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(pause * 2, 30)


if __name__ == "__main__":
    if len(sys.argv) != 3 or "GROUPFS_TOKEN" not in os.environ:
        sys.exit("usage: GROUPFS_TOKEN=... bot.py GROUP STATE_FILE")
    try:
        Bot(*sys.argv[1:]).run()
    except KeyboardInterrupt:
        sys.exit(130)
