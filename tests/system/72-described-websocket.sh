#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 300
# man/asyncapi.json is a document of AsyncAPI 3.0, and true: each command is
# given, each frame, refusal and close code provoked, and whatever comes is
# exactly one of the frames that it has; what a command is said to need, it
# needs.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
PACKAGE=@asyncapi/specs
VERSION=6.11.1
NPM=$TOP/build/npm-websocket
# The official schema of AsyncAPI, which that package ships.
ok "npm has $PACKAGE $VERSION" npm install --prefix "$NPM" --no-audit \
	--no-fund --prefer-offline "$PACKAGE@$VERSION"
# rows FILE: STATUS<TAB>WHAT<TAB>WHY, a line each.
rows() {
	while IFS='	' read -r _rc _what _why; do
		pass_or_fail "$_rc" "$_what" || diag "$_why"
	done <"$1"
}
$PY "$HERE/described.py" man/asyncapi.json \
	"$NPM/node_modules/$PACKAGE/schemas/3.0.0.json" \
	>"$T/rows" 2>"$T/document.log"
is "the document is read to its end" $? 0
rows "$T/rows"

mkdir -p "$T/data"
: >"$T/groupd.conf"
start_groupd -c "$T/groupd.conf"
ok "there are users" sh -c "{ printf '%s\n' ann ben dan
	seq -f 'u%03.0f' 0 99; } |
	'$BUILD/groupctl' --socket '$SOCKET' user add -"
for name in ann ben dan u000; do
	printf '%s\t%s\n' "$name" "$(token "$name")"
done >"$T/tokens"
TOKEN=$(sed -n 's/^ann	//p' "$T/tokens")
export URL TOKENS="$T/tokens" SEEN="$T/seen" DATABASE="$T/data/groupd.db"
for group in main quiet; do
	is "there is a group" "$(rest_status POST /api/groups \
		-H 'Content-Type: application/json' \
		-d "{\"name\":\"$group\",\"member_ids\":[\"ben\"]}")" 201
done
is "there is a large one" "$(seq -f 'u%03.0f' 0 99 |
	jq -Rnc '{name: "many", member_ids: [inputs]}' |
	rest_status POST /api/groups -H 'Content-Type: application/json' \
		-d @-)" 201

# part NAME: its rows.
part() {
	GROUPD_PID=$GROUPD
	export GROUPD_PID
	$PY "$HERE/described_ws.py" "$1" >"$T/rows" 2>"$T/part.log"
	is "the part $1 is tried to its end" $? 0
	rows "$T/rows"
}
part source
part told
part refused
part closed
part stopped
part leaving
wait "$GROUPD"
printf '%s\n' 'rate_messages_per_second = 2' 'max_connections_per_user = 6' \
	>"$T/groupd.conf"
start_faulty_groupd -c "$T/groupd.conf"
faults set 0 write does=fail error=ENOSPC
part full
faults clear 0
part limited
part covered
done_testing
