/* SPDX-License-Identifier: MIT */
/*
 * groupfs: mounts the groups of groupd as files.
 *
 * Start: options, the session, (child), mount, loop. The mount is usable
 * when the kernel was greeted and groupd too, or has had its second.
 * Stop (a signal or an unmount): the kernel is read no more, what is being
 * stored is finished, then everything is closed in the order it was made.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/file.h"
#include "fs/listing.h"
#include "fs/locks.h"
#include "fs/loop.h"
#include "fs/mount.h"
#include "fs/op.h"
#include "fs/options.h"
#include "fs/restored.h"
#include "fs/upload.h"
#include "lib/env.h"
#include "lib/log.h"

enum { SIGNALS = 3, TICK_MS = 100, READY_MS = 1000, TIDY_MS = 60000 };

struct app {
	uv_loop_t loop;
	struct groupfs fs;
	struct fuse_session *session;
	struct fuse_loop kernel;
	uv_signal_t signals[SIGNALS];
	uv_timer_t tick; /* only until it is ready, and when it stops */
	uint64_t ticks;
	uv_timer_t tidy;
	int ready_fd;  /* the waiting parent; -1: none */
	bool stopping; /* the kernel is read no more */
	int status;
};

static void usage(FILE *out)
{
	fputs("usage: groupfs [-fd] [-o OPTION,...] MOUNTPOINT\n"
	      "       mount -t fuse.groupfs SOURCE MOUNTPOINT "
	      "[-o OPTION,...]\n"
	      "  -f               stay in the foreground\n"
	      "  -d               foreground, show every request\n"
	      "  -o socket=PATH   groupd's socket\n"
	      "  -o allow_other   all users see their groups here\n"
	      "  --version, --help\n",
	      out);
}

static void on_event(struct client *c, const struct wire_header *header,
		     const void *body)
{
	struct app *app = c->data;

	if (app->fs.closing)
		return;
	feed_on_event(&app->fs.feed, header, body);
	known_on_event(&app->fs.known, header, body);
	if (header->type == WIRE_EV_MEMBER || header->type == WIRE_EV_DELETED)
		listing_end_all(&app->fs);
	if (header->type == WIRE_EV_MEMBER)
		file_live_on_member(&app->fs, body);
}

static void on_state(struct client *c, bool online, const char *why)
{
	struct app *app = c->data;

	if (app->fs.closing)
		return;
	if (online)
		log_info("connected to groupd");
	else
		log_info("groupd is away: why=%s", why == NULL ? "" : why);
	feed_on_state(&app->fs.feed, online);
	known_on_state(&app->fs.known);
	listing_end_all(&app->fs);
	if (online)
		file_live_list(&app->fs, true);
	else
		ops_give_up(&app->fs);
}

static void on_restored(struct client *c)
{
	struct app *app = c->data;

	if (!app->fs.closing)
		fs_restored(&app->fs);
}

/* Nothing is left to do: the loop ends when all is closed. */
static void client_closed(struct client *c)
{
	(void)c;
}

static void feed_closed(struct feed *feed)
{
	struct groupfs *fs = container_of(feed, struct groupfs, feed);

	client_close(&fs->client, client_closed);
}

/* libfuse cannot unmount from inside of the locks. It leaves a connection alone
 * that has an error, and then what it holds is freed: it gets a descriptor that
 * has one. */
static void unmount(struct app *app)
{
	int fd = fuse_session_fd(app->session);
	struct pollfd ended = { .fd = fd };
	bool mounted = poll(&ended, 1, 0) == 0 || !(ended.revents & POLLERR);
	int broken[2];
	int rc;

	if (pipe2(broken, O_CLOEXEC) == 0) {
		close(broken[0]);
		dup2(broken[1], fd);
		close(broken[1]);
	}
	fuse_session_unmount(app->session);
	/* Somebody else may have one there, where ours has ended. */
	rc = mounted ? outside_unmount(&app->fs.outside) : 0;
	if (rc < 0)
		log_warn("cannot unmount: why=\"%s\"", strerror(-rc));
	outside_stop(&app->fs.outside);
}

/* Nothing is being stored any more: ends all, in reverse. */
static void close_all(struct app *app)
{
	struct groupfs *fs = &app->fs;

	/* Answered while there is still a device to answer to. */
	ops_abort(fs);
	unmount(app);
	while (!list_empty(&fs->handles))
		handle_drop(
			container_of(fs->handles.next, struct handle, link));
	uploads_release(fs);
	scratch_release(&fs->scratch);
	floors_release(&fs->floors);
	known_release(&fs->known);
	users_release(&fs->users);
	feed_close(&fs->feed, feed_closed);
	for (int i = 0; i < SIGNALS; i++)
		uv_close((uv_handle_t *)&app->signals[i], NULL);
	uv_close((uv_handle_t *)&app->tick, NULL);
	uv_close((uv_handle_t *)&app->tidy, NULL);
	uv_close((uv_handle_t *)&fs->relist, NULL);
}

static void on_tick(uv_timer_t *timer);

/* Requests of the kernel that store something have at most the client's
 * timeout to be finished. */
static void stop(struct app *app)
{
	if (app->stopping)
		return;
	app->stopping = true;
	fuse_loop_close(&app->kernel);
	if (app->fs.writing == 0)
		close_all(app);
	else
		uv_timer_start(&app->tick, on_tick, TICK_MS, TICK_MS);
}

