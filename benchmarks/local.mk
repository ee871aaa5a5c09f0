# SPDX-License-Identifier: MIT
# benchmarks/local.mk: `make bench` builds the programs (so does `make check`, that they cannot rot), benchmarks/run
# runs them, benchmarks/compare runs them against the peers. A new program is one line.

goro_benchmarks =
goro_benchmarks += %D%/bench_chan
goro_benchmarks += %D%/bench_context
goro_benchmarks += %D%/bench_defer
goro_benchmarks += %D%/bench_echo
goro_benchmarks += %D%/bench_latency
goro_benchmarks += %D%/bench_memory
goro_benchmarks += %D%/bench_mutex
goro_benchmarks += %D%/bench_pingpong
goro_benchmarks += %D%/bench_preempt
goro_benchmarks += %D%/bench_sieve
goro_benchmarks += %D%/bench_select
goro_benchmarks += %D%/bench_skynet
goro_benchmarks += %D%/bench_sleep
goro_benchmarks += %D%/bench_spawn
goro_benchmarks += %D%/bench_switch
goro_benchmarks += %D%/bench_sync
goro_benchmarks += %D%/bench_timer
goro_benchmarks += %D%/bench_yield

# White-box: the context switch is not public.
%C%_bench_switch_LDADD = lib/libgoro-internal.la $(JEMALLOC_LIBS)

# Self-contained: no goro in it.
if URING
goro_benchmarks += %D%/bench_ring_topology
%C%_bench_ring_topology_SOURCES = %D%/bench_ring_topology.c %D%/bench_ring_load.h
%C%_bench_ring_topology_CPPFLAGS = $(LIBURING_CFLAGS)
%C%_bench_ring_topology_LDADD = $(LIBURING_LIBS)
endif

EXTRA_PROGRAMS += $(goro_benchmarks)
if BENCHMARKS
check_PROGRAMS += $(goro_benchmarks)
endif
bench: $(goro_benchmarks)
.PHONY: bench

EXTRA_DIST += %D%/README %D%/bars %D%/bench.h %D%/compare %D%/measure.py %D%/run
EXTRA_DIST += %D%/load %D%/results %D%/peers/README %D%/peers/Makefile %D%/peers/setup %D%/peers/run
EXTRA_DIST += %D%/peers/boost %D%/peers/floors %D%/peers/go
