# SPDX-License-Identifier: MIT
# tools/local.mk: what is installed beside the library for debugging, and what only we need.

# To be preloaded; a module, not a library to link: none with --disable-shared.
if SHARED
pkglib_LTLIBRARIES = %D%/libgoro-lockcheck.la
%C%_libgoro_lockcheck_la_SOURCES = %D%/lockcheck.c
%C%_libgoro_lockcheck_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -rpath $(pkglibdir)
%C%_libgoro_lockcheck_la_LIBADD = -ldl
endif

EXTRA_DIST += %D%/kernel-matrix.sh %D%/kernel-init
