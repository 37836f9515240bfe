/* SPDX-License-Identifier: MIT */
#include "store/postgres_functions.h"

#include <stddef.h>

/*
 * Statuses are enum pg_status of postgres.h. Each statement has one table, so
 * that it goes to one machine; none is a CTE, for what is read behind a lock
 * must be what was committed before it, and within one statement it is not.
 */

/*
 * Room for a day: a partition of `messages` or `dedupe`. Behind p_now they are
 * made by months (an import), else by days. ATTACH, and not CREATE ...
 * PARTITION OF, because it lets others read and write meanwhile; and never
 * within the transaction of an append: whoever waits here holds no lock of a
 * group.
 */
static const char make_room[] =
	"CREATE FUNCTION make_room(p_parent text,p_day bigint,p_now bigint,"
	" OUT o_lo bigint,OUT o_hi bigint) LANGUAGE plpgsql AS $$ "
	"DECLARE v_epoch date:='1970-01-01'; v_name text; BEGIN "
	"PERFORM pg_advisory_xact_lock(7308335461112709734);"
	"SELECT lo,hi INTO o_lo,o_hi FROM partitions "
	" WHERE parent=p_parent AND lo<=p_day AND hi>p_day;"
	"IF FOUND THEN RETURN; END IF;"
	"o_lo:=p_day; o_hi:=p_day+1;"
	"IF p_day<p_now-1 THEN "
	" o_lo:=date_trunc('month',v_epoch+p_day::integer)::date-v_epoch;"
	" o_hi:=(date_trunc('month',v_epoch+p_day::integer)"
	"  +interval '1 month')::date-v_epoch;"
	" SELECT greatest(o_lo,max(hi)) INTO o_lo FROM partitions "
	"  WHERE parent=p_parent AND hi<=p_day;"
	" SELECT least(o_hi,min(lo),p_now-1) INTO o_hi FROM partitions "
	"  WHERE parent=p_parent AND lo>p_day;"
	"END IF;"
	"v_name:=p_parent||'_'||to_char(v_epoch+o_lo::integer,'YYYYMMDD');"
	"IF o_hi-o_lo>1 THEN "
	" v_name:=v_name||'_'||to_char(v_epoch+o_hi::integer,'YYYYMMDD');"
	"END IF;"
	"EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)',"
	" v_name,p_parent);"
	"EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I "
	" FOR VALUES FROM (%s) TO (%s)',p_parent,v_name,o_lo,o_hi);"
	"INSERT INTO partitions(parent,lo,hi,name) "
	" VALUES(p_parent,o_lo,o_hi,v_name);"
	"END $$";

/* Forgets ids of generations before p_before. */
static const char drop_keys[] =
	"CREATE FUNCTION drop_keys(p_before bigint) RETURNS void "
	"LANGUAGE plpgsql AS $$ DECLARE v_part record; BEGIN "
	"PERFORM pg_advisory_xact_lock(7308335461112709734);"
	"FOR v_part IN SELECT lo,name FROM partitions "
	" WHERE parent='dedupe' AND hi<=p_before LOOP "
	" EXECUTE format('DROP TABLE %I',v_part.name);"
	" DELETE FROM partitions WHERE parent='dedupe' AND lo=v_part.lo;"
	"END LOOP; END $$";

/*
 * Who is mentioned in one message, in the order of p_names, which has each
 * name once and not the sender's. Everybody's record holds for those who are
 * named too.
 */
static const char record_mentions[] =
	"CREATE FUNCTION record_mentions(p_group bigint,p_user text,"
	" p_role smallint,p_members bigint,p_seq bigint,p_names text,"
	" OUT o_names text,OUT o_warn bigint) LANGUAGE plpgsql AS $$ "
	"DECLARE v_list text[]:='{}'; v_name text; v_all boolean:=false;"
	" v_count integer:=0; v_n bigint; BEGIN "
	"o_warn:=0;"
	"FOREACH v_name IN ARRAY string_to_array(p_names,' ') LOOP "
	" IF v_name='everyone' THEN "
	"  IF p_members>100 AND p_role<>1 THEN o_warn:=1; CONTINUE; END IF;"
	"  v_all:=true;"
	" ELSE "
	"  PERFORM 1 FROM members WHERE group_id=p_group AND name=v_name;"
	"  IF NOT FOUND THEN CONTINUE; END IF;"
	"  IF v_count=100 THEN o_warn:=1; CONTINUE; END IF;"
	"  v_count:=v_count+1;"
	" END IF;"
	" v_list:=array_append(v_list,v_name);"
	"END LOOP;"
	"o_names:=nullif(array_to_string(v_list,' '),'');"
	"IF v_all THEN "
	" SELECT n INTO v_n FROM everyone WHERE group_id=p_group "
	"  ORDER BY seq DESC LIMIT 1;"
	" INSERT INTO everyone(group_id,seq,sender,n) "
	"  VALUES(p_group,p_seq,p_user,1+coalesce(v_n,0));"
	" RETURN;"
	"END IF;"
	"FOREACH v_name IN ARRAY v_list LOOP "
	" SELECT n INTO v_n FROM mentions WHERE group_id=p_group "
	"  AND name=v_name ORDER BY seq DESC LIMIT 1;"
	" INSERT INTO mentions(group_id,name,seq,n) "
	"  VALUES(p_group,v_name,p_seq,1+coalesce(v_n,0));"
	"END LOOP; END $$";

