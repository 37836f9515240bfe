# SPDX-License-Identifier: MIT
"""Compares the manual pages with the programs: manuals.py TOP BUILD

Prints "ok WHAT" and "not ok WHAT: WHY". What a program knows is told by itself
(--help, --check) and by its tables in the source; what a page knows are its
mdoc macros.
"""
import glob
import os
import re
import subprocess
import sys

TOP, BUILD = sys.argv[1:3]
PAGES = sorted(glob.glob(f"{TOP}/man/*.[1-9]"))

# Pages of others that ours name, with the Debian package that has them.
ELSEWHERE = {
    "bash(1)": "bash", "cat(1)": "coreutils", "certbot(1)": "certbot",
    "chmod(1)": "coreutils", "close(2)": "manpages-dev", "curl(1)": "curl",
    "dash(1)": "dash", "df(1)": "coreutils", "dmesg(1)": "util-linux",
    "fstab(5)": "mount", "fsync(2)": "manpages-dev",
    "fusermount3(1)": "fuse3", "inotify(7)": "manpages", "mkdir(1)":
    "coreutils", "mmap(2)": "manpages-dev", "mount(8)": "mount",
    "mount.fuse3(8)": "fuse3", "mv(1)": "coreutils", "patch(1)": "patch",
    "poll(2)": "manpages-dev", "psql(1)": "postgresql-client",
    "read(2)": "manpages-dev",
    "rename(2)": "manpages-dev", "rsync(1)": "rsync",
    "sendfile(2)": "manpages-dev", "sh(1)": "dash", "splice(2)":
    "manpages-dev", "sqlite3(1)": "sqlite3", "statx(2)": "manpages-dev", "systemd(1)": "systemd",
    "tail(1)": "coreutils", "tar(1)": "tar", "touch(1)": "coreutils",
    "vim(1)": "vim", "write(2)": "manpages-dev",
    "systemctl(1)": "systemd", "journalctl(1)": "systemd",
    "systemd.unit(5)": "systemd", "systemd.service(5)": "systemd",
    "sysusers.d(5)": "systemd", "tmpfiles.d(5)": "systemd",
    "systemd.exec(5)": "systemd", "crontab(5)": "cron", "sha256sum(1)": "coreutils", "ssh(1)": "openssh-client", "jq(1)": "jq", "less(1)": "less", "zsh(1)": "zsh",
}


def read(path):
    with open(f"{TOP}/{path}", encoding="utf-8") as f:
        return f.read()


def page(name):
    return read(f"man/{name}")


def text_of(name):
    """What a reader sees, on one line."""
    out = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=78",
                          f"{TOP}/man/{name}"], check=True,
                         capture_output=True, text=True).stdout
    out = re.sub(r".\x08", "", out)
    return " ".join(re.sub(r"[-\u2010]\n +", "-", out).split())


