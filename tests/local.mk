# SPDX-License-Identifier: MIT
# tests/local.mk: `make check` runs everything in TESTS through tests/driver: each I/O program on both backends,
# each libcheck check counted on its own. `make check-lint` and `make check-stress` run parts of it.
#
# A new program is two lines: its name, and what it links: T_API (the library as it is installed, public headers
# only) or T_UNIT (the same sources with nothing hidden and with fault injection; a third line for its flags).

# What the programs of tests/api, tests/stress and tests/regress link, and those of tests/unit.
T_API = %D%/api/libapi.la %D%/libt.la lib/libgoro.la $(CHECK_LIBS) $(JEMALLOC_LIBS)
T_UNIT = %D%/libt.la lib/libgoro-internal.la $(CHECK_LIBS) $(JEMALLOC_LIBS)
T_UNIT_CPPFLAGS = $(AM_CPPFLAGS) -DGORO_TESTING

# The programs that `make check` and, longer, `make check-stress` run.
t_programs =
t_models =
t_stress =

# What runs once and not on both backends, beside all of tests/unit and tests/model.
t_once =
t_once += %D%/httpd/check_http %D%/httpd/fuzz_http
t_once += %D%/preempt/check_report

# ----------------------------------------------------------------------------------------------------
# unit: white-box, one per file of lib
# ----------------------------------------------------------------------------------------------------
t_programs += %D%/unit/check_arch
%C%_unit_check_arch_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_arch_LDADD = $(T_UNIT) -lm
t_programs += %D%/unit/check_args
%C%_unit_check_args_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_args_LDADD = $(T_UNIT) -lm
t_programs += %D%/unit/check_chan
%C%_unit_check_chan_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_chan_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_cpu
%C%_unit_check_cpu_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_cpu_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_epoll
%C%_unit_check_epoll_SOURCES = %D%/unit/check_epoll.c %D%/unit/backend.h
%C%_unit_check_epoll_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_epoll_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_fd
%C%_unit_check_fd_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_fd_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_netpoll
%C%_unit_check_netpoll_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_netpoll_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_op
%C%_unit_check_op_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_op_LDADD = $(T_UNIT)
if URING
t_programs += %D%/unit/check_ring
%C%_unit_check_ring_SOURCES = %D%/unit/check_ring.c %D%/unit/backend.h
%C%_unit_check_ring_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_ring_LDADD = $(T_UNIT)
endif
t_programs += %D%/unit/check_group
%C%_unit_check_group_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_group_LDADD = %D%/api/libapi.la $(T_UNIT)
t_programs += %D%/unit/check_mutex
%C%_unit_check_mutex_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_mutex_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_pack
%C%_unit_check_pack_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_pack_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_pool
%C%_unit_check_pool_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_pool_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_probe
%C%_unit_check_probe_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_probe_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_select
%C%_unit_check_select_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_select_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_sema
%C%_unit_check_sema_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_sema_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_idle
%C%_unit_check_idle_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_tables
%C%_unit_check_tables_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_timer
%C%_unit_check_timer_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_timer_LDADD = $(T_UNIT)
t_programs += %D%/unit/check_stack
%C%_unit_check_stack_CPPFLAGS = $(T_UNIT_CPPFLAGS)
%C%_unit_check_stack_LDADD = $(T_UNIT)

# ----------------------------------------------------------------------------------------------------
# model: all interleavings of a lock-free part, at a small size
# ----------------------------------------------------------------------------------------------------
T_MODEL = %D%/model/libmodel.la %D%/libt.la $(CHECK_LIBS) $(JEMALLOC_LIBS)
t_models += %D%/model/model_chan
%C%_model_model_chan_LDADD = $(T_MODEL)
t_models += %D%/model/model_cond
%C%_model_model_cond_LDADD = $(T_MODEL)
t_models += %D%/model/model_deadlock
%C%_model_model_deadlock_LDADD = $(T_MODEL)
t_models += %D%/model/model_group
%C%_model_model_group_LDADD = $(T_MODEL)
t_models += %D%/model/model_park
%C%_model_model_park_LDADD = $(T_MODEL)
t_models += %D%/model/model_retake
%C%_model_model_retake_LDADD = $(T_MODEL)
t_models += %D%/model/model_runq
%C%_model_model_runq_LDADD = $(T_MODEL)
t_models += %D%/model/model_rwmutex
%C%_model_model_rwmutex_LDADD = $(T_MODEL)
t_models += %D%/model/model_scope
%C%_model_model_scope_LDADD = $(T_MODEL)
t_models += %D%/model/model_semaphore
%C%_model_model_semaphore_LDADD = $(T_MODEL)
t_models += %D%/model/model_sema
%C%_model_model_sema_LDADD = $(T_MODEL)
t_models += %D%/model/model_timer
%C%_model_model_timer_LDADD = $(T_MODEL)

