/* SPDX-License-Identifier: MIT */
/*
 * One HTTP request, from its headers to its answer.
 *
 *   front: http_begin -> http_body* -> http_run -> handler (rest_*.c)
 *          http_write  <-- http_answer / http_fail <--'
 *
 * A handler answers exactly once, at once or from a callback. A request whose
 * connection goes away is freed; its pending requests to groupd are forgotten
 * (groupd may still carry them out). While a request is under way lws reads
 * nothing more from its connection, which then takes the next one.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_HTTP_H
#define GROUPFS_DAEMON_GATEWAY_HTTP_H

#include "daemon/gateway/gateway.h"
#include "daemon/gateway/resolve.h"
#include "daemon/gateway/route.h"
#include "daemon/gateway/stall.h"
#include "lib/json.h"

struct http_download;
struct http_stream;
struct http_upload;
struct lws;

/* What a streamed answer's fill() says: more may come later, or that was all.
 */
enum http_more { HTTP_MORE, HTTP_END };

enum {
	HTTP_PIECE = 32 << 10,	   /* bytes given to lws at a time */
	HTTP_TURN = 4,		   /* pieces, as long as they are taken */
	HTTP_WRITE_S = 30,	   /* a piece must be taken within */
	HTTP_DRAIN_MAX = 64 << 10, /* a refused body is read to its end */
	HTTP_NO_LENGTH = -1	   /* the end of the connection is the end */
};

/* What one page of a list was asked for. */
struct http_page {
	uint64_t limit;
	struct buf after; /* owned */
	bool all;	  /* no limit was named: go on to the end */
};

struct http_request {
	struct gateway *gw;
	struct lws *wsi;
	struct bearer *bearer; /* one reference; NULL on open routes */
	struct route_match match;
	struct buf query; /* raw */
	struct buf body;
	struct buf key; /* Idempotency-Key */
	struct json *json;
	bool has_body;
	bool is_text; /* text/plain, else JSON */
	bool is_head; /* HEAD: a GET without the body of the answer */
	bool keep;    /* the connection is for the next request, too */
	bool expects; /* the body comes after a "100 Continue" */
	bool ran;
	bool writes; /* by its method */
	uint64_t length;
	struct buf origin; /* of a page that may read the answer (CORS) */
	struct buf etag;   /* of the answer, quoted; set by the handler */
	struct str file;   /* of the web page: what is still to be given */

	/* What the handler needs while it waits. */
	struct resolve resolve;
	struct client_request req;
	uint64_t until_ms; /* groupd has to answer; 0: nothing is asked */
	void (*with_group)(struct http_request *r);
	uint64_t group_id;
	struct buf text;   /* the answer's body as it grows */
	size_t text_given; /* of a large one: what is in `out`, or was */
	struct buf wire;   /* a list for groupd */
	struct http_page page;
	uint64_t after_seq, before_seq, epoch;
	bool has_epoch;
	bool pending;

	/* The answer. */
	struct buf headers; /* more of them, each with its CRLF */
	struct buf out;	    /* LWS_PRE, headers, body */
	size_t written;
	/* A streamed answer: appends to out what there is now, some HTTP_PIECE
	 * bytes at most. */
	enum http_more (*fill)(struct http_request *r);
	struct http_stream *stream;	/* owned, as the next two */
	struct http_download *download; /* of a media file */
	struct http_upload *upload;	/* takes the body as it comes */
	bool ended;			/* fill() has said so */
	bool answered;
	bool draining; /* the answer waits for the end of the body */
	bool dropped;  /* its client has gone */
	struct stall stall;
};

struct http_request *http_new(struct gateway *gw, struct lws *wsi);
void http_free(struct http_request *r); /* takes NULL */

/* The headers are there. 0: wait for the body; 1: the request runs or is
 * answered, expect no body. */
int http_begin(struct http_request *r, struct str path);
void http_body(struct http_request *r, struct str piece);
void http_run(struct http_request *r);
/* The socket takes more. 1: the answer is complete; 0: more to come; -1: the
 * connection is lost. */
int http_write(struct http_request *r);
/* The answer is complete, and so is the connection. False: close it now. */
bool http_linger(struct http_request *r);

