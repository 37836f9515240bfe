/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/digest.h"
#include "daemon/media.h"

enum { MAX = 1000 };

/* One byte more than a key may have. */
static const char LONG_KEY[] =
	"0123456789012345678901234567890123456789012345678901234567890"
	"1234";

struct fixture {
	char dir[64];
	uint64_t now_ms;
	struct env env;
	struct media media;
	struct err err;
	uint8_t hash[STORE_HASH];
	uint64_t size;
	bool found;
	bool fresh;
	/* What media_tidy() asked about. */
	int doubts;
	bool may_go;
};

static uint64_t now(void *data)
{
	const struct fixture *f = data;

	return f->now_ms;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/test_media.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->now_ms = env_now_ms(env_system());
	f->env = (struct env){ .now_ms = now, .data = f };
	assert_int_equal(media_open(&f->media, f->dir, &f->env, MAX, &f->err),
			 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	struct buf command = { 0 };

	media_close(&f->media);
	buf_printf(&command, "rm -rf %s", f->dir);
	assert_int_equal(system(buf_cstr(&command)), 0);
	buf_release(&command);
	free(f);
	return 0;
}

static struct media_upload upload(const char *user, const char *key)
{
	return (struct media_upload){ .group_id = 7,
				      .user = str_of(user),
				      .key = str_of(key) };
}

static int begin(struct fixture *f, const struct media_upload *u)
{
	return media_resize(&f->media, u, 0, &f->err);
}

static int put(struct fixture *f, const struct media_upload *u, uint64_t off,
	       const char *text)
{
	return media_write(&f->media, u, off, str_of(text), &f->size, &f->err);
}

static int seal(struct fixture *f, const struct media_upload *u)
{
	return media_seal(&f->media, u, f->hash, &f->size, &f->found, &f->err);
}

static int place(struct fixture *f, const struct media_upload *u)
{
	struct media_placing p = { .upload = u, .hash = f->hash };
	int rc = media_ready(&f->media, &p, &f->err);

	f->fresh = p.fresh;
	return rc < 0 ? rc : media_settle(&f->media, &p, &f->err);
}

/* A sealed and placed upload of this text. */
static void placed(struct fixture *f, const struct media_upload *u,
		   const char *text)
{
	assert_int_equal(begin(f, u), 0);
	assert_int_equal(put(f, u, 0, text), 0);
	assert_int_equal(seal(f, u), 0);
	assert_true(f->found);
	assert_int_equal(place(f, u), 0);
}

/* Files below DATA/media; those in incoming only, or all others. */
static int count_files(const struct fixture *f, const char *which)
{
	struct buf command = { 0 };
	int count = -1;
	FILE *out;

	buf_printf(&command, "find %s/media -type f | grep -c%s /incoming/",
		   f->dir, which);
	out = popen(buf_cstr(&command), "r");
	assert_non_null(out);
	assert_int_equal(fscanf(out, "%d", &count), 1);
	pclose(out);
	buf_release(&command);
	return count;
}

static void is_content(struct fixture *f, uint64_t off, size_t size,
		       const char *text)
{
	struct buf out = { 0 };

	assert_int_equal(
		media_read(&f->media, f->hash, off, size, &out, &f->err), 0);
	assert_true(str_eq(buf_str(&out), str_of(text)));
	buf_release(&out);
}

static void sha_256_is_that_of_the_standard(void **state)
{
	uint8_t hash[STORE_HASH];
	struct digest d;

	(void)state;
	assert_int_equal(digest_of(str_of("abc"), hash), 0);
	assert_memory_equal(hash, "\xba\x78\x16\xbf\x8f\x01\xcf\xea", 8);
	memset(hash, 0, sizeof(hash));
	assert_int_equal(digest_start(&d), 0);
	assert_int_equal(digest_add(&d, str_of("a")), 0);
	assert_int_equal(digest_add(&d, str_of("")), 0);
	assert_int_equal(digest_add(&d, str_of("bc")), 0);
	assert_int_equal(digest_end(&d, hash), 0);
	assert_memory_equal(hash, "\xba\x78\x16\xbf\x8f\x01\xcf\xea", 8);
}

static void pieces_in_any_order_make_the_content(void **state)
{
	struct fixture *f = *state;
	const struct media_upload u = upload("alice", "k1");

	assert_int_equal(begin(f, &u), 0);
	assert_int_equal(put(f, &u, 6, "world"), 0);
	assert_int_equal(f->size, 11);
	assert_int_equal(put(f, &u, 0, "hello "), 0);
	assert_int_equal(f->size, 11);
	/* Once more, as after a lost connection. */
	assert_int_equal(put(f, &u, 6, "world"), 0);
	assert_int_equal(seal(f, &u), 0);
	assert_int_equal(f->size, 11);
	assert_int_equal(place(f, &u), 0);
	is_content(f, 0, 100, "hello world");
	is_content(f, 4, 3, "o w");
	is_content(f, 11, 10, "");
	is_content(f, UINT64_MAX, 10, "");
}

static void an_upload_is_resized_both_ways(void **state)
{
	struct fixture *f = *state;
	const struct media_upload u = upload("alice", "k1");

	assert_int_equal(begin(f, &u), 0);
	assert_int_equal(put(f, &u, 0, "hello"), 0);
	assert_int_equal(media_resize(&f->media, &u, 2, &f->err), 0);
	assert_int_equal(media_resize(&f->media, &u, 3, &f->err), 0);
	assert_int_equal(seal(f, &u), 0);
	assert_int_equal(f->size, 3);
	assert_int_equal(place(f, &u), 0);
	{
		struct buf out = { 0 };

		assert_int_equal(
			media_read(&f->media, f->hash, 0, 9, &out, &f->err), 0);
		assert_int_equal(out.len, 3);
		assert_memory_equal(out.data, "he\0", 3);
		buf_release(&out);
	}
}

static void the_same_content_is_stored_once(void **state)
{
	struct fixture *f = *state;
	const struct media_upload a = upload("alice", "k1");
	const struct media_upload b = upload("bob", "k1");

	placed(f, &a, "same");
	assert_true(f->fresh);
	placed(f, &b, "same");
	assert_false(f->fresh);
	media_forget(&f->media, &a);
	media_forget(&f->media, &b);
	assert_int_equal(count_files(f, ""), 0);
	assert_int_equal(count_files(f, "v"), 1);
	is_content(f, 0, 9, "same");
	assert_int_equal(media_remove(&f->media, f->hash, NULL, &f->err), 0);
	assert_int_equal(media_remove(&f->media, f->hash, NULL, &f->err), 0);
	assert_int_equal(count_files(f, "v"), 0);
}

static void what_was_not_begun_is_not_written(void **state)
{
	struct fixture *f = *state;
	const struct media_upload u = upload("alice", "k1");
	const struct media_upload other = upload("bob", "k1");

	assert_int_equal(put(f, &u, 0, "x"), -EINVAL);
	assert_int_equal(f->err.code, ERR_BAD_REQUEST);
	assert_int_equal(media_resize(&f->media, &u, 5, &f->err), -EINVAL);
	assert_int_equal(begin(f, &u), 0);
	assert_int_equal(put(f, &other, 0, "x"), -EINVAL);
	assert_int_equal(seal(f, &other), 0);
	assert_false(f->found);
	assert_int_equal(media_drop(&f->media, &other, &f->err), 0);
	assert_int_equal(put(f, &u, 0, "x"), 0);
}

static void a_key_is_never_a_path(void **state)
{
	static const char *const bad[] = { "",	       "..",	"../x", "a/b",
					   "a.b",      "A",	"a b",	"a\n",
					   "\xc3\xa4", LONG_KEY };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct media_upload u = upload("alice", bad[i]);

		f->err.code = ERR_NONE;
		assert_int_equal(begin(f, &u), -EINVAL);
		assert_int_equal(f->err.code, ERR_BAD_REQUEST);
		assert_int_equal(put(f, &u, 0, "x"), -EINVAL);
		assert_int_equal(seal(f, &u), -EINVAL);
		assert_int_equal(media_drop(&f->media, &u, &f->err), -EINVAL);
	}
	assert_int_equal(count_files(f, ""), 0);
}

