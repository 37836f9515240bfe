-- SPDX-License-Identifier: MIT
--
-- Room for messages, messages in, and read pointers.
--
-- Here and in the files beside it: a status is enum pg_status of
-- store/postgres.h. Each statement has one table, so that it goes to one
-- machine; none is a CTE, for what is read behind a lock must be what was
-- committed before it, and within one statement it is not. append_message()
-- alone has a second table in one, to be short: both lie by group.

-- Room for a day: a partition of messages or dedupe, of p_days days where the
-- others leave so many. Behind p_now they are made by months (an import).
-- ATTACH, and not CREATE ... PARTITION OF, because it lets others read and
-- write meanwhile; and never within the transaction of an append: whoever waits
-- here holds no lock of a group.
CREATE FUNCTION make_room(
    p_parent text,
    p_day    bigint,
    p_now    bigint,
    p_days   bigint,
    OUT o_lo bigint,
    OUT o_hi bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v_epoch date := '1970-01-01';
    v_name  text;
BEGIN
    PERFORM pg_advisory_xact_lock(7308335461112709734);
    SELECT lo, hi INTO o_lo, o_hi FROM partitions
        WHERE parent = p_parent AND lo <= p_day AND hi > p_day;
    IF FOUND THEN
        RETURN;
    END IF;

    o_lo := p_day - p_day % p_days;
    o_hi := o_lo + p_days;
    IF p_day < p_now - 1 THEN
        o_lo := date_trunc('month', v_epoch + p_day::integer)::date - v_epoch;
        o_hi := (date_trunc('month', v_epoch + p_day::integer)
            + interval '1 month')::date - v_epoch;
        o_hi := least(o_hi, p_now - 1);
    END IF;
    SELECT greatest(o_lo, max(hi)) INTO o_lo FROM partitions
        WHERE parent = p_parent AND hi <= p_day;
    SELECT least(o_hi, min(lo)) INTO o_hi FROM partitions
        WHERE parent = p_parent AND lo > p_day;

    v_name := p_parent || '_' || to_char(v_epoch + o_lo::integer, 'YYYYMMDD');
    IF o_hi - o_lo > 1 THEN
        v_name := v_name || '_' || to_char(v_epoch + o_hi::integer, 'YYYYMMDD');
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)',
        v_name, p_parent);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I
        FOR VALUES FROM (%s) TO (%s)', p_parent, v_name, o_lo, o_hi);
    INSERT INTO partitions(parent, lo, hi, name)
        VALUES (p_parent, o_lo, o_hi, v_name);
END
$$;

-- Forgets ids that no node needs any more, whatever its window; and a day more,
-- for clocks that are behind.
CREATE FUNCTION drop_keys(p_today bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    v_part record;
    v_days bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7308335461112709734);
    SELECT v INTO v_days FROM meta WHERE k = 'dedupe_days';
    FOR v_part IN
        SELECT lo, name FROM partitions
        WHERE parent = 'dedupe' AND hi < p_today - v_days
    LOOP
        EXECUTE format('DROP TABLE %I', v_part.name);
        DELETE FROM partitions WHERE parent = 'dedupe' AND lo = v_part.lo;
    END LOOP;
END
$$;

