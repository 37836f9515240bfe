#!/bin/sh
# SPDX-License-Identifier: MIT
# Bits of a store, of its log and of media files are flipped, pages exchanged,
# files cut off: what groupd shows is what was written, or it refuses. A case of
# each kind; `make torture-disk PART=flips` does 500.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
export BUILD
$PY "$TOP/tests/torture/flips.py" "${GROUPFS_TEST_FLIPS:-16}" \
	"${GROUPFS_TEST_SEED:-1}" >"$T/flips" 2>"$T/flips.err"
results "$T/flips"
is "all of them were judged" "$(cat "$T/flips.err")" ""
like "and none is wrong" "$(tail -n 1 "$T/flips")" '^ok .*: 0 shown'
done_testing
