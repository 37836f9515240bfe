# SPDX-License-Identifier: MIT
"""Prints what is not the same in two SQLite stores of which one was moved into
the other, but for imports that were under way: same_store.py OLD NEW"""
import sqlite3
import sys

OF_GROUPS = "group_id IN (SELECT group_id FROM groups)"
QUERIES = {
    "users": "SELECT name,created_ms FROM users",
    "groups": "SELECT * FROM groups",
    "members": f"SELECT * FROM members WHERE {OF_GROUPS}",
    "messages": "SELECT * FROM messages WHERE id>>32 IN"
                " (SELECT group_id FROM groups)",
    "mentions": f"SELECT * FROM mentions WHERE {OF_GROUPS}",
    "everyone": f"SELECT * FROM everyone WHERE {OF_GROUPS}",
    "tokens": "SELECT * FROM tokens",
    "media": f"SELECT * FROM media WHERE {OF_GROUPS}",
    "keys": "SELECT * FROM (SELECT * FROM dedupe_0 UNION ALL"
            f" SELECT * FROM dedupe_1) WHERE {OF_GROUPS}",
    "garbage": "SELECT hash FROM garbage UNION SELECT hash FROM media"
               f" WHERE NOT {OF_GROUPS} AND hash NOT IN"
               f" (SELECT hash FROM media WHERE {OF_GROUPS})",
    "last numbers": "SELECT * FROM sqlite_sequence",
    "identity": "SELECT v FROM meta WHERE k='identity'",
    "what is left of moving": "SELECT 1 FROM meta WHERE k='moved_from'",
}


def rows(path, query):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return sorted(map(repr, db.execute(query)))
    finally:
        db.close()


for what, query in QUERIES.items():
    old, new = rows(sys.argv[1], query), rows(sys.argv[2], query)
    if len(sys.argv) > 3:
        print(what, len(old))
    if old != new:
        print(f"{what}: {len(old)} rows, then {len(new)};",
              [r for r in old if r not in new][:2],
              [r for r in new if r not in old][:2])
