/* SPDX-License-Identifier: MIT */
/*
 * The REST surface (design.md section 4): one table, one function a route.
 */
#ifndef GROUPFS_DAEMON_GATEWAY_REST_H
#define GROUPFS_DAEMON_GATEWAY_REST_H

#include "daemon/gateway/http.h"

extern const struct route rest_routes[];

/* Whether the route takes a text/plain body. */
bool rest_takes_text(const struct route_match *m);

/* Whether it takes its body in pieces: then it runs before the body is there,
 * and makes r->upload or answers. */
bool rest_takes_pieces(const struct route_match *m);

/* rest_web.c */
void rest_web_html(struct http_request *r);
void rest_web_js(struct http_request *r);
void rest_web_css(struct http_request *r);
/* rest_messages.c */
void rest_send(struct http_request *r);
void rest_pull(struct http_request *r);
void rest_set_read(struct http_request *r);
/* rest_groups.c */
void rest_create_group(struct http_request *r);
void rest_list_groups(struct http_request *r);
void rest_get_group(struct http_request *r);
void rest_patch_group(struct http_request *r);
void rest_delete_group(struct http_request *r);
/* rest_mentions.c */
void rest_mentions(struct http_request *r);
/* rest_stream.c */
void rest_stream(struct http_request *r);
/* rest_upload.c */
void rest_upload(struct http_request *r);
/* rest_download.c */
void rest_list_media(struct http_request *r);
void rest_download(struct http_request *r);
/* rest_members.c */
void rest_list_members(struct http_request *r);
void rest_edit_members(struct http_request *r);
void rest_get_member(struct http_request *r);
void rest_put_member(struct http_request *r);
void rest_patch_member(struct http_request *r);
void rest_delete_member(struct http_request *r);

/* "limit" and "after" of the query; is_after says whether a text can be one
 * (NULL: the caller looks). False when it has answered. */
bool rest_get_page(struct http_request *r, bool (*is_after)(struct str text));
/* Around each item of the list in r->text; name: what comes behind it is asked
 * for by that. */
void rest_begin_item(struct http_request *r);
void rest_end_item(struct http_request *r, struct str name);
/* The end of a list, whose last is r->page.after, and of the answer. */
void rest_end_page(struct http_request *r, bool complete);
/* The Idempotency-Key, borrowed; empty: there is none. `bad_request`. */
int rest_get_key(const struct http_request *r, struct str *key,
		 struct err *err);
/* A key that no other request has, for what groupd must not do twice. */
void rest_random_key(char out[33]);

/* Answers with a refusal that says from where to start again. */
void rest_epoch_changed(struct http_request *r, const struct err *err,
			uint64_t epoch, uint64_t first_seq);

#endif