/* Answers with r->text (JSON) as the body; with r->etag a 200 becomes 304 for
 * a client that has it (If-None-Match). */
void http_answer(struct http_request *r, int status);
void http_answer_empty(struct http_request *r, int status);
/* The answer's RateLimit headers; none where limit is 0. */
void http_put_rate(struct http_request *r, uint64_t limit, uint64_t left,
		   uint64_t reset_ms);
/* With a media type and header lines of its own (may be NULL). */
void http_answer_with(struct http_request *r, int status, const char *type,
		      const char *headers);
/* Answers with a head of no length, and then with what fill() gives, until it
 * says HTTP_END. http_wake(): it has something to give. */
void http_begin_stream(struct http_request *r, const char *type,
		       enum http_more (*fill)(struct http_request *r));
void http_wake(struct http_request *r);
/* The same of a known length, and with more headers, which may bring a
 * Cache-Control of their own. fill NULL: the head is all. */
void http_begin_body(struct http_request *r, int status, const char *type,
		     int64_t length, const char *headers,
		     enum http_more (*fill)(struct http_request *r));
/* Who waits for that is told to send the body (RFC 9110 10.1.1). */
void http_continue(struct http_request *r);
/* The connection, and its end: at once, with what was not written. */
int http_socket(const struct http_request *r);
void http_drop(struct http_request *r);
/* rest_stream.c's; takes NULL. */
void http_stream_free(struct http_stream *s);
/* rest_download.c's; takes NULL. on_event: who may not go on is cut. */
void http_download_free(struct http_download *d);
void http_downloads_on_event(struct gateway *gw,
			     const struct wire_header *header,
			     const void *body);
/* rest_upload.c's: pieces of the body, and its end. What was begun outlives
 * the request until groupd has forgotten it; release: those too. */
void http_upload_body(struct http_upload *u, struct str bytes);
void http_upload_end(struct http_upload *u);
void http_upload_free(struct http_request *r);
void http_uploads_release(struct gateway *gw);
/* Streams that were woken, do not pull, and have not read all since. */
size_t http_streams_behind(const struct gateway *gw);
/* Answers with a problem. */
void http_fail(struct http_request *r, const struct err *err);
void http_fail_with(struct http_request *r, int status, enum err_code code,
		    const char *detail, const char *headers, const char *extra);

/* Sends one request to groupd, for the bearer if there is one; cb gets r as
 * req->data and calls http_replied() first, which is false when that has
 * answered. */
void http_submit(struct http_request *r, enum wire_type type, const void *body,
		 client_reply_cb cb);
bool http_replied(struct http_request *r, const struct err *err);
/* Finds the group of the path, then calls next with r->group_id set. */
void http_with_group(struct http_request *r,
		     void (*next)(struct http_request *r));
/* The same with what may be recalled: for a request that groupd checks. */
void http_with_recalled(struct http_request *r,
			void (*next)(struct http_request *r));
/* Its answer, before http_replied(). True: it was another group; next is called
 * again when that is found. */
bool http_asks_again(struct http_request *r, const struct err *err);

/* A whole answer for a connection that is refused before it has a request:
 * written at once; or appended, for who writes it himself. */
void http_refuse(struct lws *wsi, int status, const char *detail,
		 const char *headers);
/* The same for a socket that is not lws' yet: answers and closes it. */
void http_refuse_socket(int fd, const struct err *err);
void http_put_refusal(struct buf *out, int status, const char *detail,
		      bool with_body);

/* http_check.c: what the headers say. */

/* How its connection goes on. */
void http_check_connection(struct http_request *r);
/* Whether a page of its origin may ask this. False: it is refused. */
bool http_check_origin(struct http_request *r, unsigned int method);
/* OPTIONS: what the path knows, and what pages of other origins may send. */
void http_answer_options(struct http_request *r, unsigned int methods);
/* The headers of an answer that its origin asks for (CORS). */
void http_put_cors(struct buf *out, const struct http_request *r);
/* The answer need not be sent again (If-None-Match). */
bool http_is_known(const struct http_request *r);

#endif