-- Who is mentioned in one message, in the order of p_names, which has each
-- name once and not the sender's. Everybody's record holds for those who are
-- named too.
CREATE FUNCTION record_mentions(
    p_group     bigint,
    p_user      text,
    p_role      smallint,
    p_members   bigint,
    p_seq       bigint,
    p_names     text,
    OUT o_names text,
    OUT o_warn  bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v_list  text[] := '{}';
    v_name  text;
    v_all   boolean := false;
    v_count integer := 0;
    v_n     bigint;
BEGIN
    o_warn := 0;
    FOREACH v_name IN ARRAY string_to_array(p_names, ' ') LOOP
        IF v_name = 'everyone' THEN
            IF p_members > 100 AND p_role <> 1 THEN
                o_warn := 1;
                CONTINUE;
            END IF;
            v_all := true;
        ELSE
            PERFORM 1 FROM members WHERE group_id = p_group AND name = v_name;
            IF NOT FOUND THEN
                CONTINUE;
            END IF;
            IF v_count = 100 THEN
                o_warn := 1;
                CONTINUE;
            END IF;
            v_count := v_count + 1;
        END IF;
        v_list := array_append(v_list, v_name);
    END LOOP;
    o_names := nullif(array_to_string(v_list, ' '), '');

    IF v_all THEN
        SELECT n INTO v_n FROM everyone
            WHERE group_id = p_group
            ORDER BY seq DESC LIMIT 1;
        INSERT INTO everyone(group_id, seq, sender, n)
            VALUES (p_group, p_seq, p_user, 1 + coalesce(v_n, 0));
        RETURN;
    END IF;
    FOREACH v_name IN ARRAY v_list LOOP
        SELECT n INTO v_n FROM mentions
            WHERE group_id = p_group AND name = v_name
            ORDER BY seq DESC LIMIT 1;
        INSERT INTO mentions(group_id, name, seq, n)
            VALUES (p_group, v_name, p_seq, 1 + coalesce(v_n, 0));
    END LOOP;
END
$$;

-- Messages in. The lock comes first: what is read behind it is true until the
-- end of the transaction. p_len, p_jsonl: the lines' lengths but for the
-- digits of seq, and the mentions in JSON: ,"mentions":["a","b"]. A reply to
-- what is not there is refused before anything is written where there is one
-- message; else append_or_none() undoes what was.
--
-- The answer: status, the message at fault, epoch, first and last seq, offset,
-- time, duplicate, warnings, the end of the log, whether somebody is
-- mentioned. It is an array, since a row that a function makes costs more than
-- a statement on a table does.
CREATE FUNCTION append_messages(
    p_group         bigint,
    p_user          text,
    p_now           bigint,
    p_gen           bigint,      -- of new keys
    p_from          bigint,      -- the first generation that counts
    p_batch         bytea,
    p_known         boolean,     -- finds what is there, and stores nothing
    p_type          bigint[],    -- these and all that follow: by message
    p_reply         bigint[],
    p_len           bigint[],
    p_jsonl         bigint[],
    p_warn          bigint[],
    p_id            bytea[],
    p_content       bytea[],
    p_url           text[],
    p_names         text[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    g           record;
    d           record;
    v_role      smallint;
    v_seq       bigint;
    v_off       bigint;
    v_jsonl     bigint;
    v_len       bigint;
    v_jlen      bigint;
    v_stored    bigint := 0;
    v_dups      bigint := 0;
    v_names     text;
    v_warn      bigint;
    v_now       bigint;
    v_bucket    bigint;
    v_first     bigint := 0;
    v_last      bigint := 0;
    v_at        bigint := 0;
    v_ms        bigint := 0;
    v_warnings  bigint := 0;
    v_mentions  bigint := 0;
BEGIN
    SELECT epoch, first_seq, last_seq, last_off, last_jsonl_off, last_ms,
            last_bucket, member_count
        INTO g FROM groups
        WHERE group_id = p_group
        FOR UPDATE;
    IF NOT FOUND THEN
        RETURN ARRAY[1];
    END IF;
    SELECT role INTO v_role FROM members
        WHERE group_id = p_group AND name = p_user;
    IF NOT FOUND THEN
        RETURN ARRAY[1];
    END IF;

    IF p_batch IS NOT NULL THEN
        SELECT first_seq, last_seq, off, time_ms, warnings INTO d FROM dedupe
            WHERE group_id = p_group AND name = p_user AND key = p_batch
                AND gen >= p_from;
        IF FOUND THEN
            RETURN ARRAY[0, 0, g.epoch, d.first_seq, d.last_seq, d.off,
                d.time_ms, 1, d.warnings, g.last_off, 0];
        END IF;
    END IF;

    v_seq := g.last_seq;
    v_off := g.last_off;
    v_jsonl := g.last_jsonl_off;
    v_now := greatest(p_now, g.last_ms);
    v_bucket := v_now / 86400000;

    FOR i IN 1..cardinality(p_type) LOOP
        IF i % 100 = 0 THEN
            RAISE NOTICE 'message %', i;
        END IF;
        -- Has it been stored before?
        IF p_id[i] IS NOT NULL THEN
            SELECT first_seq, last_seq, off, time_ms, warnings INTO d
                FROM dedupe
                WHERE group_id = p_group AND name = p_user AND key = p_id[i]
                    AND gen >= p_from;
            IF FOUND THEN
                IF v_stored = 0 THEN
                    IF v_dups = 0 THEN
                        v_first := d.first_seq;
                        v_at := d.off;
                        v_ms := d.time_ms;
                    END IF;
                    v_last := d.last_seq;
                END IF;
                v_warnings := v_warnings | d.warnings;
                v_dups := v_dups + 1;
                CONTINUE;
            END IF;
        END IF;
        IF p_known THEN
            RETURN ARRAY[0, 0, g.epoch, 0, 0, 0, 0, 0, 0, g.last_off, 0];
        END IF;
        IF p_reply[i] > v_seq
            OR (p_reply[i] > 0 AND p_reply[i] < g.first_seq) THEN
            RETURN ARRAY[2, i];
        END IF;

        -- What is its number, and how long are its lines?
        v_seq := v_seq + 1;
        v_names := NULL;
        v_warn := p_warn[i];
        v_len := p_len[i] + length(v_seq::text);
        v_jlen := p_jsonl[i] + length(v_seq::text);
        IF p_names[i] IS NOT NULL THEN
            SELECT r.o_names, v_warn | r.o_warn INTO v_names, v_warn
                FROM record_mentions(p_group, p_user, v_role, g.member_count,
                    v_seq, p_names[i]) r;
            IF v_names IS NOT NULL THEN
                v_jlen := v_jlen + 16 + 3 * length(v_names)
                    - 2 * length(replace(v_names, ' ', ''));
                v_mentions := 1;
            END IF;
        END IF;

        IF v_stored = 0 THEN
            v_first := v_seq;
            v_at := v_off;
            v_ms := v_now;
            IF v_bucket <> g.last_bucket THEN
                INSERT INTO segments
                    VALUES (p_group, v_bucket, v_seq, v_off, v_jsonl, v_now);
            END IF;
        END IF;
        INSERT INTO messages(group_id, bucket, seq, off, len, jsonl_off,
                jsonl_len, time_ms, reply_to, rv, type, sender, media_url,
                mentions, client_id, content)
            VALUES (p_group, v_bucket, v_seq, v_off, v_len, v_jsonl,
                v_jlen, v_now, p_reply[i], 1, p_type[i], p_user, p_url[i],
                v_names, substr(p_id[i], 2), p_content[i]);
        IF p_id[i] IS NOT NULL THEN
            INSERT INTO dedupe
                VALUES (p_group, p_user, p_id[i], p_gen, v_seq, v_seq, v_off,
                    v_now, v_warn);
        END IF;

        v_off := v_off + v_len;
        v_jsonl := v_jsonl + v_jlen;
        v_last := v_seq;
        v_warnings := v_warnings | v_warn;
        v_stored := v_stored + 1;
    END LOOP;

    IF p_batch IS NOT NULL AND NOT p_known THEN
        INSERT INTO dedupe
            VALUES (p_group, p_user, p_batch, p_gen, v_first, v_last, v_at,
                v_ms, v_warnings);
    END IF;
    IF v_stored > 0 THEN
        UPDATE members SET last_read_seq = v_seq
            WHERE group_id = p_group AND name = p_user;
        UPDATE groups
            SET last_seq = v_seq, last_off = v_off, last_jsonl_off = v_jsonl,
                last_ms = v_now, last_bucket = v_bucket
            WHERE group_id = p_group;
    END IF;
    RETURN ARRAY[0, 0, g.epoch, v_first, v_last, v_at, v_ms,
        (v_stored = 0)::integer, v_warnings, v_off, v_mentions];
END
$$;

-- Several, of which one may be refused behind others.
CREATE FUNCTION append_or_none(
    p_group         bigint,
    p_user          text,
    p_now           bigint,
    p_gen           bigint,
    p_from          bigint,
    p_batch         bytea,
    p_known         boolean,
    p_type          bigint[],
    p_reply         bigint[],
    p_len           bigint[],
    p_jsonl         bigint[],
    p_warn          bigint[],
    p_id            bytea[],
    p_content       bytea[],
    p_url           text[],
    p_names         text[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_answer bigint[];
BEGIN
    v_answer := append_messages(p_group, p_user, p_now, p_gen, p_from, p_batch,
        p_known, p_type, p_reply, p_len, p_jsonl, p_warn, p_id, p_content,
        p_url, p_names);
    IF v_answer[1] <> 0 THEN
        RAISE SQLSTATE 'GF000';
    END IF;
    RETURN v_answer;
EXCEPTION
    WHEN SQLSTATE 'GF000' THEN
        RETURN v_answer;
END
$$;

-- For one who has waited for a group already, or has no time to: where another
-- machine keeps this one (status 9), the others that it comes with do not wait
-- for that. All of a transaction look again for as long as one would.
CREATE FUNCTION append_if_free(
    p_group         bigint,
    p_user          text,
    p_now           bigint,
    p_gen           bigint,
    p_from          bigint,
    p_batch         bytea,
    p_known         boolean,
    p_type          bigint[],
    p_reply         bigint[],
    p_len           bigint[],
    p_jsonl         bigint[],
    p_warn          bigint[],
    p_id            bytea[],
    p_content       bytea[],
    p_url           text[],
    p_names         text[]
) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        PERFORM FROM groups WHERE group_id = p_group FOR UPDATE SKIP LOCKED;
        EXIT WHEN FOUND;
        PERFORM FROM groups WHERE group_id = p_group;
        IF NOT FOUND THEN
            RETURN ARRAY[1];
        END IF;
        IF clock_timestamp() > transaction_timestamp() + interval '150ms' THEN
            RETURN ARRAY[9];
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    IF cardinality(p_type) > 1 THEN
        RETURN append_or_none(p_group, p_user, p_now, p_gen, p_from, p_batch,
            p_known, p_type, p_reply, p_len, p_jsonl, p_warn, p_id, p_content,
            p_url, p_names);
    END IF;
    RETURN append_messages(p_group, p_user, p_now, p_gen, p_from, p_batch,
        p_known, p_type, p_reply, p_len, p_jsonl, p_warn, p_id, p_content,
        p_url, p_names);
END
$$;

-- Most appends are one message with a batch_id that is new, mentions nobody and
-- is not the group's first of the day. It is the same here, but in the fewest
-- statements, and with the fewest expressions between them: each of both is set
-- up anew in each transaction, which is most of what an append costs. The
-- members' row is the gate: it is touched, behind the lock, only where nothing
-- stands against it; what does is append_messages()'s to say.
CREATE FUNCTION append_message(
    p_group   bigint,
    p_user    text,
    p_now     bigint,
    p_gen     bigint,
    p_from    bigint,
    p_batch   bytea,
    p_type    bigint,
    p_reply   bigint,
    p_len     bigint,
    p_jsonl   bigint,
    p_id      bytea,
    p_content bytea,
    p_url     text
) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_epoch  bigint;
    v_first  bigint;
    v_seq    bigint;
    v_off    bigint;
    v_jsonl  bigint;
    v_ms     bigint;
    v_bucket bigint;
    v_len    bigint;
    v_jlen   bigint;
    v_known  boolean := false;
BEGIN
    SELECT epoch, first_seq, last_seq + 1, last_off, last_jsonl_off,
            greatest(p_now, last_ms), last_bucket,
            p_len + length((last_seq + 1)::text),
            p_jsonl + length((last_seq + 1)::text)
        INTO v_epoch, v_first, v_seq, v_off, v_jsonl, v_ms, v_bucket, v_len,
            v_jlen
        FROM groups
        WHERE group_id = p_group
        FOR UPDATE;
    IF p_id IS NOT NULL THEN
        PERFORM FROM dedupe
            WHERE group_id = p_group AND name = p_user AND key = p_id
                AND gen >= p_from;
        v_known := FOUND;
    END IF;
    UPDATE members SET last_read_seq = v_seq
        WHERE group_id = p_group AND name = p_user
            AND v_bucket = v_ms / 86400000
            AND (p_reply = 0 OR (p_reply >= v_first AND p_reply < v_seq))
            AND NOT v_known
            AND NOT EXISTS (
                SELECT FROM dedupe d
                WHERE d.group_id = p_group AND d.name = p_user
                    AND d.key = p_batch AND d.gen >= p_from);
    IF NOT FOUND THEN
        RETURN append_messages(p_group, p_user, p_now, p_gen, p_from, p_batch,
            false, ARRAY[p_type], ARRAY[p_reply], ARRAY[p_len], ARRAY[p_jsonl],
            ARRAY[0::bigint], ARRAY[p_id], ARRAY[p_content], ARRAY[p_url],
            ARRAY[NULL]);
    END IF;

    INSERT INTO messages(group_id, bucket, seq, off, len, jsonl_off, jsonl_len,
            time_ms, reply_to, rv, type, sender, media_url, client_id, content)
        VALUES (p_group, v_bucket, v_seq, v_off, v_len, v_jsonl, v_jlen, v_ms,
            p_reply, 1, p_type, p_user, p_url, substr(p_id, 2), p_content);
    INSERT INTO dedupe
        VALUES (p_group, p_user, p_batch, p_gen, v_seq, v_seq, v_off, v_ms, 0);
    IF p_id IS NOT NULL THEN
        INSERT INTO dedupe
            VALUES (p_group, p_user, p_id, p_gen, v_seq, v_seq, v_off, v_ms,
                0);
    END IF;
    UPDATE groups
        SET last_seq = v_seq, last_off = v_off + v_len,
            last_jsonl_off = v_jsonl + v_jlen, last_ms = v_ms
        WHERE group_id = p_group;
    RETURN ARRAY[0, 0, v_epoch, v_seq, v_seq, v_off, v_ms, 0, 0, v_off + v_len,
        0];
END
$$;

-- Read pointers, by group and name. Where a group has two of them its row is
-- locked: one that appends there for two users would else wait for the one
-- while this waits for the other.
CREATE FUNCTION flush_reads(
    p_groups bigint[],
    p_names  text[],
    p_seqs   bigint[]
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    k       record;
    v_group bigint := 0;
    v_last  bigint;
BEGIN
    FOR k IN
        SELECT u.g, u.n, u.q, count(*) OVER (PARTITION BY u.g) AS c
        FROM unnest(p_groups, p_names, p_seqs) AS u(g, n, q)
        ORDER BY u.g, u.n COLLATE "C"
    LOOP
        IF k.g <> v_group THEN
            v_group := k.g;
            IF k.c > 1 THEN
                SELECT last_seq INTO v_last FROM groups
                    WHERE group_id = k.g
                    FOR KEY SHARE;
            ELSE
                SELECT last_seq INTO v_last FROM groups
                    WHERE group_id = k.g;
            END IF;
        END IF;
        UPDATE members SET last_read_seq = least(k.q, v_last)
            WHERE group_id = k.g AND name = k.n
                AND last_read_seq < least(k.q, v_last)
                AND v_last IS NOT NULL;
    END LOOP;
END
$$;

-- One read pointer. p_seq: -1 for the last.
CREATE FUNCTION set_read(
    p_group      bigint,
    p_user       text,
    p_seq        bigint,
    OUT o_status bigint,
    OUT o_last   bigint,
    OUT o_stored bigint,
    OUT o_moved  bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v_seq   bigint;
    v_least bigint;
BEGIN
    o_status := 1;
    o_moved := 0;
    SELECT last_seq, first_seq - 1 INTO o_last, v_least FROM groups
        WHERE group_id = p_group;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT greatest(last_read_seq, v_least) INTO o_stored FROM members
        WHERE group_id = p_group AND name = p_user;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_seq := CASE WHEN p_seq < 0 THEN o_last ELSE p_seq END;
    IF v_seq > o_last THEN
        o_status := 2;
        RETURN;
    END IF;
    o_status := 0;
    IF v_seq <= o_stored THEN
        RETURN;
    END IF;

    UPDATE members SET last_read_seq = v_seq
        WHERE group_id = p_group AND name = p_user AND last_read_seq < v_seq;
    IF FOUND THEN
        o_stored := v_seq;
        o_moved := 1;
        RETURN;
    END IF;
    -- Nobody: it went further meanwhile.
    SELECT last_read_seq INTO o_stored FROM members
        WHERE group_id = p_group AND name = p_user;
    IF NOT FOUND THEN
        o_status := 1;
    END IF;
END
$$;
