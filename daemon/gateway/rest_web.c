/* SPDX-License-Identifier: MIT */
/*
 * The web page: three files that web/web.S brings into the program, so that
 * there is nothing to install, to find or to be changed beside it.
 */
#include <inttypes.h>

#include "daemon/gateway/rest.h"
#include "lib/table.h"

/* web/web.S; each ends where its _end begins. */
extern const char web_index_html[], web_index_html_end[];
extern const char web_app_js[], web_app_js_end[];
extern const char web_app_css[], web_app_css_end[];

/*
 * Nothing but our own files and connections, nothing that stands in the HTML
 * itself, no frame around it. A picture is fetched with the token, and shown
 * from what the page holds (blob:). Where the browser knows Trusted Types, no
 * string becomes HTML or a script.
 */
static const char page_headers[] =
	"Cache-Control: no-cache\r\n"
	"Content-Security-Policy: default-src 'none'; script-src 'self'; "
	"style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
	"require-trusted-types-for 'script'; trusted-types 'none'\r\n"
	"Cross-Origin-Opener-Policy: same-origin\r\n"
	"Cross-Origin-Resource-Policy: same-origin\r\n"
	"Permissions-Policy: camera=(), geolocation=(), microphone=()\r\n"
	"Referrer-Policy: no-referrer\r\n";

static enum http_more fill(struct http_request *r)
{
	size_t piece = r->file.len < HTTP_PIECE ? r->file.len : HTTP_PIECE;

	buf_append(&r->out, r->file.data, piece);
	r->file.data += piece;
	r->file.len -= piece;
	return r->file.len == 0 ? HTTP_END : HTTP_MORE;
}

/* A file changes with the program only; a browser asks whether it has. */
static void serve(struct http_request *r, const char *type, const char *begin,
		  const char *end)
{
	struct err err;

	r->file = str_make(begin, (size_t)(end - begin));
	buf_printf(&r->etag, "\"%016" PRIx64 "\"", table_hash_bytes(r->file));
	if (r->etag.failed) {
		err_set(&err, ERR_UNAVAILABLE, NULL);
		http_fail(r, &err);
	} else if (http_is_known(r)) {
		http_begin_body(r, 304, NULL, HTTP_NO_LENGTH, page_headers,
				NULL);
	} else {
		http_begin_body(r, 200, type, (int64_t)r->file.len,
				page_headers, fill);
	}
}

void rest_web_html(struct http_request *r)
{
	serve(r, "text/html; charset=utf-8", web_index_html,
	      web_index_html_end);
}

void rest_web_js(struct http_request *r)
{
	serve(r, "text/javascript; charset=utf-8", web_app_js, web_app_js_end);
}

void rest_web_css(struct http_request *r)
{
	serve(r, "text/css; charset=utf-8", web_app_css, web_app_css_end);
}
