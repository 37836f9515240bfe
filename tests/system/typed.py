# SPDX-License-Identifier: MIT
"""Runs what a page says, as a reader would type it.

  typed.py list PAGE...               what there is, and how it is read
  typed.py run TABLE FUNCTIONS PAGE   runs it; "ok WHAT", "not ok WHAT: WHY"
  typed.py unknown TABLE PAGE...      rows of the table that match nothing
  typed.py record FILE                FILE, where each block "console session"
                                         shows what its commands print now

A PAGE is a manual page (mdoc) or a Markdown file. Of a manual page mandoc tells
what a reader sees: the displays of EXAMPLES, and those elsewhere that begin
with a prompt. Of a Markdown file: the fenced blocks.

A line of a display is
  $ COMMAND       of alice, an ordinary user
  # COMMAND       of root
  NAME$ COMMAND   of another user
  > MORE          of the command above, as is any line while that is not complete
and any other below a command is what it prints, exactly, but for the time.
A display without a prompt needs a row in the table, which typed.table
describes. Each user has one shell for the page, so variables and folders stay.
"""
import fnmatch
import html.parser
import os
import re
import select
import signal
import subprocess
import sys
import time

PROMPT = re.compile(r"^(?:([a-z][a-z0-9-]*)?\$|(#)) (.*)$", re.M)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LIMIT = 10 * int(os.environ.get("GROUPFS_TEST_PATIENCE") or 1)


# ---- what a page shows

class Displays(html.parser.HTMLParser):
    """The displays of a page as mandoc renders it: (section, text)."""

    def __init__(self):
        super().__init__()
        self.found = []
        self.section = ""
        self.heading = False
        self.display = 0    # depth of <div> since the display began
        self.text = None

    def handle_starttag(self, tag, attrs):
        classes = (dict(attrs).get("class") or "").split()
        if tag == "h1":
            self.heading, self.section = True, ""
        elif tag == "div" and ("Bd" in classes or self.display):
            self.display += 1
        elif self.display and (tag == "pre" or "Li" in classes):
            self.text = ""

    def handle_endtag(self, tag):
        if tag == "h1":
            self.heading = False
        elif tag == "div" and self.display:
            self.display -= 1
        elif tag in ("pre", "code") and self.text is not None:
            text = self.text if tag == "pre" else " ".join(self.text.split())
            self.found.append((self.section, text))
            self.text = None

    def handle_data(self, data):
        if self.heading:
            self.section = (self.section + " ".join(data.split())).strip()
        elif self.text is not None:
            self.text += data


def displays_of_manual(path):
    page = subprocess.run(["mandoc", "-T", "html", "-O", "fragment", path],
                          check=True, capture_output=True, text=True).stdout
    parser = Displays()
    parser.feed(page)
    return [text for section, text in parser.found
            if section == "EXAMPLES" or PROMPT.match(text)]


def displays_of_markdown(path):
    with open(path, encoding="utf-8") as f:
        return re.findall(r"^```[^\n]*\n(.*?)^```$", f.read(), re.M | re.S)


class Example:
    """One command with its output, or one display without a prompt."""

    def __init__(self, user, text):
        self.user = user    # None: no prompt
        self.text = text
        self.output = None  # exactly, where the page shows some

    def name(self):
        return self.text.split("\n")[0]


def is_complete(command):
    """Or the shell would ask for more."""
    return not command.endswith("\\") and subprocess.run(
        ["sh", "-n"], input=command + "\n", text=True,
        stderr=subprocess.DEVNULL).returncode == 0


def examples_of_display(display):
    found = []
    for line in display.rstrip("\n").split("\n"):
        prompt = PROMPT.match(line)
        last = found[-1] if found else None
        if prompt:
            user = "root" if prompt[2] else prompt[1] or "alice"
            found.append(Example(user, prompt[3]))
        elif last is None:
            return [Example(None, display.rstrip("\n") + "\n")]
        elif last.output is None and line.startswith("> "):
            last.text += "\n" + line[2:]
        elif last.output is None and not is_complete(last.text):
            last.text += "\n" + line
        else:
            last.output = (last.output or "") + line + "\n"
    return found


def page_name(path):
    return os.path.basename(path)


def examples_of(path):
    manual = re.search(r"\.[1-9]$", path)
    displays = (displays_of_manual if manual else displays_of_markdown)(path)
    return [e for d in displays for e in examples_of_display(d)]


# ---- the table

