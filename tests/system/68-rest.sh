#!/bin/sh
# SPDX-License-Identifier: MIT
# REST: logs, members and mentions by pages, both ways; members in bulk, all or
# none; the same send twice, over kill -9; the read pointer; refusals.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
users=2600
start_groupd
mount_fs
cd "$M" || exit 1
mkdir log crowd keys a b c
cd "$TOP" || exit 1
ok "many users" sh -c "{ seq -f u%04.0f $users; printf '%s\n' ann ben zoe zora; } |
	'$BUILD/groupctl' --socket '$SOCKET' user add -"
for group in log crowd keys a b c; do
	ok "zoe is in $group" sh -c "echo zoe >>'$M/$group/members'"
done
ok "a log" sh -c "seq -f 'message %.0f' 2345 >>'$M/log/messages'"
for group in a b c; do
	ok "mentions" sh -c "seq -f '@zoe %.0f' 400 >>'$M/$group/messages'"
done
TOKEN=$(token "$ME")
OTHER=$(token zoe)
STRANGER=$(token zora)
export URL TOKEN OTHER STRANGER
export USERS=$users KEPT="$T/kept"
# section NAME GROUP...
section() {
	ok "$1" sh -c "exec $PY '$HERE/rest.py' $* >'$T/results'"
	results "$T/results"
}
section paging log
section members crowd
section keys keys
kill9_groupd
start_groupd
section again keys
section mentions a b c
section pointer log
section problems log

kill9_groupd
not_ready() {
	[ "$(curl -sS -o "$T/answer" -D "$T/head" -w '%{http_code}' \
		"$URL/readyz")" = 503 ]
}
ok "while groupd is away the gateway is not ready" wait_for 10 not_ready
is "which is unavailable" "$(jq -r '.code, .status' "$T/answer" | xargs)" \
	"unavailable 503"
like "for a while" "$(cat "$T/head")" '^Retry-After: [0-9]'
done_testing
