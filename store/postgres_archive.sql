-- SPDX-License-Identifier: MIT
--
-- Old history. What a group has in a bucket that is old is moved, some
-- messages at a time, from messages into rows of archives: as arrays of their
-- columns, from which each comes back exactly as it was. (Their rendered lines
-- would have to be parsed for that, by each that reads a number or a client_id;
-- as an array they are served by unnest().) PostgreSQL compresses them.
--
--  - A message lies in one place or the other: it is moved in one transaction,
--    under the lock of its group's row, as an append is made. What is read is
--    read by one statement, or one view, and so from one place.
--  - segments.archive_end says from which message on those of a bucket lie in
--    messages: of a group's last bucket also those that a clock which goes back
--    adds to it. No other gets any, and where all of it is archived says so by
--    the last number that there is, so that nobody looks into both.
--  - Whoever reads takes what he reads from log_of().
--  - Partitions that are empty go as a whole, of messages, and of archives
--    where retention has taken what was in them: drop_emptied().

-- Messages of a group and bucket, in brackets for a FROM. p_hot, p_archived: in
-- which of the places they may lie. p_group, p_from, p_to: SQL; no p_to: to the
-- end. A row of archives has less than 256 numbers, so its key says enough. One
-- message is looked up by its number (OFFSET 0: store/postgres_read.sql).
CREATE FUNCTION log_text(
    p_hot      boolean,
    p_archived boolean,
    p_bucket   bigint,
    p_group    text,
    p_from     text,
    p_to       text
) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_one text := CASE WHEN p_from = p_to THEN ' OFFSET 0' ELSE '' END;
    v_hot text := '';
    v_old text := '';
BEGIN
    IF p_hot THEN
        v_hot := format('
            SELECT seq, off, len, jsonl_off, jsonl_len, time_ms, type,
                reply_to, sender, media_url, mentions, client_id, content, rv
            FROM messages
            WHERE group_id = %s AND bucket = %s AND seq %s %s',
            p_group, p_bucket, CASE WHEN p_from = p_to THEN '=' ELSE '>=' END,
            p_from)
            || coalesce(' AND seq <= ' || nullif(p_to, p_from), '') || v_one;
    END IF;
    IF p_archived THEN
        v_old := format('
            SELECT a.first_seq + l.seq AS seq, a.first_off + l.off AS off,
                l.len::bigint, a.first_jsonl_off + l.jsonl_off AS jsonl_off,
                l.jsonl_len::bigint, a.first_ms + l.ms AS time_ms, l.type,
                l.reply_to, l.sender, l.media_url, l.mentions, l.client_id,
                l.content, l.rv
            FROM archives a CROSS JOIN LATERAL unnest(a.lines) l
            WHERE a.group_id = %1$s AND a.bucket = %2$s
                AND a.first_seq > %3$s - 256 AND a.last_seq >= %3$s
                AND a.first_seq + l.seq >= %3$s',
            p_group, p_bucket, p_from)
            || coalesce(' AND a.first_seq <= ' || p_to
                || ' AND a.first_seq + l.seq <= ' || p_to, '') || v_one;
    END IF;
    IF p_hot AND p_archived THEN
        RETURN '((' || v_hot || ') UNION ALL (' || v_old || '))';
    END IF;
    RETURN '(' || v_hot || v_old || ')';
END
$$;

-- The same by numbers, of the group that is $1. p_end: the segment's
-- archive_end.
CREATE FUNCTION log_of(
    p_bucket bigint,
    p_end    bigint,
    p_from   bigint,
    p_to     bigint
) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN log_text(p_from >= p_end OR p_to IS NULL OR p_to >= p_end,
        p_from < p_end, p_bucket, '$1', p_from::text, p_to::text);
END
$$;

