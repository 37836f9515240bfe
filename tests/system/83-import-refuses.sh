#!/bin/sh
# SPDX-License-Identifier: MIT
# What is imported is checked like any stranger's input: each fault is refused
# with its line and a sentence, and nothing of it is left.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
need_users
start_groupd
mount_fs
head -c 1000 /dev/urandom >"$T/file.bin"
chmod 644 "$T/file.bin"
as_user gfs-bob "true < $M/.me/name"
ok "there is a group" as_user gfs-alice "cd $M && mkdir dev && cd dev &&
	echo gfs-bob >> members && echo hello >> messages &&
	echo '>1 hello @gfs-bob' >> messages && cp $T/file.bin media/file.bin &&
	echo '{\"content\":\"@everyone\",\"client_id\":\"x\"}' >> messages.jsonl &&
	echo last >> messages"
ctl export dev "$T/good.jsonl"
$PY "$HERE/import_rows.py" "$BUILD/groupctl" "$SOCKET" "$T/good.jsonl" \
	"$T/data/groupd.db" "$T/bad.jsonl" >"$T/rows" 2>"$T/rows.err" ||
	diag "$(cat "$T/rows.err")"
rows "it is refused" "$T/rows"
ok "all rows were tried" test "$(wc -l <"$T/rows")" -ge 70
gone_bytes() {
	[ "$(find "$T/data/media" -type f | wc -l)" = 1 ]
}
ok "of the files' bytes nothing is left" wait_for 10 gone_bytes
is "the store is sound" "$(ctl verify)" "1 groups, 5 messages, 0 problems"
ok "what was not changed is imported" ctl import "$T/good.jsonl" --as copy
is "after all that" "$(as_user gfs-alice "cat $M/copy/messages" | sha256sum)" \
	"$(as_user gfs-alice "cat $M/dev/messages" | sha256sum)"
done_testing
