#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# Nodes are killed, PostgreSQL breaks down, Redis is killed, stopped, emptied
# and lied to, under load: nothing acknowledged is lost or doubled, all read one
# order, and each sender is answered in time.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_nodes

postgres_began() {
	sql "$POSTGRES" 'select pg_postmaster_start_time()'
}

postgres_breaks_down() {
	_was=$(postgres_began)
	postgres_stop "$POSTGRES" immediate
	postgres_again "$POSTGRES"
	wait_for 20 postgres_answers "$POSTGRES" &&
		[ "$(postgres_began)" != "$_was" ]
}

node_a_dies() {
	kill9_node_a
	start_node_a
}

node_b_dies() {
	kill9_node_b
	start_node_b
}

redis_dies() {
	redis_kill
	! redis_answers "$T/redis" || return
	sleep 0.5
	redis_start "$T/redis"
}

redis_hangs() {
	kill -STOP "$REDIS" && sleep 1 && kill -CONT "$REDIS"
}

# On every channel that anybody listens to: what it cannot be, and what it can
# be but is not so.
redis_lies() {
	_channels=$(redis "$T/redis" pubsub channels 'groupfs:*')
	for _channel in $_channels; do
		for _word in '' x '-1 -1' '99999999999999999999 1 0' \
			'0 0 0123456789abcdef' '1 0 0123456789abcdef' \
			'18446744073709551615 18446744073709551615 0123456789abcdef' \
			'1000000 1000000 0123456789abcdef' 'v 7 0123456789abcdef' \
			'm 1 1000000 0123456789abcdef' 'r 1 1 0123456789abcdef'; do
			redis "$T/redis" publish "$_channel" "$_word" >/dev/null
		done
		head -c 100000 /dev/urandom |
			redis "$T/redis" -x publish "$_channel" >/dev/null
	done
	[ -n "$_channels" ]
}

redis_is_emptied() {
	redis "$T/redis" flushall >/dev/null
}

has_keys() {
	[ -n "$(redis "$T/redis" keys '*')" ]
}

# Keys of ours that are of another kind than they were.
redis_is_garbled() {
	_keys=$(redis "$T/redis" keys '*')
	for _key in $_keys; do
		redis "$T/redis" del "$_key" >/dev/null
		redis "$T/redis" set "$_key" "$(head -c 64 /dev/urandom | base64)" \
			>/dev/null
	done
	[ -n "$_keys" ]
}

# What the fault before did is over.
ready() {
	case $1 in
	redis_is_garbled) wait_for 20 both_hear && wait_for 20 has_keys ;;
	redis_*) wait_for 20 both_hear ;;
	esac
}

both_hear() {
	# shellcheck disable=SC2046
	redis "$T/redis" pubsub numsub $(redis "$T/redis" pubsub channels \
		'groupfs:*') | grep -qx 2
}

begin_load dev 2
ok "the load runs" more_acks 5
faults="node_a_dies node_b_dies postgres_breaks_down redis_dies redis_hangs
	redis_is_emptied redis_lies redis_is_garbled"
for round in $(seq "$ROUNDS"); do
	for what in ${GROUPFS_TEST_FAULTS:-$faults}; do
		ready "$what" || pass_or_fail 1 "all is well before $what"
		fault "$what" "$what"
		recovers 30 || {
			pass_or_fail 1 "both nodes store, and are read, after $what" \
				"(round $round)"
			break 2
		}
	done
done
ok "both nodes store, and are read, after each fault" has_acks $((ROUNDS * 10))
end_load
export RESENT=yes
check_load
ok "verify finds nothing wrong" ctl verify
done_testing
