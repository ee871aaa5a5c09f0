#!/bin/sh
# SPDX-License-Identifier: MIT
# Prints the version, major.minor.patch, as include/goro/version.h states it. Called by configure.ac.
set -eu
header=$(dirname "$0")/../include/goro/version.h
awk '/^#define GORO_VERSION_(MAJOR|MINOR|PATCH) /{ v = v sep $3; sep = "." } END { printf "%s", v }' "$header"