static void a_sealed_upload_is_not_written_any_more(void **state)
{
	struct fixture *f = *state;
	const struct media_upload u = upload("alice", "k1");
	uint8_t first[STORE_HASH];

	assert_int_equal(begin(f, &u), 0);
	assert_int_equal(put(f, &u, 0, "x"), 0);
	assert_int_equal(seal(f, &u), 0);
	memcpy(first, f->hash, STORE_HASH);
	assert_int_equal(put(f, &u, 0, "y"), -EINVAL);
	assert_int_equal(begin(f, &u), -EINVAL);
	assert_int_equal(media_resize(&f->media, &u, 9, &f->err), -EINVAL);
	memset(f->hash, 0, STORE_HASH);
	assert_int_equal(seal(f, &u), 0);
	assert_true(f->found);
	assert_memory_equal(first, f->hash, STORE_HASH);
}

static void files_and_users_have_bounds(void **state)
{
	struct fixture *f = *state;
	const struct media_upload u = upload("alice", "k1");
	char key[16];

	assert_int_equal(begin(f, &u), 0);
	assert_int_equal(put(f, &u, MAX - 1, "x"), 0);
	assert_int_equal(put(f, &u, MAX, "x"), -EMSGSIZE);
	assert_non_null(strstr(f->err.text, "1000 bytes"));
	assert_int_equal(put(f, &u, UINT64_MAX, "xy"), -EMSGSIZE);
	assert_int_equal(media_resize(&f->media, &u, MAX + 1, &f->err),
			 -EMSGSIZE);
	for (int i = 2; i <= MEDIA_UPLOADS_MAX; i++) {
		struct media_upload more;

		(void)snprintf(key, sizeof(key), "k%d", i);
		more = upload("alice", key);
		assert_int_equal(begin(f, &more), 0);
	}
	{
		const struct media_upload more = upload("alice", "k65");
		const struct media_upload bobs = upload("bob", "k65");

		assert_int_equal(begin(f, &more), -EDQUOT);
		assert_int_equal(f->err.code, ERR_RATE_LIMITED);
		assert_int_equal(begin(f, &bobs), 0);
	}
	/* Begun again is not one more. */
	assert_int_equal(begin(f, &u), 0);
	media_set_max(&f->media, 10);
	assert_int_equal(put(f, &u, 10, "x"), -EMSGSIZE);
}

