#!/bin/sh
# SPDX-License-Identifier: MIT
# Records the session of README.md anew: its commands are run by two users in a
# real mount, on a machine of their own, and what they print goes into README.md
# and man/session.svg. As root, after make:  sh scripts/record.sh
[ -n "${OWN_MOUNTS:-}" ] || exec unshare --mount --propagation private \
	env OWN_MOUNTS=1 sh "$0" "$@"
# lib.sh finds the checkout from $0.
set -- "$(cd "$(dirname "$0")/.." && pwd)"
cd "$1/tests/system" || exit 1
# shellcheck source=tests/system/lib.sh
. ./lib.sh
TOP=$1
HERE=$TOP/tests/system
BUILD=$TOP/build
# shellcheck source=tests/system/world.sh
. ./world.sh
world_base
world_run record sh -c '. "$HERE/typed.sh" && before_README_md >&2 &&
	exec "$0" "$HERE/typed.py" record "$TOP/README.md"' "$PY" \
	>"$T/README.md" || exit 1
cp "$T/README.md" "$TOP/README.md"
$PY "$TOP/scripts/session.py" "$TOP/README.md" >"$TOP/man/session.svg"
