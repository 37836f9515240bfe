#!/bin/sh
# SPDX-License-Identifier: MIT
# `make torture PART=clock`, in short.
export TORTURE=short
# shellcheck source=tests/torture/clock.sh
. "$(dirname "$0")/../torture/clock.sh"