#define APPEND_IN                                                              \
	"(p_group bigint,p_user text,p_now bigint,p_gen bigint,"               \
	" p_from bigint,p_batch bytea,p_known boolean,p_type bigint[],"        \
	" p_reply bigint[],p_len bigint[],p_jsonl bigint[],p_warn bigint[],"   \
	" p_id bytea[],p_content bytea[],p_url text[],p_names text[],"
#define APPEND_OUT                                                             \
	" OUT o_status bigint,OUT o_at bigint,OUT o_epoch bigint,"             \
	" OUT o_first bigint,OUT o_last bigint,OUT o_off bigint,"              \
	" OUT o_ms bigint,OUT o_duplicate bigint,OUT o_warnings bigint,"       \
	" OUT o_end bigint,OUT o_mentions bigint) LANGUAGE plpgsql AS $$ "
#define FIND_KEY(key)                                                          \
	"SELECT first_seq,last_seq,off,time_ms,warnings INTO d FROM dedupe "   \
	" WHERE group_id=p_group AND name=p_user AND key=" key                 \
	" AND gen>=p_from LIMIT 1;"

/*
 * Messages in. The lock comes first: what is read behind it is true until the
 * end of the transaction. p_len, p_jsonl: the lines' lengths but for the digits
 * of seq, and the mentions in JSON: ,"mentions":["a","b"]. A reply to what is
 * not there is refused before anything is written where there is one message;
 * else append_or_none() undoes what was.
 */
