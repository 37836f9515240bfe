#!/bin/sh
# SPDX-License-Identifier: MIT
# Several gateways share the port. One is killed: its clients resume and have
# lost nothing, those of the others notice nothing, and it is back. The core
# is killed: no WebSocket notices. Who joins a group hears it on each of them.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
export URL M BUILD
export KILL="$T/kill-core"
for n in 3 2; do
	start_groupd --gateways $n
	[ -n "$MOUNTS" ] || mount_fs
	group=by$n
	mkdir "$M/$group"
	[ $n = 2 ] || ok "a user" ctl user add ann
	TOKEN=$(token "$ME") OTHER=$(token ann) $PY "$HERE/gateways.py" \
		$group $n >"$T/figures" 2>"$T/figures.err" &
	client=$!
	ours $client
	kills_core_for $client --gateways $n
	ok "$n gateways: one is killed, the core, all" wait $client
	diag "$(cat "$T/figures.err" "$T/figures")"
	is "what came, came once, in order" "$(grep ^wrong "$T/figures")" ""
	is "and all of it" "$(sed -n 's/^sent //p' "$T/figures")" \
		"$(wc -l <"$M/$group/messages")"
	[ $n = 2 ] || stop_groupd
done
done_testing
