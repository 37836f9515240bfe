#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make run-cluster` starts, as root and as an ordinary user: two nodes and
# two mounts, what to type, and nothing is left after Ctrl-C but the messages.
# shellcheck source=tests/system/lib.sh
if [ -z "${GROUPFS_TEST_INNER:-}" ] && [ "$(id -u)" = 0 ]; then
	# In a mount namespace of its own: there /dev/fuse may be opened by
	# all, as udev has it on a real machine.
	GROUPFS_TEST_INNER=1 exec unshare -m sh "$0"
fi
. "$(dirname "$0")/../system/lib.sh"
command -v redis-server >/dev/null || skip_all "Redis is not installed"
[ "$LOAD" != small ] || skip_all "once is enough"
EX=$TOP/examples
users=$ME
if [ "$(id -u)" = 0 ]; then
	need_users
	mkdir "$T/dev" && mount -t tmpfs tmpfs "$T/dev" &&
		mknod -m 666 "$T/dev/fuse" c 10 229 &&
		mount --bind "$T/dev/fuse" /dev/fuse ||
		skip_all "cannot make a /dev/fuse for all"
	users="root gfs-alice"
fi

as() {
	if [ "$user" = "$ME" ]; then
		HOME=$home sh -c "$1"
	else
		as_user "$user" "$1"
	fi
}

# What an ordinary user reads of a checkout that is root's.
start_cluster() {
	: >"$T/out"
	chmod 666 "$T/out"
	set --
	[ "$user" = "$ME" ] || set -- setpriv "--reuid=$user" \
		"--regid=$(id -g "$user")" --init-groups
	# A background job ignores SIGINT; this one is to hear it.
	HOME=$home GROUPFS_CLUSTER=$home/cluster GROUPFS_MOUNT_A=$home/a \
		GROUPFS_MOUNT_B=$home/b GROUPFS_LISTEN_A=127.0.0.1:$port_a \
		GROUPFS_LISTEN_B=127.0.0.1:$port_b "$@" env -u XDG_RUNTIME_DIR \
		-u XDG_STATE_HOME --default-signal=INT \
		sh "$EX/cluster/up.sh" "$BUILD" >"$T/out" 2>&1 &
	run=$!
	ours $run
}

nothing_runs() {
	[ -z "$(marked_pids | while read -r pid; do
		[ "$pid" = $$ ] || readlink "/proc/$pid/exe" |
			grep -E "^$BUILD/|/postgres$|/redis-"
	done)" ]
}

for user in $users; do
	home=$T/home-$user
	mkdir -p "$home" && chmod 755 "$home" && chown "$user" "$home"
	port_a=$(free_port)
	port_b=$(free_port)
	MOUNTS="$home/a $home/b $T/dev"
	start_cluster
	ok "$user: it says what to type" wait_for 40 grep -q 'Ctrl-C stops' "$T/out"
	diag "$(head -c 2000 "$T/out")"
	ok "a group on A" as "mkdir '$home/a/dev' && echo hi >> '$home/a/dev/messages'"
	is "is read on B" "$(as "cut -f3- '$home/b/dev/messages'")" "$user	hi"
	TOKEN=$(as "$(grep -E '^  (export|groupctl)' "$T/out")")
	for port in $port_a $port_b; do
		URL=http://127.0.0.1:$port
		is "the token command as printed opens REST at $port" \
			"$(rest_status GET '/api/groups/dev/messages?after_seq=0')" 200
	done
	is "PostgreSQL has the settings of $EX/cluster/postgresql.conf" \
		"$(as "psql -XqAt -h '$home/cluster/postgres' -U groupd groupd \
			-c 'show max_connections'")" \
		"$(sed -n 's/^max_connections = //p' "$EX/cluster/postgresql.conf")"
	is "and who may connect is of $EX/cluster/pg_hba.conf" \
		"$(as "psql -XqAt -h '$home/cluster/postgres' -U groupd groupd -c \
			'select type, auth_method, options from pg_hba_file_rules'")" \
		"local|peer|{map=groupd}"
	is "Redis has those of $EX/cluster/redis.conf" \
		"$(as "redis-cli -s '$home/cluster/redis/redis.sock' config get \
			maxmemory-policy" | tail -n 1)" volatile-ttl
	ok "a node's are those of $EX/cluster/groupd.conf" grep -q \
		'^gateways = 1' "$home/cluster/node-b/groupd.conf"
	kill -INT $run
	ok "Ctrl-C ends it" wait_gone 30 $run
	wait $run
	is "with success" $? 0
	like "and says so" "$(tail -n 1 "$T/out")" '^Stopped and unmounted'
	fails "no mount is left" grep -F " $home/" /proc/mounts
	ok "no process is left" wait_for 5 nothing_runs
	start_cluster
	ok "$user: it starts again" wait_for 40 grep -q 'Ctrl-C stops' "$T/out"
	is "and the message is there" "$(as "cut -f4 '$home/b/dev/messages'")" hi
	kill -INT $run
	ok "and ends" wait_gone 30 $run
done
done_testing
