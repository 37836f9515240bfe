#!/bin/sh
# SPDX-License-Identifier: MIT
# Disks that fail under groupd:  disk.sh [PART...]
#
# new, again, wal, seal, shut  every Nth call of the store fails (calls.py)
# powercut                     the power fails 300 times, on ext4 and on xfs
# lie                          and is seen where fdatasync does nothing
# badsync                      fsync fails truly, 20 times
# fulldisk                     the disk, or a quota, is full, and has room again,
#                              20 times
# flips                        500 damaged stores: nothing wrong is shown
#
# Each takes less than 10 minutes on two processors. $CUTS (150, of each of the
# two), $RUNS (20), $FLIPS (500) and what calls.py says make them smaller.
set -u
cd "$(dirname "$0")" || exit 1
cuts=${CUTS:-150}
runs=${RUNS:-20}
flips=${FLIPS:-500}
failed=
[ $# -gt 0 ] || set -- new again wal shut seal powercut lie badsync fulldisk flips
for part in "$@"; do
	case $part in
	new | again | wal | shut | seal) set -- calls.py "$part" ;;
	powercut) set -- powercut.py "ext4=$cuts" "xfs=$cuts" ;;
	lie) set -- powercut.py --lie ext4=12 xfs=12 ;;
	badsync | fulldisk) set -- "$part.py" "$runs" ;;
	flips) set -- flips.py "$flips" "${SEED:-1}" ;;
	*)
		echo "disk.sh: no such part: $part" >&2
		exit 2
		;;
	esac
	/usr/bin/python3 "$@" || failed="$failed $part"
done
[ -z "$failed" ] || {
	echo "# failed:$failed"
	exit 1
}
