#!/bin/sh
# SPDX-License-Identifier: MIT
# `make torture PART=descriptors`, in short.
export TORTURE=short
# shellcheck source=tests/torture/descriptors.sh
. "$(dirname "$0")/../torture/descriptors.sh"