# ----------------------------------------------------------------------------------------------------
# api: black-box
# ----------------------------------------------------------------------------------------------------
t_programs += %D%/api/check_chan
%C%_api_check_chan_LDADD = $(T_API)
t_programs += %D%/api/check_chan_spec
%C%_api_check_chan_spec_SOURCES = %D%/api/check_chan_spec.c %D%/api/chan_ops.h
%C%_api_check_chan_spec_LDADD = $(T_API)
t_programs += %D%/api/check_chan_many
%C%_api_check_chan_many_LDADD = $(T_API)
t_programs += %D%/api/check_cond
%C%_api_check_cond_LDADD = $(T_API)
t_programs += %D%/api/check_context
%C%_api_check_context_LDADD = $(T_API)
t_programs += %D%/api/check_alive
%C%_api_check_alive_LDADD = $(T_API)
t_programs += %D%/api/check_deadlock
%C%_api_check_deadlock_LDADD = $(T_API)
%C%_api_check_deadlock_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
t_programs += %D%/api/check_leak
%C%_api_check_leak_LDADD = $(T_API)
%C%_api_check_leak_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
t_programs += %D%/api/check_context_io
%C%_api_check_context_io_LDADD = $(T_API)
t_programs += %D%/api/check_errgroup
%C%_api_check_errgroup_LDADD = $(T_API)
t_programs += %D%/api/check_locals
%C%_api_check_locals_LDADD = $(T_API)
t_programs += %D%/api/check_memory
%C%_api_check_memory_LDADD = $(T_API)
t_programs += %D%/api/check_net
%C%_api_check_net_LDADD = $(T_API)
t_programs += %D%/api/check_net_wait
%C%_api_check_net_wait_LDADD = $(T_API)
t_programs += %D%/api/check_pool
%C%_api_check_pool_LDADD = $(T_API)
t_programs += %D%/api/check_procs
%C%_api_check_procs_LDADD = $(T_API)
t_programs += %D%/api/check_run
%C%_api_check_run_LDADD = $(T_API)
t_programs += %D%/api/check_select
%C%_api_check_select_LDADD = $(T_API)
t_programs += %D%/api/check_select_fd
%C%_api_check_select_fd_LDADD = $(T_API)
t_programs += %D%/api/check_select_spec
%C%_api_check_select_spec_SOURCES = %D%/api/check_select_spec.c %D%/api/chan_ops.h
%C%_api_check_select_spec_LDADD = $(T_API)
t_programs += %D%/api/check_once
%C%_api_check_once_LDADD = $(T_API)
t_programs += %D%/api/check_semaphore
%C%_api_check_semaphore_LDADD = $(T_API)
t_programs += %D%/api/check_spawn
%C%_api_check_spawn_LDADD = $(T_API)
t_programs += %D%/api/check_spawn_many
%C%_api_check_spawn_many_LDADD = $(T_API)
t_programs += %D%/api/check_sync
%C%_api_check_sync_LDADD = $(T_API)
t_programs += %D%/api/check_sync_spec
%C%_api_check_sync_spec_LDADD = $(T_API)
t_programs += %D%/api/check_rwmutex
%C%_api_check_rwmutex_LDADD = $(T_API)
t_programs += %D%/api/check_typed
%C%_api_check_typed_LDADD = $(T_API)
t_programs += %D%/api/check_time
%C%_api_check_time_LDADD = $(T_API)
t_programs += %D%/api/check_defer
%C%_api_check_defer_LDADD = $(T_API)
t_programs += %D%/api/check_fault
%C%_api_check_fault_LDADD = $(T_API)
%C%_api_check_fault_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
t_programs += %D%/api/check_goexit
%C%_api_check_goexit_LDADD = $(T_API)
t_programs += %D%/api/check_panic
%C%_api_check_panic_LDADD = $(T_API)
t_programs += %D%/api/check_panic_fatal
%C%_api_check_panic_fatal_LDADD = $(T_API)
%C%_api_check_panic_fatal_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
t_programs += %D%/api/check_ticker
%C%_api_check_ticker_SOURCES = %D%/api/check_ticker.c %D%/api/timers.h
%C%_api_check_ticker_LDADD = $(T_API)
t_programs += %D%/api/check_timer
%C%_api_check_timer_SOURCES = %D%/api/check_timer.c %D%/api/timers.h
%C%_api_check_timer_LDADD = $(T_API)
t_programs += %D%/api/check_file
%C%_api_check_file_LDADD = $(T_API)
t_programs += %D%/api/check_net_errors
%C%_api_check_net_errors_LDADD = $(T_API)
t_programs += %D%/api/check_sched
%C%_api_check_sched_LDADD = $(T_API)
t_programs += %D%/api/check_stack
%C%_api_check_stack_LDADD = $(T_API)
%C%_api_check_stack_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
if HAVE_CXX
t_programs += %D%/api/check_panic_cxx
%C%_api_check_panic_cxx_SOURCES = %D%/api/check_panic_cxx.cc
%C%_api_check_panic_cxx_LDADD = $(T_API)
t_programs += %D%/api/check_hpp
%C%_api_check_hpp_SOURCES = %D%/api/check_hpp.cc
%C%_api_check_hpp_LDADD = $(T_API)
t_programs += %D%/api/check_hpp_chan
%C%_api_check_hpp_chan_SOURCES = %D%/api/check_hpp_chan.cc
%C%_api_check_hpp_chan_LDADD = $(T_API)
t_programs += %D%/api/check_hpp_exceptions
%C%_api_check_hpp_exceptions_SOURCES = %D%/api/check_hpp_exceptions.cc
%C%_api_check_hpp_exceptions_LDADD = $(T_API)
%C%_api_check_hpp_exceptions_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
t_programs += %D%/api/check_spawn_cxx
%C%_api_check_spawn_cxx_SOURCES = %D%/api/check_spawn_cxx.cc
%C%_api_check_spawn_cxx_LDADD = $(T_API)
endif