def say(program, *args):
    done = subprocess.run([f"{BUILD}/{program}", *args], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    return done.stdout + done.stderr


def result(what, wrong):
    wrong = sorted(wrong)
    print(f"not ok {what}: {', '.join(wrong)}" if wrong else f"ok {what}")


def flags_of(source):
    """The options in a page's source: -f, --help."""
    return {"-" + w for w in re.findall(r"\bFl (-?[A-Za-z][\w-]*)", source)}


def items_of(source, macro):
    """The words of a list's items: .It Cm WORD ..."""
    source = re.sub(r"^\.It Xo\n\.Cm ", ".It Cm ", source, flags=re.M)
    lines = re.findall(rf"^\.It {macro} (.*)$", source, re.M)
    return [re.split(r" (?:No|Ns|Ar|Op|Oo|Fl)\b", line)[0] for line in lines]


# ---- groupd

def config_keys():
    """The table of daemon/config_keys.c: name -> whether this version takes it."""
    rows = re.findall(r'^\t\{ "([a-z_-]+)", (set_\w+|not_yet),', read("daemon/config_keys.c"),
                      re.M)
    return {name: setter != "not_yet" for name, setter in rows}


def check_keys():
    keys = config_keys()
    # On the command line two keys may have a dash, too.
    taken = {k.replace("-", "_") for k, known in keys.items() if known}
    source = page("groupd.conf.5")
    told = [k for k in items_of(source, "Cm")]
    example = re.findall(r"^#?([a-z_]+) = ", read("examples/groupd.conf"), re.M)
    helped = set(re.findall(r"^  --([a-z_-]+) ", say("groupd", "--help"), re.M))
    result("each key of groupd is in groupd.conf.5", taken - set(told))
    result("and no other", set(told) - taken)
    result("none twice", {k for k in told if told.count(k) > 1})
    result("each is in examples/groupd.conf", taken - set(example))
    result("and no other is there", set(example) - taken)
    result("each is in groupd --help",
           taken - {k.replace("-", "_") for k in helped})
    result("what is refused is told, too", {
        k for k, known in keys.items()
        if not known and f".Cm {k}\n" not in source})
    check_values(source)
    check_reread(source)


def value_is_taken(key, value):
    # Some paths do not exist; that is said after the values were read.
    said = say("groupd", "--check", "-c", "/dev/null", f"--{key}", value)
    return f"--{key}:" not in said


def check_values(source):
    """Numbers: both ends of the range, and what is behind them."""
    wrong, seen = set(), 0
    for item in re.split(r"^\.It ", source, flags=re.M)[1:]:
        key = re.match(r"Cm (\S+) No = Ar number", item)
        ends = re.search(r"\b(\d+) to\s+(\d+)\b", item)
        if not key:
            continue
        seen += 1
        if not ends:
            wrong.add(f"{key[1]} has no range")
            continue
        low, high = int(ends[1]), int(ends[2])
        for value, good in ((low, True), (high, True), (high + 1, False),
                            (low - 1, False)):
            if value_is_taken(key[1], str(value)) != good:
                wrong.add(f"{key[1]}={value}")
    result("ranges in groupd.conf.5 are those of groupd",
           wrong if seen > 3 else {"no numbers found"})
    result("each key has a default there", {
        item.split()[1] for item in re.split(r"^\.It ", source, flags=re.M)
        if item.startswith("Cm ") and "Default:" not in item
        and not re.match(r"Cm tls_cert ", item)})


def check_reread(source):
    body = re.search(r"^int groupd_reload\(.*?^}", read("daemon/groupd.c"),
                     re.M | re.S)[0]
    applied = set(re.findall(r"fresh->(\w+)", body)) - {"ntrusted"}
    applied = {"trusted_users" if k == "trusted" else k for k in applied}
    marked, pending = set(), []
    for item in re.split(r"^\.It ", source, flags=re.M)[1:]:
        key = re.match(r"Cm (\S+)", item)
        pending.append(key[1] if key else "")
        if ".Em Reread" in item:
            marked |= set(pending)
        if item.count("\n") > 1:
            pending = []
    result("what SIGHUP rereads is marked in groupd.conf.5",
           {f"not marked: {k}" for k in applied - marked} |
           {f"not reread: {k}" for k in marked - applied})
    signals = re.search(r"^\.Sh SIGNALS(.*?)^\.Sh", page("groupd.8"),
                        re.M | re.S)[1]
    result("and named in groupd.8",
           applied - set(re.findall(r"^\.Cm (\w+)", signals, re.M)))


def check_groupd():
    source = page("groupd.8")
    rows = re.findall(r'^\t\{ "([a-z-]+)", (?:no|required)_argument, NULL, '
                      r"'(.)' \}", read("daemon/config.c"), re.M)
    known = {f"--{name}" for name, _ in rows}
    known |= {f"-{c}" for c in
              re.search(r'argv, "([^"]*)", options', read("daemon/config.c"))
              [1].replace(":", "")}
    told = flags_of(source)
    keys = {f"--{k}" for k in config_keys()}
    result("each option of groupd is in groupd.8", known - told)
    result("and no other", told - known - keys)
    helped = set(re.findall(r"(?<![\w-])--?[a-z][a-z_-]*",
                            say("groupd", "--help")))
    result("groupd --help has them, too", {
        f"--{name}" for name, letter in rows
        if f"--{name}" not in helped and f"-{letter}" not in helped})


# ---- groupfs

def check_groupfs():
    source = page("groupfs.1")
    options = read("fs/options.c")
    letters = set(re.findall(r"case '(\w)':", options))
    known = {f"-{c}" for c in letters | {"o"}} | {"--help", "--version"}
    told = {f for flag in flags_of(source)
            for f in ([flag] if flag.startswith("--") else
                      ["-" + c for c in flag[1:]])}
    result("each option of groupfs is in groupfs.1", known - told)
    result("and no other", told - known)
    ignored = re.search(r"IGNORED\[\] = \{(.*?)\}", options, re.S)[1]
    words = set(re.findall(r'"(\w+)"', ignored)) | {"socket", "debug"}
    text = text_of("groupfs.1")
    result("and each that mount(8) hands on", {
        w for w in words if not re.search(rf"\b{w}\b", text)})
    helped = set(re.findall(r"^  (--?\w+)|, (--\w+)", say("groupfs", "--help"),
                            re.M))
    result("groupfs --help says no more", {a or b for a, b in helped} - told)


# ---- groupctl

def commands():
    """groupctl --help: the words of each command."""
    found = []
    for line in say("groupctl", "--help").split("\n"):
        words = re.match(r"  ([a-z]+(?: [a-z]+)*)(?=$|  | [A-Z\[])", line)
        if words:
            found.append(words[1])
    return found


def check_groupctl():
    source = page("groupctl.1")
    known = commands()
    told = [part.replace("Cm ", "") for item in items_of(source, "Cm")
            for part in item.split(" , ")]
    result("each command of groupctl is in groupctl.1", set(known) - set(told))
    result("and no other", set(told) - set(known))
    helped = set()
    for words in known:
        helped |= set(re.findall(r"(?<![\w-])--[a-z][a-z-]*",
                                 say("groupctl", *words.split(), "--help")))
    result("each option of its commands is there",
           (helped if known else {"no commands found"}) - flags_of(source))
    result("and no other option",
           {f for f in flags_of(source) if f.startswith("--")
            and f not in ("--help", "--version")} - helped)


# ---- the network and the errors

def check_errors():
    rows = re.findall(r'^\tX\(\w+, "(\w+)", (\d+), (E\w+)', read("lib/err.h"),
                      re.M)
    said = re.search(r"which is one of (.*?)Fields of a body", text_of(
        "groupd-api.7"))[1]
    wrong = set()
    for code, status, _ in rows:
        at = re.search(rf"\b{code}\b[^()]*\((\d+)", said)
        if not at or status != at[1]:
            wrong.add(f"{code} ({status})")
    result("each code of lib/err.h is in groupd-api.7, with its status",
           wrong if len(rows) > 15 else {"no codes found"})
    known = {code for code, _, _ in rows}
    told = {code for quoted in re.findall(r"‘([a-z0-9_, ]+)’", said)
            for code in quoted.split(", ")}
    result("and no other code", told - known)
    errnos = {number for _, _, number in rows}
    listed = set(re.findall(r"^\.It Bq Er (E\w+)", page("groupfs.5"), re.M))
    result("each errno of lib/err.h is in groupfs.5", errnos - listed)
    own = set(re.findall(r"\b(E[A-Z]{2,})\b", " ".join(
        read(os.path.relpath(p, TOP)) for p in glob.glob(f"{TOP}/fs/*.c"))))
    result("and none that nothing gives", listed - errnos - own)


def check_routes():
    routes = re.findall(r'\{ HTTP_(\w+), "([^"]+)",',
                        read("daemon/gateway/rest.c"))
    told = set()
    for item in re.findall(r"^\.It ((?:[A-Z]+,? )+/.*)$",
                           page("groupd-api.7"), re.M):
        methods = []
        for word in re.split(r"[ ,]+", item):
            if word.startswith("/"):
                told |= {(m, word) for m in methods}
                methods = []
            else:
                methods.append(word)

    def spelled(path):
        names = iter(["g", "name" if "/media/" in path else "user"])
        return re.sub(r"\*", lambda m: next(names), path)
    known = {(method, spelled(path)) for method, path in routes}
    # The WebSocket and the web page have sections of their own.
    known -= {("GET", path) for path in
              re.findall(r"^\.Pa (/\S*)", page("groupd-api.7"), re.M)
              if ("GET", path) not in told}
    result("each route is in groupd-api.7",
           {" ".join(r) for r in known - told} if len(known) > 15
           else {"no routes found"})
    result("and no other route", {" ".join(r) for r in told - known})


# ---- the pages themselves

def check_form():
    wrong = set()
    ours = {re.sub(r"(.*)\.(\d)$", r"\1(\2)", os.path.basename(p))
            for p in PAGES}
    missing = set()
    for path in PAGES:
        name = os.path.basename(path)
        source = page(name)
        wanted = ["NAME", "DESCRIPTION", "EXAMPLES", "SEE ALSO"]
        if name[-1] in "18":
            wanted += ["SYNOPSIS", "EXIT STATUS", "FILES"]
        have = re.findall(r"^\.Sh (.*)$", source, re.M)
        wrong |= {f"{name} has no {s}" for s in wanted if s not in have}
        for other, section in re.findall(r"^\.Xr (\S+) (\d)", source, re.M) + \
                re.findall(r" Xr (\S+) (\d)", source):
            xr = f"{other}({section})"
            if xr not in ours and xr not in ELSEWHERE:
                missing.add(f"{name}: {xr}")
    result("each page has the sections that people look for", wrong)
    result("they name pages that there are", missing)
    shown = {"groupd-gateway"} | {os.path.basename(p)[:-2] for p in PAGES}
    programs = {os.path.basename(p) for p in glob.glob(f"{BUILD}/group*")
                if os.access(p, os.X_OK) and os.path.isfile(p)}
    result("each program has a page", programs - shown)


def main():
    check_keys()
    check_groupd()
    check_groupfs()
    check_groupctl()
    check_errors()
    check_routes()
    check_form()


main()