static const char append_messages[] =
	"CREATE FUNCTION append_messages" APPEND_IN APPEND_OUT
	"DECLARE g record; d record; v_role smallint; v_seq bigint;"
	" v_off bigint; v_jsonl bigint; v_len bigint; v_jlen bigint;"
	" v_stored bigint:=0; v_dups bigint:=0; v_names text; v_warn bigint;"
	" v_now bigint; v_bucket bigint; BEGIN "
	"SELECT epoch,first_seq,last_seq,last_off,last_jsonl_off,last_ms,"
	" last_bucket,member_count INTO g FROM groups WHERE group_id=p_group "
	"FOR UPDATE;"
	"IF NOT FOUND THEN o_status:=1; RETURN; END IF;"
	"SELECT role INTO v_role FROM members "
	" WHERE group_id=p_group AND name=p_user;"
	"IF NOT FOUND THEN o_status:=1; RETURN; END IF;"
	"o_status:=0; o_at:=0; o_epoch:=g.epoch; o_first:=0; o_last:=0;"
	"o_off:=0; o_ms:=0; o_duplicate:=0; o_warnings:=0; o_mentions:=0;"
	"o_end:=g.last_off;"
	"IF p_batch IS NOT NULL THEN " FIND_KEY(
		"p_batch") " IF FOUND THEN "
			   "  o_first:=d.first_seq; o_last:=d.last_seq; "
			   "o_off:=d.off;"
			   "  o_ms:=d.time_ms; o_warnings:=d.warnings; "
			   "o_duplicate:=1; RETURN;"
			   " END IF;"
			   "END IF;"
			   "v_seq:=g.last_seq; v_off:=g.last_off; "
			   "v_jsonl:=g.last_jsonl_off;"
			   "v_now:=greatest(p_now,g.last_ms); "
			   "v_bucket:=v_now/86400000;"
			   "FOR i IN 1..cardinality(p_type) LOOP "
			   " IF p_id[i] IS NOT NULL THEN " FIND_KEY(
				   "p_id[i]") "  IF FOUND THEN "
					      "   IF v_stored=0 THEN "
					      "    IF v_dups=0 THEN "
					      "     o_first:=d.first_seq; "
					      "o_off:=d.off; o_ms:=d.time_ms;"
					      "    END IF;"
					      "    o_last:=d.last_seq;"
					      "   END IF;"
					      "   "
					      "o_warnings:=o_warnings|d."
					      "warnings; v_dups:=v_dups+1; "
					      "CONTINUE;"
					      "  END IF;"
					      " END IF;"
					      " IF p_known THEN "
					      "  o_first:=0; o_last:=0; "
					      "o_off:=0; o_ms:=0; "
					      "o_warnings:=0; RETURN;"
					      " END IF;"
					      " IF p_reply[i]>v_seq OR "
					      "(p_reply[i]>0 AND "
					      "p_reply[i]<g.first_seq) THEN "
					      "o_status:=2; o_at:=i; RETURN; "
					      "END IF;"
					      " v_seq:=v_seq+1; v_names:=NULL; "
					      "v_warn:=p_warn[i];"
					      " v_len:=p_len[i]+length(v_seq::"
					      "text);"
					      " v_jlen:=p_jsonl[i]+length(v_"
					      "seq::text);"
					      " IF p_names[i] IS NOT NULL THEN "
					      "  SELECT "
					      "r.o_names,v_warn|r.o_warn INTO "
					      "v_names,v_warn FROM "
					      "   "
					      "record_mentions(p_group,p_user,"
					      "v_role,g.member_count,v_seq,"
					      "   p_names[i]) r;"
					      "  IF v_names IS NOT NULL THEN "
					      "   "
					      "v_jlen:=v_jlen+16+3*length(v_"
					      "names)"
					      "    -2*length(replace(v_names,' "
					      "',''));"
					      "   o_mentions:=1;"
					      "  END IF;"
					      " END IF;"
					      " IF v_stored=0 THEN "
					      "  o_first:=v_seq; o_off:=v_off; "
					      "o_ms:=v_now;"
					      "  IF v_bucket<>g.last_bucket "
					      "THEN "
					      "   INSERT INTO segments VALUES"
					      "    "
					      "(p_group,v_bucket,v_seq,v_off,v_"
					      "jsonl,v_now);"
					      "  END IF;"
					      " END IF;"
					      " INSERT INTO "
					      "messages(group_id,bucket,seq,"
					      "off,len,jsonl_off,jsonl_len,"
					      "  "
					      "time_ms,reply_to,rv,type,sender,"
					      "media_url,mentions,client_id,"
					      "content)"
					      "  "
					      "VALUES(p_group,v_bucket,v_seq,v_"
					      "off,v_len,v_jsonl,v_jlen,v_now,"
					      "  "
					      "p_reply[i],1,p_type[i],p_user,p_"
					      "url[i],v_names,"
					      "  "
					      "substr(p_id[i],2),p_content[i]);"
					      " IF p_id[i] IS NOT NULL THEN "
					      "  INSERT INTO dedupe "
					      "VALUES(p_group,p_user,p_id[i],p_"
					      "gen,v_seq,v_seq,"
					      "   v_off,v_now,v_warn);"
					      " END IF;"
					      " v_off:=v_off+v_len; "
					      "v_jsonl:=v_jsonl+v_jlen;"
					      " o_last:=v_seq; "
					      "o_warnings:=o_warnings|v_warn; "
					      "v_stored:=v_stored+1;"
					      "END LOOP;"
					      "o_end:=v_off;"
					      "IF v_stored=0 THEN "
					      "o_duplicate:=1; END IF;"
					      "IF p_batch IS NOT NULL AND NOT "
					      "p_known THEN "
					      " INSERT INTO dedupe "
					      "VALUES(p_group,p_user,p_batch,p_"
					      "gen,o_first,"
					      "  o_last,o_off,o_ms,o_warnings);"
					      "END IF;"
					      "IF v_stored>0 THEN "
					      " UPDATE members SET "
					      "last_read_seq=v_seq "
					      "  WHERE group_id=p_group AND "
					      "name=p_user;"
					      " UPDATE groups SET "
					      "last_seq=v_seq,last_off=v_off,"
					      "  "
					      "last_jsonl_off=v_jsonl,last_ms="
					      "v_now,last_bucket=v_bucket "
					      "  WHERE group_id=p_group;"
					      "END IF; END $$";

