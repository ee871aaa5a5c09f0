# SPDX-License-Identifier: MIT
# lib/local.mk: the library. The sources are listed bottom-up, one comment a layer, and a file may include
# headers of its own layer and of lower ones only: this list IS the architecture, and
# tests/lint/layers.sh reads it to check every #include. A new file is one line at its layer.

# libtool's -version-info, CURRENT:REVISION:AGE. At each release: the code changed: REVISION + 1. Something
# was added to the interface: CURRENT + 1, REVISION = 0, AGE + 1. Something was removed or
# changed: CURRENT + 1, REVISION = 0, AGE = 0.
goro_abi = 0:0:0

lib_LTLIBRARIES += %D%/libgoro.la

# ----------------------------------------------------------------------------------------------------
# Public headers
# ----------------------------------------------------------------------------------------------------
include_HEADERS = include/goro.h include/goro.hpp
gorodir = $(includedir)/goro
goro_HEADERS =
goro_HEADERS += include/goro/attr.h
goro_HEADERS += include/goro/chan.h
goro_HEADERS += include/goro/context.h
goro_HEADERS += include/goro/debug.h
goro_HEADERS += include/goro/errgroup.h
goro_HEADERS += include/goro/file.h
goro_HEADERS += include/goro/go.h
goro_HEADERS += include/goro/local.h
goro_HEADERS += include/goro/net.h
goro_HEADERS += include/goro/panic.h
goro_HEADERS += include/goro/preempt.h
goro_HEADERS += include/goro/runtime.h
goro_HEADERS += include/goro/select.h
goro_HEADERS += include/goro/short.h
goro_HEADERS += include/goro/sync.h
goro_HEADERS += include/goro/time.h
goro_HEADERS += include/goro/typed.h
goro_HEADERS += include/goro/timer.h
goro_HEADERS += include/goro/version.h
goro_HEADERS += include/goro/chan.hpp
goro_HEADERS += include/goro/context.hpp
goro_HEADERS += include/goro/errgroup.hpp
goro_HEADERS += include/goro/go.hpp
goro_HEADERS += include/goro/select.hpp
goro_HEADERS += include/goro/sync.hpp
goro_HEADERS += include/goro/time.hpp
goro_HEADERS += include/goro/timer.hpp

# ----------------------------------------------------------------------------------------------------
# Sources, bottom-up. tests/lint/layers.sh reads the "-- N" lines.
# ----------------------------------------------------------------------------------------------------
goro_sources =

# -- 0 base: no kernel, no runtime state
goro_sources += %D%/attr.h
goro_sources += %D%/atomic.h
goro_sources += %D%/fatal.h
goro_sources += %D%/rand.h
goro_sources += %D%/mem.c %D%/mem.h

# -- 1 arch: one directory per CPU, the only assembly
goro_sources += %D%/arch.h
goro_sources += %D%/arch/x86_64/arch.h %D%/arch/x86_64/asm.h
goro_sources += %D%/arch/aarch64/arch.h %D%/arch/aarch64/asm.h
if ARCH_X86_64
goro_sources += %D%/arch/x86_64/switch.S %D%/arch/x86_64/entry.S %D%/arch/x86_64/defer.S
endif
if ARCH_AARCH64
goro_sources += %D%/arch/aarch64/switch.S %D%/arch/aarch64/entry.S %D%/arch/aarch64/defer.S
endif

# -- 2 sys: system calls that return -errno, and what a thread is to the kernel
goro_sources += %D%/sys.c %D%/sys.h
goro_sources += %D%/futex.c %D%/futex.h
goro_sources += %D%/tls.c %D%/tls.h
goro_sources += %D%/lock.c %D%/lock.h
goro_sources += %D%/clock.c %D%/clock.h
goro_sources += %D%/bias.c %D%/bias.h
goro_sources += %D%/print.c %D%/print.h
goro_sources += %D%/cpu.c %D%/cpu.h
goro_sources += %D%/helper.c %D%/helper.h
goro_sources += %D%/asleep.c %D%/asleep.h
goro_sources += %D%/restart.c %D%/restart.h
goro_sources += %D%/guard.c %D%/guard.h
goro_sources += %D%/probe.c %D%/probe.h

# -- 3 stack
goro_sources += %D%/stack.c %D%/stack.h

# -- 4 records of goroutines and of worker threads
goro_sources += %D%/g.h
goro_sources += %D%/m.h
goro_sources += %D%/waiter.h

# -- 5 processor: its queues, its timers, the context switch
goro_sources += %D%/runq.c %D%/runq.h
goro_sources += %D%/pack.c %D%/pack.h
goro_sources += %D%/timer.c %D%/timer.h
goro_sources += %D%/p.h
goro_sources += %D%/context.c %D%/context.h

