# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# What each system test sources: its own groupd and mounts in a folder of its
# own, TAP, and a trap that leaves nothing behind.
#
#   . tests/system/lib.sh
#   start_groupd; mount_fs
#   ok "a group is a folder" mkdir "$M/dev"
#   done_testing
#
# Sets: T (folder of the test), M (mount), SOCKET, URL, GROUPD and GROUPFS
# (pids), ME (who runs the test), PY (Debian's python3, which has websockets).
set -u
# strerror(3) in English, bytes in order.
export LC_ALL=C.UTF-8

TOP=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
HERE=$TOP/tests/system
PY=/usr/bin/python3
ME=$(id -un)
# Not in /tmp: editors leave out their backup files there.
T=$(mktemp -d /var/tmp/groupfs-test.XXXXXX) || exit 1
chmod 755 "$T"
M=$T/mnt
SOCKET=$T/run/groupd.sock
LOAD=${GROUPFS_TEST_LOAD:-full}
GROUPD=
GROUPFS=
LISTEN=
PIDS=
MOUNTS=
TESTS=0
FAILED=0
# Marks the processes of this test, those too that groupd starts.
export GROUPFS_TEST_ID="$T"

diag() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

skip_all() {
	echo "1..0 # SKIP $*"
	exit 77
}

pass_or_fail() {
	TESTS=$((TESTS + 1))
	if [ "$1" = 0 ]; then
		echo "ok $TESTS - $2"
	else
		echo "not ok $TESTS - $2"
		FAILED=$((FAILED + 1))
	fi
	return "$1"
}

# ok SENTENCE COMMAND...: the command succeeds.
ok() {
	_what=$1
	shift
	"$@" >"$T/ok.out" 2>&1 </dev/null
	set -- $? "$*"
	pass_or_fail "$1" "$_what" || {
		diag "status $1: $2"
		diag "$(head -c 2000 "$T/ok.out")"
	}
}

# fails SENTENCE COMMAND...: it does not; what it said is in $T/ok.out.
fails() {
	_what=$1
	shift
	if "$@" >"$T/ok.out" 2>&1 </dev/null; then
		pass_or_fail 1 "$_what" || diag "succeeded: $*"
	else
		pass_or_fail 0 "$_what"
	fi
}

# is SENTENCE GOT WANTED
is() {
	[ "$2" = "$3" ]
	pass_or_fail $? "$1" || {
		diag "got:    $(printf %s "$2" | head -c 1000)"
		diag "wanted: $(printf %s "$3" | head -c 1000)"
	}
}

# like SENTENCE GOT EXTENDED-REGEX
like() {
	printf '%s\n' "$2" | grep -qE -- "$3"
	pass_or_fail $? "$1" || {
		diag "got:    $(printf %s "$2" | head -c 1000)"
		diag "wanted: /$3/"
	}
}

# same SENTENCE FILE FILE: the same bytes.
same() {
	cmp "$2" "$3" >"$T/ok.out" 2>&1
	pass_or_fail $? "$1" || {
		diag "$(cat "$T/ok.out")"
		diag "$(diff "$2" "$3" | head -n 10 | cut -c1-200)"
	}
}

# rows WHAT FILE: a table's results, STATUS<TAB>NAME<TAB>WHAT WAS WRONG each,
# as raw.py prints them.
rows() {
	while IFS='	' read -r _status _name _why; do
		pass_or_fail "$_status" "$1: $_name" || diag "$_why"
	done <"$2"
}

# wait_for SECONDS COMMAND...: until it succeeds; fails at the deadline.
wait_for() {
	_deadline=$(($(date +%s) + $1 * ${GROUPFS_TEST_PATIENCE:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt "$_deadline" ] || return 1
		sleep 0.05
	done
}

# watch_for PATTERN [NOT-PATTERN]: a killer of groupd is looking out for it.
watch_for() {
	: >"$T/killer"
	$PY "$HERE/killer.py" "$GROUPD" 10 "$@" >"$T/killer" &
	killer=$!
	wait_for 10 test -s "$T/killer"
}
# is_killed: waits for its end; groupd is killed, too, where the moment went by
# unseen.
is_killed() {
	wait $killer
	seen=$?
	kill -9 "$GROUPD" 2>/dev/null
	wait "$GROUPD" 2>/dev/null
	return $seen
}

# results FILE: "ok WHAT" and "not ok WHAT: WHY" of a helper, a line each.
results() {
	while read -r _line; do
		case $_line in
		"ok "*) pass_or_fail 0 "${_line#ok }" ;;
		"not ok "*) pass_or_fail 1 "${_line#not ok }" ;;
		*) diag "${_line#\# }" ;;
		esac
	done <"$1"
}

