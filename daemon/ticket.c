/* SPDX-License-Identifier: MIT */
#include "daemon/ticket.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/digest.h"
#include "lib/buf.h"
#include "lib/process.h"

enum { UID_DIGITS = 8, START_FIELD = 22 /* of /proc/PID/stat */ };

static int read_key(struct tickets *t, const char *path)
{
	uint8_t surplus;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc = 0;

	if (fd < 0)
		return -errno;
	/* One that was cut short is as good as none. */
	if (read(fd, t->key, TICKET_KEY) != TICKET_KEY ||
	    read(fd, &surplus, 1) != 0)
		rc = -ENOENT;
	close(fd);
	return rc;
}

static int write_key(const struct tickets *t, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0)
		return -errno;
	errno = EIO;
	if (fchmod(fd, 0600) < 0 ||
	    write(fd, t->key, TICKET_KEY) != TICKET_KEY || fsync(fd) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

int tickets_open(struct tickets *t, const char *dir, const struct env *env,
		 struct err *err)
{
	struct buf path = { 0 };
	struct buf fresh = { 0 };
	int rc;

	buf_printf(&path, "%s/ticket.key", dir);
	buf_printf(&fresh, "%s/ticket.key.new", dir);
	rc = read_key(t, buf_cstr(&path));
	if (rc == -ENOENT) {
		env->random(env->data, t->key, TICKET_KEY);
		rc = write_key(t, buf_cstr(&fresh));
		if (rc == 0 && rename(buf_cstr(&fresh), buf_cstr(&path)) < 0)
			rc = -errno;
	}
	if (rc < 0)
		rc = err_set(err, ERR_UNAVAILABLE,
			     "Cannot keep a key in %s: %s", buf_cstr(&path),
			     strerror(-rc));
	buf_release(&path);
	buf_release(&fresh);
	return rc;
}

void tickets_close(struct tickets *t)
{
	explicit_bzero(t->key, sizeof(t->key));
}

int ticket_holder_of(pid_t pid, struct ticket_holder *out)
{
	struct buf path = { 0 };
	char text[1024];
	const char *at;
	size_t n;

	*out = (struct ticket_holder){ .pid = pid };
	if (pid <= 0)
		return -ESRCH;
	buf_printf(&path, "/proc/%d/stat", (int)pid);
	n = process_read_file(buf_cstr(&path), text, sizeof(text));
	buf_release(&path);
	if (n == 0)
		return -ESRCH;
	/* The second field is the program's name, which may hold anything. */
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < START_FIELD; field++)
		at = strchr(at + 1, ' ');
	if (at == NULL)
		return -ESRCH;
	out->start = strtoull(at + 1, NULL, 10);
	return 0;
}

int ticket_make(const struct tickets *t, const struct ticket_holder *holder,
		uid_t uid, char out[TICKET_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t mac[STORE_HASH];
	char text[64];
	int n = snprintf(text, sizeof(text), "%08x %x %" PRIx64, (unsigned)uid,
			 (unsigned)holder->pid, holder->start);
	int rc = digest_mac(str_make((const char *)t->key, TICKET_KEY),
			    str_make(text, (size_t)n), mac);

	if (rc < 0)
		return rc;
	memcpy(out, text, UID_DIGITS);
	for (size_t i = 0; i < STORE_HASH; i++) {
		out[UID_DIGITS + 2 * i] = digits[mac[i] >> 4];
		out[UID_DIGITS + 2 * i + 1] = digits[mac[i] & 15];
	}
	out[TICKET_LEN] = '\0';
	return 0;
}

int ticket_check(const struct tickets *t, const struct ticket_holder *holder,
		 struct str ticket, uid_t *uid, struct err *err)
{
	char expected[TICKET_LEN + 1];
	char named[UID_DIGITS + 1];
	char *end;
	unsigned long number;

	if (ticket.len != TICKET_LEN)
		return err_set(err, ERR_UNAUTHENTICATED, "That is no ticket");
	str_to_cstr(str_make(ticket.data, UID_DIGITS), named, sizeof(named));
	number = strtoul(named, &end, 16);
	if (*end != '\0' || ticket_make(t, holder, (uid_t)number, expected) < 0)
		return err_set(err, ERR_UNAUTHENTICATED, "That is no ticket");
	/* All of it, the uid as we would write it too. */
	if (!digest_same(ticket, str_make(expected, TICKET_LEN)))
		return err_set(err, ERR_UNAUTHENTICATED,
			       "That ticket was not given to this gateway");
	*uid = (uid_t)number;
	return 0;
}