# -- 6 scheduler: layers 7 to 9 include park.h, spawn.h, blocking.h, netpoll.h and cancel.h of it, nothing else
goro_sources += %D%/park.c %D%/park.h
goro_sources += %D%/spawn.c %D%/spawn.h
goro_sources += %D%/origin.c %D%/origin.h
goro_sources += %D%/blocking.c %D%/blocking.h
goro_sources += %D%/preempt.c
goro_sources += %D%/leave.c %D%/leave.h
goro_sources += %D%/bound.c
goro_sources += %D%/report.h
goro_sources += %D%/panic.c %D%/panic.h
goro_sources += %D%/tables.c %D%/tables.h
goro_sources += %D%/unwind.c
goro_sources += %D%/uncaught.c
goro_sources += %D%/fault.c
goro_sources += %D%/onstack.c
goro_sources += %D%/fork.c
goro_sources += %D%/spare.c
goro_sources += %D%/netpoll.h
goro_sources += %D%/cancel.h
goro_sources += %D%/sched.c %D%/sched.h
goro_sources += %D%/switch.h
goro_sources += %D%/inject.c
goro_sources += %D%/idle.c
goro_sources += %D%/go.c
goro_sources += %D%/foreign.c
goro_sources += %D%/world.c
goro_sources += %D%/deadlock.c
goro_sources += %D%/sysmon.c
goro_sources += %D%/signal.c
goro_sources += %D%/runtime.c

# -- 7 io: the backends, and an operation = submit, park, cancel
goro_sources += %D%/fd.c %D%/fd.h
goro_sources += %D%/op.c %D%/op.h
goro_sources += %D%/netpoll.c
goro_sources += %D%/epoll.c %D%/epoll.h
if URING
goro_sources += %D%/ring.c %D%/ring.h %D%/ring_abi.h
goro_sources += %D%/ring_setup.c
goro_sources += %D%/ring_probe.c %D%/ring_probe.h
endif

# -- 8 sync: channels, select, locks
goro_sources += %D%/sema.c %D%/sema.h
goro_sources += %D%/mutex.c
goro_sources += %D%/rwmutex.c
goro_sources += %D%/cond.c
goro_sources += %D%/once.c
goro_sources += %D%/semaphore.c
goro_sources += %D%/pool.c
goro_sources += %D%/group.c
goro_sources += %D%/group_go.c
goro_sources += %D%/chan.c %D%/chan.h
goro_sources += %D%/forget.c
goro_sources += %D%/utimer.c %D%/utimer.h
goro_sources += %D%/ctx.c
goro_sources += %D%/scope.c
goro_sources += %D%/errgroup.c
goro_sources += %D%/local.c
goro_sources += %D%/select.c %D%/select.h
goro_sources += %D%/select_fd.c

# -- 9 net and files
goro_sources += %D%/net.c
goro_sources += %D%/sock.c
goro_sources += %D%/file.c

# -- 10 diagnosis: looks at everything, nothing depends on it
goro_sources += %D%/dump.c
goro_sources += %D%/leak.c
goro_sources += %D%/report.c
goro_sources += %D%/fatal.c

# ----------------------------------------------------------------------------------------------------
# How it is compiled and linked
# ----------------------------------------------------------------------------------------------------
goro_lib_cflags = $(AM_CFLAGS) $(LIB_CFLAGS) -std=gnu11
goro_lib_cppflags = $(goro_cppflags) $(LIBURING_CFLAGS) $(JEMALLOC_CFLAGS)
goro_lib_libs = $(LIBURING_LIBS) $(JEMALLOC_LIBS)

%C%_libgoro_la_SOURCES = $(goro_sources)
%C%_libgoro_la_CPPFLAGS = $(goro_lib_cppflags)
%C%_libgoro_la_CFLAGS = $(goro_lib_cflags) -fvisibility=hidden
%C%_libgoro_la_CCASFLAGS = $(goro_lib_cppflags)
%C%_libgoro_la_LDFLAGS = $(AM_LDFLAGS) $(LIB_LDFLAGS) -version-info $(goro_abi) -Wl,-z,now -Wl,-z,relro \
	-Wl,--version-script=$(top_srcdir)/%D%/libgoro.map
%C%_libgoro_la_LIBADD = $(goro_lib_libs)
EXTRA_%C%_libgoro_la_DEPENDENCIES = %D%/libgoro.map
EXTRA_DIST += %D%/libgoro.map

# The same sources for white-box tests: nothing hidden, faults can be injected (see sys.h), static only.
check_LTLIBRARIES += %D%/libgoro-internal.la
%C%_libgoro_internal_la_SOURCES = $(goro_sources)
%C%_libgoro_internal_la_CPPFLAGS = $(goro_lib_cppflags) -DGORO_TESTING
%C%_libgoro_internal_la_CFLAGS = $(goro_lib_cflags)
%C%_libgoro_internal_la_CCASFLAGS = $(goro_lib_cppflags) -DGORO_TESTING
%C%_libgoro_internal_la_LIBADD = $(goro_lib_libs)
%C%_libgoro_internal_la_LIBTOOLFLAGS = --tag=disable-shared