/* Several, of which one may be refused behind others. */
static const char append_or_none[] =
	"CREATE FUNCTION append_or_none" APPEND_IN APPEND_OUT "BEGIN "
	"SELECT * INTO o_status,o_at,o_epoch,o_first,o_last,o_off,o_ms,"
	" o_duplicate,o_warnings,o_end,o_mentions FROM append_messages("
	" p_group,p_user,p_now,p_gen,p_from,p_batch,p_known,p_type,p_reply,"
	" p_len,p_jsonl,p_warn,p_id,p_content,p_url,p_names);"
	"IF o_status<>0 THEN RAISE SQLSTATE 'GF000'; END IF;"
	"EXCEPTION WHEN SQLSTATE 'GF000' THEN NULL; END $$";

/* Read pointers, by group and name. Where a group has two of them its row is
 * locked: one that appends there for two users would else wait for the one
 * while this waits for the other. */
static const char flush_reads[] =
	"CREATE FUNCTION flush_reads(p_groups bigint[],p_names text[],"
	" p_seqs bigint[]) RETURNS void LANGUAGE plpgsql AS $$ "
	"DECLARE k record; v_group bigint:=0; v_last bigint; BEGIN "
	"FOR k IN SELECT u.g,u.n,u.q,count(*) OVER (PARTITION BY u.g) AS c "
	" FROM unnest(p_groups,p_names,p_seqs) AS u(g,n,q) "
	" ORDER BY u.g,u.n COLLATE \"C\" LOOP "
	" IF k.g<>v_group THEN "
	"  v_group:=k.g;"
	"  IF k.c>1 THEN "
	"   SELECT last_seq INTO v_last FROM groups WHERE group_id=k.g "
	"    FOR KEY SHARE;"
	"  ELSE "
	"   SELECT last_seq INTO v_last FROM groups WHERE group_id=k.g;"
	"  END IF;"
	" END IF;"
	" UPDATE members SET last_read_seq=least(k.q,v_last) WHERE "
	"  group_id=k.g AND name=k.n AND last_read_seq<least(k.q,v_last) "
	"  AND v_last IS NOT NULL;"
	"END LOOP; END $$";

/* p_seq: -1 for the last. */
static const char set_read[] =
	"CREATE FUNCTION set_read(p_group bigint,p_user text,p_seq bigint,"
	" OUT o_status bigint,OUT o_last bigint,OUT o_stored bigint,"
	" OUT o_moved bigint) LANGUAGE plpgsql AS $$ "
	"DECLARE v_seq bigint; v_least bigint; BEGIN "
	"o_status:=1; o_moved:=0;"
	"SELECT last_seq,first_seq-1 INTO o_last,v_least FROM groups "
	" WHERE group_id=p_group;"
	"IF NOT FOUND THEN RETURN; END IF;"
	"SELECT greatest(last_read_seq,v_least) INTO o_stored FROM members "
	" WHERE group_id=p_group AND name=p_user;"
	"IF NOT FOUND THEN RETURN; END IF;"
	"v_seq:=CASE WHEN p_seq<0 THEN o_last ELSE p_seq END;"
	"IF v_seq>o_last THEN o_status:=2; RETURN; END IF;"
	"o_status:=0;"
	"IF v_seq<=o_stored THEN RETURN; END IF;"
	"UPDATE members SET last_read_seq=v_seq WHERE group_id=p_group "
	" AND name=p_user AND last_read_seq<v_seq;"
	/* Nobody: it went further meanwhile. */
	"IF FOUND THEN o_stored:=v_seq; o_moved:=1; RETURN; END IF;"
	"SELECT last_read_seq INTO o_stored FROM members "
	" WHERE group_id=p_group AND name=p_user;"
	"IF NOT FOUND THEN o_status:=1; END IF; END $$";

/* What happened to a user, by his own number. The last 1000 are kept, and so
 * are those of a group: nodes look each second, and whoever finds that the
 * first are gone reads the whole. */
static const char note_user_change[] =
	"CREATE FUNCTION note_user_change(p_name text,p_group bigint,"
	" p_group_name text,p_change bigint,p_role bigint,p_by text,"
	" p_read bigint,p_now bigint) RETURNS void LANGUAGE plpgsql AS $$ "
	"DECLARE v_version bigint; BEGIN "
	"UPDATE users SET version=version+1 WHERE name=p_name "
	" RETURNING version INTO v_version;"
	"IF NOT FOUND THEN RETURN; END IF;"
	"DELETE FROM user_changes WHERE name=p_name "
	" AND version<=v_version-1000;"
	"INSERT INTO user_changes VALUES(p_name,v_version,p_group,"
	" p_group_name,p_change,p_role,p_by,p_read,p_now);"
	"END $$";

/* All changes of a group after a version, to those whom they are about: by
 * their names, because their rows are locked. */
