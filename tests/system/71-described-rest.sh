#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 300
# man/openapi.json is a document of OpenAPI 3.1, and true: each operation is
# asked for, each status and code of it provoked, and each answer is as the
# document says, its headers, too; the routes of the source are those that it
# has.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
PACKAGE=@seriousme/openapi-schema-validator
VERSION=2.11.0
NPM=$TOP/build/npm-rest
# The official schema of OpenAPI, which that package ships.
ok "npm has $PACKAGE $VERSION" npm install --prefix "$NPM" --no-audit \
	--no-fund --prefer-offline "$PACKAGE@$VERSION"
# rows FILE: STATUS<TAB>WHAT<TAB>WHY, a line each.
rows() {
	while IFS='	' read -r _rc _what _why; do
		pass_or_fail "$_rc" "$_what" || diag "$_why"
	done <"$1"
}
$PY "$HERE/described.py" man/openapi.json \
	"$NPM/node_modules/$PACKAGE/schemas/v3.1/schema.json" \
	>"$T/rows" 2>"$T/document.log"
is "the document is read to its end" $? 0
rows "$T/rows"

mkdir -p "$T/data"
configure() {
	printf '%s\n' 'allowed_origins = https://chat.example' "$@" \
		>"$T/groupd.conf"
}
configure
start_groupd -c "$T/groupd.conf"
ok "there are users" sh -c "{ printf '%s\n' ann ben cut dan
	seq -f 'u%03.0f' 0 99; } |
	'$BUILD/groupctl' --socket '$SOCKET' user add -"
for name in ann ben cut dan u000; do
	printf '%s\t%s\n' "$name" "$(token "$name")"
done >"$T/tokens"
TOKEN=$(sed -n 's/^ann	//p' "$T/tokens")
export URL TOKENS="$T/tokens" SEEN="$T/seen"
is "there is a group" "$(rest_status POST /api/groups \
	-H 'Content-Type: application/json' \
	-d '{"name":"main","member_ids":["ben"]}')" 201

# part NAME: its rows.
part() {
	$PY "$HERE/described_rest.py" "$1" >"$T/rows" 2>"$T/part.log"
	is "the part $1 is tried to its end" $? 0
	rows "$T/rows"
}
part source
part answers
GROUPD_PID=${GROUPD_B:-$GROUPD}
export GROUPD_PID
part stopped
kill9_groupd
part away
start_groupd -c "$T/groupd.conf"
stop_groupd
start_faulty_groupd -c "$T/groupd.conf"
faults set 0 write does=fail error=ENOSPC
part full
faults clear 0
stop_groupd
configure 'rate_messages_per_second = 2'
start_groupd -c "$T/groupd.conf"
part limited
stop_groupd
configure 'max_connections_per_address = 8' 'max_connections_per_user = 2'
start_groupd -c "$T/groupd.conf"
part crowded
part covered
done_testing
