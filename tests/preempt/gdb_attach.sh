#!/bin/sh
# SPDX-License-Identifier: MIT
# gdb_attach.sh: "gdb attach and core dump while Ms are stopped: all work" (issue 3; hazard 16), with slices of 1 ms and of 100 us.
#
# 1. gdb attaches to a program (attached.c) three of whose threads are stopped in the signal handler, finds them there with their goroutines' frames below,
#    lets the program go on to a breakpoint, twice, and leaves. The program goes on, and all its results are right.
# 2. The same program aborts at such a moment. The core has the same threads with the same frames.
#
# Skipped without gdb, where one may not trace, and under an emulator or a checker (T_NO_GDB); the second part where cores go elsewhere.
set -u
tmp=$(mktemp -d)
program=tests/preempt/attached
[ ! -f tests/preempt/.libs/attached ] || binary=tests/preempt/.libs/attached
binary=${binary:-$program}
pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; rm -rf "$tmp"' EXIT
status=0

[ -z "${T_NO_GDB:-}" ] || { echo "T_NO_GDB: an emulator or a checker runs this test"; exit 77; }
gdb --version >/dev/null 2>&1 || { echo "gdb is not installed"; exit 77; }
[ -x $program ] || { echo "no $program in this build"; exit 77; }

fail() {
	echo "$*"
	status=1
}

# patiently COMMAND...: until it succeeds, a minute at most.
patiently() {
	n=0
	until "$@" 2>/dev/null; do
		n=$((n + 1))
		[ $n -lt 600 ] || return 1
		sleep 0.1
	done
}

# shows FILE: backtraces of threads that are stopped in the handler, goroutines below, and the one that beats or waits.
shows() {
	[ "$(grep -c '<signal handler called>' "$1")" -ge 2 ] && [ "$(grep -c 'attached_compute' "$1")" -ge 4 ] &&
		grep -q goro__m_wait "$1"
}

gdb="timeout -k 5 120 gdb -nx -batch -iex 'set debuginfod enabled off' -ex 'set confirm off' -ex 'set pagination off'"

attach() { # slice
	rm -f "$tmp/in" "$tmp/out"
	mkfifo "$tmp/in"
	GORO_SLICE_US=$1 $program <"$tmp/in" >"$tmp/out" 2>&1 &
	exec 3>"$tmp/in"
	patiently grep -q running "$tmp/out" || { fail "slices of $1 us: the program did not start: $(cat "$tmp/out")"; exec 3>&-; return; }
	# Through libtool's script the process is the same: it ends in exec.
	pid=$!
	eval "$gdb -p $pid -ex 'thread apply all bt' -ex 'break attached_beat' -ex continue -ex 'echo BEAT\n' -ex bt \
		-ex continue -ex 'thread apply all bt 3' -ex 'delete' -ex detach" >"$tmp/gdb" 2>&1 </dev/null
	if grep -qiE 'ptrace.*not permitted|could not attach' "$tmp/gdb"; then
		exec 3>&-
		echo "gdb may not trace here"
		exit 77
	fi
	shows "$tmp/gdb" || fail "slices of $1 us: gdb does not find the stopped threads:
$(cat "$tmp/gdb")"
	sed '1,/^BEAT/d' "$tmp/gdb" | grep -q 'attached_beat' || fail "slices of $1 us: the program did not go on under gdb:
$(cat "$tmp/gdb")"
	exec 3>&-
	wait $pid || fail "slices of $1 us: the program ended with status $?"
	pid=
	grep -qx right "$tmp/out" || fail "slices of $1 us: it went wrong: $(cat "$tmp/out")"
}

core() {
	case $(cat /proc/sys/kernel/core_pattern) in
	'|'* | */*) echo "cores go elsewhere"; return ;;
	esac
	rm -rf "$tmp/core"
	mkdir "$tmp/core"
	top=$PWD
	(cd "$tmp/core" && ulimit -c unlimited 2>/dev/null && exec env GORO_SLICE_US=1000 "$top/$program" abort) >"$tmp/out" 2>&1
	rc=$?
	[ $rc -eq 134 ] || { fail "the program that aborts ended with status $rc: $(cat "$tmp/out")"; return; }
	set -- "$tmp"/core/*
	[ -f "$1" ] || { echo "no core is written here"; return; }
	eval "$gdb -ex 'thread apply all bt' '$binary' '$1'" >"$tmp/gdb" 2>&1 </dev/null
	shows "$tmp/gdb" || fail "gdb does not find the stopped threads in the core:
$(cat "$tmp/gdb")"
}

attach 1000
attach 100
core
exit $status
