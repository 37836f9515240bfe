#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 120
# The page on one of two nodes: its node is cut off from PostgreSQL, and is
# killed, while the other one goes on. It says in words what is going on; what
# was sent is there once, what was missed comes, each in its order.
# shellcheck source=tests/system/lib.sh
export GROUPFS_TEST_CLUSTER=1
. "$(dirname "$0")/../system/lib.sh"
# shellcheck source=tests/web/browser.sh
. "$TOP/tests/web/browser.sh"
need_browser npm-web-cut

proxy_start
start_node_a
wait_for_node a "$GROUPD" "$SOCKET"
NODE_STORE=$STORE_PROXY
start_node_b
wait_for_node b "$GROUPD_B" "$SOCKET_B"
mount_fs
export URL
ok "there is a user" ctl user add alice
token alice >"$T/token.alice"
mkdir "$M/dev"
echo alice >"$M/dev/members"
echo 'good morning' >>"$M/dev/messages"

# What the browser's side asks for: a word in $DO, which goes when it is done.
serve() {
	case $1 in
	cut) touch "$T/network/cut" ;;
	heal) rm "$T/network/cut" ;;
	kill-b)
		kill9_node_b
		kill -KILL "$(sed -n 's/.*started gateway:.* pid=\([0-9]*\) .*/\1/p' \
			"$T/groupd-b.log" | tail -n 1)"
		;;
	start-b)
		start_node_b
		wait_for_node b "$GROUPD_B" "$SOCKET_B"
		;;
	esac
}
talk a-cut.mjs
done_testing
