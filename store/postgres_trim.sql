-- SPDX-License-Identifier: MIT
--
-- Retention. A bucket is written into the statement for the reason that
-- store/postgres_read.sql has, and log_of() says where its messages lie.

-- Of two bounds the one that keeps less. 0: there is none; NULL: neither.
CREATE FUNCTION stricter(
    p_one   bigint,
    p_other bigint
) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT least(nullif(p_one, 0), nullif(p_other, 0))
$$;

-- The first message that is kept, or the one behind the last. p_before: what
-- is older goes. Times do not go back, so the one segment in which a time lies
-- is searched, by halves.
CREATE FUNCTION first_kept(
    p_group    bigint,
    p_before   bigint,
    p_messages bigint,
    p_bytes    bigint,
    OUT o_seq  bigint
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    g      record;
    s      record;
    v_at   bigint;
    v_low  bigint;
    v_high bigint;
    v_ms   bigint;
BEGIN
    SELECT first_seq, first_off, last_seq, last_off INTO g FROM groups
        WHERE group_id = p_group;
    o_seq := greatest(g.first_seq, g.last_seq - p_messages + 1);
    v_at := g.last_off - p_bytes;
    IF v_at > g.first_off THEN
        -- A line that is not whole within the bound goes.
        SELECT greatest(first_kept.o_seq, l.o_seq + (l.o_off < v_at)::integer)
            INTO o_seq FROM seek_log(p_group, false, v_at) l;
    END IF;

    SELECT bucket, first_seq, archive_end INTO s FROM segments
        WHERE group_id = p_group AND bucket <= p_before / 86400000
            AND first_ms < p_before
        ORDER BY bucket DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT first_seq INTO v_high FROM segments
        WHERE group_id = p_group AND bucket > s.bucket
        ORDER BY bucket LIMIT 1;
    v_high := coalesce(v_high, g.last_seq + 1);
    v_low := s.first_seq + 1;
    WHILE v_low < v_high LOOP
        v_at := (v_low + v_high) / 2;
        EXECUTE 'SELECT time_ms FROM '
            || log_of(s.bucket, s.archive_end, v_at, v_at) || ' m'
            INTO v_ms USING p_group;
        IF v_ms < p_before THEN
            v_low := v_at + 1;
        ELSE
            v_high := v_at;
        END IF;
    END LOOP;
    o_seq := greatest(o_seq, v_low);
END
$$;

-- Takes what is archived below p_seq out of one bucket: a row of which
-- something stays is packed anew.
CREATE FUNCTION trim_archive(
    p_group  bigint,
    p_bucket bigint,
    p_seq    bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_last bigint;
BEGIN
    EXECUTE format('
        SELECT last_seq FROM archives
        WHERE group_id = $1 AND bucket = %s AND first_seq < $2
            AND last_seq >= $2', p_bucket)
        INTO v_last USING p_group, p_seq;
    IF v_last IS NOT NULL THEN
        PERFORM pack_log(p_group, p_bucket, v_last + 1, p_seq, v_last);
    END IF;
    EXECUTE format('
        DELETE FROM archives
        WHERE group_id = $1 AND bucket = %s AND first_seq < $2', p_bucket)
        USING p_group, p_seq;
END
$$;

-- Takes what lies below p_seq out of one bucket, which begins at p_from, and
-- says whom it mentioned. A segment of which something stays begins at p_seq
-- then.
CREATE FUNCTION trim_bucket(
    p_group     bigint,
    p_bucket    bigint,
    p_end       bigint,    -- the segment's archive_end
    p_from      bigint,
    p_seq       bigint,
    OUT o_names text[]
) LANGUAGE plpgsql AS $$
DECLARE
    m record;
BEGIN
    EXECUTE format('
        SELECT array_agg(DISTINCT n)
        FROM %s m, unnest(string_to_array(m.mentions, '' '')) n',
        log_of(p_bucket, p_end, p_from, p_seq - 1))
        INTO o_names USING p_group;
    IF p_end > p_from THEN
        PERFORM trim_archive(p_group, p_bucket, p_seq);
    END IF;
    EXECUTE format('
        DELETE FROM messages
        WHERE group_id = $1 AND bucket = %s AND seq < $2', p_bucket)
        USING p_group, p_seq;
    EXECUTE 'SELECT seq, off, jsonl_off, time_ms FROM '
        || log_of(p_bucket, p_end, p_seq, p_seq) || ' m'
        INTO m USING p_group;
    IF m.seq IS NULL THEN
        DELETE FROM segments WHERE group_id = p_group AND bucket = p_bucket;
    ELSE
        UPDATE segments
            SET first_seq = m.seq, first_off = m.off,
                first_jsonl_off = m.jsonl_off, first_ms = m.time_ms
            WHERE group_id = p_group AND bucket = p_bucket;
    END IF;
END
$$;

-- What belonged to the messages below p_seq. Of who was mentioned there the
-- last time stays: what is counted from it on goes on. Files: as drop_media().
CREATE FUNCTION trim_rest(
    p_group bigint,
    p_seq   bigint,
    p_names text[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_name text;
    v_last bigint;
    v_hash bytea;
BEGIN
    FOREACH v_name IN ARRAY p_names LOOP
        SELECT max(seq) INTO v_last FROM mentions
            WHERE group_id = p_group AND name = v_name AND seq < p_seq;
        DELETE FROM mentions
            WHERE group_id = p_group AND name = v_name AND seq < v_last;
    END LOOP;
    SELECT max(seq) INTO v_last FROM everyone
        WHERE group_id = p_group AND seq < p_seq;
    DELETE FROM everyone WHERE group_id = p_group AND seq < v_last;

    FOR v_hash IN
        SELECT DISTINCT hash FROM media
        WHERE group_id = p_group AND seq < p_seq
        ORDER BY hash
    LOOP
        INSERT INTO garbage(hash) VALUES (v_hash)
            ON CONFLICT(hash) DO UPDATE SET hash = excluded.hash;
        DELETE FROM media
            WHERE group_id = p_group AND seq < p_seq AND hash = v_hash;
        PERFORM 1 FROM media WHERE hash = v_hash LIMIT 1;
        IF FOUND THEN
            DELETE FROM garbage WHERE hash = v_hash;
        END IF;
    END LOOP;
END
$$;

-- One step: at most p_limit messages, and p_step bytes of lines and one
-- message. One at a time does it: who comes meanwhile takes nothing, and waits
-- for nobody.
CREATE FUNCTION trim_log(
    p_group         bigint,
    p_now           bigint,
    p_ms            bigint,    -- of all groups, as the next two; 0: none
    p_messages      bigint,
    p_bytes         bigint,
    p_limit         bigint,
    p_step          bigint,
    OUT o_status    bigint,
    OUT o_seq       bigint,    -- where the log begins now
    OUT o_off       bigint,
    OUT o_jsonl_off bigint,
    OUT o_trimmed   bigint,
    OUT o_left      bigint
) LANGUAGE plpgsql AS $$
DECLARE
    g       record;
    m       record;
    s       record;
    v_free  boolean;
    v_kept  bigint;
    v_end   bigint;
    v_names text[] := '{}';
BEGIN
    o_status := 1;
    v_free := pg_try_advisory_xact_lock(1735551603, hashint8(p_group));
    IF v_free THEN
        PERFORM 1 FROM groups WHERE group_id = p_group FOR UPDATE;
    END IF;
    SELECT first_seq, first_off, first_jsonl_off, last_seq, keep_ms,
            keep_messages, keep_bytes
        INTO g FROM groups
        WHERE group_id = p_group;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    o_status := 0;
    o_seq := g.first_seq;
    o_off := g.first_off;
    o_jsonl_off := g.first_jsonl_off;
    o_trimmed := 0;
    o_left := 0;
    IF NOT v_free THEN
        RETURN;
    END IF;

    v_kept := first_kept(p_group, p_now - stricter(p_ms, g.keep_ms),
        stricter(p_messages, g.keep_messages),
        stricter(p_bytes, g.keep_bytes));
    v_end := least(v_kept, o_seq + p_limit);
    FOR s IN
        SELECT bucket, archive_end FROM segments
        WHERE group_id = p_group
        ORDER BY bucket
    LOOP
        EXIT WHEN o_seq >= v_end;
        EXECUTE format('
            SELECT seq + 1 AS seq, off + len AS off,
                jsonl_off + jsonl_len AS jsonl_off
            FROM %s m
            WHERE seq = $2 OR off + len <= $3
            ORDER BY seq DESC LIMIT 1',
            log_of(s.bucket, s.archive_end, o_seq, v_end - 1))
            INTO m USING p_group, g.first_seq, g.first_off + p_step;
        EXIT WHEN m.seq IS NULL;
        v_names := v_names
            || trim_bucket(p_group, s.bucket, s.archive_end, o_seq, m.seq);
        o_seq := m.seq;
        o_off := m.off;
        o_jsonl_off := m.jsonl_off;
    END LOOP;
    o_trimmed := o_seq - g.first_seq;
    o_left := v_kept - o_seq;
    IF o_trimmed = 0 THEN
        RETURN;
    END IF;

    PERFORM trim_rest(p_group, o_seq, v_names);
    -- Where nothing is left, the next message begins a segment.
    UPDATE groups
        SET first_seq = o_seq, first_off = o_off,
            first_jsonl_off = o_jsonl_off,
            last_bucket = CASE WHEN o_seq > g.last_seq THEN -1
                ELSE last_bucket END
        WHERE group_id = p_group;
END
$$;
