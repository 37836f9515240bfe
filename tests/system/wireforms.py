# SPDX-License-Identifier: MIT
"""The forms of lib/wire.h, read from its tables, and bodies made of them.

    forms = Forms()
    forms.types["SEND"]        # Type: number, answer, fields (kind name bound)
    forms.body(rng, "SEND", words)      # well-formed; words: name -> values

What a field holds is drawn from words[TYPE.field], words[field], or else made
up within (and now and then at, or a little beyond) its bound. Lists hold
records of their own kind.
"""
import collections
import re
import struct

from wireclient import put, read

Field = collections.namedtuple("Field", "kind name bound")
Type = collections.namedtuple("Type", "number answer fields")

# Which records a list holds.
LISTS = {"items": "item", "edits": "edit", "members": "name", "names": "name",
         "groups": "group", "messages": "message", "mentions": "mention",
         "tokens": "token_info", "figures": "figure", "problems": "problem",
         "files": "media", "contents": "content", "requests": "http_count",
         "refused": "count", "fanout": "count"}
# Of IMPORT's records, by its part.
PARTS = {0: "port_group", 1: "port_member", 2: "message", 3: "media"}


def frame(kind, ident, principal, body, resent=0, length=None):
    size = len(body) if length is None else length
    return struct.pack("<IHHII", size & 0xffffffff, kind, resent, ident,
                       principal) + body


class Forms:
    def __init__(self):
        text = read("lib/wire.h").replace("\\\n", " ")
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        self.names = {"WIRE_U64": (1 << 64) - 1, "UINT32_MAX": (1 << 32) - 1}
        for name, value in re.findall(r"\b([A-Z]\w+) = ([-+\w<* ()]+)", text):
            try:
                self.names[name] = eval(value, {}, self.names)
            except NameError:
                pass
        self.lists = dict(re.findall(r"#define WIRE_(\w+)_FIELDS\(F\)(.*)",
                                     text))
        table = text[text.index("#define WIRE_TYPES(M)"):].split("\n")[0]
        self.types = {m[0]: Type(int(m[1]), m[2], self.fields(m[0]))
                      for m in re.findall(
                          r"M\((\w+), \w+, (\d+), (\w+)\)", table)}
        self.requests = [name for name, kind in self.types.items()
                         if kind.answer != "NONE"]

    def fields(self, name):
        out = []
        for m in re.finditer(r"WIRE_(\w+)_FIELDS\(F\)|F\((\w+), (\w+), "
                             r"([^)]+)\)", self.lists[name]):
            if m[1]:
                out += self.fields(m[1])
            else:
                out.append(Field(m[2], m[3], eval(m[4], {}, self.names)))
        return out

    def number(self, rng, bound):
        how = rng.randrange(200)
        if how < 20:
            return min(bound, (1 << 64) - 1)
        if how == 20:
            return bound + 1 if bound < (1 << 64) - 1 else bound
        if how < 150:
            return min(bound, rng.randrange(4))
        return rng.randrange(bound + 1) >> rng.randrange(64)

    def text(self, rng, bound):
        how = rng.randrange(200)
        if how < 6:
            return b"x" * min(bound, 70000)
        if how == 6:
            return b"y" * min(bound + 1, 70000)
        if how < 50:
            return rng.randbytes(rng.randrange(min(bound, 40) + 1))
        return b"text"[:min(bound, rng.randrange(5))]

    def value(self, rng, owner, field, words, so_far):
        known = words.get(f"{owner}.{field.name}", words.get(field.name))
        if known is not None and rng.random() < 0.95:
            return rng.choice(known)
        if field.kind == "num":
            return self.number(rng, field.bound)
        record = LISTS.get(field.name)
        if field.name == "records":
            record = PARTS.get(so_far.get("part"), "member")
        # A record holds no lists: its mentions are names.
        if record and owner.isupper() and field.kind == "str":
            count = rng.choice([0, 1, 1, 1, 2, 5])
            return b"".join(self.record(rng, record, words)
                            for _ in range(count))
        return self.text(rng, field.bound)

    def fill(self, rng, owner, fields, words):
        so_far, out = {}, b""
        for field in fields:
            value = self.value(rng, owner, field, words, so_far)
            so_far[field.name] = value
            out += put(value)
        return out

    def record(self, rng, name, words):
        return self.fill(rng, name, self.fields(name.upper()), words)

    def body(self, rng, name, words):
        return self.fill(rng, name, self.types[name].fields, words)