static const char tell_users[] =
	"CREATE FUNCTION tell_users(p_group bigint,p_group_name text,"
	" p_after bigint,p_now bigint) RETURNS void LANGUAGE plpgsql AS $$ "
	"DECLARE c record; BEGIN "
	"FOR c IN SELECT change,role,name,by_name,last_read_seq FROM changes "
	" WHERE group_id=p_group AND version>p_after ORDER BY name,version "
	"LOOP "
	" PERFORM note_user_change(c.name,p_group,p_group_name,c.change,c.role,"
	"  c.by_name,c.last_read_seq,p_now);"
	"END LOOP;"
	"DELETE FROM changes WHERE group_id=p_group AND version<=p_after-1000;"
	"END $$";

/* The edits in their order; the group's row is locked, and who refuses leaves
 * it to his caller to undo. */
static const char change_members[] =
	"CREATE FUNCTION change_members(p_group bigint,p_group_name text,"
	" p_by text,p_ops bigint[],p_names text[],p_now bigint,"
	" OUT o_status bigint,OUT o_name text) LANGUAGE plpgsql AS $$ "
	"DECLARE g record; v_role smallint; v_was smallint; v_found boolean;"
	" v_count bigint; v_version bigint; v_pointer bigint; v_read bigint;"
	" v_change smallint; v_lost text; BEGIN "
	"SELECT member_count,max_members,member_version,last_seq,first_seq "
	" INTO g FROM groups WHERE group_id=p_group;"
	"v_count:=g.member_count; v_version:=g.member_version;"
	"v_pointer:=greatest(g.last_seq-50,g.first_seq-1,0);"
	"FOR i IN 1..cardinality(p_ops) LOOP "
	" o_name:=p_names[i]; v_read:=0;"
	" v_role:=CASE WHEN p_ops[i]=2 THEN 1 ELSE 0 END;"
	" SELECT role INTO v_was FROM members "
	"  WHERE group_id=p_group AND name=o_name;"
	" v_found:=FOUND;"
	" IF p_ops[i]=3 THEN "
	"  IF NOT v_found THEN o_status:=5; RETURN; END IF;"
	"  DELETE FROM members WHERE group_id=p_group AND name=o_name;"
	"  DELETE FROM mentions WHERE group_id=p_group AND name=o_name;"
	"  DELETE FROM memberships WHERE name=o_name "
	"   AND group_name=p_group_name;"
	"  v_count:=v_count-1; v_change:=1; v_role:=2;"
	"  IF v_was=1 THEN v_lost:=o_name; END IF;"
	" ELSIF NOT v_found THEN "
	"  PERFORM 1 FROM users WHERE name=o_name;"
	"  IF NOT FOUND THEN o_status:=4; RETURN; END IF;"
	"  IF v_count>=g.max_members THEN o_status:=6; RETURN; END IF;"
	"  v_read:=v_pointer;"
	"  INSERT INTO members VALUES(p_group,o_name,v_role,p_now,g.last_seq,"
	"   v_read);"
	"  INSERT INTO memberships VALUES(o_name,p_group_name,p_group);"
	"  v_count:=v_count+1; v_change:=0;"
	" ELSE "
	"  IF p_ops[i]=0 OR v_was=v_role THEN CONTINUE; END IF;"
	"  UPDATE members SET role=v_role WHERE group_id=p_group "
	"   AND name=o_name;"
	"  v_change:=2;"
	"  IF v_role=0 THEN v_lost:=o_name; END IF;"
	" END IF;"
	" v_version:=v_version+1;"
	" INSERT INTO changes VALUES(p_group,v_version,v_change,v_role,o_name,"
	"  p_by,v_read,p_now);"
	"END LOOP;"
	"IF v_lost IS NOT NULL THEN "
	" PERFORM 1 FROM members WHERE group_id=p_group AND role=1 LIMIT 1;"
	" IF NOT FOUND THEN o_status:=7; o_name:=v_lost; RETURN; END IF;"
	"END IF;"
	"o_status:=0;"
	"IF v_version=g.member_version THEN RETURN; END IF;"
	"UPDATE groups SET member_count=v_count,member_version=v_version,"
	" members_ms=greatest(members_ms,p_now) WHERE group_id=p_group;"
	"PERFORM tell_users(p_group,p_group_name,g.member_version,p_now);"
	"END $$";

