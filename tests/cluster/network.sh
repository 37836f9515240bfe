# SPDX-License-Identifier: MIT
# shellcheck shell=sh disable=SC2034
# A network for a test that runs in a network namespace of its own: the test
# here, the server elsewhere, and a router between the two, which can lose all
# that comes. So neither side sees its own link go down, and nobody resets a
# connection.
#
#   network_start            what fails is in $T/network.log
#   network_cut [answers]    all packets vanish, or those from the server only
#   network_heal
#
# Sets: SERVER_SIDE, a pid in the server's namespace; SERVER_ADDRESS and
# NODE_ADDRESS.
NODE_ADDRESS=10.9.1.2
SERVER_ADDRESS=10.9.2.2

# Sets NAMESPACE, a process in a new one.
new_namespace() {
	unshare -n sleep infinity &
	NAMESPACE=$!
	ours $NAMESPACE
	wait_for 5 is_elsewhere $NAMESPACE
}

is_elsewhere() {
	[ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
		[ "$(cat "/proc/$1/comm")" = sleep ]
}

# in_network PID COMMAND...
in_network() {
	_pid=$1
	shift
	nsenter --net="/proc/$_pid/ns/net" "$@"
}

# join PID ADDRESS PID ADDRESS: a cable between two namespaces. Each end has the
# name of the first's pid.
join() {
	in_network "$1" ip link add "net$1" type veth peer name "net$1" \
		netns "$3" &&
		in_network "$1" ip address add "$2/24" dev "net$1" &&
		in_network "$1" ip link set "net$1" up &&
		in_network "$3" ip address add "$4/24" dev "net$1" &&
		in_network "$3" ip link set "net$1" up
}

network_start() {
	new_namespace && ROUTER=$NAMESPACE
	new_namespace && SERVER_SIDE=$NAMESPACE
	{
		ip link set lo up &&
			in_network "$SERVER_SIDE" ip link set lo up &&
			join $$ $NODE_ADDRESS "$ROUTER" 10.9.1.1 &&
			join "$SERVER_SIDE" $SERVER_ADDRESS "$ROUTER" 10.9.2.1 &&
			in_network "$ROUTER" sh -c \
				'echo 1 >/proc/sys/net/ipv4/ip_forward' &&
			ip route add default via 10.9.1.1 &&
			in_network "$SERVER_SIDE" \
				ip route add default via 10.9.2.1
	} >"$T/network.log" 2>&1
}

# A queue that has room for nothing.
network_cut() {
	in_network "$ROUTER" tc qdisc add dev net$$ root pfifo limit 0
	[ "${1:-}" = answers ] ||
		in_network "$ROUTER" tc qdisc add dev "net$SERVER_SIDE" root \
			pfifo limit 0
}

network_heal() {
	in_network "$ROUTER" tc qdisc del dev net$$ root
	in_network "$ROUTER" tc qdisc del dev "net$SERVER_SIDE" root 2>/dev/null
	return 0
}
