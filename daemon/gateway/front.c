/* SPDX-License-Identifier: MIT */
#include "daemon/gateway/front.h"

#include <errno.h>
#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/gateway/head.h"
#include "daemon/gateway/headers.h"
#include "daemon/gateway/http.h"
#include "daemon/gateway/intercept.h"
#include "daemon/gateway/polls.h"
#include "daemon/gateway/tls.h"
#include "daemon/gateway/ws.h"
#include "lib/log.h"
#include "lib/text.h"

enum {
	ACCEPT_TURN = 64,      /* connections taken at a time */
	ACCEPT_PAUSE_MS = 100, /* when there are no descriptors */
	/* lws keeps such a buffer for each WebSocket, for as long as it is
	 * open; larger messages come in several pieces. */
	RECEIVE_BUFFER = 512,
	SEND_BUFFER = 64 << 10, /* else the kernel keeps 4 MiB a slow one */
	ADDRESS_RETRY_MS = 10000,
	TIMEOUT_S = 10,
	KEEPALIVE_S = 30
};

/* What a connection came with, and keeps all its life. */
struct arrival {
	struct address *address; /* NULL: not counted */
	size_t len;		 /* of the ticket; 0: none */
	char ticket[];
};

/* What lws keeps for us with each connection: one of the two. */
struct session {
	struct http_request *http;
	struct ws_conn *ws;
};

static struct gateway *gateway_of(struct lws *wsi)
{
	return lws_context_user(lws_get_context(wsi));
}

/* 426, 403, 404 or 400 in words; true when it may become a WebSocket. */
static bool upgrade_allowed(struct lws *wsi, const struct gateway_options *o)
{
	struct buf path = { 0 }, version = { 0 }, origin = { 0 };
	struct buf host = { 0 }, offered = { 0 };
	const char *why = NULL, *headers = NULL;
	int status = 400;

	headers_get(wsi, HEADER_UPGRADE_PATH, &path);
	headers_get(wsi, HEADER_WS_VERSION, &version);
	headers_get(wsi, HEADER_HOST, &host);
	if (!str_eq(buf_str(&path), str_of("/api/ws"))) {
		status = 404;
		why = "There is no WebSocket at this path";
	} else if (!str_eq(buf_str(&version), str_of("13"))) {
		status = 426;
		why = "Only version 13 of the WebSocket protocol is spoken";
		headers = "Sec-WebSocket-Version: 13\r\n";
	} else if (headers_get(wsi, HEADER_ORIGIN, &origin) &&
		   !gateway_origin_allowed(o, buf_str(&origin),
					   buf_str(&host))) {
		status = 403;
		why = "Pages of this origin may not use this service";
	} else if (headers_get(wsi, HEADER_WS_PROTOCOL, &offered) &&
		   !headers_list_has(buf_str(&offered), "groupfs.v1")) {
		why = "The subprotocol is groupfs.v1";
	}
	if (why != NULL)
		http_refuse(wsi, status, why, headers);
	buf_release(&path);
	buf_release(&version);
	buf_release(&origin);
	buf_release(&host);
	buf_release(&offered);
	return why == NULL;
}

static int on_upgrade(struct lws *wsi, const char *to)
{
	if (to == NULL || strcasecmp(to, "websocket") != 0)
		return -1;
	return upgrade_allowed(wsi, gateway_of(wsi)->options) ? 0 : -1;
}

/* While a request is under way its connection is not read. */
static void wait_for_answer(struct lws *wsi, const struct http_request *r)
{
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	if (!r->answered)
		lws_rx_flow_control(wsi, 0);
}

static int on_headers(struct lws *wsi, struct session *s, const char *path)
{
	/* None is given to lws before the last one is answered. */
	if (s->http != NULL)
		return -1;
	s->http = http_new(gateway_of(wsi), wsi);
	if (s->http == NULL)
		return -1;
	if (http_begin(s->http, str_of(path)) == 0)
		return 0;
	wait_for_answer(wsi, s->http);
	return 0;
}

static int on_body_end(struct lws *wsi, struct session *s)
{
	if (s->http == NULL)
		return -1;
	http_run(s->http);
	wait_for_answer(wsi, s->http);
	return 0;
}

