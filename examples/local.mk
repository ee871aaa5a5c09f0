# SPDX-License-Identifier: MIT
# examples/local.mk: each a lesson with its command lines on top; built by `make`, so that they cannot rot.

if HTTPD
noinst_PROGRAMS += %D%/httpd/httpd
%C%_httpd_httpd_SOURCES =
%C%_httpd_httpd_SOURCES += %D%/httpd/api.c %D%/httpd/api.h
%C%_httpd_httpd_SOURCES += %D%/httpd/burst.c %D%/httpd/burst.h
%C%_httpd_httpd_SOURCES += %D%/httpd/chunked.c %D%/httpd/chunked.h
%C%_httpd_httpd_SOURCES += %D%/httpd/conn.c %D%/httpd/conn.h
%C%_httpd_httpd_SOURCES += %D%/httpd/http.c %D%/httpd/http.h
%C%_httpd_httpd_SOURCES += %D%/httpd/main.c
%C%_httpd_httpd_SOURCES += %D%/httpd/metrics.c %D%/httpd/metrics.h
%C%_httpd_httpd_SOURCES += %D%/httpd/options.c %D%/httpd/options.h
%C%_httpd_httpd_SOURCES += %D%/httpd/reply.c %D%/httpd/reply.h
%C%_httpd_httpd_SOURCES += %D%/httpd/server.c %D%/httpd/server.h
%C%_httpd_httpd_SOURCES += %D%/httpd/store.c %D%/httpd/store.h
%C%_httpd_httpd_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
%C%_httpd_httpd_LDADD = $(LDADD) $(JANSSON_LIBS) -lhttp_parser
endif

noinst_PROGRAMS += %D%/hello %D%/million %D%/prime_sieve %D%/recover
if HAVE_CXX
noinst_PROGRAMS += %D%/words
%C%_words_SOURCES = %D%/words.cc
endif

# Classics of concurrent programming; run and compared like the guide's.
classics =
classics += %D%/classics/chameneos
classics += %D%/classics/philosophers
classics += %D%/classics/power_series
classics += %D%/classics/prime_multiples
classics += %D%/classics/quicksort
classics += %D%/classics/ring
if GUIDE
noinst_PROGRAMS += $(classics)
endif
EXTRA_DIST += $(classics:=.want)

# The goroutine guide: each program prints what its head says, which is in its .want file too; tests/guide/run.sh compares.
guide_programs =
guide_programs += %D%/guide/build_once
guide_programs += %D%/guide/build_ticker
guide_programs += %D%/guide/edge_add_inside
guide_programs += %D%/guide/edge_range_unclosed
guide_programs += %D%/guide/edge_recover_elsewhere
guide_programs += %D%/guide/edge_result_by_variable
guide_programs += %D%/guide/edge_sleep_to_wait
guide_programs += %D%/guide/edge_unread_result
guide_programs += %D%/guide/error_channel
guide_programs += %D%/guide/error_errgroup
guide_programs += %D%/guide/error_recover
guide_programs += %D%/guide/ex01_hello_trap
guide_programs += %D%/guide/ex02_sleep
guide_programs += %D%/guide/ex03_waitgroup
guide_programs += %D%/guide/ex04_workers
guide_programs += %D%/guide/ex05_loop_variable
guide_programs += %D%/guide/ex06_loop_parameter
guide_programs += %D%/guide/ex07_counting
guide_programs += %D%/guide/ex08_panic
guide_programs += %D%/guide/ex09_recover
guide_programs += %D%/guide/ex10_maxprocs
guide_programs += %D%/guide/mistake_data_race
guide_programs += %D%/guide/mistake_forgotten_add
guide_programs += %D%/guide/mistake_forgotten_wait
guide_programs += %D%/guide/mistake_outlives_request
guide_programs += %D%/guide/mistake_shared_buffer
guide_programs += %D%/guide/mistake_wait_inside
guide_programs += %D%/guide/pattern1_fire_and_forget
guide_programs += %D%/guide/pattern2_spawn_and_wait
guide_programs += %D%/guide/pattern3_worker_pool
guide_programs += %D%/guide/pattern4_cancel_channel
guide_programs += %D%/guide/pattern4_cancel_context
guide_programs += %D%/guide/test_spawn
guide_programs += %D%/guide/tricky_arguments
guide_programs += %D%/guide/tricky_deadlock
guide_programs += %D%/guide/tricky_how_many
guide_programs += %D%/guide/tricky_leak
guide_programs += %D%/guide/tricky_maxprocs1
guide_programs += %D%/guide/tricky_nil_channel
guide_programs += %D%/guide/tricky_one_value
guide_programs += %D%/guide/tricky_recover_outside
guide_programs += %D%/guide/tricky_start
guide_programs += %D%/guide/tricky_what_prints
guide_programs += %D%/guide/tricky_yield
if GUIDE
noinst_PROGRAMS += $(guide_programs)
endif
EXTRA_DIST += $(guide_programs:=.want)