static void the_bytes_of_a_user_have_a_bound(void **state)
{
	struct fixture *f = *state;
	const char *const keys[] = { "a", "b", "c", "d", "e" };

	for (size_t i = 0; i < 5; i++) {
		const struct media_upload u = upload("alice", keys[i]);

		assert_int_equal(begin(f, &u), 0);
		assert_int_equal(media_resize(&f->media, &u, MAX, &f->err),
				 i < MEDIA_QUOTA ? 0 : -EDQUOT);
	}
	assert_int_equal(f->err.code, ERR_RATE_LIMITED);
}

static bool doubt(void *data, const uint8_t hash[STORE_HASH])
{
	struct fixture *f = data;

	f->doubts++;
	assert_memory_equal(hash, f->hash, STORE_HASH);
	return f->may_go;
}

static void uploads_left_alone_for_an_hour_are_removed(void **state)
{
	struct fixture *f = *state;
	const struct media_upload u = upload("alice", "k1");
	const struct media_upload sealed = upload("alice", "k2");

	assert_int_equal(begin(f, &u), 0);
	assert_int_equal(begin(f, &sealed), 0);
	assert_int_equal(seal(f, &sealed), 0);
	f->now_ms += MEDIA_STALE_MS - 10000;
	media_tidy(&f->media, doubt, f);
	assert_int_equal(count_files(f, ""), 2);
	f->now_ms += 20000;
	media_tidy(&f->media, doubt, f);
	assert_int_equal(count_files(f, ""), 0);
	assert_int_equal(f->doubts, 0);
	assert_int_equal(put(f, &u, 0, "x"), -EINVAL);
	assert_int_equal(begin(f, &u), 0);
}