/* o_version: of the members before. */
static const char edit_members[] =
	"CREATE FUNCTION edit_members(p_group bigint,p_by text,p_ops bigint[],"
	" p_names text[],p_now bigint,OUT o_status bigint,OUT o_name text,"
	" OUT o_version bigint) LANGUAGE plpgsql AS $$ "
	"DECLARE v_name text; v_role smallint; BEGIN "
	"o_status:=1;"
	"SELECT name,member_version INTO v_name,o_version FROM groups "
	" WHERE group_id=p_group FOR UPDATE;"
	"IF NOT FOUND THEN RETURN; END IF;"
	"SELECT role INTO v_role FROM members "
	" WHERE group_id=p_group AND name=p_by;"
	"IF NOT FOUND THEN RETURN; END IF;"
	/* A member may remove himself, and nothing else. */
	"IF v_role<>1 THEN FOR i IN 1..cardinality(p_ops) LOOP "
	" IF p_ops[i]<>3 OR p_names[i]<>p_by THEN o_status:=3; RETURN; END IF;"
	"END LOOP; END IF;"
	"SELECT c.o_status,c.o_name INTO o_status,o_name FROM "
	" change_members(p_group,v_name,p_by,p_ops,p_names,p_now) c;"
	"IF o_status<>0 THEN RAISE SQLSTATE 'GF000'; END IF;"
	"EXCEPTION WHEN SQLSTATE 'GF000' THEN NULL; END $$";

/* A group of this name, or the one that this request has made before. */
static const char find_created[] =
	"CREATE FUNCTION find_created(p_name text,p_creator text,p_key bytea,"
	" OUT o_status bigint,OUT o_group bigint) LANGUAGE plpgsql AS $$ "
	"DECLARE n record; BEGIN "
	"o_status:=0; o_group:=0;"
	"SELECT group_id,created_by,create_key INTO n FROM group_names "
	" WHERE name=p_name;"
	"IF NOT FOUND THEN RETURN; END IF;"
	"IF n.created_by=p_creator AND n.create_key=p_key THEN "
	" o_group:=n.group_id;"
	"ELSE o_status:=8; END IF; END $$";

/* The id is taken when nothing but a race can refuse any more. */
static const char create_group[] =
	"CREATE FUNCTION create_group(p_name text,p_creator text,p_key bytea,"
	" p_description bytea,p_settings bytea,p_epoch bigint,p_max bigint,"
	" p_ops bigint[],p_names text[],p_now bigint,OUT o_status bigint,"
	" OUT o_name text,OUT o_group bigint,OUT o_existed bigint) "
	"LANGUAGE plpgsql AS $$ BEGIN "
	"o_existed:=0;"
	"SELECT c.o_status,c.o_group INTO o_status,o_group FROM "
	" find_created(p_name,p_creator,p_key) c;"
	"IF o_status<>0 OR o_group<>0 THEN "
	" o_existed:=(o_group<>0)::integer; RETURN;"
	"END IF;"
	"p_ops:=array_prepend(2::bigint,p_ops);"
	"p_names:=array_prepend(p_creator,p_names);"
	"FOREACH o_name IN ARRAY p_names LOOP "
	" PERFORM 1 FROM users WHERE name=o_name;"
	" IF NOT FOUND THEN o_status:=4; RETURN; END IF;"
	"END LOOP;"
	"o_group:=nextval('group_ids');"
	"INSERT INTO group_names VALUES(p_name,o_group,p_creator,p_key) "
	" ON CONFLICT DO NOTHING;"
	"IF NOT FOUND THEN "
	" SELECT c.o_status,c.o_group INTO o_status,o_group FROM "
	"  find_created(p_name,p_creator,p_key) c;"
	" o_existed:=(o_group<>0)::integer;"
	/* Deleted in this moment: it is tried again. */
	" IF o_status=0 AND o_group=0 THEN o_status:=8; END IF;"
	" RETURN;"
	"END IF;"
	"INSERT INTO groups(group_id,epoch,name,created_by,created_ms,last_ms,"
	" max_members,info_ms,members_ms) VALUES(o_group,p_epoch,p_name,"
	" p_creator,p_now,p_now,p_max,p_now,p_now);"
	"INSERT INTO infos(group_id,description,settings) "
	" VALUES(o_group,p_description,p_settings);"
	"SELECT c.o_status,c.o_name INTO o_status,o_name FROM "
	" change_members(o_group,p_name,p_creator,p_ops,p_names,p_now) c;"
	"IF o_status<>0 THEN RAISE SQLSTATE 'GF000'; END IF;"
	"EXCEPTION WHEN SQLSTATE 'GF000' THEN o_group:=0; END $$";

