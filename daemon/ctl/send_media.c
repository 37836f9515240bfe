/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ctl/send.h"
#include "lib/text.h"

enum {
	PIECE = 256 << 10,
	/* groupd writes the file to disk before it answers. */
	BYTES_PER_MS = 16 << 10
};

struct media {
	struct ctl *ctl;
	uint64_t group_id;
	char key[SEND_KEY_SIZE]; /* of the upload */
	uint64_t size;		 /* so far */
};

/* What of a path is the file's name. */
static struct str name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return str_of(slash == NULL ? path : slash + 1);
}

/* Up to PIECE bytes of the file, the whole of it where it is that short. */
static int read_full(int fd, char *piece, size_t *len)
{
	ssize_t n;

	for (*len = 0; *len < PIECE; *len += (size_t)n) {
		n = read(fd, piece + *len, PIECE - *len);
		if (n < 0 && errno == EINTR)
			n = 0;
		else if (n < 0)
			return -errno;
		else if (n == 0)
			break;
	}
	return 0;
}

/* A piece; the first one, and be it empty, only says that there is one to
 * come. */
static enum ctl_exit put_piece(struct media *m, bool begin, struct str data)
{
	const struct wire_body_write_media body = { .group_id = m->group_id,
						    .key = str_of(m->key),
						    .off = m->size,
						    .resize = begin,
						    .data = data };
	struct wire_body_ok answer;

	m->size += data.len;
	return ctl_call(m->ctl, WIRE_WRITE_MEDIA, &body, &answer);
}

static enum ctl_exit upload(struct media *m, int fd, const char *path)
{
	char piece[PIECE];
	enum ctl_exit rc = put_piece(m, true, str_of(""));
	size_t len = PIECE;

	while (rc == CTL_OK && len == PIECE) {
		int failed = read_full(fd, piece, &len);

		if (failed != 0) {
			ctl_complain("cannot read %s: %s", path,
				     strerror(-failed));
			return CTL_REFUSED;
		}
		if (len > 0)
			rc = put_piece(m, false, str_make(piece, len));
	}
	return rc;
}

static void drop(struct media *m)
{
	const struct wire_body_drop_media body = { .group_id = m->group_id,
						   .key = str_of(m->key) };
	struct wire_body_ok answer;

	(void)ctl_ask(m->ctl, WIRE_DROP_MEDIA, &body, CLIENT_TIMEOUT_MS,
		      &answer);
}

enum ctl_exit send_media(struct ctl *ctl, const struct ctl_options *o,
			 uint64_t group_id, struct str text)
{
	struct media m = { .ctl = ctl, .group_id = group_id };
	struct wire_body_send_media body = { .group_id = group_id,
					     .key = str_of(m.key),
					     .name = name_of(o->media),
					     .content = text };
	struct wire_body_sent sent;
	enum ctl_exit rc;
	int fd;

	if (!text_is_file_name(body.name)) {
		ctl_complain("'%s' cannot be the name of a file in media/",
			     o->media);
		return CTL_REFUSED;
	}
	fd = open(o->media, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ctl_complain("cannot open %s: %s", o->media, strerror(errno));
		return CTL_REFUSED;
	}
	send_make_key(m.key);
	body.key = str_of(m.key);
	/* As Idempotency-Key has it in REST. */
	body.batch_id = str_of(o->client_id != NULL ? o->client_id : m.key);
	rc = upload(&m, fd, o->media);
	(void)close(fd);
	if (rc == CTL_OK) {
		rc = ctl_ask(ctl, WIRE_SEND_MEDIA, &body,
			     CLIENT_TIMEOUT_MS + m.size / BYTES_PER_MS, &sent);
		rc = send_report(ctl, o, rc, body.batch_id.data, &sent);
	}
	if (rc != CTL_OK && rc != CTL_UNREACHABLE)
		drop(&m);
	return rc;
}