class Row:
    """What the table says of some examples; see typed.table."""

    def __init__(self, page, pattern):
        self.page = page
        self.pattern = pattern
        self.prints = []
        self.until = None
        self.before = None
        self.meanwhile = None
        self.status = "0"
        self.check = None
        self.elsewhere = None

    def matches(self, page, example):
        return (fnmatch.fnmatchcase(page, self.page) and
                fnmatch.fnmatchcase(example.name(), self.pattern))


def read_table(path):
    rows = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line == "" or line.startswith("# "):
                continue
            mark, _, rest = line.partition(" ")
            if mark == "==":
                rows.append(Row(*rest.split(" ", 1)))
            elif mark == "~":
                rows[-1].prints.append(rest)
            elif mark in ("-", "!", "+", "?", "|", "="):
                field = {"-": "before", "!": "until", "+": "meanwhile",
                         "?": "status", "|": "check", "=": "elsewhere"}[mark]
                setattr(rows[-1], field, rest)
            else:
                sys.exit(f"{path}:{number}: not a line of the table: {line}")
    return rows


def row_of(rows, page, example):
    for row in rows:
        if row.matches(page, example):
            return row
    return Row(page, "")


# ---- running

def as_user(user):
    if user == "root":
        home, switch = "/root", []
    else:
        home = "/home/" + user
        switch = ["setpriv", "--reuid", user, "--regid", user, "--init-groups"]
    names = ("PATH", "LC_ALL", "TOP", "HERE", "GROUPFS_TEST_ID")
    env = {n: os.environ[n] for n in names if n in os.environ}
    env.update(HOME=home, USER=user, LOGNAME=user)
    runtime = f"/run/user/{user}"
    if os.path.isdir(runtime):
        env["XDG_RUNTIME_DIR"] = runtime
    return home, switch, env


class Shell:
    """A user's shell: one for the whole page."""

    def __init__(self, user):
        home, switch, env = as_user(user)
        self.path = f"/run/typed.{user}"
        self.out = open(self.path, "wb")
        status_read, status_write = os.pipe()
        self.status = os.fdopen(status_read, "rb", buffering=0)
        os.set_inheritable(status_write, True)
        self.fd = status_write
        self.process = subprocess.Popen(
            switch + ["sh"], stdin=subprocess.PIPE, stdout=self.out,
            stderr=subprocess.STDOUT, env=env,
            # root's terminal is in the folder of the one whose machine it is.
            cwd="/home/alice" if user == "root" else home,
            pass_fds=[status_write], start_new_session=True)

    def begin(self, command, open_, close):
        self.offset = os.path.getsize(self.path)
        self.before = descendants(self.process.pid)
        fd = self.fd if self.fd < 10 else None
        assert fd is not None, "dash knows descriptors of one digit only"
        script = f"{open_} {command}\n{close} </dev/null {fd}>&-\necho $? >&{fd}\n"
        self.process.stdin.write(script.encode())
        self.process.stdin.flush()

    def printed(self):
        with open(self.path, "rb") as f:
            f.seek(self.offset)
            return f.read().decode("utf-8", "replace")

    def ended(self, seconds):
        """The exit status, or None when it still runs."""
        ready, _, _ = select.select([self.status], [], [], seconds)
        if not ready:
            return None
        return self.status.read(16).decode().strip() or "no shell"

    def stop(self):
        """What Ctrl-C does, then what a patient user does."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            for pid in descendants(self.process.pid):
                if pid in self.before:
                    continue
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            status = self.ended(2)
            if status is not None:
                return status
        return None


def descendants(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            children = [int(word) for word in f.read().split()]
    except OSError:
        return []
    return children + [d for c in children for d in descendants(c)]


def run_function(functions, command, text=""):
    """As root, with the test's functions. What it said, or "" for success."""
    try:
        done = subprocess.run(["sh", "-c", f". {functions}\n{command}"],
                              input=text, capture_output=True, text=True,
                              timeout=LIMIT * 2, env=as_user("root")[2])
    except subprocess.TimeoutExpired:
        return f"{command}: it has not ended"
    if done.returncode == 0:
        return ""
    said = (done.stdout + done.stderr).strip()
    return f"{command}: status {done.returncode}: {said}"


def without_times(text):
    """Blanks at the end of a line are what editors take away."""
    return re.sub(r"[ \t]+$", "", TIME.sub("TIME", text), flags=re.M)


