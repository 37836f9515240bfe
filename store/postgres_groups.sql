-- SPDX-License-Identifier: MIT
--
-- Groups made and deleted, their members edited, and who is told of it.
--
-- Here and in store/postgres_import.sql: what may take long says now and then
-- that it goes on, by a NOTICE, which is sent at once. Whoever waits for it
-- gives it up when he hears nothing (PG_LONG_MS of store/postgres.h).

-- What happened to a user, by his own number. The last 1000 are kept, and so
-- are those of a group: nodes look each second, and whoever finds that the
-- first are gone reads the whole.
CREATE FUNCTION note_user_change(
    p_name       text,
    p_group      bigint,
    p_group_name text,
    p_change     bigint,
    p_role       bigint,
    p_by         text,
    p_read       bigint,
    p_now        bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_version bigint;
BEGIN
    UPDATE users SET version = version + 1
        WHERE name = p_name
        RETURNING version INTO v_version;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    DELETE FROM user_changes
        WHERE name = p_name AND version <= v_version - 1000;
    INSERT INTO user_changes
        VALUES (p_name, v_version, p_group, p_group_name, p_change, p_role,
            p_by, p_read, p_now);
END
$$;

-- All changes of a group after a version, to those whom they are about: by
-- their names, because their rows are locked.
CREATE FUNCTION tell_users(
    p_group      bigint,
    p_group_name text,
    p_after      bigint,
    p_now        bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    c      record;
    v_told bigint := 0;
BEGIN
    FOR c IN
        SELECT change, role, name, by_name, last_read_seq FROM changes
        WHERE group_id = p_group AND version > p_after
        ORDER BY name, version
    LOOP
        PERFORM note_user_change(c.name, p_group, p_group_name, c.change,
            c.role, c.by_name, c.last_read_seq, p_now);
        v_told := v_told + 1;
        IF v_told % 100 = 0 THEN
            RAISE NOTICE 'told %', v_told;
        END IF;
    END LOOP;
    DELETE FROM changes
        WHERE group_id = p_group AND version <= p_after - 1000;
END
$$;

-- The edits in their order (p_ops: enum edit_op); the group's row is
-- locked, and who refuses leaves it to his caller to undo.
CREATE FUNCTION change_members(
    p_group      bigint,
    p_group_name text,
    p_by         text,
    p_ops        bigint[],
    p_names      text[],
    p_now        bigint,
    OUT o_status bigint,
    OUT o_name   text
) LANGUAGE plpgsql AS $$
DECLARE
    g         record;
    v_role    smallint;
    v_was     smallint;
    v_found   boolean;
    v_count   bigint;
    v_version bigint;
    v_pointer bigint;
    v_read    bigint;
    v_change  smallint;
    v_lost    text;
BEGIN
    SELECT member_count, max_members, member_version, last_seq, first_seq
        INTO g FROM groups
        WHERE group_id = p_group;
    v_count := g.member_count;
    v_version := g.member_version;
    v_pointer := greatest(g.last_seq - 50, g.first_seq - 1, 0);

    FOR i IN 1..cardinality(p_ops) LOOP
        IF i % 100 = 0 THEN
            RAISE NOTICE 'member %', i;
        END IF;
        o_name := p_names[i];
        v_read := 0;
        v_role := CASE WHEN p_ops[i] = 2 THEN 1 ELSE 0 END;
        SELECT role INTO v_was FROM members
            WHERE group_id = p_group AND name = o_name;
        v_found := FOUND;
        IF p_ops[i] = 3 THEN
            IF NOT v_found THEN
                o_status := 5;
                RETURN;
            END IF;
            DELETE FROM members WHERE group_id = p_group AND name = o_name;
            DELETE FROM mentions WHERE group_id = p_group AND name = o_name;
            DELETE FROM memberships
                WHERE name = o_name AND group_name = p_group_name;
            v_count := v_count - 1;
            v_change := 1;
            v_role := 2;
            IF v_was = 1 THEN
                v_lost := o_name;
            END IF;
        ELSIF NOT v_found THEN
            PERFORM 1 FROM users WHERE name = o_name;
            IF NOT FOUND THEN
                o_status := 4;
                RETURN;
            END IF;
            IF v_count >= g.max_members THEN
                o_status := 6;
                RETURN;
            END IF;
            v_read := v_pointer;
            INSERT INTO members
                VALUES (p_group, o_name, v_role, p_now, g.last_seq, v_read);
            -- He may still be in the list of one of this name that is gone.
            INSERT INTO memberships VALUES (o_name, p_group_name, p_group)
                ON CONFLICT (name, group_name)
                DO UPDATE SET group_id = excluded.group_id;
            v_count := v_count + 1;
            v_change := 0;
        ELSE
            IF p_ops[i] = 0 OR v_was = v_role THEN
                CONTINUE;
            END IF;
            UPDATE members SET role = v_role
                WHERE group_id = p_group AND name = o_name;
            v_change := 2;
            IF v_role = 0 THEN
                v_lost := o_name;
            END IF;
        END IF;
        v_version := v_version + 1;
        INSERT INTO changes
            VALUES (p_group, v_version, v_change, v_role, o_name, p_by, v_read,
                p_now);
    END LOOP;

    IF v_lost IS NOT NULL THEN
        PERFORM 1 FROM members WHERE group_id = p_group AND role = 1 LIMIT 1;
        IF NOT FOUND THEN
            o_status := 7;
            o_name := v_lost;
            RETURN;
        END IF;
    END IF;
    o_status := 0;
    IF v_version = g.member_version THEN
        RETURN;
    END IF;
    UPDATE groups
        SET member_count = v_count, member_version = v_version,
            members_ms = greatest(members_ms, p_now)
        WHERE group_id = p_group;
    PERFORM tell_users(p_group, p_group_name, g.member_version, p_now);
END
$$;

-- o_version: of the members before.
CREATE FUNCTION edit_members(
    p_group       bigint,
    p_by          text,
    p_ops         bigint[],
    p_names       text[],
    p_now         bigint,
    OUT o_status  bigint,
    OUT o_name    text,
    OUT o_version bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v_name text;
    v_role smallint;
BEGIN
    o_status := 1;
    SELECT name, member_version INTO v_name, o_version FROM groups
        WHERE group_id = p_group
        FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT role INTO v_role FROM members
        WHERE group_id = p_group AND name = p_by;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- A member may remove himself, and nothing else.
    IF v_role <> 1 THEN
        FOR i IN 1..cardinality(p_ops) LOOP
            IF p_ops[i] <> 3 OR p_names[i] <> p_by THEN
                o_status := 3;
                RETURN;
            END IF;
        END LOOP;
    END IF;
    SELECT c.o_status, c.o_name INTO o_status, o_name
        FROM change_members(p_group, v_name, p_by, p_ops, p_names, p_now) c;
    IF o_status <> 0 THEN
        RAISE SQLSTATE 'GF000';
    END IF;
EXCEPTION
    WHEN SQLSTATE 'GF000' THEN
        NULL;
END
$$;

-- A group of this name, or the one that this request has made before.
CREATE FUNCTION find_created(
    p_name       text,
    p_creator    text,
    p_key        bytea,
    OUT o_status bigint,
    OUT o_group  bigint
) LANGUAGE plpgsql AS $$
DECLARE
    n record;
BEGIN
    o_status := 0;
    o_group := 0;
    SELECT group_id, created_by, create_key INTO n FROM group_names
        WHERE name = p_name;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF n.created_by = p_creator AND n.create_key = p_key THEN
        o_group := n.group_id;
    ELSE
        o_status := 8;
    END IF;
END
$$;

-- The id is taken when nothing but a race can refuse any more.
CREATE FUNCTION create_group(
    p_name        text,
    p_creator     text,
    p_key         bytea,
    p_description bytea,
    p_settings    bytea,
    p_epoch       bigint,
    p_max         bigint,
    p_ops         bigint[],
    p_names       text[],
    p_now         bigint,
    OUT o_status  bigint,
    OUT o_name    text,
    OUT o_group   bigint,
    OUT o_existed bigint
) LANGUAGE plpgsql AS $$
BEGIN
    o_existed := 0;
    SELECT c.o_status, c.o_group INTO o_status, o_group
        FROM find_created(p_name, p_creator, p_key) c;
    IF o_status <> 0 OR o_group <> 0 THEN
        o_existed := (o_group <> 0)::integer;
        RETURN;
    END IF;

    p_ops := array_prepend(2::bigint, p_ops);
    p_names := array_prepend(p_creator, p_names);
    FOR i IN 1..cardinality(p_names) LOOP
        IF i % 1000 = 0 THEN
            RAISE NOTICE 'user %', i;
        END IF;
        o_name := p_names[i];
        PERFORM 1 FROM users WHERE name = o_name;
        IF NOT FOUND THEN
            o_status := 4;
            RETURN;
        END IF;
    END LOOP;

    o_group := nextval('group_ids');
    INSERT INTO group_names VALUES (p_name, o_group, p_creator, p_key)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        SELECT c.o_status, c.o_group INTO o_status, o_group
            FROM find_created(p_name, p_creator, p_key) c;
        o_existed := (o_group <> 0)::integer;
        -- Deleted in this moment: it is tried again.
        IF o_status = 0 AND o_group = 0 THEN
            o_status := 8;
        END IF;
        RETURN;
    END IF;
    INSERT INTO groups(group_id, epoch, name, created_by, created_ms, last_ms,
            max_members, info_ms, members_ms)
        VALUES (o_group, p_epoch, p_name, p_creator, p_now, p_now,
            p_max, p_now, p_now);
    INSERT INTO infos(group_id, description, settings)
        VALUES (o_group, p_description, p_settings);
    SELECT c.o_status, c.o_name INTO o_status, o_name
        FROM change_members(o_group, p_name, p_creator, p_ops, p_names,
            p_now) c;
    IF o_status <> 0 THEN
        RAISE SQLSTATE 'GF000';
    END IF;
EXCEPTION
    WHEN SQLSTATE 'GF000' THEN
        o_group := 0;
END
$$;

-- What is left of a group that is gone, or of an import that came to nothing, is
-- taken away by drop_import() in steps of so many rows as p_few says: each of
-- these takes some, and answers how many are left of p_few.

-- Its files: what no other group has becomes garbage. All who add or
-- drop a file do it under the hash's row in garbage (store/postgres_media.c),
-- or two groups that go at once would each believe that the other keeps it. By
-- the order of the hashes, or two might wait for each other.
CREATE FUNCTION drop_media(
    p_group bigint,
    p_few   bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_hash bytea;
    v_rows bigint;
BEGIN
    FOR v_hash IN
        SELECT DISTINCT hash FROM (
            SELECT hash FROM media
            WHERE group_id = p_group
            ORDER BY name LIMIT p_few / 4 + 1) m
        ORDER BY hash
    LOOP
        INSERT INTO garbage(hash) VALUES (v_hash)
            ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash;
        PERFORM 1 FROM media
            WHERE hash = v_hash AND group_id <> p_group
            LIMIT 1;
        IF FOUND THEN
            DELETE FROM garbage WHERE hash = v_hash;
        END IF;
        DELETE FROM media WHERE group_id = p_group AND hash = v_hash;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        p_few := p_few - 3 - v_rows;
    END LOOP;
    RETURN p_few;
END
$$;

-- Its messages, wherever they lie, from the last on. How far that has come is
-- noted, for nothing is left to be found there; but a view may hold it, and who
-- searched would walk over it again and again.
CREATE FUNCTION drop_log(
    p_group bigint,
    p_few   bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    s      record;
    v_last bigint;
    v_lo   bigint;
BEGIN
    SELECT last_seq INTO v_last FROM imports WHERE group_id = p_group;
    FOR s IN
        SELECT bucket, first_seq, archive_end FROM segments
        WHERE group_id = p_group
        ORDER BY bucket DESC
    LOOP
        v_lo := greatest(s.first_seq, v_last - p_few + 1);
        IF v_last >= s.archive_end THEN
            EXECUTE format('
                DELETE FROM messages
                WHERE group_id = $1 AND bucket = %s AND seq >= $2
                    AND seq <= $3', s.bucket)
                USING p_group, v_lo, v_last;
        END IF;
        IF v_lo < s.archive_end THEN
            EXECUTE format('
                DELETE FROM archives
                WHERE group_id = $1 AND bucket = %s AND first_seq >= $2
                    AND first_seq <= $3', s.bucket)
                USING p_group, v_lo, v_last;
        END IF;
        DELETE FROM everyone
            WHERE group_id = p_group AND seq >= v_lo AND seq <= v_last;
        p_few := p_few - (v_last - v_lo + 1);
        v_last := v_lo - 1;
        IF v_lo = s.first_seq THEN
            DELETE FROM segments WHERE group_id = p_group AND bucket = s.bucket;
        END IF;
        EXIT WHEN p_few <= 0;
    END LOOP;
    UPDATE imports SET last_seq = v_last WHERE group_id = p_group;
    RETURN p_few;
END
$$;

-- Its members. Those of a group (p_name) are told, unless they are in another
-- one of this name already, and count as ten.
CREATE FUNCTION drop_members(
    p_group bigint,
    p_name  text,
    p_by    text,
    p_now   bigint,
    p_few   bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_user text;
    v_lo   bigint;
    v_rows bigint;
    v_told bigint := 0;
BEGIN
    FOR v_user IN
        SELECT name FROM members
        WHERE group_id = p_group
        ORDER BY name LIMIT p_few
    LOOP
        v_told := v_told + 1;
        IF v_told % 100 = 0 THEN
            RAISE NOTICE 'member %', v_told;
        END IF;
        SELECT seq INTO v_lo FROM mentions
            WHERE group_id = p_group AND name = v_user
            ORDER BY seq DESC LIMIT 1 OFFSET p_few - 1;
        DELETE FROM mentions
            WHERE group_id = p_group AND name = v_user
                AND seq >= coalesce(v_lo, 0);
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        p_few := p_few - v_rows;
        EXIT WHEN p_few <= 0;
        DELETE FROM members WHERE group_id = p_group AND name = v_user;
        p_few := p_few - 1;
        IF p_name IS NOT NULL THEN
            DELETE FROM memberships
                WHERE name = v_user AND group_name = p_name
                    AND group_id = p_group;
            IF FOUND THEN
                PERFORM note_user_change(v_user, p_group, p_name, 1, 2, p_by,
                    0, p_now);
            END IF;
            p_few := p_few - 9;
        END IF;
        EXIT WHEN p_few <= 0;
    END LOOP;
    RETURN p_few;
END
$$;

-- The record of their changes: as many as an import had members, until one is
-- edited.
CREATE FUNCTION drop_changes(
    p_group bigint,
    p_few   bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_lo   bigint;
    v_rows bigint;
BEGIN
    SELECT version INTO v_lo FROM changes
        WHERE group_id = p_group
        ORDER BY version DESC LIMIT 1 OFFSET p_few - 1;
    DELETE FROM changes
        WHERE group_id = p_group AND version >= coalesce(v_lo, 0);
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    RETURN p_few - v_rows;
END
$$;

-- What finds a group goes at once, and with it about p_few rows of what it
-- held. Where there is more, the rest lies there as that of an import that came
-- to nothing: o_more. The dedupe keys go with their generations: an id is never
-- used again.
CREATE FUNCTION delete_group(
    p_group      bigint,
    p_by         text,
    p_now        bigint,
    p_few        bigint,
    p_owner      bigint,
    OUT o_status bigint,
    OUT o_more   bigint
) LANGUAGE plpgsql AS $$
DECLARE
    g      record;
    v_role smallint;
BEGIN
    o_status := 1;
    SELECT * INTO g FROM groups
        WHERE group_id = p_group
        FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT role INTO v_role FROM members
        WHERE group_id = p_group AND name = p_by;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF v_role <> 1 THEN
        o_status := 3;
        RETURN;
    END IF;

    INSERT INTO imports(group_id, record, first_seq, first_off,
            first_jsonl_off, last_seq, last_off, last_jsonl_off, last_ms,
            last_bucket, owner, name, by_name)
        VALUES (p_group, '', g.first_seq, g.first_off, g.first_jsonl_off,
            g.last_seq, g.last_off, g.last_jsonl_off, g.last_ms,
            g.last_bucket, p_owner, g.name, p_by);
    DELETE FROM infos WHERE group_id = p_group;
    DELETE FROM group_names WHERE name = g.name;
    DELETE FROM groups WHERE group_id = p_group;
    o_more := drop_import(p_group, p_few, p_now);
    o_status := 0;
END
$$;
