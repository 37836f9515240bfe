/* SPDX-License-Identifier: MIT */
#include "tests/support/postgres_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

/* Has the server answer, and gives its folder. */
static const char *folder(void)
{
	static char dir[128];
	const char *shared = getenv("GROUPFS_TEST_POSTGRES");
	const char *owner = getenv("GROUPFS_TEST_POSTGRES_OWNER");
	char command[256];

	if (dir[0] != '\0')
		return dir;
	snprintf(dir, sizeof(dir), "%s",
		 shared != NULL ? shared : "/var/tmp/groupfs-postgres.XXXXXX");
	if (shared == NULL)
		assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
		 "sh tests/support/postgres.sh start '%s' %d", dir,
		 shared != NULL && owner != NULL ? atoi(owner) : getpid());
	if (system(command) != 0) {
		rmdir(dir);
		dir[0] = '\0';
		fail_msg("no PostgreSQL for this test (it is run in the top "
			 "folder, or by make test-unit): %s",
			 command);
	}
	return dir;
}

static PGconn *connect_to(const char *url)
{
	PGconn *conn = PQconnectdb(url);

	if (PQstatus(conn) != CONNECTION_OK)
		fail_msg("%s: %s", url, PQerrorMessage(conn));
	return conn;
}

static void run(PGconn *conn, const char *sql, char *out, size_t out_len)
{
	PGresult *result = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		fail_msg("%s: %s", sql, PQerrorMessage(conn));
	snprintf(out, out_len, "%s",
		 PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	PQclear(result);
}

/* SQL outside of any of the databases. */
static void run_outside(const char *role, const char *sql)
{
	char url[POSTGRES_URL];
	char none[1];
	PGconn *conn;

	snprintf(url, sizeof(url), "postgresql://%s@/postgres?host=%s", role,
		 folder());
	conn = connect_to(url);
	run(conn, sql, none, sizeof(none));
	PQfinish(conn);
}

/* Of a URL that postgres_create() made. */
static int name_len(const char *url, const char **name)
{
	*name = strstr(url, "@/");
	assert_non_null(*name);
	*name += 2;
	return (int)strcspn(*name, "?");
}

/* like: what it is a copy of, or "". */
static void create(char url[POSTGRES_URL], const char *like, int like_len)
{
	static unsigned count;
	char sql[192];

	/* By its log it takes half as long again. */
	snprintf(sql, sizeof(sql),
		 "CREATE DATABASE test_%d_%u STRATEGY file_copy%s%.*s",
		 getpid(), ++count, like_len > 0 ? " TEMPLATE " : "", like_len,
		 like);
	run_outside("groupfs", sql);
	snprintf(url, POSTGRES_URL, "postgresql://groupfs@/test_%d_%u?host=%s",
		 getpid(), count, folder());
}

void postgres_create(char url[POSTGRES_URL])
{
	create(url, "", 0);
}

void postgres_copy(char url[POSTGRES_URL], const char *from)
{
	const char *name;
	int len = name_len(from, &name);

	create(url, name, len);
}

void postgres_drop(const char *url)
{
	char sql[128];
	const char *name;
	int len = name_len(url, &name);

	snprintf(sql, sizeof(sql), "DROP DATABASE %.*s WITH (FORCE)", len,
		 name);
	/* Who owns it may not end VACUUM, which may be at it. */
	run_outside("postgres", sql);
}

static void count_notice(void *data, const char *text)
{
	unsigned *count = data;

	(void)text;
	(*count)++;
}

const char *postgres_hear(const char *url, const char *sql, unsigned *notices)
{
	static char answer[256];
	char super[POSTGRES_URL];
	const char *name;
	int len = name_len(url, &name);
	PGconn *conn;

	*notices = 0;
	snprintf(super, sizeof(super), "postgresql://postgres@/%.*s%s", len,
		 name, name + len);
	conn = connect_to(super);
	PQsetNoticeProcessor(conn, count_notice, notices);
	run(conn, sql, answer, sizeof(answer));
	PQfinish(conn);
	return answer;
}

const char *postgres_run(const char *url, const char *sql)
{
	unsigned notices;

	return postgres_hear(url, sql, &notices);
}
