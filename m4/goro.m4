# SPDX-License-Identifier: MIT
# goro.m4: the two macros that configure.ac needs more than once.

# GORO_CFLAG(VARIABLE, FLAG)
# Appends FLAG to VARIABLE if the C compiler takes it without a word. -Werror, because clang only
# warns of options that it does not know.
AC_DEFUN([GORO_CFLAG], [
	AS_VAR_PUSHDEF([cache], [goro_cv_cflag_$2])
	AC_CACHE_CHECK([whether $CC takes $2], [cache], [
		goro_saved_cflags=$CFLAGS
		CFLAGS="$CFLAGS -Werror $2"
		AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])], [AS_VAR_SET([cache], [yes])], [AS_VAR_SET([cache], [no])])
		CFLAGS=$goro_saved_cflags
	])
	AS_VAR_IF([cache], [yes], [AS_VAR_APPEND([$1], [" $2"])])
	AS_VAR_POPDEF([cache])
])

# GORO_CFLAGS(VARIABLE, FLAG...)
AC_DEFUN([GORO_CFLAGS], [m4_foreach_w([goro_flag], [$2], [GORO_CFLAG([$1], goro_flag)])
])
