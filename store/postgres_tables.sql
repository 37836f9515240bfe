-- SPDX-License-Identifier: MIT
--
-- The tables of the PostgreSQL store. Why they look so:
--
--  - The key of what belongs to a group begins with group_id, and of what
--    belongs to a user with his name; no statement joins the two. So tables
--    can be spread over machines by their first column (Citus), and each
--    statement still goes to one of them.
--  - groups has what changes with each message, and little else: its row is
--    the group's lock, and written anew with each append (HOT: no index is on
--    what changes). Long texts lie in infos.
--  - messages is partitioned by bucket, the day (UTC) of the message's time:
--    at 5,000,000,000 messages a day that is the smallest part in which old
--    history can be archived and dropped, and a small store has some hundred
--    partitions a year, of which each statement plans the one it needs. What
--    is imported with older times goes into partitions of a month. There is
--    no DEFAULT partition: one would have to be searched, under a lock that
--    stops all, whenever another is attached (store/postgres_room.c).
--  - segments has a row a group and bucket: where in the log it begins, of
--    what is held.
--  - archives has what is old, many messages a row, and is partitioned by the
--    month of its buckets (store/postgres_archive.sql).
--  - dedupe is partitioned by days, as many as the window of the node has that
--    makes one; old partitions are dropped whole. The greatest window of any
--    node, in days, is in meta (dedupe_days), and holds for all.
--  - Names are "C": their order is that of their bytes, as everywhere else.
--  - What may hold any byte is bytea: text has no NUL.
--  - memberships is members by user, in the order in which his groups are
--    listed. An import has members, but neither these nor a row in groups; nor
--    has that row what is left of a group that was deleted.

CREATE SEQUENCE group_ids;
CREATE SEQUENCE media_ids;
CREATE SEQUENCE token_ids;

CREATE TABLE meta (
    k text COLLATE "C" PRIMARY KEY,
    v bigint NOT NULL
);

-- By user ---------------------------------------------------------------------

CREATE TABLE users (
    name       text COLLATE "C" PRIMARY KEY,
    created_ms bigint NOT NULL,
    version    bigint NOT NULL DEFAULT 0    -- counts user_changes
) WITH (fillfactor = 80);

CREATE TABLE user_changes (
    name          text COLLATE "C" NOT NULL,
    version       bigint NOT NULL,
    group_id      bigint NOT NULL,
    group_name    text COLLATE "C" NOT NULL,
    change        smallint NOT NULL,
    role          smallint NOT NULL,
    by_name       text COLLATE "C" NOT NULL,
    last_read_seq bigint NOT NULL,
    at_ms         bigint NOT NULL,
    PRIMARY KEY (name, version)
);

CREATE TABLE memberships (
    name       text COLLATE "C" NOT NULL,
    group_name text COLLATE "C" NOT NULL,
    group_id   bigint NOT NULL,
    PRIMARY KEY (name, group_name)
);

CREATE TABLE tokens (
    hash       bytea PRIMARY KEY,
    token_id   bigint NOT NULL,
    name       text COLLATE "C" NOT NULL,
    created_ms bigint NOT NULL,
    expires_ms bigint NOT NULL
);
CREATE INDEX tokens_by_id ON tokens (token_id);
CREATE INDEX tokens_of ON tokens (name, token_id);

-- By the group's name ---------------------------------------------------------

CREATE TABLE group_names (
    name       text COLLATE "C" PRIMARY KEY,
    group_id   bigint NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    create_key bytea
);

-- By group --------------------------------------------------------------------

