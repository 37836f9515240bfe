#!/bin/sh
# SPDX-License-Identifier: MIT
# A subscriber that is cut 1,000 times, in all the ways that there are, while
# three senders go on: it resumes by seq and epoch, and has each message once,
# in order, with replay marked and live told.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
cuts=1000
[ "$LOAD" = full ] || cuts=100
start_groupd
mount_fs
mkdir "$M/dev"
ok "users" ctl user add ann ben
ok "members" sh -c "printf '%s\n' ann ben >> '$M/dev/members'"
export URL M BUILD
export KILL="$T/kill-core"
TOKENS="$(token "$ME") $(token ann) $(token ben)" \
	$PY "$HERE/cuts.py" dev $cuts "$T/received" >"$T/wrong" 2>"$T/cuts" &
client=$!
ours $client
kills_core_for $client
ok "it was cut $cuts times and ended well" wait $client
diag "$(tail -n 8 "$T/cuts")"
is "nothing came double, missing, out of order or marked wrongly" \
	"$(head -n 20 "$T/wrong")" ""
cut -f1,3- "$M/dev/messages" | $PY "$HERE/peer.py" canon >"$T/stored"
ok "much was sent" lines_at_least "$T/stored" $((cuts / 4))
same "what came is what is stored" "$T/received" "$T/stored"
ok "verify finds nothing wrong" ctl verify
done_testing