/* A group's files: what no other group has becomes garbage. All who add or drop
 * a file do it under the hash's row in garbage (postgres_media.c), or two
 * groups that go at once would each believe that the other keeps it. By the
 * order of the hashes, or two might wait for each other. */
static const char drop_media[] =
	"CREATE FUNCTION drop_media(p_group bigint) RETURNS void "
	"LANGUAGE plpgsql AS $$ DECLARE v_hash bytea; BEGIN "
	"FOR v_hash IN SELECT DISTINCT hash FROM media "
	" WHERE group_id=p_group ORDER BY hash LOOP "
	" INSERT INTO garbage(hash) VALUES(v_hash) "
	"  ON CONFLICT(hash) DO UPDATE SET hash=excluded.hash;"
	" PERFORM 1 FROM media WHERE hash=v_hash AND group_id<>p_group LIMIT 1;"
	" IF FOUND THEN DELETE FROM garbage WHERE hash=v_hash; END IF;"
	"END LOOP;"
	"DELETE FROM media WHERE group_id=p_group;"
	"END $$";

/* The dedupe keys go with their generations: an id is never used again. */
static const char delete_group[] =
	"CREATE FUNCTION delete_group(p_group bigint,p_by text,p_now bigint,"
	" OUT o_status bigint) LANGUAGE plpgsql AS $$ "
	"DECLARE v_name text; v_role smallint; v_bucket bigint; v_user text;"
	"BEGIN "
	"o_status:=1;"
	"SELECT name INTO v_name FROM groups WHERE group_id=p_group FOR UPDATE;"
	"IF NOT FOUND THEN RETURN; END IF;"
	"SELECT role INTO v_role FROM members "
	" WHERE group_id=p_group AND name=p_by;"
	"IF NOT FOUND THEN RETURN; END IF;"
	"IF v_role<>1 THEN o_status:=3; RETURN; END IF;"
	"FOR v_bucket IN SELECT bucket FROM segments "
	" WHERE group_id=p_group LOOP "
	" EXECUTE format('DELETE FROM messages WHERE group_id=$1 "
	"  AND bucket=%s',v_bucket) USING p_group;"
	"END LOOP;"
	"DELETE FROM segments WHERE group_id=p_group;"
	"DELETE FROM mentions WHERE group_id=p_group;"
	"DELETE FROM everyone WHERE group_id=p_group;"
	"PERFORM drop_media(p_group);"
	"DELETE FROM changes WHERE group_id=p_group;"
	"DELETE FROM infos WHERE group_id=p_group;"
	"DELETE FROM group_names WHERE name=v_name;"
	"FOR v_user IN SELECT name FROM members WHERE group_id=p_group "
	" ORDER BY name LOOP "
	" DELETE FROM memberships WHERE name=v_user AND group_name=v_name;"
	" PERFORM note_user_change(v_user,p_group,v_name,1,2,p_by,0,p_now);"
	"END LOOP;"
	"DELETE FROM members WHERE group_id=p_group;"
	"DELETE FROM groups WHERE group_id=p_group;"
	"o_status:=0; END $$";

/*
 * Messages after p_after, at most p_limit, and from p_end on none: of as many
 * buckets as it takes. A bucket is written into the statement, so that its
 * plan has one partition, of however many there are; only groups, or imports,
 * have segments.
 */
static const char read_log[] =
	"CREATE FUNCTION read_log(p_group bigint,p_after bigint,"
	" p_limit bigint,p_end bigint) RETURNS TABLE(seq bigint,off bigint,"
	" len bigint,jsonl_off bigint,jsonl_len bigint,time_ms bigint,"
	" type smallint,reply_to bigint,sender text,media_url text,"
	" mentions text,client_id bytea,content bytea,rv smallint) "
	"LANGUAGE plpgsql STABLE AS $$ "
	"DECLARE v_from bigint; v_left bigint:=p_limit; v_bucket bigint;"
	" v_rows bigint; BEGIN "
	"SELECT s.bucket INTO v_from FROM segments s WHERE s.group_id=p_group "
	" AND s.first_seq<=p_after+1 ORDER BY s.bucket DESC LIMIT 1;"
	"FOR v_bucket IN SELECT s.bucket FROM segments s "
	" WHERE s.group_id=p_group AND s.bucket>=coalesce(v_from,0) "
	" ORDER BY s.bucket LOOP "
	" RETURN QUERY EXECUTE format('SELECT seq,off,len,jsonl_off,jsonl_len,"
	"  time_ms,type,reply_to,sender,media_url,mentions,client_id,content,"
	"  rv FROM messages WHERE group_id=$1 AND bucket=%s AND seq>$2 "
	"  AND off<$3 ORDER BY seq LIMIT $4',v_bucket) "
	"  USING p_group,p_after,p_end,v_left;"
	" GET DIAGNOSTICS v_rows=ROW_COUNT;"
	" v_left:=v_left-v_rows;"
	" EXIT WHEN v_left<=0;"
	"END LOOP; END $$";

