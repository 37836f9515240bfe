# SPDX-License-Identifier: MIT
"""Ctrl-C at random in readers and writers, and what of it must be true.

storm.py run GROUP_FOLDER SEED COUNT RESULTS: starts COUNT processes, up to 16
at a time, and sends SIGINT to each after a random while. Appends to RESULTS a
line of JSON for each: its messages, how it ended.

storm.py check GROUP_FOLDER RESULTS: "0 SENTENCE" where it holds, else
"1 SENTENCE (why)", a line each.
"""
import collections
import ctypes
import errno
import json
import os
import random
import signal
import sys
import time

AT_A_TIME = 16
# Later than groupd's clients give up.
DEADLINE_S = 40
# How a writer ends whose close(2) was interrupted: nothing is stored.
INTERRUPTED = 4
libc = ctypes.CDLL(None, use_errno=True)


def pause():
    time.sleep(random.random() * 0.05)


def write_all(fd, text):
    text = text.encode()
    while text:
        text = text[os.write(fd, text):]


def close(fd):
    """Python's own says nothing of EINTR."""
    if libc.close(fd) != 0:
        sys.stderr.flush()
        os._exit(INTERRUPTED if ctypes.get_errno() == errno.EINTR else 1)


def handle_interrupts():
    """Python calls again what a signal interrupted."""
    signal.signal(signal.SIGINT, lambda *_: None)


# Each takes the folder and its texts, and writes them all.

def live(folder, _):
    os.execvp("cat", ["cat", folder + "/live"])


def read(folder, _):
    os.execvp("cat", ["cat", folder + "/messages"])


def shell(folder, texts):
    os.execvp("sh", ["sh", "-c", 'echo "$1" >> "$0/messages"', folder] + texts)


def whole(folder, texts):
    fd = os.open(folder + "/messages", os.O_WRONLY | os.O_APPEND)
    write_all(fd, texts[0] + "\n")
    close(fd)


def half(folder, texts, name="messages", flags=os.O_WRONLY | os.O_APPEND):
    fd = os.open(folder + "/" + name, flags)
    cut = random.randrange(1, len(texts[0]))
    write_all(fd, texts[0][:cut])
    pause()
    write_all(fd, texts[0][cut:])
    pause()
    close(fd)


def lines(folder, texts):
    fd = os.open(folder + "/messages", os.O_WRONLY | os.O_APPEND)
    last = texts[3]
    cut = random.randrange(1, len(last))
    write_all(fd, "\n".join(texts[:3]) + "\n" + last[:cut])
    pause()
    write_all(fd, last[cut:])
    close(fd)


def post(folder, texts):
    half(folder, texts, "post", os.O_WRONLY)


def post_shell(folder, texts):
    cut = random.randrange(1, len(texts[0]))
    os.execvp("sh", ["sh", "-c",
                     '{ printf %s "$1"; sleep 0.02; printf %s "$2"; } '
                     '> "$0/post"', folder, texts[0][:cut], texts[0][cut:]])


def whole_handled(folder, texts):
    handle_interrupts()
    whole(folder, texts)


def post_handled(folder, texts):
    handle_interrupts()
    post(folder, texts)


KINDS = [(live, 0), (read, 0), (shell, 1), (whole, 1), (half, 1), (lines, 4),
         (post, 1), (post_shell, 1), (whole_handled, 1), (post_handled, 1)]


def start(folder, kind, texts):
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        os.setpgid(0, 0)
        random.seed(texts[0] if texts else None)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in 0, 1, 2:
            os.dup2(null, fd)
        kind(folder, texts)
        os._exit(0)
    finally:
        os._exit(1)


class Victim:
    def __init__(self, folder, number, seed):
        self.kind, count = KINDS[number % len(KINDS)]
        self.texts = ["%s.%d.%d:%s:%s:end" % (
            seed, number, i, self.kind.__name__,
            "x" * random.randrange(200)) for i in range(count)]
        self.pid = start(folder, self.kind, self.texts)
        self.began = time.monotonic()
        self.interrupt_at = self.began + random.random() * 0.15

    def turn(self):
        """True once it has ended."""
        now = time.monotonic()
        if now >= self.interrupt_at:
            try:
                os.killpg(self.pid, signal.SIGINT)
            except OSError:
                pass
            # Who handles it gets more of them; live may just have begun.
            self.interrupt_at = now + 0.1
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid == 0 and now - self.began > DEADLINE_S:
            os.kill(self.pid, signal.SIGKILL)
            self.result = {"hung": True}
        elif pid == 0:
            return False
        else:
            self.result = {"status": os.waitstatus_to_exitcode(status)}
        self.result.update(kind=self.kind.__name__, texts=self.texts)
        return True


def run(folder, seed, count, results):
    # A background job of a shell ignores it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    random.seed(seed)
    running = []
    number = 0
    with open(results, "a") as out:
        while number < count or running:
            while number < count and len(running) < AT_A_TIME:
                out.flush()
                running.append(Victim(folder, number, seed))
                number += 1
            ended = [v for v in running if v.turn()]
            for victim in ended:
                print(json.dumps(victim.result), file=out)
            running = [v for v in running if v not in ended]
            time.sleep(0.002)


def say(sentence, wrong):
    if wrong:
        print(1, sentence, "(%d, as %s)" % (len(wrong), str(wrong[:3])))
    else:
        print(0, sentence)


def check(folder, results):
    with open(results) as f:
        ended = [json.loads(line) for line in f]
    with open(folder + "/messages") as f:
        log = [line.rstrip("\n").split("\t", 3)[3] for line in f]
    there = collections.Counter(log)
    sent = {text for v in ended for text in v["texts"]}
    kinds = collections.Counter(
        "%s %s" % (v["kind"], v.get("status", "hung")) for v in ended)
    for kind in sorted(kinds):
        print("#", kind, kinds[kind])
    say("no process hangs", [v for v in ended if "hung" in v])
    say("no message is half sent", [t for t in there if t not in sent])
    say("none is doubled", [t for t in there if there[t] != 1])
    say("what was said to be sent is there",
        [t for v in ended if v.get("status") == 0 for t in v["texts"]
         if there[t] != 1])
    say("the lines of one write are there together",
        [v for v in ended if v["kind"] == "lines" and
         len({there[t] for t in v["texts"][:3]}) != 1])
    say("of an interrupted close nothing is there",
        [v for v in ended if v.get("status") == INTERRUPTED and
         any(there[t] for t in v["texts"])])
    say("cat live ends by the signal",
        [v for v in ended if v["kind"] == "live" and v.get("status") != -2])
    say("some were killed and some were not", [] if all(
        any(v.get("status") == status and v["texts"] for v in ended)
        for status in (0, -2)) else [dict(kinds)])


def main():
    if sys.argv[1] == "run":
        folder, seed, count, results = sys.argv[2:]
        run(folder, seed, int(count), results)
    else:
        check(*sys.argv[2:])


main()