static void what_may_be_stored_is_asked_about(void **state)
{
	struct fixture *f = *state;
	const struct media_upload u = upload("alice", "k1");

	placed(f, &u, "in doubt");
	/* Given up, its name is what tells of the content. */
	assert_int_equal(media_drop(&f->media, &u, &f->err), 0);
	assert_int_equal(count_files(f, ""), 1);
	f->now_ms += MEDIA_STALE_MS + 10000;
	media_tidy(&f->media, doubt, f);
	assert_int_equal(f->doubts, 1);
	assert_int_equal(count_files(f, ""), 1);
	f->may_go = true;
	media_tidy(&f->media, doubt, f);
	assert_int_equal(f->doubts, 2);
	assert_int_equal(count_files(f, ""), 0);
	is_content(f, 0, 9, "in doubt");
}

static void an_upload_goes_on_after_a_restart(void **state)
{
	struct fixture *f = *state;
	const struct media_upload u = upload("alice", "k1");

	assert_int_equal(begin(f, &u), 0);
	assert_int_equal(put(f, &u, 0, "hello "), 0);
	media_close(&f->media);
	assert_int_equal(media_open(&f->media, f->dir, &f->env, MAX, &f->err),
			 0);
	assert_int_equal(put(f, &u, 6, "world"), 0);
	assert_int_equal(seal(f, &u), 0);
	assert_int_equal(place(f, &u), 0);
	/* Placed again, as after a rolled back transaction. */
	assert_int_equal(place(f, &u), 0);
	media_forget(&f->media, &u);
	is_content(f, 0, 100, "hello world");
	/* What is gone cannot be placed. */
	assert_int_equal(media_remove(&f->media, f->hash, NULL, &f->err), 0);
	assert_int_equal(place(f, &u), -EINVAL);
	assert_int_equal(f->err.code, ERR_BAD_REQUEST);
}

static void others_cannot_look_into_it(void **state)
{
	struct fixture *f = *state;
	struct buf path = { 0 };
	struct stat st;

	buf_printf(&path, "%s/media", f->dir);
	assert_int_equal(stat(buf_cstr(&path), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	buf_release(&path);
}

/* Another node has placed it since it was seen, by a lock that this one has
 * lost and does not know of. */
static void what_is_placed_meanwhile_is_not_removed(void **state)
{
	struct fixture *f = *state;
	const struct media_upload u = upload("alice", "k1");
	const struct media_upload again = upload("bob", "k2");
	struct media_seen seen;
	uint8_t hash[STORE_HASH];

	f->media.shared = true;
	media_look(&f->media, f->hash, &seen);
	placed(f, &u, "hello");
	memcpy(hash, f->hash, sizeof(hash));
	assert_int_equal(media_remove(&f->media, hash, &seen, &f->err), 1);
	is_content(f, 0, 5, "hello");
	/* The second placing counts as well as the first. */
	media_look(&f->media, hash, &seen);
	usleep(20000); /* the file system's clock has steps */
	placed(f, &again, "hello");
	assert_int_equal(media_remove(&f->media, hash, &seen, &f->err), 1);
	is_content(f, 0, 5, "hello");
	media_look(&f->media, hash, &seen);
	assert_int_equal(media_remove(&f->media, hash, &seen, &f->err), 0);
	assert_int_equal(count_files(f, " -v"), 0);
	assert_int_equal(media_remove(&f->media, hash, &seen, &f->err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha_256_is_that_of_the_standard),
		TEST(what_is_placed_meanwhile_is_not_removed),
		TEST(pieces_in_any_order_make_the_content),
		TEST(an_upload_is_resized_both_ways),
		TEST(the_same_content_is_stored_once),
		TEST(what_was_not_begun_is_not_written),
		TEST(a_key_is_never_a_path),
		TEST(a_sealed_upload_is_not_written_any_more),
		TEST(files_and_users_have_bounds),
		TEST(the_bytes_of_a_user_have_a_bound),
		TEST(uploads_left_alone_for_an_hour_are_removed),
		TEST(what_may_be_stored_is_asked_about),
		TEST(an_upload_goes_on_after_a_restart),
		TEST(others_cannot_look_into_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