# ----------------------------------------------------------------------------------------------------
# preempt: black-box, that nobody stalls anybody; the hazards of asynchronous preemption
# ----------------------------------------------------------------------------------------------------
T_PRE = %D%/preempt/libpre.la $(T_API)
t_programs += %D%/preempt/check_announced
%C%_preempt_check_announced_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_basic
%C%_preempt_check_basic_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_block
%C%_preempt_check_block_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_fork
%C%_preempt_check_fork_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_fp
%C%_preempt_check_fp_LDADD = $(T_PRE) -lm
t_programs += %D%/preempt/check_libc
%C%_preempt_check_libc_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_many
%C%_preempt_check_many_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_report
%C%_preempt_check_report_LDADD = $(T_PRE)
%C%_preempt_check_report_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
t_programs += %D%/preempt/check_retake
%C%_preempt_check_retake_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_shutdown
%C%_preempt_check_shutdown_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_signals
%C%_preempt_check_signals_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_stacks
%C%_preempt_check_stacks_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_thread
%C%_preempt_check_thread_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_fair
%C%_preempt_check_fair_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_race
%C%_preempt_check_race_LDADD = $(T_PRE)
t_programs += %D%/preempt/check_slow_malloc
%C%_preempt_check_slow_malloc_SOURCES = %D%/preempt/check_slow_malloc.c %D%/preempt/one_lock.c %D%/preempt/one_lock.h
%C%_preempt_check_slow_malloc_LDADD = $(T_PRE)
if HAVE_ZLIB
t_programs += %D%/preempt/check_zlib
%C%_preempt_check_zlib_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS)
%C%_preempt_check_zlib_LDADD = $(T_PRE) $(ZLIB_LIBS)
endif
if HAVE_SQLITE
t_programs += %D%/preempt/check_sqlite
%C%_preempt_check_sqlite_CPPFLAGS = $(AM_CPPFLAGS) $(SQLITE_CFLAGS)
%C%_preempt_check_sqlite_LDADD = $(T_PRE) $(SQLITE_LIBS)
endif
if HAVE_OPENSSL
t_programs += %D%/preempt/check_openssl
%C%_preempt_check_openssl_CPPFLAGS = $(AM_CPPFLAGS) $(OPENSSL_CFLAGS)
%C%_preempt_check_openssl_LDADD = $(T_PRE) $(OPENSSL_LIBS)
endif
if HAVE_CXX
t_programs += %D%/preempt/check_cxx
%C%_preempt_check_cxx_SOURCES = %D%/preempt/check_cxx.cc
%C%_preempt_check_cxx_LDADD = $(T_PRE)
endif

