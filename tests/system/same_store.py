# SPDX-License-Identifier: MIT
"""Prints what is not the same in two SQLite stores of which one was moved into
the other, but for imports that were under way: same_store.py OLD NEW"""
import sqlite3
import sys

OF_GROUPS = "group_id IN (SELECT group_id FROM groups)"
# A message lies in one of two tiers, and so does what follows from it.
COLUMNS = ("off,len,jsonl_off,jsonl_len,rv,time_ms,type,reply_to,sender,"
           "media_url,mentions,client_id,content")
TAIL = ("coalesce((SELECT {0} FROM hot h WHERE h.group_id=g.group_id"
        " AND h.seq>g.tail_seq ORDER BY h.seq DESC LIMIT 1),g.{1}) AS {1}")
GROUP = ("group_id,name,epoch,created_by,create_key,created_ms,description,"
         "avatar_url,settings,max_members,member_count,first_seq,first_off,"
         "first_jsonl_off,info_ms,members_ms,keep_ms,keep_messages,keep_bytes")
KEY = ("group_id,sender,CAST('{0}'||{1} AS BLOB),{2},seq,{3},time_ms,{4}"
       " FROM hot JOIN groups g USING(group_id)"
       " WHERE seq>tail_seq AND {1} IS NOT NULL")
QUERIES = {
    "users": "SELECT name,created_ms FROM users",
    "groups": f"SELECT {GROUP}," + ",".join(
        TAIL.format(*names) for names in (
            ("seq", "tail_seq"), ("off+len", "tail_off"),
            ("jsonl_off+jsonl_len", "tail_jsonl"), ("time_ms", "tail_ms"))) +
              " FROM groups g",
    "members": "SELECT group_id,name,role,joined_ms,joined_seq,"
               "max(last_read_seq,coalesce((SELECT max(seq) FROM hot h"
               " WHERE h.group_id=m.group_id AND h.sender=m.name"
               f" AND h.seq>m.joined_seq),0)) FROM members m WHERE {OF_GROUPS}",
    "messages": f"SELECT id,{COLUMNS} FROM messages WHERE id>>32 IN"
                " (SELECT group_id FROM groups) UNION ALL"
                f" SELECT group_id<<32|seq,{COLUMNS} FROM hot"
                " JOIN groups g USING(group_id)"
                " WHERE seq>tail_seq AND seq>=first_seq",
    "mentions": f"SELECT * FROM mentions WHERE {OF_GROUPS}",
    "everyone": f"SELECT * FROM everyone WHERE {OF_GROUPS}",
    "tokens": "SELECT * FROM tokens",
    "media": f"SELECT * FROM media WHERE {OF_GROUPS}",
    "keys": "SELECT * FROM (SELECT * FROM dedupe_0 UNION ALL"
            f" SELECT * FROM dedupe_1) WHERE {OF_GROUPS} UNION ALL SELECT " +
            KEY.format("i", "client_id", "seq", "off", "warnings") +
            " UNION ALL SELECT " +
            KEY.format("b", "batch_id", "batch_first", "batch_off",
                       "batch_warnings"),
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
