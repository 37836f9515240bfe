-- SPDX-License-Identifier: MIT
--
-- Messages out: by number, by byte. A bucket is written into the statement, so
-- that its plan has one partition, of however many there are.

-- Messages after p_after, at most p_limit, and from p_end on none: of as many
-- buckets as it takes. Only groups, or imports, have segments.
CREATE FUNCTION read_log(
    p_group bigint,
    p_after bigint,
    p_limit bigint,
    p_end   bigint
) RETURNS TABLE (
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
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_from   bigint;
    v_left   bigint := p_limit;
    v_bucket bigint;
    v_rows   bigint;
BEGIN
    SELECT s.bucket INTO v_from FROM segments s
        WHERE s.group_id = p_group AND s.first_seq <= p_after + 1
        ORDER BY s.bucket DESC LIMIT 1;
    FOR v_bucket IN
        SELECT s.bucket FROM segments s
        WHERE s.group_id = p_group AND s.bucket >= coalesce(v_from, 0)
        ORDER BY s.bucket
    LOOP
        RETURN QUERY EXECUTE format('
            SELECT seq, off, len, jsonl_off, jsonl_len, time_ms, type,
                reply_to, sender, media_url, mentions, client_id, content, rv
            FROM messages
            WHERE group_id = $1 AND bucket = %s AND seq > $2 AND off < $3
            ORDER BY seq LIMIT $4', v_bucket)
            USING p_group, p_after, p_end, v_left;
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
) RETURNS TABLE (
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
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_seq    bigint;
    v_bucket bigint;
BEGIN
    FOREACH v_seq IN ARRAY p_seqs LOOP
        SELECT s.bucket INTO v_bucket FROM segments s
            WHERE s.group_id = p_group AND s.first_seq <= v_seq
            ORDER BY s.bucket DESC LIMIT 1;
        CONTINUE WHEN NOT FOUND;
        RETURN QUERY EXECUTE format('
            SELECT seq, off, len, jsonl_off, jsonl_len, time_ms, type,
                reply_to, sender, media_url, mentions, client_id, content, rv
            FROM messages
            WHERE group_id = $1 AND bucket = %s AND seq = $2', v_bucket)
            USING p_group, v_seq;
    END LOOP;
END
$$;

-- The line that holds a byte: by halves, within the bucket that holds it. No
-- row: there is none; no o_off: not any more, and o_seq is the first that is.
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
    v_high   bigint;
    v_column text;
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
    SELECT bucket, first_seq INTO s FROM segments
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

    v_column := CASE WHEN p_jsonl THEN 'jsonl_off' ELSE 'off' END;
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
        USING p_group, greatest(s.first_seq, g.first_seq),
            coalesce(v_high, g.last_seq), p_at;
END
$$;

-- Offsets of lines in messages; i counts the arrays from 1. OFFSET 0: as above.
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
            CROSS JOIN LATERAL (
                SELECT x.off FROM messages x
                WHERE x.group_id = k.g AND x.bucket = %1$s AND x.seq = k.s
                OFFSET 0
            ) m
            WHERE k.b = %1$s', v_bucket)
            USING p_groups, p_buckets, p_seqs;
    END LOOP;
END
$$;