static void kernel_ended(struct fuse_loop *l, int rc)
{
	struct app *app = l->data;

	if (rc != 0) {
		log_error("reading from the kernel failed: why=%s",
			  strerror(-rc));
		app->status = 1;
	}
	stop(app);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	stop(handle->data);
}

static void on_tick(uv_timer_t *timer)
{
	struct app *app = timer->data;
	bool due = ++app->ticks >= READY_MS / TICK_MS;

	if (app->stopping) {
		if (app->fs.writing == 0)
			close_all(app);
		return;
	}
	if (!app->fs.initialised || (!app->fs.client.online && !due))
		return;
	mount_ready(app->ready_fd);
	uv_timer_stop(timer);
}

static void on_tidy(uv_timer_t *timer)
{
	struct app *app = timer->data;

	if (app->stopping)
		return;
	uploads_tidy(&app->fs);
	known_tidy(&app->fs.known);
	users_tidy(&app->fs.users);
	scratch_tidy(&app->fs.scratch, uv_now(&app->loop));
}

static int start_timers(struct app *app)
{
	static const int NUMBERS[SIGNALS] = { SIGINT, SIGTERM, SIGHUP };
	int rc = uv_timer_init(&app->loop, &app->tick);

	app->tick.data = app;
	for (int i = 0; rc == 0 && i < SIGNALS; i++) {
		rc = uv_signal_init(&app->loop, &app->signals[i]);
		app->signals[i].data = app;
		if (rc == 0)
			rc = uv_signal_start(&app->signals[i], on_signal,
					     NUMBERS[i]);
	}
	if (rc == 0)
		rc = uv_timer_start(&app->tick, on_tick, TICK_MS, TICK_MS);
	if (rc == 0)
		rc = uv_timer_init(&app->loop, &app->tidy);
	app->tidy.data = app;
	if (rc == 0)
		rc = uv_timer_start(&app->tidy, on_tidy, TIDY_MS, TIDY_MS);
	return rc;
}

static int start_groupfs(struct app *app, const struct mount_options *o)
{
	const struct client_options options = {
		.path = buf_cstr(&o->socket),
		.agent = "groupfs/" GROUPFS_VERSION,
		.data = app,
		.patient = true,
		.on_event = on_event,
		.on_state = on_state,
		.on_restored = on_restored
	};
	struct groupfs *fs = &app->fs;
	int rc;

	fs->loop = &app->loop;
	fs->started_ms = env_now_ms(env_system());
	list_init(&fs->ops);
	list_init(&fs->stalled);
	list_init(&fs->handles);
	list_init(&fs->uploads);
	scratch_init(&fs->scratch, env_system());
	floors_init(&fs->floors);
	list_init(&fs->streams);
	(void)uv_timer_init(&app->loop, &fs->relist); /* cannot fail */
	list_init(&fs->listings);
	users_init(&fs->users, &app->loop, &fs->client);
	known_init(&fs->known, &app->loop, &fs->client, &fs->feed, &fs->users);
	rc = client_start(&fs->client, &app->loop, &options);
	if (rc == 0)
		rc = feed_start(&fs->feed, &app->loop, &fs->client);
	return rc;
}

/* Everything from the mount on. An error here ends the process, so there is
 * nothing to undo but the mount. */
static int run(struct app *app, const struct mount_options *o)
{
	int rc = outside_start(&app->fs.outside, buf_cstr(&o->mountpoint));

	if (rc == 0)
		rc = uv_loop_init(&app->loop);
	if (rc == 0)
		rc = start_groupfs(app, o);
	if (rc == 0)
		rc = start_timers(app);
	if (rc != 0) {
		log_error("cannot start: why=%s", strerror(-rc));
		return 1;
	}
	if (fuse_session_mount(app->session, buf_cstr(&o->mountpoint)) != 0)
		return 1;
	app->kernel.data = app;
	rc = locks_put_on() ? 0 : -EPERM;
	if (rc == 0)
		rc = fuse_loop_start(&app->kernel, &app->loop, app->session,
				     kernel_ended);
	if (rc != 0) {
		log_error("cannot start: why=%s", strerror(-rc));
		unmount(app);
		return 1;
	}
	uv_run(&app->loop, UV_RUN_DEFAULT);
	uv_loop_close(&app->loop);
	return app->status;
}

static int mount_and_run(struct app *app, struct mount_options *o)
{
	int status = 1;

	app->session = mount_session(o, &app->fs);
	if (app->session == NULL)
		return 1;
	app->ready_fd = o->foreground ? -1 : mount_daemonize();
	if (o->foreground || app->ready_fd >= 0)
		status = run(app, o);
	else
		log_error("cannot fork: why=%s", strerror(errno));
	fuse_session_destroy(app->session);
	return status;
}

int main(int argc, char **argv)
{
	struct mount_options o = { 0 };
	struct app app = { 0 };
	struct err err = { 0 };
	int status = 1;
	int rc;

	log_open("groupfs", LOG_LEVEL_INFO);
	signal(SIGPIPE, SIG_IGN);
	rc = mount_options_parse(&o, argc, argv, &err);
	if (rc == 0 && o.help) {
		usage(stdout);
		status = 0;
	} else if (rc == 0 && o.version) {
		puts("groupfs " GROUPFS_VERSION);
		status = 0;
	} else {
		if (rc == 0)
			rc = mount_prepare(&o, &err);
		if (rc == 0)
			status = mount_and_run(&app, &o);
		else
			fprintf(stderr, "groupfs: %s\n",
				err.code != ERR_NONE ? err.text
						     : strerror(-rc));
	}
	mount_options_release(&o);
	return status;
}
