#!/bin/sh
# SPDX-License-Identifier: MIT
# A gateway that somebody has taken over says what he likes on its connection
# to groupd: it acts for nobody whose token or ticket it was not shown.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
[ -z "${GROUPFS_TEST_CLUSTER:-}" ] || skip_all "once is enough"
need_users
start_groupd
mount_fs
ok "alice has a group" as_user gfs-alice \
	'mkdir "$M/hers" && echo secret >>"$M/hers/messages"'
TOKEN=$(token gfs-alice)
group=$(rest GET /api/groups/hers | head -n 1 | jq -r .group_id)
TOKEN_BOB=$(token gfs-bob)
export TOKEN_BOB

gateway=$(gateway_pids)
tag=$(tr '\0' '\n' <"/proc/$gateway/cmdline" | sed -n '/^--tag$/{n;p;}')
kill9_groupd
kill -KILL "$gateway"
wait_gone 10 "$gateway"
$PY "$HERE/taken.py" "$T/run" "$SOCKET" "$tag" "$group" gfs-bob gfs-alice \
	>"$T/taken" 2>"$T/taken.err" &
taken=$!
ours $taken
ok "another one is in its place" wait_for 20 grep -q ready "$T/taken"
start_groupd
ok "it is adopted, and says all that it has to" wait $taken
diag "$(cat "$T/taken.err")"
grep -v '^ready$\|^done$' "$T/taken" >"$T/said"
results "$T/said"
is "nothing of it was done" "$(as_user gfs-alice 'cut -f3- "$M/hers/messages"')" \
	"gfs-alice	secret"
done_testing
