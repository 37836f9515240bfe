#!/bin/sh
# SPDX-License-Identifier: MIT
# `make torture PART=points`, in short.
export TORTURE=short
# shellcheck source=tests/torture/points.sh
. "$(dirname "$0")/../torture/points.sh"
