-- SPDX-License-Identifier: MIT
--
-- Messages out: by number, by byte. A bucket is written into the statement, so
-- that its plan has one partition, of however many there are; log_of() says
-- where its messages lie.

-- A message as it is read, in the order of log_of()'s columns.
CREATE TYPE log_message AS (
    seq       bigint,
    off       bigint,
    len       bigint,
    jsonl_off bigint,
    jsonl_len bigint,
    time_ms   bigint,
    type      smallint,
    reply_to  bigint,
    sender    text,
    media_url text,
    mentions  text,
    client_id bytea,
    content   bytea,
    rv        smallint
);

-- Messages after p_after, at most p_limit, and from p_end on none: of as many
-- buckets as it takes. Only groups, or imports, have segments.
CREATE FUNCTION read_log(
    p_group bigint,
    p_after bigint,
    p_limit bigint,
    p_end   bigint
) RETURNS SETOF log_message LANGUAGE plpgsql STABLE AS $$
DECLARE
    s        record;
    v_first  bigint := least(p_after, 9223372036854775807 - p_limit - 1) + 1;
    v_from   bigint;
    v_left   bigint := p_limit;
    v_bucket bigint;
    v_rows   bigint;
BEGIN
    SELECT x.bucket INTO v_from FROM segments x
        WHERE x.group_id = p_group AND x.first_seq <= v_first
        ORDER BY x.bucket DESC LIMIT 1;
    FOR s IN
        SELECT x.bucket, x.first_seq, x.first_off, x.archive_end
        FROM segments x
        WHERE x.group_id = p_group AND x.bucket >= coalesce(v_from, 0)
        ORDER BY x.bucket
    LOOP
        -- What comes before another segment has messages.
        IF v_rows = 0 THEN
            PERFORM check_held(v_bucket);
        END IF;
        EXIT WHEN s.first_off >= p_end;
        v_bucket := s.bucket;
        v_first := greatest(v_first, s.first_seq);
        RETURN QUERY EXECUTE format('
            SELECT * FROM %s m
            WHERE off < $2
            ORDER BY seq LIMIT $3',
            log_of(v_bucket, s.archive_end, v_first,
                CASE WHEN s.archive_end > v_first
                    THEN v_first + v_left - 1 END))
            USING p_group, p_end, v_left;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_left := v_left - v_rows;
        EXIT WHEN v_left <= 0;
    END LOOP;
END
$$;

-- Messages by their numbers, ascending.
CREATE FUNCTION messages_of(
    p_group bigint,
    p_seqs  bigint[]
) RETURNS SETOF log_message LANGUAGE plpgsql STABLE AS $$
DECLARE
    s      record;
    v_seq  bigint;
    v_rows bigint;
BEGIN
    FOREACH v_seq IN ARRAY p_seqs LOOP
        SELECT x.bucket, x.archive_end INTO s FROM segments x
            WHERE x.group_id = p_group AND x.first_seq <= v_seq
            ORDER BY x.bucket DESC LIMIT 1;
        CONTINUE WHEN NOT FOUND;
        RETURN QUERY EXECUTE 'SELECT * FROM '
            || log_of(s.bucket, s.archive_end, v_seq, v_seq) || ' m'
            USING p_group;
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        IF v_rows = 0 THEN
            PERFORM check_held(s.bucket);
        END IF;
    END LOOP;
END
$$;

