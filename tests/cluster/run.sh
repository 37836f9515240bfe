#!/bin/sh
# SPDX-License-Identifier: MIT
# The tests of the cluster, and tests of the system on two nodes, with one
# PostgreSQL for all of the latter:  run.sh [PATTERN]
#
# PATTERN names tests of tests/system ('*': all that mean something there);
# without one, the cluster's own and those of quick.list.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
# tests/run.sh says where the server of all of them is.
export GROUPFS_TEST_CLUSTER=1
cd "$top" || exit 1
if [ $# -gt 0 ]; then
	# A pattern of the shell; what has no number is no test.
	# shellcheck disable=SC2046,SC2086
	sh tests/run.sh $(printf '%s\n' tests/system/$1.sh | grep '/[0-9][^/]*$')
else
	# shellcheck disable=SC2046
	sh tests/run.sh tests/cluster/[0-9]*.sh $(sed -n \
		's#^\([0-9].*\)#tests/system/\1#p' tests/cluster/quick.list)
fi