CREATE TABLE groups (
    group_id        bigint PRIMARY KEY,
    epoch           bigint NOT NULL,
    name            text COLLATE "C" NOT NULL,
    created_by      text COLLATE "C" NOT NULL,
    created_ms      bigint NOT NULL,
    first_seq       bigint NOT NULL DEFAULT 1,
    first_off       bigint NOT NULL DEFAULT 0,
    first_jsonl_off bigint NOT NULL DEFAULT 0,
    last_seq        bigint NOT NULL DEFAULT 0,
    last_off        bigint NOT NULL DEFAULT 0,    -- where the log ends
    last_jsonl_off  bigint NOT NULL DEFAULT 0,
    last_ms         bigint NOT NULL,
    last_bucket     bigint NOT NULL DEFAULT -1,
    member_count    bigint NOT NULL DEFAULT 0,
    member_version  bigint NOT NULL DEFAULT 0,    -- counts changes
    max_members     bigint NOT NULL,
    info_ms         bigint NOT NULL,
    members_ms      bigint NOT NULL,
    keep_ms         bigint NOT NULL DEFAULT 0,    -- its own retention, if any
    keep_messages   bigint NOT NULL DEFAULT 0,
    keep_bytes      bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE INDEX groups_kept ON groups (group_id)
    WHERE keep_ms > 0 OR keep_messages > 0 OR keep_bytes > 0;

CREATE TABLE infos (
    group_id    bigint PRIMARY KEY,
    description bytea,
    avatar_url  text COLLATE "C",
    settings    bytea
);

CREATE TABLE members (
    group_id      bigint NOT NULL,
    name          text COLLATE "C" NOT NULL,
    role          smallint NOT NULL,
    joined_ms     bigint NOT NULL,
    joined_seq    bigint NOT NULL,
    last_read_seq bigint NOT NULL,
    PRIMARY KEY (group_id, name)
) WITH (fillfactor = 80);

CREATE TABLE changes (
    group_id      bigint NOT NULL,
    version       bigint NOT NULL,
    change        smallint NOT NULL,
    role          smallint NOT NULL,
    name          text COLLATE "C" NOT NULL,
    by_name       text COLLATE "C" NOT NULL,
    last_read_seq bigint NOT NULL,
    at_ms         bigint NOT NULL,
    PRIMARY KEY (group_id, version)
);

CREATE TABLE messages (
    group_id  bigint NOT NULL,
    bucket    bigint NOT NULL,
    seq       bigint NOT NULL,
    off       bigint NOT NULL,
    len       bigint NOT NULL,
    jsonl_off bigint NOT NULL,
    jsonl_len bigint NOT NULL,
    time_ms   bigint NOT NULL,
    reply_to  bigint NOT NULL,
    rv        smallint NOT NULL,    -- how its lines are rendered
    type      smallint NOT NULL,
    sender    text COLLATE "C" NOT NULL,
    media_url text COLLATE "C",
    mentions  text COLLATE "C",
    client_id bytea,
    content   bytea NOT NULL,
    PRIMARY KEY (group_id, bucket, seq)
) PARTITION BY RANGE (bucket);

CREATE TABLE segments (
    group_id        bigint NOT NULL,
    bucket          bigint NOT NULL,
    first_seq       bigint NOT NULL,
    first_off       bigint NOT NULL,
    first_jsonl_off bigint NOT NULL,
    first_ms        bigint NOT NULL,
    archive_end     bigint NOT NULL DEFAULT 0,    -- those below lie in archives
    PRIMARY KEY (group_id, bucket)
);

-- A message in a row of archives, whose numbers its own are counted from. What
-- is long comes last, so that nothing is padded.
CREATE TYPE archived_message AS (
    reply_to  bigint,
    off       integer,
    len       integer,
    jsonl_off integer,
    jsonl_len integer,
    ms        integer,
    seq       smallint,
    rv        smallint,
    type      smallint,
    sender    text COLLATE "C",
    media_url text COLLATE "C",
    mentions  text COLLATE "C",
    client_id bytea,
    content   bytea
);

CREATE TABLE archives (
    group_id        bigint NOT NULL,
    bucket          bigint NOT NULL,
    first_seq       bigint NOT NULL,
    last_seq        bigint NOT NULL,
    first_off       bigint NOT NULL,
    first_jsonl_off bigint NOT NULL,
    first_ms        bigint NOT NULL,
    lines           archived_message[] COMPRESSION lz4 NOT NULL,
    PRIMARY KEY (group_id, bucket, first_seq),
    CHECK (last_seq - first_seq < 256)
) PARTITION BY RANGE (bucket);

CREATE TABLE dedupe (
    group_id  bigint NOT NULL,
    name      text COLLATE "C" NOT NULL,
    key       bytea NOT NULL,    -- 'b' and a batch_id, or 'i' and a client_id
    gen       bigint NOT NULL,
    first_seq bigint NOT NULL,
    last_seq  bigint NOT NULL,
    off       bigint NOT NULL,
    time_ms   bigint NOT NULL,
    warnings  smallint NOT NULL,
    PRIMARY KEY (group_id, name, key, gen)
) PARTITION BY RANGE (gen);

-- n: without gap from 1, of a user in a group, of everyone in one; the
-- difference of two is how many lie between.
CREATE TABLE mentions (
    group_id bigint NOT NULL,
    name     text COLLATE "C" NOT NULL,
    seq      bigint NOT NULL,
    n        bigint NOT NULL,
    PRIMARY KEY (group_id, name, seq)
);

CREATE TABLE everyone (
    group_id bigint NOT NULL,
    seq      bigint NOT NULL,
    sender   text COLLATE "C" NOT NULL,
    n        bigint NOT NULL,
    PRIMARY KEY (group_id, seq)
);

CREATE TABLE media (
    group_id bigint NOT NULL,
    name     bytea NOT NULL,
    media_id bigint NOT NULL,
    seq      bigint NOT NULL,
    time_ms  bigint NOT NULL,
    size     bigint NOT NULL,
    hash     bytea NOT NULL,
    sender   text COLLATE "C" NOT NULL,
    PRIMARY KEY (group_id, name),
    UNIQUE (group_id, seq)
);
CREATE INDEX media_by_id ON media (media_id);
CREATE INDEX media_of_hash ON media (hash, group_id);

-- What an import's row in groups will say; or what that of a group said of which
-- a rest is left.
CREATE TABLE imports (
    group_id        bigint PRIMARY KEY,
    record          bytea NOT NULL,  -- a wire port_group; empty: being dropped
    first_seq       bigint NOT NULL,
    first_off       bigint NOT NULL,
    first_jsonl_off bigint NOT NULL,
    last_seq        bigint NOT NULL,
    last_off        bigint NOT NULL,
    last_jsonl_off  bigint NOT NULL,
    last_ms         bigint NOT NULL,
    last_bucket     bigint NOT NULL DEFAULT -1,
    -- Who has begun it, and when somebody was last at it.
    owner           bigint NOT NULL,
    used            timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Of a group that was deleted, and by whom.
    name            text COLLATE "C",
    by_name         text COLLATE "C"
);

-- By hash, or small and everywhere --------------------------------------------

CREATE TABLE garbage (
    hash bytea PRIMARY KEY
);

-- The partitions that there are: buckets from lo on, below hi.
CREATE TABLE partitions (
    parent  text NOT NULL,
    lo      bigint NOT NULL,
    hi      bigint NOT NULL,
    name    text NOT NULL,
    -- When somebody was last told that there is room, and since when nothing
    -- is in it (store/postgres_archive.sql).
    used    timestamptz NOT NULL DEFAULT clock_timestamp(),
    emptied xid8,
    PRIMARY KEY (parent, lo)
);
