#!/bin/sh
# SPDX-License-Identifier: MIT
# `make torture PART=memory`, in short.
export TORTURE=short
# shellcheck source=tests/torture/memory.sh
. "$(dirname "$0")/../torture/memory.sh"