/* The answer is complete: on to the next request, or to the end. */
static int end_request(struct lws *wsi, struct session *s)
{
	bool keep = s->http->keep;

	if (!keep)
		return http_linger(s->http) ? 0 : -1;
	http_free(s->http);
	s->http = NULL;
	intercept_next(lws_get_socket_fd(wsi));
	lws_rx_flow_control(wsi, 1);
	return lws_http_transaction_completed(wsi) == 0 ? 0 : -1;
}

static int on_http_writable(struct lws *wsi, struct session *s)
{
	int rc = s->http == NULL ? 0 : http_write(s->http);

	return rc == 1 ? end_request(wsi, s) : rc;
}

static int on_open(struct lws *wsi, struct session *s)
{
	struct buf header = { 0 };
	struct str token = { 0 };
	struct str ticket = { 0 };

	http_free(s->http);
	s->http = NULL;
	if (headers_get(wsi, HEADER_AUTHORIZATION, &header))
		(void)headers_bearer(buf_str(&header), &token);
	else
		ticket = front_ticket(wsi);
	s->ws = ws_open(gateway_of(wsi), wsi, token);
	if (s->ws != NULL && ticket.len > 0)
		ws_use_ticket(s->ws, ticket);
	buf_release(&header);
	if (s->ws == NULL)
		return -1;
	intercept_open_frames(lws_get_socket_fd(wsi), s->ws);
	return 0;
}

static int on_receive(struct lws *wsi, struct session *s, const char *data,
		      size_t len)
{
	bool final = lws_is_final_fragment(wsi) != 0 &&
		     lws_remaining_packet_payload(wsi) == 0;

	if (s->ws == NULL)
		return -1;
	return ws_receive(s->ws, str_make(data, len), final,
			  lws_frame_is_binary(wsi) == 0);
}

static void on_closed(struct session *s)
{
	http_free(s->http);
	s->http = NULL;
	ws_closed(s->ws);
	s->ws = NULL;
}

struct str front_ticket(struct lws *wsi)
{
	const struct arrival *a = lws_get_opaque_user_data(wsi);

	return a == NULL ? str_of("") : str_make(a->ticket, a->len);
}

/* Whatever it was in its life, and if it never said a word. */
static void on_destroy(struct lws *wsi)
{
	struct arrival *a = lws_get_opaque_user_data(wsi);

	if (a == NULL)
		return;
	address_drop(&gateway_of(wsi)->addresses, a->address);
	free(a);
	lws_set_opaque_user_data(wsi, NULL);
}

