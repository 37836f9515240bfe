/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "daemon/ctl/commands.h"
#include "daemon/ctl/jsonl.h"
#include "daemon/ctl/port.h"
#include "lib/env.h"

/* One export under way. */
struct exporting {
	struct ctl *ctl;
	bool media; /* their bytes, too */
	struct jsonl_out out;
	struct port_counts counts;
	struct progress progress;
	uint64_t group_id;
	uint64_t before_seq; /* what is kept begins behind it */
	uint64_t last_seq;   /* of the first look: nothing later is in it */
};

static enum ctl_exit out_of_step(void)
{
	ctl_complain("groupd's answer makes no sense");
	return CTL_REFUSED;
}

/* Asks for one part. */
static enum ctl_exit ask(struct exporting *e, struct wire_body_export *body,
			 struct wire_body_exported *answer)
{
	body->group_id = e->group_id;
	body->last_seq = e->last_seq;
	return ctl_call_long(e->ctl, WIRE_EXPORT, body, answer);
}

static enum ctl_exit export_head(struct exporting *e, const char *name)
{
	struct wire_body_export body = { .name = str_of(name),
					 .part = PORT_GROUP };
	struct port_head head = { .media = e->media };
	struct wire_body_exported answer;
	enum ctl_exit rc = ask(e, &body, &answer);

	if (rc != CTL_OK)
		return rc;
	if (wire_next(&answer.records, &wire_schema_port_group, &head.group) !=
	    1)
		return out_of_step();
	e->group_id = head.group.group_id;
	e->before_seq = head.group.first_seq - 1;
	e->last_seq = head.group.last_seq;
	port_put_head(&e->out.pending, &head, env_now_ms(env_system()));
	return CTL_OK;
}

static enum ctl_exit export_members(struct exporting *e)
{
	char after[WIRE_USER_MAX + 1] = "";
	struct wire_body_exported answer;
	enum ctl_exit rc;

	do {
		struct wire_body_export body = { .part = PORT_MEMBERS,
						 .after = str_of(after) };
		struct wire_port_member m = { 0 };

		rc = ask(e, &body, &answer);
		if (rc != CTL_OK)
			return rc;
		while (wire_next(&answer.records, &wire_schema_port_member,
				 &m) == 1) {
			port_put_member(&e->out.pending, &m);
			e->counts.members++;
		}
		(void)str_to_cstr(m.name, after, sizeof(after));
		rc = jsonl_write(&e->out);
	} while (rc == CTL_OK && answer.complete == 0);
	return rc;
}

/* A page of messages; *seq is the last one that is written. */
static enum ctl_exit export_page(struct exporting *e, uint64_t *seq)
{
	struct wire_body_export body = { .part = PORT_MESSAGES,
					 .after_seq = *seq };
	struct wire_body_exported answer;
	struct wire_message m;
	enum ctl_exit rc = ask(e, &body, &answer);

	if (rc != CTL_OK)
		return rc;
	/* None at all would be asked for again and again. */
	if (answer.records.len == 0)
		return out_of_step();
	while (wire_next(&answer.records, &wire_schema_message, &m) == 1) {
		if (m.seq != *seq + 1)
			return out_of_step();
		port_put_message(&e->out.pending, &m);
		*seq = m.seq;
		e->counts.messages++;
	}
	return jsonl_write(&e->out);
}

static enum ctl_exit export_messages(struct exporting *e)
{
	enum ctl_exit rc = CTL_OK;
	uint64_t seq = e->before_seq;

	while (rc == CTL_OK && seq < e->last_seq) {
		rc = export_page(e, &seq);
		progress_set(&e->progress, seq - e->before_seq);
	}
	return rc;
}

/* Media files. */

