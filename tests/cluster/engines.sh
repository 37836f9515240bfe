# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# PostgreSQL and Redis of a test's own, sourced. tests/support/postgres.sh makes
# a server; here is what is done to it. A server is the folder of its Unix
# socket, so no port is needed; Redis, too, is on a socket in its folder.
#
#   postgres_start DIR [NAME=VALUE...]
#                                makes and starts it where it does not run; ends
#                                with this shell, or with its run; $POSTGRES_IN
#                                (a command and its arguments) runs it
#   postgres_stop DIR [MODE]     fast, or immediate: as when the power went
#   postgres_again DIR           starts it again, and does not wait
#   postgres_standby DIR FROM    starts a copy that follows FROM, and for which
#                                FROM waits with each commit
#   postgres_promote DIR         it is the primary from now on
#   sql DIR SQL [DATABASE]       as the superuser; rows with | between
#   redis_start DIR; redis_kill DIR; redis DIR COMMAND...

# The newest that there is.
POSTGRES_BIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)

have_engines() {
	[ -x "$POSTGRES_BIN/postgres" ] && command -v redis-server >/dev/null
}

# PostgreSQL refuses to run as root.
as_postgres() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid=postgres --regid=postgres --init-groups "$@"
	else
		"$@"
	fi
}

postgres_start() {
	_dir=$1
	shift
	# shellcheck disable=SC2086
	mkdir -p "$_dir" && ${POSTGRES_IN:-} sh \
		"$TOP/tests/support/postgres.sh" start "$_dir" \
		"${GROUPFS_TEST_POSTGRES_OWNER:-$$}" max_connections=400 \
		wal_sender_timeout=5s "$@"
}

# pg_ctl itself runs in a folder that the user postgres may not be in.
postgres_control() {
	_dir=$1
	shift
	(cd / && as_postgres "$POSTGRES_BIN/pg_ctl" -s -D "$_dir/data" \
		-l "$_dir/data/log" -t 60 "$@") >/dev/null 2>&1 </dev/null
}

postgres_stop() {
	postgres_control "$1" stop -w "-m${2:-fast}"
}

postgres_again() {
	postgres_control "$1" start -W
}

postgres_promote() {
	postgres_control "$1" promote -w
}

sql() {
	psql -XqAt -v ON_ERROR_STOP=1 -h "$1" -U postgres "${3:-postgres}" \
		-c "$2"
}

postgres_answers() {
	pg_isready -q -h "$1"
}

postgres_standby() {
	mkdir -p "$1" && chmod 700 "$1" || return
	[ "$(id -u)" != 0 ] || chown postgres: "$1"
	(cd / && as_postgres "$POSTGRES_BIN/pg_basebackup" -D "$1/data" -R \
		-X stream -c fast -d "host=$2 user=postgres
			application_name=standby") >"$T/basebackup.log" 2>&1 ||
		return
	echo "unix_socket_directories = '$1'" |
		as_postgres tee -a "$1/data/postgresql.conf" >/dev/null
	postgres_again "$1"
	wait_for 20 postgres_answers "$1" &&
		sql "$2" "alter system set synchronous_standby_names = standby" &&
		sql "$2" 'select pg_reload_conf()' >/dev/null &&
		wait_for 20 waits_for_standby "$2"
}

waits_for_standby() {
	[ "$(sql "$1" 'select sync_state from pg_stat_replication')" = sync ]
}

redis() {
	_dir=$1
	shift
	redis-cli -s "$_dir/socket" "$@"
}

redis_answers() {
	[ "$(redis "$1" ping 2>/dev/null)" = PONG ]
}

# Sets REDIS, its pid.
redis_start() {
	mkdir -p "$1"
	redis-server --port 0 --unixsocket "$1/socket" --save '' \
		--appendonly no --dir "$1" --daemonize no \
		>>"$1/log" 2>&1 </dev/null &
	REDIS=$!
	ours $REDIS
	wait_for 20 redis_answers "$1"
}

redis_kill() {
	kill -KILL "$REDIS"
	wait "$REDIS" 2>/dev/null
	return 0
}