# ----------------------------------------------------------------------------------------------------
# httpd: the server of examples, its protocol on bytes in memory and as a process
# ----------------------------------------------------------------------------------------------------
if HTTPD
check_LTLIBRARIES += %D%/httpd/libclient.la
%C%_httpd_libclient_la_SOURCES = %D%/httpd/client.c %D%/httpd/client.h
check_LTLIBRARIES += %D%/httpd/libscript.la
%C%_httpd_libscript_la_SOURCES = %D%/httpd/script.c %D%/httpd/script.h %D%/httpd/cases.h
%C%_httpd_libscript_la_SOURCES += examples/httpd/api.c examples/httpd/chunked.c examples/httpd/conn.c examples/httpd/http.c
%C%_httpd_libscript_la_SOURCES += examples/httpd/metrics.c examples/httpd/reply.c examples/httpd/store.c
%C%_httpd_libscript_la_CPPFLAGS = $(t_httpd_cppflags)
t_httpd_cppflags = -I$(top_srcdir)/examples/httpd $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
t_httpd_libs = %D%/httpd/libscript.la $(T_API) $(JANSSON_LIBS) -lhttp_parser

t_programs += %D%/httpd/check_http
%C%_httpd_check_http_CPPFLAGS = $(t_httpd_cppflags)
%C%_httpd_check_http_LDADD = $(t_httpd_libs)
t_programs += %D%/httpd/fuzz_http
%C%_httpd_fuzz_http_CPPFLAGS = $(t_httpd_cppflags)
%C%_httpd_fuzz_http_LDADD = $(t_httpd_libs)
t_programs += %D%/httpd/check_server
%C%_httpd_check_server_LDADD = %D%/httpd/libclient.la $(T_API)
t_programs += %D%/httpd/check_many
%C%_httpd_check_many_LDADD = %D%/httpd/libclient.la $(T_API)
t_scripts_httpd = %D%/httpd/real_clients.sh
endif

# ----------------------------------------------------------------------------------------------------
# stress: seeded and long; short in `make check`
# ----------------------------------------------------------------------------------------------------
t_stress += %D%/stress/stress_chan
%C%_stress_stress_chan_LDADD = $(T_API)
t_stress += %D%/stress/stress_mixed
%C%_stress_stress_mixed_LDADD = $(T_API)
t_stress += %D%/stress/stress_net
%C%_stress_stress_net_LDADD = $(T_API)
t_stress += %D%/stress/stress_preempt
%C%_stress_stress_preempt_LDADD = $(T_PRE)
%C%_stress_stress_preempt_CPPFLAGS = -I$(top_srcdir)/%D%/preempt $(AM_CPPFLAGS)
t_stress += %D%/stress/stress_sched
%C%_stress_stress_sched_LDADD = $(T_API)
t_stress += %D%/stress/stress_context
%C%_stress_stress_context_LDADD = $(T_API)
t_stress += %D%/stress/stress_timer
%C%_stress_stress_timer_LDADD = $(T_API)
t_stress += %D%/stress/stress_cancel
%C%_stress_stress_cancel_LDADD = $(T_API)
t_stress += %D%/stress/stress_pool
%C%_stress_stress_pool_LDADD = $(T_API)
t_stress += %D%/stress/stress_sync
%C%_stress_stress_sync_LDADD = $(T_API)
t_stress += %D%/stress/stress_select
%C%_stress_stress_select_LDADD = $(T_API)

# ----------------------------------------------------------------------------------------------------
# regress: one per bug, opening with what went wrong
# ----------------------------------------------------------------------------------------------------
t_programs += %D%/regress/check_rounding
%C%_regress_check_rounding_LDADD = $(T_API) -lm
t_programs += %D%/regress/check_last_words
%C%_regress_check_last_words_LDADD = $(T_API)
t_programs += %D%/regress/check_lost_tick
%C%_regress_check_lost_tick_LDADD = $(T_API)
t_programs += %D%/regress/check_restart
%C%_regress_check_restart_LDADD = $(T_API)

# ----------------------------------------------------------------------------------------------------
# Scripts: lint, the ABI, what must not compile
# ----------------------------------------------------------------------------------------------------
t_lint =
t_lint += %D%/lint/layers.sh
t_lint += %D%/lint/tls.sh
t_lint += %D%/lint/errno.sh
t_lint += %D%/lint/comments.sh
t_lint += %D%/lint/sizes.sh
t_lint += %D%/lint/notes.sh
t_lint += %D%/lint/symbols.sh
t_lint += %D%/lint/man.sh
t_lint += %D%/lint/examples.sh
EXTRA_DIST += %D%/lint/strip.awk %D%/lint/symbols.allow

