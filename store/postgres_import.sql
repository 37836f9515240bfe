-- SPDX-License-Identifier: MIT
--
-- Whole groups from elsewhere, put together piece by piece: an import is
-- nobody's until show_import() makes its row in groups.

-- o_i: the first that is refused, from 1: he is a member already, or no user.
CREATE FUNCTION import_members(
    p_group      bigint,
    p_names      text[],
    p_roles      bigint[],
    p_joined_ms  bigint[],
    p_joined_seq bigint[],
    p_read       bigint[]
) RETURNS TABLE (
    o_i      bigint,
    o_double bigint
) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..cardinality(p_names) LOOP
        IF i % 100 = 0 THEN
            RAISE NOTICE 'row %', i;
        END IF;
        INSERT INTO members
            VALUES (p_group, p_names[i], p_roles[i], p_joined_ms[i],
                p_joined_seq[i], p_read[i])
            ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            o_i := i;
            o_double := 1;
            RETURN NEXT;
            RETURN;
        END IF;
        PERFORM 1 FROM users WHERE name = p_names[i];
        IF NOT FOUND THEN
            o_i := i;
            o_double := 0;
            RETURN NEXT;
            RETURN;
        END IF;
    END LOOP;
END
$$;

-- o_i: the first that is known, from 1, and the message that had it.
CREATE FUNCTION import_keys(
    p_group bigint,
    p_gen   bigint,
    p_from  bigint,
    p_names text[],
    p_keys  bytea[],
    p_seqs  bigint[],
    p_offs  bigint[],
    p_times bigint[]
) RETURNS TABLE (
    o_i   bigint,
    o_seq bigint
) LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..cardinality(p_names) LOOP
        IF i % 100 = 0 THEN
            RAISE NOTICE 'row %', i;
        END IF;
        SELECT d.first_seq INTO o_seq FROM dedupe d
            WHERE d.group_id = p_group AND d.name = p_names[i]
                AND d.key = p_keys[i] AND d.gen >= p_from
            ORDER BY d.gen DESC LIMIT 1;
        IF FOUND THEN
            o_i := i;
            RETURN NEXT;
            RETURN;
        END IF;
        INSERT INTO dedupe(group_id, name, key, gen, first_seq, last_seq, off,
                time_ms, warnings)
            VALUES (p_group, p_names[i], p_keys[i], p_gen, p_seqs[i],
                p_seqs[i], p_offs[i], p_times[i], 0);
    END LOOP;
END
$$;

-- A name of NULL is everyone. Who joined later was mentioned as one who is no
-- member any more: those were forgotten when he left.
CREATE FUNCTION import_mentions(
    p_group   bigint,
    p_names   text[],
    p_seqs    bigint[],
    p_senders text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_joined bigint;
    v_n      bigint;
BEGIN
    FOR i IN 1..cardinality(p_seqs) LOOP
        IF i % 100 = 0 THEN
            RAISE NOTICE 'row %', i;
        END IF;
        IF p_names[i] IS NULL THEN
            SELECT n INTO v_n FROM everyone
                WHERE group_id = p_group
                ORDER BY seq DESC LIMIT 1;
            INSERT INTO everyone(group_id, seq, sender, n)
                VALUES (p_group, p_seqs[i], p_senders[i], coalesce(v_n, 0) + 1);
            CONTINUE;
        END IF;
        SELECT joined_seq INTO v_joined FROM members
            WHERE group_id = p_group AND name = p_names[i];
        CONTINUE WHEN NOT FOUND OR v_joined >= p_seqs[i];
        SELECT n INTO v_n FROM mentions
            WHERE group_id = p_group AND name = p_names[i]
            ORDER BY seq DESC LIMIT 1;
        INSERT INTO mentions(group_id, name, seq, n)
            VALUES (p_group, p_names[i], p_seqs[i], coalesce(v_n, 0) + 1)
            ON CONFLICT DO NOTHING;
    END LOOP;
END
$$;

-- 0, or PG_EXISTS. All members are told, as they are of a new group.
CREATE FUNCTION show_import(
    p_group       bigint,
    p_name        text,
    p_by          text,
    p_key         bytea,
    p_epoch       bigint,
    p_created     bigint,
    p_max         bigint,
    p_description bytea,
    p_avatar      text,
    p_settings    bytea,
    p_now         bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    i         record;
    m         record;
    v_version bigint := 0;
BEGIN
    INSERT INTO group_names(name, group_id, created_by, create_key)
        VALUES (p_name, p_group, p_by, p_key)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN 8;
    END IF;
    SELECT * INTO i FROM imports WHERE group_id = p_group;
    INSERT INTO groups(group_id, epoch, name, created_by, created_ms, first_seq,
            first_off, first_jsonl_off, last_seq, last_off, last_jsonl_off,
            last_ms, last_bucket, max_members, info_ms, members_ms)
        VALUES (p_group, p_epoch, p_name, p_by, p_created, i.first_seq,
            i.first_off, i.first_jsonl_off, i.last_seq, i.last_off,
            i.last_jsonl_off, i.last_ms, i.last_bucket, p_max, p_now, p_now);
    INSERT INTO infos(group_id, description, avatar_url, settings)
        VALUES (p_group, p_description, p_avatar, p_settings);

    FOR m IN
        SELECT name, role, last_read_seq FROM members
        WHERE group_id = p_group
        ORDER BY name
    LOOP
        v_version := v_version + 1;
        IF v_version % 100 = 0 THEN
            RAISE NOTICE 'member %', v_version;
        END IF;
        INSERT INTO memberships(name, group_name, group_id)
            VALUES (m.name, p_name, p_group)
            ON CONFLICT (name, group_name)
            DO UPDATE SET group_id = excluded.group_id;
        INSERT INTO changes(group_id, version, change, role, name, by_name,
                last_read_seq, at_ms)
            VALUES (p_group, v_version, 0, m.role, m.name, '',
                m.last_read_seq, p_now);
    END LOOP;
    UPDATE groups SET member_count = v_version, member_version = v_version
        WHERE group_id = p_group;
    PERFORM tell_users(p_group, p_name, 0, p_now);
    DELETE FROM imports WHERE group_id = p_group;
    RETURN 0;
END
$$;

-- Takes about p_few rows away, of an import or of a group that was deleted: 1
-- while there may be more. With the first of them it is no import any more that
-- anybody finds. The dedupe keys go with their generation.
CREATE FUNCTION drop_import(
    p_group bigint,
    p_few   bigint,
    p_now   bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    i record;
BEGIN
    SELECT name, by_name INTO i FROM imports
        WHERE group_id = p_group
        FOR UPDATE;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    -- Other nodes see that somebody is at it.
    UPDATE imports SET record = '', used = clock_timestamp()
        WHERE group_id = p_group;
    p_few := drop_members(p_group, i.name, i.by_name, p_now, p_few);
    IF p_few > 0 THEN
        p_few := drop_media(p_group, p_few);
    END IF;
    IF p_few > 0 THEN
        p_few := drop_log(p_group, p_few);
    END IF;
    IF p_few > 0 THEN
        p_few := drop_changes(p_group, p_few);
    END IF;
    IF p_few <= 0 THEN
        RETURN 1;
    END IF;
    DELETE FROM everyone WHERE group_id = p_group;
    DELETE FROM imports WHERE group_id = p_group;
    RETURN 0;
END
$$;