/* The line that holds a byte: by halves, within the bucket that holds it. No
 * row: there is none; no o_off: not any more, o_seq is the first that is. */
static const char seek_log[] =
	"CREATE FUNCTION seek_log(p_group bigint,p_jsonl boolean,p_at bigint) "
	"RETURNS TABLE(o_seq bigint,o_off bigint) "
	"LANGUAGE plpgsql STABLE AS $$ "
	"DECLARE g record; s record; v_high bigint; v_column text; BEGIN "
	"SELECT first_seq,last_seq,CASE WHEN p_jsonl THEN first_jsonl_off "
	" ELSE first_off END AS first,CASE WHEN p_jsonl THEN last_jsonl_off "
	" ELSE last_off END AS size INTO g FROM groups WHERE group_id=p_group;"
	"IF NOT FOUND OR p_at>=g.size THEN RETURN; END IF;"
	"IF p_at<g.first THEN "
	" RETURN QUERY SELECT g.first_seq,NULL::bigint; RETURN;"
	"END IF;"
	"SELECT bucket,first_seq INTO s FROM segments WHERE group_id=p_group "
	" AND CASE WHEN p_jsonl THEN first_jsonl_off ELSE first_off END<=p_at "
	" ORDER BY bucket DESC LIMIT 1;"
	"IF NOT FOUND THEN RETURN; END IF;"
	"SELECT first_seq-1 INTO v_high FROM segments WHERE group_id=p_group "
	" AND bucket>s.bucket ORDER BY bucket LIMIT 1;"
	"v_column:=CASE WHEN p_jsonl THEN 'jsonl_off' ELSE 'off' END;"
	"RETURN QUERY EXECUTE format('WITH RECURSIVE r(lo,hi) AS ("
	" SELECT $2,$3 UNION ALL SELECT "
	"  CASE WHEN m.%1$I<=$4 THEN m.seq ELSE r.lo END,"
	"  CASE WHEN m.%1$I<=$4 THEN r.hi ELSE m.seq-1 END "
	"  FROM r CROSS JOIN LATERAL (SELECT seq,%1$I FROM messages "
	"   WHERE group_id=$1 AND bucket=%2$s AND seq=(r.lo+r.hi+1)/2) m "
	"  WHERE r.lo<r.hi) "
	" SELECT m.seq,m.%1$I FROM messages m WHERE m.group_id=$1 "
	"  AND m.bucket=%2$s AND m.seq=(SELECT lo FROM r WHERE lo=hi) "
	"  AND m.%1$I<=$4',v_column,s.bucket) "
	" USING p_group,greatest(s.first_seq,g.first_seq),"
	" coalesce(v_high,g.last_seq),p_at;"
	"END $$";

/* Offsets of lines in `messages`; i counts the arrays from 1. */
static const char line_offs[] =
	"CREATE FUNCTION line_offs(p_groups bigint[],p_buckets bigint[],"
	" p_seqs bigint[]) RETURNS TABLE(i bigint,off bigint) "
	"LANGUAGE plpgsql STABLE AS $$ DECLARE v_bucket bigint; BEGIN "
	"FOR v_bucket IN SELECT DISTINCT unnest(p_buckets) LOOP "
	" RETURN QUERY EXECUTE format('SELECT k.i,m.off FROM "
	"  unnest($1,$2,$3) WITH ORDINALITY AS k(g,b,s,i) "
	"  CROSS JOIN LATERAL (SELECT x.off FROM messages x WHERE "
	"   x.group_id=k.g AND x.bucket=%1$s AND x.seq=k.s) m "
	"  WHERE k.b=%1$s',v_bucket) USING p_groups,p_buckets,p_seqs;"
	"END LOOP; END $$";

const char *const pg_functions_1[] = {
	make_room,
	drop_keys,
	record_mentions,
	append_messages,
	append_or_none,
	flush_reads,
	set_read,
	note_user_change,
	tell_users,
	change_members,
	edit_members,
	find_created,
	create_group,
	drop_media,
	delete_group,
	read_log,
	seek_log,
	line_offs,
	NULL,
};
