#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes ./configure from configure.ac in a fresh checkout. A release tarball has it already.
set -eu
cd "$(dirname "$0")"
exec autoreconf --force --install --warnings=all "$@"
