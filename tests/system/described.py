# SPDX-License-Identifier: MIT
"""man/openapi.json and man/asyncapi.json as tests read them: references,
schemas, and what of a document was seen to be true. Shares no code with
groupd.

described.py DOCUMENT META-SCHEMA: whether the document is one, by the
meta-schema of its kind.
"""
import json
import os
import re
import sys

import jsonschema

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def say(fine, what, why=""):
    """A row for the shell: 0 or 1, what was to be shown, why it was not."""
    why = " ".join(str(why).split())[:1500]
    # One write: threads say something, too.
    sys.stdout.write(f"{0 if fine else 1}\t{what}\t{'' if fine else why}\n")
    sys.stdout.flush()
    return fine


def source(name):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        return f.read()


def error_codes():
    """{code: HTTP status} of the one table, lib/err.h."""
    rows = re.findall(r'\bX\([A-Z_0-9]+,\s*"([a-z_0-9]+)",\s*(\d+)',
                      source("lib/err.h"))
    return {code: int(status) for code, status in rows}


class Seen:
    """Rows of which the document was right, kept in the file $SEEN."""

    def __init__(self):
        try:
            with open(os.environ["SEEN"], encoding="utf-8") as f:
                self.all = {tuple(row) for row in json.load(f)}
        except FileNotFoundError:
            self.all = set()

    def add(self, *row):
        self.all.add(row)

    def keep(self):
        with open(os.environ["SEEN"], "w", encoding="utf-8") as f:
            json.dump(sorted(self.all, key=str), f)


class Document:
    def __init__(self, name, validator):
        self.tree = json.loads(source(name))
        self.validator = validator
        self.resolver = jsonschema.RefResolver("", self.tree)

    def at(self, node):
        """The node itself, or what it refers to."""
        while isinstance(node, dict) and "$ref" in node:
            node = self.resolver.resolve(node["$ref"])[1]
        return node

    def faults(self, value, schema):
        """What is wrong with the value, in words; empty: nothing."""
        check = self.validator(schema, resolver=self.resolver)
        return [f"{'/'.join(map(str, e.absolute_path)) or 'it'}: {e.message}"
                for e in check.iter_errors(value)]

    def references(self):
        """Each $ref that leads nowhere."""
        lost = []

        def walk(node):
            if isinstance(node, dict):
                if isinstance(node.get("$ref"), str):
                    try:
                        self.resolver.resolve(node["$ref"])
                    except jsonschema.RefResolutionError as e:
                        lost.append(str(e))
                for part in node.values():
                    walk(part)
            elif isinstance(node, list):
                for part in node:
                    walk(part)
        walk(self.tree)
        return lost

    def schemas(self):
        """Each schema, wherever the document has one."""
        found = list(self.tree["components"]["schemas"].values())

        def walk(node):
            if isinstance(node, dict):
                for key, part in node.items():
                    if key in ("schema", "payload", "headers") and \
                            isinstance(part, dict) and "type" in part:
                        found.append(part)
                    walk(part)
            elif isinstance(node, list):
                for part in node:
                    walk(part)
        walk(self.tree)
        return found

    def words(self):
        """What the interface calls things: fields, parameters, codes."""
        found = set()

        def walk(node):
            if isinstance(node, dict):
                if isinstance(node.get("properties"), dict):
                    found.update(node["properties"])
                if "in" in node and "name" in node:
                    found.add(node["name"])
                for part in node.values():
                    walk(part)
            elif isinstance(node, list):
                for part in node:
                    walk(part)
        walk(self.tree["components"]["schemas"])
        walk(self.tree.get("paths", {}))
        walk(self.tree["components"].get("parameters", {}))
        walk(self.tree["components"].get("messages", {}))
        schemas = self.tree["components"]["schemas"]
        return found | set(schemas.get("Code", {}).get("enum", []))

    def open_objects(self):
        """Schemas of objects that do not say whether there may be more in
        them: by their place."""
        found = []

        def walk(node, place):
            if isinstance(node, dict):
                if (node.get("type") == "object" and "properties" in node and
                        "additionalProperties" not in node):
                    found.append(place)
                for key, part in node.items():
                    walk(part, f"{place}/{key}")
            elif isinstance(node, list):
                for i, part in enumerate(node):
                    walk(part, f"{place}/{i}")
        walk(self.tree, "#")
        return found


def main(name, meta):
    with open(meta, encoding="utf-8") as f:
        schema = json.load(f)
    kind = jsonschema.validators.validator_for(schema)
    document = Document(name, kind)
    errors = sorted(kind(schema).iter_errors(document.tree),
                    key=lambda e: len(list(e.absolute_path)))
    say(not errors, f"{name} is one, as {os.path.basename(meta)} wants it",
        [f"{list(e.absolute_path)}: {e.message[:200]}" for e in errors[:5]])
    wrong = []
    for part in document.schemas():
        try:
            kind.check_schema(part)
        except jsonschema.SchemaError as e:
            wrong.append(f"{part}: {e.message}")
    say(not wrong, f"{name}: {len(document.schemas())} schemas are schemas",
        wrong)
    say(not document.references(), f"{name}: each reference leads somewhere",
        document.references())
    page = source("man/groupd-api.7")
    lost = [w for w in document.words()
            if not re.search(rf"(?<![\w-]){re.escape(w)}(?![\w-])", page)]
    say(len(document.words()) > 30 and not lost,
        f"{name}: groupd-api(7) has all of its {len(document.words())} words",
        lost)
    say(not document.open_objects(),
        f"{name}: each object says all that may be in it",
        document.open_objects())


if __name__ == "__main__":
    main(*sys.argv[1:])