/* Only dispatches. */
static int callback(struct lws *wsi, enum lws_callback_reasons reason,
		    void *user, void *in, size_t len)
{
	struct session *s = user;

	switch (reason) {
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return on_upgrade(wsi, in);
	case LWS_CALLBACK_HTTP:
		return on_headers(wsi, s, in);
	case LWS_CALLBACK_HTTP_BODY:
		if (s->http != NULL)
			http_body(s->http, str_make(in, len));
		return 0;
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return on_body_end(wsi, s);
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return on_http_writable(wsi, s);
	case LWS_CALLBACK_ESTABLISHED:
		return on_open(wsi, s);
	case LWS_CALLBACK_RECEIVE:
		return on_receive(wsi, s, in, len);
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return s->ws == NULL ? 0 : ws_writable(s->ws);
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_CLOSED_HTTP:
		intercept_remove(lws_get_socket_fd(wsi));
		if (s != NULL)
			on_closed(s);
		return 0;
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
		if (s != NULL)
			on_closed(s);
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
		on_destroy(wsi);
		return 0;
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
		return tls_set_up(user, gateway_of(wsi)->options->tls_fd);
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{ .name = "groupfs-http",
	  .callback = callback,
	  .per_session_data_size = sizeof(struct session),
	  .rx_buffer_size = RECEIVE_BUFFER,
	  .tx_packet_size = SEND_BUFFER },
	{ .name = "groupfs.v1",
	  .callback = callback,
	  .per_session_data_size = sizeof(struct session),
	  .rx_buffer_size = RECEIVE_BUFFER,
	  .tx_packet_size = SEND_BUFFER },
	{ .name = NULL },
};

static void refuse_address(int fd)
{
	struct err err;

	err_set(&err, ERR_RATE_LIMITED,
		"Too many connections from your address");
	err.retry_after_ms = ADDRESS_RETRY_MS;
	http_refuse_socket(fd, &err);
}

/* Takes fd and the address. */
static void adopt(struct gateway *gw, struct lws_vhost *vhost, int fd,
		  struct address *address, struct str ticket)
{
	lws_sock_file_fd_type socket = { .sockfd = fd };
	struct arrival *a = calloc(1, sizeof(*a) + ticket.len);
	int size = SEND_BUFFER;
	struct lws *wsi;

	if (a == NULL || !intercept_add(fd)) {
		close(fd);
		goto drop;
	}
	polls_add(fd);
	a->address = address;
	a->len = ticket.len;
	if (ticket.len > 0)
		memcpy(a->ticket, ticket.data, ticket.len);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	/* Without TLS of its own the vhost makes nothing of the last flag. */
	wsi = lws_adopt_descriptor_vhost(
		vhost, LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
		socket, NULL, NULL);
	/* On failure lws has closed it. */
	if (wsi == NULL)
		goto drop;
	lws_set_opaque_user_data(wsi, a);
	return;
drop:
	address_drop(&gw->addresses, address);
	free(a);
}

static void adopt_tcp(struct gateway *gw, int fd,
		      const struct sockaddr_storage *from)
{
	struct address *address;
	int one = 1;

	if (!address_take(&gw->addresses, from, &address)) {
		refuse_address(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	adopt(gw, gw->vhost, fd, address, str_of(""));
}

static void on_given(struct door *d, int fd, struct str ticket)
{
	struct gateway *gw = container_of(d, struct gateway, door);

	adopt(gw, gw->plain, fd, NULL, ticket);
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_pause_end(uv_timer_t *t)
{
	struct gateway *gw = container_of(t, struct gateway, accept_pause);

	if (!uv_is_closing((uv_handle_t *)&gw->listener))
		uv_poll_start(&gw->listener, UV_READABLE, on_connection);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct gateway *gw = container_of(poll, struct gateway, listener);

	(void)status;
	(void)events;
	for (int i = 0; i < ACCEPT_TURN; i++) {
		struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
		socklen_t len = sizeof(from);
		int fd = accept4(gw->options->listen_fd,
				 (struct sockaddr *)&from, &len,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			adopt_tcp(gw, fd, &from);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS) {
			uv_poll_stop(poll);
			uv_timer_start(&gw->accept_pause, on_pause_end,
				       ACCEPT_PAUSE_MS, 0);
		}
		return;
	}
}

static void on_control(void *conn, enum frame_opcode opcode, struct str payload)
{
	ws_control(conn, opcode, payload);
}

static void on_frame_refused(void *conn, int code)
{
	ws_refuse(conn, code);
}

/* As if poll(2) had told that there is something to read. */
/* A connection of which OpenSSL holds more than poll(2) tells. */
struct unread {
	int fd;
	bool next; /* another request, behind an answer */
};

/* Behind an answer lws waits for the socket to be writable, and reads nothing
 * before. It is: all of the answer was written. */
static void read_more(struct gateway *gw, const struct unread *u)
{
	struct lws_pollfd p = { .fd = u->fd,
				.events = LWS_POLLOUT,
				.revents = LWS_POLLOUT };

	if (u->next)
		lws_service_fd(gw->lws, &p);
	p.events = p.revents = LWS_POLLIN;
	lws_service_fd(gw->lws, &p);
}

static void on_reader(uv_idle_t *reader)
{
	struct gateway *gw = container_of(reader, struct gateway, reader);
	struct buf unread = gw->unread;
	struct unread u;

	gw->unread = (struct buf){ 0 };
	uv_idle_stop(reader);
	for (size_t i = 0; i + sizeof(u) <= unread.len; i += sizeof(u)) {
		memcpy(&u, unread.data + i, sizeof(u));
		read_more(gw, &u);
	}
	buf_release(&unread);
}

static void on_read_on(void *data, int fd, bool next)
{
	struct gateway *gw = data;
	const struct unread u = { .fd = fd, .next = next };

	buf_append(&gw->unread, &u, sizeof(u));
	uv_idle_start(&gw->reader, on_reader);
}

static int start_intercept(struct gateway *gw)
{
	const struct intercept_ops ops = { .data = gw,
					   .control = on_control,
					   .refused = on_frame_refused,
					   .read_on = on_read_on };
	int rc = uv_idle_init(gw->loop, &gw->reader);

	return rc < 0 ? rc : intercept_start(FILES_MAX, &ops);
}

static void on_lws_log(int level, const char *line)
{
	(void)level;
	log_warn("libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
}

static int create_context(struct gateway *gw)
{
	static const lws_retry_bo_t no_pings;
	void *loops[1] = { gw->loop };
	struct lws_context_creation_info info = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.alpn = "http/1.1",
		.user = gw,
		.foreign_loops = loops,
		.options = LWS_SERVER_OPTION_LIBUV |
			   LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
		.retry_and_idle_policy = &no_pings,
		.server_string = "groupfs",
		.vhost_name = "groupfs",
		.timeout_secs = TIMEOUT_S,
		.keepalive_timeout = KEEPALIVE_S,
		.max_http_header_data = HEAD_OUT_MAX,
		.pt_serv_buf_size = INTERCEPT_READ,
		.max_http_header_pool = 1024,
		.gid = -1,
		.uid = -1,
	};

	if (gw->options->tls_fd >= 0)
		info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
				LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
	lws_set_log_level(LLL_ERR, on_lws_log);
	gw->lws = lws_create_context(&info);
	if (gw->lws == NULL)
		return -ENOMEM;
	gw->vhost = lws_create_vhost(gw->lws, &info);
	if (gw->vhost == NULL)
		return -ENOMEM;
	/* Of a port of its own: a Host or a server name leads to no other
	 * vhost than that of the same port. */
	info.options &= ~(uint64_t)LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
	info.port = CONTEXT_PORT_NO_LISTEN;
	info.vhost_name = "groupfs-door";
	gw->plain = lws_create_vhost(gw->lws, &info);
	return gw->plain == NULL ? -ENOMEM : 0;
}

static int start_listening(struct gateway *gw)
{
	int rc;

	if (listen(gw->options->listen_fd, SOMAXCONN) < 0)
		return -errno;
	rc = uv_timer_init(gw->loop, &gw->accept_pause);
	if (rc == 0)
		rc = uv_poll_init(gw->loop, &gw->listener,
				  gw->options->listen_fd);
	if (rc == 0)
		rc = uv_poll_start(&gw->listener, UV_READABLE, on_connection);
	return rc;
}

int front_start(struct gateway *gw)
{
	int rc = start_intercept(gw);

	if (rc == 0)
		rc = polls_start(gw->loop, FILES_MAX);
	if (rc == 0)
		rc = create_context(gw);
	if (rc == 0)
		rc = stalls_start(&gw->stalls, gw->loop);
	if (rc == 0 && gw->options->listen_fd >= 0)
		rc = start_listening(gw);
	if (rc == 0 && gw->options->door_fd >= 0)
		rc = door_start(&gw->door, gw->loop, gw->options->door_fd,
				gw->options->core_uid, on_given);
	return rc;
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct gateway *gw = container_of(handle, struct gateway, listener);

	close(gw->options->listen_fd);
}

void front_stop_listening(struct gateway *gw)
{
	if (gw->options->door_fd >= 0)
		door_close(&gw->door);
	/* Who is in the queue would be reset. */
	if (gw->options->listen_fd >= 0)
		on_connection(&gw->listener, 0, UV_READABLE);
	uv_close((uv_handle_t *)&gw->reader, NULL);
	stalls_close(&gw->stalls);
	if (gw->options->listen_fd < 0)
		return;
	uv_close((uv_handle_t *)&gw->accept_pause, NULL);
	uv_close((uv_handle_t *)&gw->listener, on_listener_closed);
}

void front_close(struct gateway *gw)
{
	lws_context_destroy(gw->lws);
	polls_close();
}

void front_release(struct gateway *gw)
{
	/* With a foreign loop the second call frees what the first left. */
	lws_context_destroy(gw->lws);
	intercept_stop();
	polls_release();
	buf_release(&gw->unread);
}
