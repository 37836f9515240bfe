#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# RFC 6455 byte by byte: each frame and each handshake that a stranger may
# send has the answer that the tables in frames.py and handshakes.py name.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
export TOKEN URL
gateways=$(gateway_pids)

ok "the handshakes are tried" sh -c "'$PY' '$HERE/handshakes.py' >'$T/handshakes'"
rows "handshake" "$T/handshakes"
ok "the frames are tried" sh -c "'$PY' '$HERE/frames.py' >'$T/frames'"
rows "frames" "$T/frames"
if [ -z "${GROUPFS_TEST_ROWS:-}" ]; then
	ok "there are 130 rows and more" test "$(wc -l <"$T/frames")" -ge 130
fi
is "nothing of it came into the log" "$(cat "$M/dev/messages")" ""
is "the same gateway still" "$(gateway_pids)" "$gateways"
done_testing