lines_at_least() {
	[ "$(wc -l <"$1")" -ge "$2" ]
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# wait_gone SECONDS PID: also where the pid is our own child (not a zombie).
wait_gone() {
	wait_for "$1" is_ended "$2"
}

is_ended() {
	[ ! -e "/proc/$1" ] || grep -qs '^State:.Z' "/proc/$1/status"
}

# reads_file PID FILE: the process has it open and sleeps (in its read).
reads_file() {
	readlink "/proc/$1"/fd/* | grep -qxF "$2" &&
		grep -q '^State:.S' "/proc/$1/status"
}

# Remembers a process that this test started, to be ended with it.
ours() {
	PIDS="$PIDS $1"
}

ctl() {
	"$BUILD/groupctl" --socket "$SOCKET" "$@"
}

figure() {
	ctl status --json | jq -r ".$1"
}

free_port() {
	$PY -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])'
}

answers_or_ended() {
	is_ended "$GROUPD" || ctl status
}

# start_groupd [OPTION...]: returns when it answers.
start_groupd() {
	mkdir -p "$T/run"
	# One port for all restarts, as clients expect.
	: "${LISTEN:=127.0.0.1:$(free_port)}"
	"$BUILD/groupd" --data "$T/data" --socket "$SOCKET" \
		--listen "$LISTEN" "$@" 2>>"$T/groupd.log" &
	GROUPD=$!
	ours $GROUPD
	wait_for 20 answers_or_ended
	ctl status >/dev/null 2>&1 || {
		diag "groupd did not start: $(tail -n 5 "$T/groupd.log")"
		exit 1
	}
	URL=http://$LISTEN
}

# start_faulty_groupd [OPTION...]: one whose calls fail as `faults` says, which is
# tests/torture/faults.py on its control file.
start_faulty_groupd() {
	faults new groupd
	FAULTS=$T/faults
	LD_PRELOAD="${GROUPFS_TEST_PRELOAD:-} $BUILD/torture/faults.so"
	_asan=${ASAN_OPTIONS:-}
	ASAN_OPTIONS=verify_asan_link_order=0:$_asan
	export FAULTS LD_PRELOAD ASAN_OPTIONS
	start_groupd "$@"
	unset FAULTS LD_PRELOAD
	ASAN_OPTIONS=$_asan
}

faults() {
	$PY "$TOP/tests/torture/faults.py" "$T/faults" "$@"
}

stop_groupd() {
	kill -TERM "$GROUPD"
	wait "$GROUPD"
}

kill9_groupd() {
	kill -KILL "$GROUPD"
	wait "$GROUPD" 2>/dev/null
}

# kills_core_for PID [OPTION...]: until that process ends, groupd is killed and
# started again whenever the file $KILL appears, which then goes.
kills_core_for() {
	_pid=$1
	shift
	until is_ended "$_pid"; do
		[ ! -e "$KILL" ] || {
			kill9_groupd
			start_groupd "$@"
			rm "$KILL"
		}
		sleep 0.05
	done
}

# The pids of the gateways.
gateways() {
	for pid in $(marked_pids); do
		[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd-gateway" ] &&
			echo "$pid"
	done
}

# mount_fs [OPTIONS]: at $M; root's mount is for all users.
mount_fs() {
	mkdir -p "$M"
	options=socket=$SOCKET${1:+,$1}
	[ "$(id -u)" = 0 ] && options=$options,allow_other
	"$BUILD/groupfs" -f -o "$options" "$M" 2>>"$T/groupfs.log" &
	GROUPFS=$!
	ours $GROUPFS
	MOUNTS="$MOUNTS $M"
	wait_for 20 is_online || {
		diag "no mount: $(tail -n 5 "$T/groupfs.log")"
		exit 1
	}
}

is_online() {
	[ "$(cat "$M/.me/state")" = online ]
}

# Ordinary users, made by root where they are missing and kept: gfs-alice,
# gfs-bob and those that are named. Another test may be at it, too.
need_users() {
	[ "$(id -u)" = 0 ] || skip_all "needs root, to act as two users"
	for name in gfs-alice gfs-bob "$@"; do
		id "$name" >/dev/null 2>&1 ||
			flock /var/tmp/groupfs-users.lock sh -c \
				"id $name || useradd -M -s /bin/sh $name" \
				>/dev/null 2>&1 ||
			skip_all "cannot make the user $name"
	done
}

# as_user NAME SHELL-COMMAND
as_user() {
	setpriv --reuid="$1" --regid="$(id -g "$1")" --init-groups \
		env HOME="$T/home-$1" USER="$1" M="$M" sh -c "$2"
}

# store_sql SQL: what is not groupd does to the store of one that is stopped,
# and the pages' checksums are right.
store_sql() {
	sqlite3 "$T/data/groupd.db" "$1" &&
		$PY "$HERE/reseal.py" "$T/data/groupd.db"
}

# Prints a token for a user.
token() {
	ctl token create "$1"
}

# rest METHOD PATH [CURL-OPTION...]: as $TOKEN; body on stdout, then a line
# with the status.
rest() {
	method=$1
	path=$2
	shift 2
	curl -sS -m 30 -X "$method" -H "Authorization: Bearer $TOKEN" \
		-w '\n%{http_code}' "$@" "$URL$path"
}

rest_status() {
	rest "$@" | tail -n 1
}

# send_rest GROUP TEXT
send_rest() {
	rest POST "/api/groups/$1/messages" -H 'Content-Type: application/json' \
		-d "$(jq -cn --arg c "$2" '{content: $c}')"
}

# The messages of a group in the mount as SEQ<TAB>SENDER<TAB>TEXT.
log_of() {
	cut -f1,3- "$M/$1/messages"
}

# Every pid whose environment carries this test's mark. One grep for all: a
# machine has many processes. That one is not marked.
marked_pids() {
	env -u GROUPFS_TEST_ID grep -lzxF "GROUPFS_TEST_ID=$T" \
		/proc/[0-9]*/environ 2>/dev/null |
		sed 's#^/proc/\([0-9]*\)/environ$#\1#'
}

# The gateways that run for this test.
gateway_pids() {
	for pid in $(marked_pids); do
		[ "$(readlink "/proc/$pid/exe")" = "$BUILD/groupd-gateway" ] &&
			echo "$pid"
	done
}

cleanup() {
	rc=$?
	trap '' EXIT INT TERM HUP
	unset GROUPFS_TEST_ID
	for point in $MOUNTS; do
		fusermount3 -uz "$point" 2>/dev/null ||
			umount -l "$point" 2>/dev/null
	done
	# A number that was waited for may be another test's process by now.
	for pid in $PIDS; do
		grep -qsx "PPid:	$$" "/proc/$pid/status" &&
			kill -TERM "$pid" 2>/dev/null
	done
	# What was started by what we started, gateways after a kill -9 too.
	for signal in TERM KILL; do
		tries=40
		while [ $tries -gt 0 ]; do
			left=$(marked_pids)
			[ -n "$left" ] || break 2
			for pid in $left; do
				kill -$signal "$pid" 2>/dev/null
			done
			sleep 0.1
			tries=$((tries - 1))
		done
	done
	if [ -n "${GROUPFS_TEST_KEEP:-}" ] || [ "$FAILED" -gt 0 ]; then
		for log in "$T"/*.log; do
			[ -s "$log" ] && diag "$log: $(tail -n 20 "$log")"
		done
	fi
	[ -z "${GROUPFS_TEST_CLUSTER:-}" ] || forget_database
	[ -n "${GROUPFS_TEST_KEEP:-}" ] || rm -rf "$T"
	exit "$rc"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
trap 'exit 141' PIPE

# Two nodes that share a store, where all of the above has one groupd.
# shellcheck source=tests/cluster/nodes.sh
[ -z "${GROUPFS_TEST_CLUSTER:-}" ] || . "$TOP/tests/cluster/nodes.sh"

# The last line of a test: stops what runs, looks for what the sanitizers
# reported, prints the plan.
done_testing() {
	[ -n "$MOUNTS" ] && [ -n "$GROUPFS" ] && kill -TERM "$GROUPFS" 2>/dev/null &&
		{ wait "$GROUPFS" || diag "groupfs ended with status $?"; }
	[ -n "$GROUPD" ] && kill -0 "$GROUPD" 2>/dev/null && {
		stop_groupd || diag "groupd ended with status $?"
	}
	reports=$(grep -lE \
		'(ERROR|WARNING): [A-Za-z]*Sanitizer|runtime error:|Assertion' \
		"$T"/*.log 2>/dev/null)
	[ -z "$reports" ] || {
		pass_or_fail 1 "no report of a sanitizer or an assertion"
		# shellcheck disable=SC2086
		diag "$(grep -hE -A 25 'ERROR: |WARNING: Thr|runtime error:|Assertion' \
			$reports | head -n 60)"
	}
	echo "1..$TESTS"
	[ "$FAILED" = 0 ]
	exit
}
