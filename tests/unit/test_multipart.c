/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/multipart.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char form_type[] = "multipart/form-data; boundary=b";

/* What was told, as "[name|filename]data[name]data". */
struct told {
	struct buf text;
	int refuse; /* what part() returns */
};

static int on_part(void *data, struct disposition *d)
{
	struct told *told = data;

	buf_append_char(&told->text, '[');
	buf_append_str(&told->text, buf_str(&d->name));
	if (d->has_filename) {
		buf_append_char(&told->text, '|');
		buf_append_str(&told->text, buf_str(&d->filename));
	}
	buf_append_char(&told->text, ']');
	return told->refuse;
}

static int on_data(void *data, struct str bytes)
{
	struct told *told = data;

	assert_true(bytes.len > 0);
	buf_append_str(&told->text, bytes);
	return 0;
}

static const struct multipart_ops ops = { .part = on_part, .data = on_data };

/* Fed in pieces of so many bytes. */
static int feed(struct told *told, struct str body, size_t piece,
		bool *complete)
{
	struct multipart m;
	int rc = multipart_start(&m, str_of(form_type), &ops, told);

	assert_int_equal(rc, 0);
	while (rc == 0 && body.len > 0) {
		size_t n = body.len < piece ? body.len : piece;
		/* A copy, so that a sanitizer sees who reads beyond it. */
		struct buf copy = { 0 };

		buf_append(&copy, body.data, n);
		rc = multipart_feed(&m, buf_str(&copy));
		buf_release(&copy);
		body = str_make(body.data + n, body.len - n);
	}
	*complete = rc == 0 && multipart_complete(&m);
	multipart_release(&m);
	return rc;
}

/* However it is cut. */
static void expect(struct str body, const char *text, int wanted, bool complete)
{
	for (size_t piece = 1; piece <= body.len; piece++) {
		struct told told = { 0 };
		bool done;
		int rc = feed(&told, body, piece, &done);

		if (rc != wanted || done != complete ||
		    (rc == 0 && !str_eq(buf_str(&told.text), str_of(text))))
			fail_msg("in pieces of %zu: %d %d <%s> of:\n%s", piece,
				 rc, done, buf_cstr(&told.text), body.data);
		buf_release(&told.text);
	}
}

#define D "Content-Disposition: form-data; "

