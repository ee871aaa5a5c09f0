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

# Classics of concurrent programming, and the goroutine guide: each prints what its head says, which is in its .want file too;
# tests/guide/run.sh compares.
compared =
compared += %D%/classics/chameneos
compared += %D%/classics/philosophers
compared += %D%/classics/power_series
compared += %D%/classics/prime_multiples
compared += %D%/classics/quicksort
compared += %D%/classics/ring
compared += %D%/guide/build_once
compared += %D%/guide/build_ticker
compared += %D%/guide/edge_add_inside
compared += %D%/guide/edge_range_unclosed
compared += %D%/guide/edge_recover_elsewhere
compared += %D%/guide/edge_result_by_variable
compared += %D%/guide/edge_sleep_to_wait
compared += %D%/guide/edge_unread_result
compared += %D%/guide/error_channel
compared += %D%/guide/error_errgroup
compared += %D%/guide/error_recover
compared += %D%/guide/ex01_hello_trap
compared += %D%/guide/ex02_sleep
compared += %D%/guide/ex03_waitgroup
compared += %D%/guide/ex04_workers
compared += %D%/guide/ex05_loop_variable
compared += %D%/guide/ex06_loop_parameter
compared += %D%/guide/ex07_counting
compared += %D%/guide/ex08_panic
compared += %D%/guide/ex09_recover
compared += %D%/guide/ex10_maxprocs
compared += %D%/guide/mistake_data_race
compared += %D%/guide/mistake_forgotten_add
compared += %D%/guide/mistake_forgotten_wait
compared += %D%/guide/mistake_outlives_request
compared += %D%/guide/mistake_shared_buffer
compared += %D%/guide/mistake_wait_inside
compared += %D%/guide/pattern1_fire_and_forget
compared += %D%/guide/pattern2_spawn_and_wait
compared += %D%/guide/pattern3_worker_pool
compared += %D%/guide/pattern4_cancel_channel
compared += %D%/guide/pattern4_cancel_context
compared += %D%/guide/test_spawn
compared += %D%/guide/tricky_arguments
compared += %D%/guide/tricky_deadlock
compared += %D%/guide/tricky_how_many
compared += %D%/guide/tricky_leak
compared += %D%/guide/tricky_maxprocs1
compared += %D%/guide/tricky_nil_channel
compared += %D%/guide/tricky_one_value
compared += %D%/guide/tricky_recover_outside
compared += %D%/guide/tricky_start
compared += %D%/guide/tricky_what_prints
compared += %D%/guide/tricky_yield
if GUIDE
noinst_PROGRAMS += $(compared)
endif
EXTRA_DIST += $(compared:=.want)