static enum ctl_exit export_bytes(struct exporting *e, uint64_t media_id,
				  uint64_t size)
{
	struct wire_body_export body = { .part = PORT_BYTES,
					 .media_id = media_id };
	struct wire_body_exported answer;
	enum ctl_exit rc = CTL_OK;

	while (rc == CTL_OK && body.offset < size) {
		struct str piece;

		rc = ask(e, &body, &answer);
		if (rc != CTL_OK)
			return rc;
		if (answer.records.len == 0)
			return out_of_step();
		for (struct str left = answer.records; left.len > 0;) {
			piece = left;
			if (piece.len > PORT_PIECE)
				piece.len = PORT_PIECE;
			port_put_bytes(&e->out.pending, body.offset, piece);
			body.offset += piece.len;
			left.data += piece.len;
			left.len -= piece.len;
		}
		rc = jsonl_write(&e->out);
	}
	return rc;
}

static enum ctl_exit export_file(struct exporting *e,
				 const struct wire_media *m)
{
	port_put_media(&e->out.pending, m);
	e->counts.media++;
	return e->media ? export_bytes(e, m->media_id, m->size)
			: jsonl_write(&e->out);
}

/* The records are kept: asking for bytes takes the place of the answer. */
static enum ctl_exit export_files(struct exporting *e, struct str records,
				  char after[WIRE_FILE_MAX + 1])
{
	enum ctl_exit rc = CTL_OK;
	struct buf kept = { 0 };
	struct wire_media m;
	struct str rest;

	buf_append_str(&kept, records);
	if (kept.failed) {
		ctl_complain("out of memory");
		rc = CTL_REFUSED;
	}
	rest = buf_str(&kept);
	while (rc == CTL_OK && wire_next(&rest, &wire_schema_media, &m) == 1) {
		(void)str_to_cstr(m.name, after, WIRE_FILE_MAX + 1);
		rc = export_file(e, &m);
	}
	buf_release(&kept);
	return rc;
}

static enum ctl_exit export_media(struct exporting *e)
{
	char after[WIRE_FILE_MAX + 1] = "";
	bool complete = false;
	enum ctl_exit rc = CTL_OK;

	while (rc == CTL_OK && !complete) {
		struct wire_body_export body = { .part = PORT_MEDIA,
						 .after = str_of(after) };
		struct wire_body_exported answer;

		rc = ask(e, &body, &answer);
		if (rc != CTL_OK)
			return rc;
		complete = answer.complete != 0;
		rc = export_files(e, answer.records, after);
	}
	return rc;
}

static enum ctl_exit export_end(struct exporting *e)
{
	uint8_t sha256[WIRE_HASH];
	enum ctl_exit rc = jsonl_sum(&e->out, sha256);

	if (rc != CTL_OK)
		return rc;
	port_put_end(&e->out.pending, &e->counts, sha256);
	return jsonl_finish(&e->out);
}

static enum ctl_exit export_all(struct exporting *e, const char *name)
{
	enum ctl_exit rc = export_head(e, name);

	progress_start(&e->progress, "exporting", PROGRESS_COUNT, "messages",
		       e->last_seq - e->before_seq);
	e->ctl->progress = &e->progress;
	if (rc == CTL_OK)
		rc = export_members(e);
	if (rc == CTL_OK)
		rc = export_messages(e);
	if (rc == CTL_OK)
		rc = export_media(e);
	if (rc == CTL_OK)
		rc = export_end(e);
	e->ctl->progress = NULL;
	if (rc == CTL_OK)
		progress_finish(&e->progress);
	else
		progress_clear(&e->progress);
	return rc;
}

enum ctl_exit ctl_export(struct ctl *ctl, const struct ctl_options *o, int argc,
			 char **argv)
{
	struct exporting e = { .ctl = ctl, .media = !o->no_media };
	enum ctl_exit rc;

	if (!ctl_is_group_name(argv[0]))
		return CTL_REFUSED;
	rc = jsonl_create(&e.out, argc > 1 ? argv[1] : NULL);
	if (rc == CTL_OK)
		rc = export_all(&e, argv[0]);
	jsonl_abandon(&e.out);
	return rc;
}
