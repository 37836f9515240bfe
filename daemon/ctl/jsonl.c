/* SPDX-License-Identifier: MIT */
#include "daemon/ctl/jsonl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 256 << 10 };

static enum ctl_exit no_memory(void)
{
	ctl_complain("out of memory");
	return CTL_REFUSED;
}

enum ctl_exit jsonl_create(struct jsonl_out *out, const char *path)
{
	*out = (struct jsonl_out){ 0 };
	out->failed = !checksum_start(&out->checksum);
	return target_open(&out->target, path);
}

static enum ctl_exit flush(struct jsonl_out *out)
{
	struct str rest = buf_str(&out->pending);

	if (out->pending.failed)
		return no_memory();
	out->failed = out->failed || !checksum_add(&out->checksum, rest);
	while (rest.len > 0) {
		ssize_t n = write(out->target.fd, rest.data, rest.len);

		if (n < 0 && errno == EINTR)
			continue;
		/* Who reads no further has what he wants. */
		if (n < 0 && errno == EPIPE && out->target.path == NULL)
			return CTL_CLOSED;
		if (n < 0)
			return ctl_cannot("write", target_name(&out->target));
		rest.data += n;
		rest.len -= (size_t)n;
	}
	buf_clear(&out->pending);
	return CTL_OK;
}

enum ctl_exit jsonl_write(struct jsonl_out *out)
{
	return out->pending.len < PIECE && !out->pending.failed ? CTL_OK
								: flush(out);
}

enum ctl_exit jsonl_sum(struct jsonl_out *out, uint8_t sha256[WIRE_HASH])
{
	enum ctl_exit rc = flush(out);

	if (rc == CTL_OK &&
	    (out->failed || !checksum_end(&out->checksum, sha256)))
		rc = no_memory();
	/* What follows is not counted. */
	out->failed = true;
	return rc;
}

enum ctl_exit jsonl_finish(struct jsonl_out *out)
{
	enum ctl_exit rc = flush(out);

	return rc == CTL_OK ? target_finish(&out->target) : rc;
}

void jsonl_abandon(struct jsonl_out *out)
{
	target_close(&out->target);
	buf_release(&out->pending);
	checksum_release(&out->checksum);
}

/* Reading. */

enum ctl_exit jsonl_open(struct jsonl_in *in, const char *path)
{
	struct stat st;

	*in = (struct jsonl_in){ .fd = STDIN_FILENO };
	in->failed = !checksum_start(&in->checksum);
	if (path != NULL && strcmp(path, "-") != 0) {
		in->fd = open(path, O_RDONLY | O_CLOEXEC);
		in->ours = true;
		if (in->fd < 0)
			return ctl_cannot("read", path);
	}
	if (fstat(in->fd, &st) == 0 && S_ISREG(st.st_mode))
		in->size = (uint64_t)st.st_size;
	return CTL_OK;
}

/* Reads more behind what is there; false: it said why. */
static enum ctl_exit fill(struct jsonl_in *in)
{
	ssize_t n;

	if (in->at > 0) {
		buf_consume(&in->buf, in->at);
		in->at = 0;
	}
	if (!buf_reserve(&in->buf, PIECE))
		return no_memory();
	do
		n = read(in->fd, in->buf.data + in->buf.len, PIECE);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		ctl_complain("cannot read what is to be imported: %s",
			     strerror(errno));
		return CTL_REFUSED;
	}
	in->ended = n == 0;
	in->buf.len += (size_t)n;
	return CTL_OK;
}

enum ctl_exit jsonl_next(struct jsonl_in *in, bool *more)
{
	size_t searched = 0;

	/* The line that was taken last is behind us. */
	if (in->number > 0 && in->line.data != NULL && !in->failed)
		in->failed = !checksum_add(
			&in->checksum,
			str_make(in->line.data, in->line.len + 1));
	in->line = (struct str){ 0 };
	*more = false;
	for (;;) {
		const char *from = buf_cstr(&in->buf) + in->at;
		size_t len = in->buf.len - in->at;
		const char *end =
			len == searched
				? NULL
				: memchr(from + searched, '\n', len - searched);
		enum ctl_exit rc;

		if (end != NULL && (size_t)(end - from) <= JSONL_MAX) {
			in->line = str_make(from, (size_t)(end - from));
			in->at += in->line.len + 1;
			in->read += in->line.len + 1;
			in->number++;
			*more = true;
			return CTL_OK;
		}
		if (len > JSONL_MAX) {
			ctl_complain("line %llu: it is longer than %d bytes",
				     (unsigned long long)in->number + 1,
				     JSONL_MAX);
			return CTL_REFUSED;
		}
		if (in->ended && len > 0) {
			ctl_complain("line %llu: the file ends in the middle "
				     "of it",
				     (unsigned long long)in->number + 1);
			return CTL_REFUSED;
		}
		if (in->ended)
			return CTL_OK;
		searched = len;
		rc = fill(in);
		if (rc != CTL_OK)
			return rc;
	}
}

enum ctl_exit jsonl_sum_before(struct jsonl_in *in, uint8_t sha256[WIRE_HASH])
{
	if (in->failed || !checksum_end(&in->checksum, sha256))
		return no_memory();
	in->failed = true;
	return CTL_OK;
}

void jsonl_close(struct jsonl_in *in)
{
	if (in->ours && in->fd >= 0)
		(void)close(in->fd);
	buf_release(&in->buf);
	checksum_release(&in->checksum);
}