t_scripts = $(t_lint)
t_scripts += %D%/abi/check-map.sh
t_scripts += %D%/abi/headers.sh
t_scripts += %D%/abi/sanitizers.sh
EXTRA_DIST += %D%/abi/race.c
t_scripts += %D%/compile_fail/run.sh
if GUIDE
t_scripts += %D%/guide/run.sh
endif
t_scripts += %D%/preempt/gdb_attach.sh
t_scripts += $(t_scripts_httpd)

# ----------------------------------------------------------------------------------------------------
# The harness
# ----------------------------------------------------------------------------------------------------
if HAVE_CHECK
check_LTLIBRARIES += %D%/libt.la
%C%_libt_la_SOURCES = %D%/t.c %D%/t.h %D%/t_wait.c
check_LTLIBRARIES += %D%/api/libapi.la
%C%_api_libapi_la_SOURCES = %D%/api/api.c %D%/api/api.h %D%/api/cases.c %D%/api/cases.h %D%/api/hpp.h %D%/api/seen.h
check_LTLIBRARIES += %D%/preempt/libpre.la
%C%_preempt_libpre_la_SOURCES = %D%/preempt/pre.c %D%/preempt/pre.h
check_LTLIBRARIES += %D%/model/libmodel.la
%C%_model_libmodel_la_SOURCES = %D%/model/model.c %D%/model/model.h %D%/model/doors.h
check_PROGRAMS += $(t_programs) $(t_models) $(t_stress) %D%/have_uring %D%/features %D%/preempt/attached %D%/stress/soak
%C%_stress_soak_LDADD = %D%/api/libapi.la %D%/libt.la lib/libgoro.la $(CHECK_LIBS) $(JEMALLOC_LIBS)
%C%_features_LDADD = lib/libgoro-internal.la $(JEMALLOC_LIBS)
TESTS += $(t_programs) $(t_models) $(t_stress)
else
check-local:
	@echo 'libcheck is missing (Debian: check): only the scripts were run' >&2; exit 1
endif

TESTS += $(t_scripts)
EXTRA_DIST += $(t_scripts) %D%/driver %D%/tap.sh %D%/compile_fail %D%/tsan.supp
TEST_EXTENSIONS = .sh
LOG_DRIVER = $(top_srcdir)/%D%/driver
SH_LOG_DRIVER = $(top_srcdir)/%D%/driver
SH_LOG_COMPILER = $(SHELL)
# With --enable-sanitizer a fault is still the library's to report and ends by its signal. ASan may not move frames off the stack:
# tests look at where they lie. The first race is enough, after a fork TSan just goes
# on, and it takes a thread that was made on one context and joined on another for lost: the tests count threads themselves.
T_NO_FAULTS = handle_segv=0:handle_sigbus=0:handle_sigfpe=0
AM_TESTS_ENVIRONMENT = \
	ASAN_OPTIONS="$${ASAN_OPTIONS-$(T_NO_FAULTS):detect_stack_use_after_return=0}"; \
	TSAN_OPTIONS="$${TSAN_OPTIONS-$(T_NO_FAULTS):halt_on_error=1:die_after_fork=0:report_thread_leaks=0:suppressions=$(abs_top_srcdir)/tests/tsan.supp}"; \
	UBSAN_OPTIONS="$${UBSAN_OPTIONS-print_stacktrace=1}"; export ASAN_OPTIONS TSAN_OPTIONS UBSAN_OPTIONS; \
	T_ONCE='$(t_once)'; T_URING=%D%/have_uring; \
	top_srcdir='$(top_srcdir)'; CC='$(CC)'; CXX='$(CXX)'; NM='$(NM)'; CPPFLAGS='$(goro_cppflags)'; \
	SAN_CFLAGS='$(SAN_CFLAGS)'; export T_ONCE T_URING top_srcdir CC CXX NM CPPFLAGS SAN_CFLAGS;

check-lint: all
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(t_lint)'

check-stress: $(check_LTLIBRARIES) $(check_PROGRAMS)
	GORO_STRESS_SECONDS=$${GORO_STRESS_SECONDS-60} T_PROGRAM_TIMEOUT=$${T_PROGRAM_TIMEOUT-7200} \
		$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(t_stress)'

.PHONY: check-lint check-stress
