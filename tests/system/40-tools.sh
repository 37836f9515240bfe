#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# A table, one row a tool (tests/system/tools.table; its form is told in
# table.sh): what the tools that people know make of the files of a group.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/table.sh
. "$HERE/table.sh"
start_groupd
mount_fs
run_table "$HERE/tools.table"
ok "the table has at least 60 rows" test "$ROWS" -ge 60
done_testing