-- The line that holds a byte, if a row of archives has it.
CREATE FUNCTION seek_archive(
    p_group  bigint,
    p_bucket bigint,
    p_jsonl  boolean,
    p_at     bigint
) RETURNS TABLE (
    o_seq bigint,
    o_off bigint
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    a record;
    m record;
BEGIN
    EXECUTE format('
        SELECT first_seq, last_seq FROM archives
        WHERE group_id = $1 AND bucket = %s AND %I <= $2
        ORDER BY first_seq DESC LIMIT 1', p_bucket,
        CASE WHEN p_jsonl THEN 'first_jsonl_off' ELSE 'first_off' END)
        INTO a USING p_group, p_at;
    EXECUTE format('
        SELECT seq, %1$I AS off, %1$I + %2$I AS next FROM %3$s m
        WHERE %1$I <= $2
        ORDER BY seq DESC LIMIT 1',
        CASE WHEN p_jsonl THEN 'jsonl_off' ELSE 'off' END,
        CASE WHEN p_jsonl THEN 'jsonl_len' ELSE 'len' END,
        log_of(p_bucket, a.last_seq + 1, a.first_seq, a.last_seq))
        INTO m USING p_group, p_at;
    IF p_at < m.next THEN
        RETURN QUERY SELECT m.seq, m.off;
    END IF;
END
$$;

-- The line that holds a byte: in the row of archives that holds it, or else by
-- halves, within the bucket. No row: there is none; no o_off: not any more, and
-- o_seq is the first that is.
-- OFFSET 0: each half is looked up by its number. A planner that knows nothing
-- of the table yet, as after each crash of the server, thinks it empty, and
-- else reads all of it for each half.
CREATE FUNCTION seek_log(
    p_group bigint,
    p_jsonl boolean,
    p_at    bigint
) RETURNS TABLE (
    o_seq bigint,
    o_off bigint
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    g        record;
    s        record;
    v_low    bigint;
    v_high   bigint;
    v_column text := CASE WHEN p_jsonl THEN 'jsonl_off' ELSE 'off' END;
    v_rows   bigint;
BEGIN
    SELECT first_seq, last_seq,
            CASE WHEN p_jsonl THEN first_jsonl_off ELSE first_off END AS first,
            CASE WHEN p_jsonl THEN last_jsonl_off ELSE last_off END AS size
        INTO g FROM groups
        WHERE group_id = p_group;
    IF NOT FOUND OR p_at >= g.size THEN
        RETURN;
    END IF;
    IF p_at < g.first THEN
        RETURN QUERY SELECT g.first_seq, NULL::bigint;
        RETURN;
    END IF;
    SELECT bucket, first_seq, archive_end INTO s FROM segments
        WHERE group_id = p_group
            AND CASE WHEN p_jsonl THEN first_jsonl_off ELSE first_off END
                <= p_at
        ORDER BY bucket DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT first_seq - 1 INTO v_high FROM segments
        WHERE group_id = p_group AND bucket > s.bucket
        ORDER BY bucket LIMIT 1;

    v_low := greatest(s.first_seq, g.first_seq);
    IF s.archive_end > v_low THEN
        RETURN QUERY SELECT * FROM seek_archive(p_group, s.bucket, p_jsonl,
            p_at);
        IF FOUND THEN
            RETURN;
        END IF;
        v_low := s.archive_end;
    END IF;
    RETURN QUERY EXECUTE format('
        WITH RECURSIVE r(lo, hi) AS (
            SELECT $2, $3
            UNION ALL
            SELECT
                CASE WHEN m.%1$I <= $4 THEN m.seq ELSE r.lo END,
                CASE WHEN m.%1$I <= $4 THEN r.hi ELSE m.seq - 1 END
            FROM r CROSS JOIN LATERAL (
                SELECT seq, %1$I FROM messages
                WHERE group_id = $1 AND bucket = %2$s
                    AND seq = (r.lo + r.hi + 1) / 2
                OFFSET 0
            ) m
            WHERE r.lo < r.hi
        )
        SELECT m.seq, m.%1$I FROM messages m
        WHERE m.group_id = $1 AND m.bucket = %2$s
            AND m.seq = (SELECT lo FROM r WHERE lo = hi)
            AND m.%1$I <= $4', v_column, s.bucket)
        USING p_group, v_low, coalesce(v_high, g.last_seq), p_at;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    IF v_rows = 0 THEN
        PERFORM check_held(s.bucket);
    END IF;
END
$$;

-- Offsets of lines in messages; i counts the arrays from 1. Each line is asked
-- for in both places, rather than for where it lies.
CREATE FUNCTION line_offs(
    p_groups  bigint[],
    p_buckets bigint[],
    p_seqs    bigint[]
) RETURNS TABLE (
    i   bigint,
    off bigint
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_bucket bigint;
BEGIN
    FOR v_bucket IN SELECT DISTINCT unnest(p_buckets) LOOP
        RETURN QUERY EXECUTE format('
            SELECT k.i, m.off
            FROM unnest($1, $2, $3) WITH ORDINALITY AS k(g, b, s, i)
            CROSS JOIN LATERAL %s m
            WHERE k.b = %s',
            log_text(true, true, v_bucket, 'k.g', 'k.s', 'k.s'), v_bucket)
            USING p_groups, p_buckets, p_seqs;
    END LOOP;
END
$$;
