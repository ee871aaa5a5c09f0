/* SPDX-License-Identifier: MIT */
/*
 * goro/version.h: the version of these headers. The only place where the number is written:
 * build-aux/version.sh reads it for configure, goro.pc and the tarball's name.
 */
#ifndef GORO_VERSION_H
#define GORO_VERSION_H

#define GORO_VERSION_MAJOR 0
#define GORO_VERSION_MINOR 1
#define GORO_VERSION_PATCH 0

/* For comparisons in the preprocessor: #if GORO_VERSION >= GORO_VERSION_NUMBER(0, 1, 0). */
#define GORO_VERSION_NUMBER(major, minor, patch) ((major) * 10000 + (minor) * 100 + (patch))
#define GORO_VERSION GORO_VERSION_NUMBER(GORO_VERSION_MAJOR, GORO_VERSION_MINOR, GORO_VERSION_PATCH)

#endif
