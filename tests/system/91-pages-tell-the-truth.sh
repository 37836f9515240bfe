#!/bin/sh
# SPDX-License-Identifier: MIT
# Every example of the manual pages and of README.md is run as it is written,
# by the users whom its prompts tell, each page on a machine of its own.
# typed.table says what cannot be known of an example, typed.sh what a
# page needs beforehand. GROUPFS_TEST_PAGES='groupfs.*' runs some of them.
# shellcheck source=tests/system/lib.sh
[ "$(id -u)" != 0 ] || [ -n "${OWN_MOUNTS:-}" ] ||
	exec unshare --mount --propagation private \
		env OWN_MOUNTS=1 sh "$0" "$@"
. "$(dirname "$0")/lib.sh"
[ "$LOAD" != small ] || skip_all "the pages are the same with sanitizers"
[ "$(id -u)" = 0 ] || skip_all "needs root, to make machines"
# shellcheck source=tests/system/world.sh
. "$HERE/world.sh"
world_base

for path in "$TOP"/man/*.[1-9] "$TOP/README.md"; do
	page=${path##*/}
	# shellcheck disable=SC2254
	case $page in ${GROUPFS_TEST_PAGES:-*}) ;; *) continue ;; esac
	world_run "$page" sh -c '
		. "$HERE/typed.sh"
		name=before_$(echo "$1" | tr .- __)
		command -v "$name" >/dev/null || name=before
		$name >/run/before.log 2>&1 || {
			echo "not ok $1: its set-up:" $(tail -n 3 /run/before.log)
			exit 1
		}
		exec '"$PY"' "$HERE/typed.py" run "$HERE/typed.table" \
			"$HERE/typed.sh" "$2"' page "$page" "$path" \
		>"$T/$page.out" 2>"$T/$page.err" </dev/null
	ok "$page has examples" test -s "$T/$page.out"
	results "$T/$page.out"
	is "$page: no complaint of the test itself" "$(cat "$T/$page.err")" ""
done
$PY "$HERE/typed.py" unknown "$HERE/typed.table" "$TOP"/man/*.[1-9] \
	"$TOP/README.md" >"$T/unknown"
is "each row of the table is of an example" "$(cat "$T/unknown")" ""
$PY "$TOP/scripts/session.py" "$TOP/README.md" >"$T/session.svg"
same "the picture in README.md is that of its text" "$T/session.svg" \
	"$TOP/man/session.svg"
done_testing