static void forms_are_taken_apart(void **state)
{
	static const struct {
		const char *body;
		const char *text;
	} rows[] = {
		{ "--b\r\n" D "name=\"f\"; filename=\"x\"\r\n\r\nhello\r\n"
		  "--b--\r\n",
		  "[f|x]hello" },
		{ "--b\r\n" D "name=f; filename=x\r\nContent-Type: "
		  "text/plain\r\n\r\nhello\r\n--b\r\n" D
		  "name=content\r\n\r\nlook\r\n--b--",
		  "[f|x]hello[content]look" },
		{ "\r\n--b\r\n" D "name=f\r\n\r\n1\r\n--b--", "[f]1" },
		{ "preamble\r\n--b\r\n" D "name=f\r\n\r\n1\r\n--b--", "[f]1" },
		{ "--b\r\n" D "name=f\r\n\r\n1\r\n--b--\r\nepilogue\r\n--b\r\n",
		  "[f]1" },
		{ "--b \t\r\n" D "name=f\r\n\r\n1\r\n--b--", "[f]1" },
		{ "--b\r\n" D "name=f\r\n\r\n\r\n--b--", "[f]" },
		{ "--b\r\n" D "name=f\r\n\r\n--b--", "[f]" },
		{ "--b\r\n" D "name=f\r\n\r\n\r\n\r\n--b--", "[f]\r\n" },
		{ "--b\r\n" D "name=f\r\n\r\n\r\r\n--b--", "[f]\r" },
		{ "--b\r\n" D "name=f\r\n\r\n\r\n\r\r\n--b--", "[f]\r\n\r" },
		{ "--b\r\n" D "name=f\r\n\r\n\r\n-\r\n--\r\n--b--",
		  "[f]\r\n-\r\n--" },
		{ "--b\r\n" D "name=f\r\n\r\n--\r\n--b--", "[f]--" },
		{ "--b\r\n" D "name=f\r\n\r\n-b--b\n--b\r\n--b--",
		  "[f]-b--b\n--b" },
		{ "--b\r\n" D "name=f\r\n\r\n\n--b--\r\n--b--", "[f]\n--b--" },
		{ "--b\r\n" D "name=f\r\n\r\n\r--b--\r\n--b--", "[f]\r--b--" },
		{ "--b\r\n" D "name=f\r\n\r\n\r\n\r\n--\r\n-\r\n--b--",
		  "[f]\r\n\r\n--\r\n-" },
		{ "--b\r\ncontent-disposition:form-data;name=f\r\n\r\n1\r\n--b-"
		  "-",
		  "[f]1" },
		{ "--b\r\nX: y\r\n" D "name=f\r\n\r\n1\r\n--b--", "[f]1" },
		{ "--b\r\nContent-Transfer-Encoding: binary\r\n" D
		  "name=f\r\n\r\n1\r\n--b--",
		  "[f]1" },
		{ "--b\r\n" D "name=f; filename=\"a%22b\"\r\n\r\n1\r\n--b--",
		  "[f|a\"b]1" },
		{ "--b\r\n" D "name=f; filename=\"\"\r\n\r\n\r\n--b--",
		  "[f|]" },
		{ "--b--", "" },
		{ "--b\r\n" D "name=a\r\n\r\n1\r\n--b\r\n" D
		  "name=b\r\n\r\n2\r\n--b\r\n" D "name=c\r\n\r\n3\r\n--b--",
		  "[a]1[b]2[c]3" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect(str_of(rows[i].body), rows[i].text, 0, true);
}

static void what_is_no_form_is_refused(void **state)
{
	static const char *const rows[] = {
		"--bb\r\n" D "name=f\r\n\r\n1\r\n--b--",
		"--b-\r\n",
		"--b\n" D "name=f\r\n\r\n1\r\n--b--",
		"--b\rx",
		"--b\r\n\r\n1\r\n--b--",
		"--b\r\nContent-Type: text/plain\r\n\r\n1\r\n--b--",
		"--b\r\n" D "name=f\n\r\n1\r\n--b--",
		"--b\r\n" D "name=f\r\n" D "name=f\r\n\r\n1\r\n--b--",
		"--b\r\n" D "filename=f\r\n\r\n1\r\n--b--",
		"--b\r\nContent-Disposition: attachment; name=f\r\n\r\n1\r\n",
		"--b\r\nContent-Disposition: form-data; name=\"f\r\n\r\n1\r\n",
		"--b\r\nContent-Disposition\r\n\r\n1\r\n--b--",
		"--b\r\nContent-Transfer-Encoding: base64\r\n" D
		"name=f\r\n\r\nMQ==\r\n--b--",
		"--b\r\n" D "name=f\r\n\r\n1\r\n--bc\r\n",
		"--b\r\n" D "name=f\r\n\r\n1\r\n--b \r x",
		"--b\r\n" D "name=f\r\rx\r\n\r\n1\r\n--b--",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		expect(str_of(rows[i]), "", -EINVAL, false);
}

static void a_form_that_is_cut_is_not_complete(void **state)
{
	static const char *const rows[] = {
		"x",
		"--b",
		"--b\r\n",
		"--b-",
		"--b\r\n" D "name=f",
		"--b\r\n" D "name=f\r\n\r\n",
		"--b\r\n" D "name=f\r\n\r\n1\r\n--b",
		"--b\r\n" D "name=f\r\n\r\n1\r\n--b-",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct told told = { 0 };
		bool complete;

		assert_int_equal(feed(&told, str_of(rows[i]), 1, &complete), 0);
		assert_false(complete);
		buf_release(&told.text);
	}
}

static void headers_without_end_are_refused(void **state)
{
	struct told told = { 0 };
	struct buf body = { 0 };
	bool complete;

	(void)state;
	buf_append_str(&body, str_of("--b\r\nX: "));
	for (size_t i = 0; i <= MULTIPART_HEADERS_MAX; i++)
		buf_append_char(&body, 'x');
	assert_int_equal(feed(&told, buf_str(&body), 100, &complete), -EINVAL);
	buf_release(&told.text);
	buf_release(&body);
}

static void a_nul_in_a_header_is_refused(void **state)
{
	static const char body[] = "--b\r\n" D "name=\"f\0\"\r\n\r\n1\r\n--b--";

	(void)state;
	expect(str_make(body, sizeof(body) - 1), "", -EINVAL, false);
}

static void any_bytes_are_data(void **state)
{
	struct told told = { 0 };
	struct buf body = { 0 }, wanted = { 0 };
	bool complete;

	(void)state;
	buf_append_str(&body, str_of("--b\r\n" D "name=f\r\n\r\n"));
	for (unsigned int i = 0; i < 70000; i++) {
		char c = (char)(i * i >> 3);

		buf_append_char(&body, c);
		buf_append_char(&wanted, c);
	}
	buf_append_str(&body, str_of("\r\n--b--\r\n"));
	for (size_t piece = 1; piece < 70000; piece = piece * 3 + 1) {
		assert_int_equal(feed(&told, buf_str(&body), piece, &complete),
				 0);
		assert_true(complete);
		assert_int_equal(told.text.len, 3 + wanted.len);
		assert_memory_equal(told.text.data + 3, wanted.data,
				    wanted.len);
		buf_clear(&told.text);
	}
	buf_release(&told.text);
	buf_release(&body);
	buf_release(&wanted);
}

static void what_the_owner_refuses_ends_it(void **state)
{
	struct told told = { .refuse = -EEXIST };
	bool complete;

	(void)state;
	assert_int_equal(feed(&told, str_of("--b\r\n" D "name=f\r\n\r\n1\r\n"),
			      3, &complete),
			 -EEXIST);
	buf_release(&told.text);
}

static void a_boundary_is_found(void **state)
{
	static const struct {
		const char *type;
		const char *boundary; /* NULL: it is refused */
	} rows[] = {
		{ "multipart/form-data; boundary=abc", "abc" },
		{ "Multipart/Form-Data;BOUNDARY=abc", "abc" },
		{ "multipart/form-data; boundary=\"a b:c\"", "a b:c" },
		{ "multipart/form-data; charset=utf-8; boundary=abc", "abc" },
		{ "multipart/form-data; boundary=abc; charset=utf-8", "abc" },
		{ "multipart/form-data; boundary=----WebKitFormBoundary7MA4",
		  "----WebKitFormBoundary7MA4" },
		{ "multipart/form-data", NULL },
		{ "multipart/form-data;", NULL },
		{ "multipart/form-data; boundary", NULL },
		{ "multipart/form-data; boundary=", NULL },
		{ "multipart/form-data; boundary=\"\"", NULL },
		{ "multipart/form-data; boundary=\"abc", NULL },
		{ "multipart/form-data; boundary=\"abc \"", NULL },
		{ "multipart/form-data; boundary=a\x01", NULL },
		{ "multipart/form-data; boundary=a; boundary=b", NULL },
		{ "multipart/form-data; boundary="
		  "123456789012345678901234567890123456789012345678901234567890"
		  "12345678901",
		  NULL },
		{ "multipart/form-dataX; boundary=abc", NULL },
		{ "multipart/mixed; boundary=abc", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct multipart m;
		int rc = multipart_start(&m, str_of(rows[i].type), &ops, NULL);

		if (rc != (rows[i].boundary == NULL ? -EINVAL : 0))
			fail_msg("%s: %d", rows[i].type, rc);
		if (rc == 0)
			assert_true(str_eq(
				str_make(m.delimiter + 4, m.delimiter_len - 4),
				str_of(rows[i].boundary)));
		multipart_release(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_taken_apart),
		cmocka_unit_test(what_is_no_form_is_refused),
		cmocka_unit_test(a_form_that_is_cut_is_not_complete),
		cmocka_unit_test(headers_without_end_are_refused),
		cmocka_unit_test(a_nul_in_a_header_is_refused),
		cmocka_unit_test(any_bytes_are_data),
		cmocka_unit_test(what_the_owner_refuses_ends_it),
		cmocka_unit_test(a_boundary_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