class Runner:
    def __init__(self, functions):
        self.functions = functions
        self.shells = {}

    def run(self, row, example):
        """Why it is not as the page says; "" if it is."""
        if row.elsewhere is not None:
            return elsewhere(row)
        if row.before is not None:
            why = run_function(self.functions, row.before)
            if why:
                return why
        if row.check is not None:
            return run_function(self.functions, row.check, example.text)
        if example.user is None:
            return "no prompt, and no row of the table says what it is"
        if example.user not in self.shells:
            self.shells[example.user] = Shell(example.user)
        shell = self.shells[example.user]
        if shell.process.poll() is not None:
            return "the shell has ended before"
        if row.until is not None:
            # What the shell does itself could not be stopped without it.
            shell.begin(example.text, "(", ")")
            return self.stop_after(row, shell)
        shell.begin(example.text, "{", "}")
        status = shell.ended(LIMIT)
        if status is None:
            shell.stop()
            return (f"it has not ended after {LIMIT} s, and no row of the "
                    f"table says that it need not; it printed: "
                    f"{shell.printed()[-400:]}")
        return wrong(row, example, status, shell.printed())

    def stop_after(self, row, shell):
        if row.meanwhile is not None:
            why = run_function(self.functions, row.meanwhile)
            if why:
                shell.stop()
                return why
        deadline = time.monotonic() + LIMIT
        while not re.search(row.until, shell.printed(), re.M):
            status = shell.ended(0.05)
            if status is not None:
                return (f"it ended with status {status}; it printed: "
                        f"{shell.printed()[-400:]}")
            if time.monotonic() > deadline:
                shell.stop()
                return (f"it never printed /{row.until}/ but: "
                        f"{shell.printed()[-400:]}")
        return "" if shell.stop() is not None else "it could not be stopped"


# curl(1) says nothing of a refusal by its status.
REFUSAL = re.compile(r'"status": ?[45]\d\d')


def wrong(row, example, status, printed):
    if REFUSAL.search(printed) and not row.prints:
        return f"it was refused: {printed[-400:]}"
    if row.status not in ("any", status):
        return f"status {status}; it printed: {printed[-400:]}"
    for regex in row.prints:
        if not re.search(regex, printed, re.M):
            return f"/{regex}/ is not in: {printed[-400:]}"
    if example.output is not None and \
            without_times(printed) != without_times(example.output):
        return f"it printed: {printed[-400:]}"
    return ""


def elsewhere(row):
    name, wanted = row.elsewhere.split(" ", 1)
    with open(os.path.join(os.environ["HERE"], name), encoding="utf-8") as f:
        return "" if wanted in f.read() else f"{name} has no {wanted}"


def one_line(text):
    return " ".join(text.split())


def run_page(table, functions, path):
    rows = read_table(table)
    page = page_name(path)
    runner = Runner(functions)
    examples = examples_of(path)
    if not examples:
        print(f"not ok {page} has examples: none")
    for example in examples:
        why = runner.run(row_of(rows, page, example), example)
        what = one_line(f"{page}: {example.name()}")
        print((f"not ok {what}: {one_line(why)}" if why else f"ok {what}")
              .replace("\\", "\\\\"),
              flush=True)


def unknown(table, paths):
    """A row that matches no example is a lie of the table."""
    pages = {page_name(p): examples_of(p) for p in paths}
    for row in read_table(table):
        if not any(row.matches(page, e) for page in pages for e in pages[page]):
            print(f"not ok an example is as the table has it: "
                  f"{row.page} {row.pattern}")


def record(path):
    runner = Runner("/dev/null")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for block in re.findall(r"^```console session\n(.*?)^```$", text,
                            re.M | re.S):
        lines = []
        for example in examples_of_display(block):
            runner.run(Row("", ""), example)
            prompt = "# " if example.user == "root" else f"{example.user}$ "
            lines.append(prompt + example.text.replace("\n", "\n> ") + "\n" +
                         runner.shells[example.user].printed())
        text = text.replace(block, "".join(lines))
    sys.stdout.write(text)


def list_examples(paths):
    for path in paths:
        for e in examples_of(path):
            print(page_name(path), e.user or "-", repr(e.text),
                  "" if e.output is None else repr(e.output))


def main():
    # What a shell starts in the background is deaf to Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.argv[1] == "list":
        list_examples(sys.argv[2:])
    elif sys.argv[1] == "record":
        record(sys.argv[2])
    elif sys.argv[1] == "unknown":
        unknown(sys.argv[2], sys.argv[3:])
    else:
        run_page(*sys.argv[2:5])


main()
