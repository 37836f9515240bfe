#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# Nodes are killed, PostgreSQL breaks down, Redis is killed, stopped, emptied
# and lied to, under load: nothing acknowledged is lost or doubled, all read one
# order, and each sender is answered in time.
# shellcheck source=tests/cluster/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mount_b
TOKEN=$(token "$ME")
export TOKEN URL
mkdir "$M/dev"
ok "the group is on B" wait_for 5 test -d "$MOUNT_B/dev"

postgres_breaks_down() {
	postgres_stop "$POSTGRES" immediate
	postgres_again "$POSTGRES"
	wait_for 20 postgres_answers "$POSTGRES"
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
	sleep 0.5
	redis_start "$T/redis"
}

redis_hangs() {
	kill -STOP "$REDIS"
	sleep 1
	kill -CONT "$REDIS"
}

# On every channel that anybody listens to: what it cannot be, and what it can
# be but is not so.
redis_lies() {
	for _channel in $(redis "$T/redis" pubsub channels 'groupfs:*'); do
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
}

redis_is_emptied() {
	redis "$T/redis" flushall >/dev/null
}

# Keys of ours that are of another kind than they were.
redis_is_garbled() {
	for _key in $(redis "$T/redis" keys '*'); do
		redis "$T/redis" del "$_key" >/dev/null
		redis "$T/redis" set "$_key" "$(head -c 64 /dev/urandom | base64)" \
			>/dev/null
	done
}

begin_load dev 2
ok "the load runs" more_acks 5
faults="node_a_dies node_b_dies postgres_breaks_down redis_dies redis_hangs
	redis_is_emptied redis_lies redis_is_garbled"
for round in $(seq "$ROUNDS"); do
	for what in ${GROUPFS_TEST_FAULTS:-$faults}; do
		fault "$what" "$what"
		more_acks 5 30 || {
			pass_or_fail 1 "both nodes store again after $what" \
				"(round $round)"
			break 2
		}
	done
done
ok "both nodes store again after each fault" has_acks $((ROUNDS * 10))
end_load
check_load
ok "verify finds nothing wrong" ctl verify
done_testing
