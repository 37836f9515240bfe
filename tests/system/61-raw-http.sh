#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 240
# RFC 9112 byte by byte: each request that a stranger may send, well-formed or
# not, has the answer that the table in httprows.py names.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
TOKEN=$(token "$ME")
export TOKEN URL
gateways=$(gateway_pids)

ok "the requests are tried" sh -c "'$PY' '$HERE/httprows.py' >'$T/requests'"
rows "HTTP" "$T/requests"
if [ -z "${GROUPFS_TEST_ROWS:-}" ]; then
	ok "there are 80 rows and more" test "$(wc -l <"$T/requests")" -ge 80
fi
# A client that does it well, and waits for the answer to its Expect.
{
	head -c 300000 /dev/zero | tr '\0' ' '
	echo '{"content":"by curl"}'
} >"$T/large.json"
is "curl sends a body of 300 kB" "$(rest_status POST /api/groups/dev/messages \
	-H 'Content-Type: application/json' -H 'Expect: 100-continue' \
	--data-binary "@$T/large.json")" 201
is "which is in the log" "$(tail -n 1 "$M/dev/messages" | cut -f4)" "by curl"
is "the same gateway still" "$(gateway_pids)" "$gateways"
ok "verify finds nothing wrong" ctl verify
done_testing
