#!/bin/sh
# SPDX-License-Identifier: MIT
# `make torture PART=answers`, in short.
export TORTURE=short
# shellcheck source=tests/torture/answers.sh
. "$(dirname "$0")/../torture/answers.sh"