-- A row of archives: the messages of a bucket from one to another.
CREATE FUNCTION pack_log(
    p_group  bigint,
    p_bucket bigint,
    p_end    bigint,
    p_from   bigint,
    p_to     bigint
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_log text := log_of(p_bucket, p_end, p_from, p_to);
    f     record;
BEGIN
    EXECUTE format('
        SELECT seq, off, jsonl_off, time_ms FROM %s m ORDER BY seq LIMIT 1',
        v_log)
        INTO STRICT f USING p_group;
    EXECUTE format('
        INSERT INTO archives(group_id, bucket, first_seq, last_seq, first_off,
            first_jsonl_off, first_ms, lines)
        SELECT $1, %s, $2, max(m.seq), $3, $4, $5, array_agg(
            ROW(m.reply_to, m.off - $3, m.len, m.jsonl_off - $4, m.jsonl_len,
                m.time_ms - $5, m.seq - $2, m.rv, m.type, m.sender,
                m.media_url, m.mentions, m.client_id, m.content
            )::archived_message ORDER BY m.seq)
        FROM %s m', p_bucket, v_log)
        USING p_group, f.seq, f.off, f.jsonl_off, f.time_ms;
END
$$;

-- Moves what a group has in the buckets from p_lo on, below p_hi, the oldest
-- first: at most p_limit messages, or p_step bytes of lines, and one row of
-- archives, which has some 256 KiB of them. A group that somebody is at comes
-- another time, and so does an import, which has no row in groups yet. What is
-- damaged stays where it is. What went before is not looked at again: a view
-- may hold it.
CREATE FUNCTION archive_group(
    p_group     bigint,
    p_lo        bigint,
    p_hi        bigint,
    p_limit     bigint,
    p_step      bigint,
    OUT o_rows  bigint,
    OUT o_bytes bigint,
    OUT o_left  boolean
) LANGUAGE plpgsql AS $$
DECLARE
    s       record;
    v_last  bigint;
    v_end   bigint;
    v_from  bigint;
    v_to    bigint;
    v_bytes bigint;
    v_rows  bigint;
BEGIN
    o_rows := 0;
    o_bytes := 0;
    o_left := false;
    SELECT last_bucket INTO v_last FROM groups
        WHERE group_id = p_group
        FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    FOR s IN
        SELECT bucket, greatest(first_seq, archive_end) AS seq FROM segments
        WHERE group_id = p_group AND bucket >= p_lo AND bucket < p_hi
        ORDER BY bucket
    LOOP
        v_end := s.seq;
        LOOP
            EXECUTE format('
                SELECT min(m.seq), max(m.seq), max(m.bytes)
                FROM (
                    SELECT seq, sum(len) OVER w AS bytes, min(seq) OVER w AS head
                    FROM messages
                    WHERE group_id = $1 AND bucket = %s AND seq >= $2
                    WINDOW w AS (ORDER BY seq)
                    ORDER BY seq LIMIT 256
                ) m
                WHERE m.seq = m.head
                    OR (m.bytes <= 262144 AND m.seq < m.head + 256)', s.bucket)
                INTO v_from, v_to, v_bytes USING p_group, v_end;
            o_left := v_from IS NOT NULL
                AND (o_rows >= p_limit OR o_bytes >= p_step);
            EXIT WHEN v_from IS NULL OR o_left;
            PERFORM pack_log(p_group, s.bucket, 0, v_from, v_to);
            EXECUTE format('
                DELETE FROM messages
                WHERE group_id = $1 AND bucket = %s AND seq >= $2
                    AND seq <= $3', s.bucket)
                USING p_group, v_from, v_to;
            GET DIAGNOSTICS v_rows = ROW_COUNT;
            o_rows := o_rows + v_rows;
            o_bytes := o_bytes + v_bytes;
            v_end := v_to + 1;
        END LOOP;
        IF s.bucket < v_last AND NOT o_left THEN
            v_end := 9223372036854775807;
        END IF;
        -- Where nothing went nothing is archived.
        UPDATE segments SET archive_end = v_end
            WHERE group_id = p_group AND bucket = s.bucket
                AND archive_end < v_end AND v_end > s.seq;
        EXIT WHEN o_left;
    END LOOP;
EXCEPTION
    WHEN numeric_value_out_of_range THEN
        o_rows := 0;
        o_bytes := 0;
        o_left := false;
END
$$;

-- One step through a partition of messages, from p_lo to p_hi: groups behind
-- p_after, by their ids, as all who lock several. No p_limit: it passes over
-- the next one. A crash may undo what it has committed, which is no loss: so it
-- does not wait for the disk. What drops the partition does.
CREATE FUNCTION archive_some(
    p_lo        bigint,
    p_hi        bigint,
    p_after     bigint,
    p_limit     bigint,
    p_step      bigint,
    OUT o_rows  bigint,
    OUT o_after bigint,
    OUT o_ended bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v_group bigint;
    v_bytes bigint := 0;
    a       record;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    o_rows := 0;
    o_after := p_after;
    o_ended := 0;
    FOR i IN 1..64 LOOP
        -- A step that ended within a group says the one before it, and is not
        -- searched for: that would walk over all that went, and a view may hold.
        SELECT group_id INTO v_group FROM segments
            WHERE group_id = o_after + 1 AND bucket >= p_lo AND bucket < p_hi
                AND archive_end < 9223372036854775807
            LIMIT 1;
        IF NOT FOUND THEN
            EXECUTE format('
                SELECT group_id FROM messages
                WHERE bucket >= %s AND bucket < %s AND group_id > $1
                ORDER BY group_id LIMIT 1', p_lo, p_hi)
                INTO v_group USING o_after;
        END IF;
        IF v_group IS NULL THEN
            o_ended := 1;
            EXIT;
        END IF;
        IF p_limit > 0 THEN
            SELECT g.o_rows, g.o_bytes, g.o_left INTO a
                FROM archive_group(v_group, p_lo, p_hi, p_limit - o_rows,
                    p_step - v_bytes) g;
            o_rows := o_rows + a.o_rows;
            v_bytes := v_bytes + a.o_bytes;
            IF a.o_left THEN
                o_after := v_group - 1;
                EXIT;
            END IF;
        END IF;
        o_after := v_group;
        EXIT WHEN o_rows >= p_limit OR v_bytes >= p_step;
    END LOOP;
    IF o_rows > 0 THEN
        UPDATE partitions SET emptied = NULL
            WHERE parent IN ('messages', 'archives') AND lo < p_hi
                AND hi > p_lo AND emptied IS NOT NULL;
    END IF;
END
$$;

-- Drops a partition of messages or archives in which nothing is left; whether
-- it did. A view that is older than the last move still looks there for what it
-- shows, and where a table went, no view has it: so it is noted first since
-- when the partition is empty, and stays until all views have begun behind
-- that. And whoever was told an hour ago that there is room may use it still
-- (store/postgres_room.c). What is stored meanwhile is found behind the lock,
-- which is held for a moment only: what is searched behind it is small. Until
-- VACUUM has made it so, which is told to hurry, it stays, too.
CREATE FUNCTION drop_emptied(
    p_parent text,
    p_lo     bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v      record;
    v_rows boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(7308335461112709734);
    SELECT name, quote_ident(name)::regclass AS id, used, emptied INTO v
        FROM partitions
        WHERE parent = p_parent AND lo = p_lo;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF pg_relation_size(v.id) > 1048576 THEN
        PERFORM 1 FROM pg_class WHERE oid = v.id AND reloptions IS NULL;
        IF FOUND THEN
            EXECUTE format('ALTER TABLE %I SET (
                autovacuum_vacuum_threshold = 0,
                autovacuum_vacuum_scale_factor = 0)', v.name);
        END IF;
        RETURN false;
    END IF;
    IF v.used > clock_timestamp() - interval '1 hour' THEN
        RETURN false;
    END IF;

    IF v.emptied IS NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', v.name) INTO v_rows;
        IF NOT v_rows THEN
            UPDATE partitions SET emptied = pg_current_xact_id()
                WHERE parent = p_parent AND lo = p_lo;
        END IF;
        RETURN false;
    END IF;
    PERFORM 1 FROM pg_stat_activity
        WHERE datname = current_database()
            AND age(backend_xmin) >= age(v.emptied::xid)
            AND pid <> pg_backend_pid()
        LIMIT 1;
    IF FOUND THEN
        RETURN false;
    END IF;

    EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', p_parent);
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', v.name) INTO v_rows;
    IF v_rows THEN
        UPDATE partitions SET emptied = NULL
            WHERE parent = p_parent AND lo = p_lo;
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', v.name);
    DELETE FROM partitions WHERE parent = p_parent AND lo = p_lo;
    RETURN true;
END
$$;

-- Of archives one at a time: the lock is held until the end.
CREATE FUNCTION drop_months() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_lo bigint;
BEGIN
    FOR v_lo IN
        SELECT lo FROM partitions WHERE parent = 'archives' ORDER BY lo
    LOOP
        EXIT WHEN drop_emptied('archives', v_lo);
    END LOOP;
END
$$;

-- A view that has outlived its partition, since drop_emptied() could not see
-- it (only a role's own are shown), must not take the gap for the truth.
CREATE FUNCTION check_held(p_bucket bigint) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM 1 FROM partitions
        WHERE parent <> 'dedupe' AND lo <= p_bucket AND hi > p_bucket
            AND to_regclass(quote_ident(name)) IS NULL;
    IF FOUND THEN
        RAISE SQLSTATE '40001' USING MESSAGE =
            'what is read here was archived meanwhile: try again';
    END IF;
END
$$;

-- make_room(), and when somebody was told of it. An archive has whole months,
-- also of one that goes on.
CREATE FUNCTION need_room(
    p_parent text,
    p_day    bigint,
    p_now    bigint,
    p_days   bigint,
    OUT o_lo bigint,
    OUT o_hi bigint
) LANGUAGE plpgsql AS $$
BEGIN
    SELECT r.o_lo, r.o_hi INTO o_lo, o_hi
        FROM make_room(p_parent, p_day,
            CASE WHEN p_parent = 'archives' THEN p_day + 62 ELSE p_now END,
            p_days) r;
    UPDATE partitions SET used = clock_timestamp(), emptied = NULL
        WHERE parent = p_parent AND lo = o_lo;
END
$$;
