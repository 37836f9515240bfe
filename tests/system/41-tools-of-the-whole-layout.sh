#!/bin/sh
# SPDX-License-Identifier: MIT
# TIMEOUT: 180
# The table's second part: messages.jsonl, media/, description,
# settings.json, .me/mentions, .me/live, and editors on members.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/system/table.sh
. "$HERE/table.sh"
start_groupd
mount_fs
ctl user add gfs-ann gfs-ben gfs-cy
run_table "$HERE/tools-layout.table"
done_testing
