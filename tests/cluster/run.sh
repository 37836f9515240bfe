#!/bin/sh
# SPDX-License-Identifier: MIT
# The tests of the cluster, and tests of the system on two nodes, with one
# PostgreSQL for all of the latter:  run.sh [PATTERN]
#
# PATTERN names tests of tests/system ('*': all that mean something there);
# without one, the cluster's own and those of quick.list.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/tests/cluster
postgres=$(mktemp -d /var/tmp/groupfs-postgres.XXXXXX) || exit 1
chmod 755 "$postgres"
trap 'rm -rf "$postgres"' EXIT
trap 'exit 130' INT TERM HUP

sh "$top/tests/support/postgres.sh" start "$postgres" $$ \
	max_connections=400 || exit 1
export GROUPFS_TEST_POSTGRES="$postgres" GROUPFS_TEST_CLUSTER=1
cd "$top" || exit 1
if [ $# -gt 0 ]; then
	# A pattern of the shell.
	# shellcheck disable=SC2086
	sh tests/run.sh tests/system/$1.sh
else
	# shellcheck disable=SC2046
	sh tests/run.sh tests/cluster/[0-9]*.sh \
		$(sed -n 's#^\([0-9].*\)#tests/system/\1#p' "$here/quick.list")
fi
