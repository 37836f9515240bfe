#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes of every size around a page, a pipe, the limit of a message and the
# kernel's largest request, and of every kind of byte: stored to the byte, or
# refused whole with a sentence.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
start_groupd
mount_fs
mkdir "$M/dev"
echo first >>"$M/dev/messages"
$PY "$HERE/sizes.py" "$M/dev" "$M/.me" "$URL" "$(token "$ME")" \
	>"$T/sizes.out" 2>"$T/sizes.err"
ended=$?
while IFS='	' read -r rc what detail; do
	pass_or_fail "$rc" "$what" || diag "$detail"
done <"$T/sizes.out"
is "all was tried" "$ended" 0 || diag "$(cat "$T/sizes.err")"

# The same through tools, as people do it.
bytes() {
	head -c "$1" /dev/zero | tr '\0' "$2"
}
size=$(stat -c %s "$M/dev/messages")
is "the size is exact" "$(cat "$M/dev/messages" | wc -c)" "$size"
is "wc -c needs no reading" "$(wc -c <"$M/dev/messages")" "$size"
bytes 65536 a >"$T/most"
ok "cat of the largest message" sh -c "cat '$T/most' >>'$M/dev/messages'"
is "is one" "$(tail -n 1 "$M/dev/messages" | cut -f4 | wc -c)" 65537
n=$(wc -l <"$M/dev/messages")
bytes 200000 b >"$T/large"
fails "cp of a larger file onto post" cp "$T/large" "$M/dev/post"
like "says why" "$(cat "$T/ok.out")" 'Message too long'
like "and how much is allowed" "$(cat "$M/.me/error")" 65536
fails "cat of a larger line" sh -c "cat '$T/large' >>'$M/dev/messages'"
fails "dd of it in small blocks" dd if="$T/large" of="$M/dev/messages" \
	oflag=append conv=notrunc bs=1000
is "nothing of them is stored" "$(wc -l <"$M/dev/messages")" "$n"
seq 100000 >"$T/lines"
ok "cat of 100,000 lines" sh -c "cat '$T/lines' >>'$M/dev/messages'"
tail -n +$((n + 1)) "$M/dev/messages" | cut -f4 >"$T/got"
same "are as many messages, in order" "$T/got" "$T/lines"
done_testing
