/* SPDX-License-Identifier: MIT */
/*
 * api.h: what the black-box programs share. They use the public headers only and link the installed
 * form of the library. GORO_BACKEND and GORO_MAXPROCS in the environment choose how each test's
 * runtime is set up, so that one binary is run over the whole table of set-ups.
 */
#ifndef API_H
#define API_H

#include <goro.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Milliseconds that a condition may need on a loaded machine or under a sanitizer. */
#define API_PATIENCE 20000

/* goro_run() with the defaults, or with procs processors; the test fails unless fn returns 0. */
void api_run(goro_main_fn fn, void *arg);
void api_run_procs(unsigned procs, goro_main_fn fn, void *arg);

/* A number below n from t_rand(). */
unsigned api_below(uint64_t *state, unsigned n);

/* The numbers of processors that a test is run on if it is run on several: 1, 2, 8. */
extern const unsigned api_procs[3];

/* How long each part of a stress program goes on: GORO_STRESS_SECONDS (default 2) over the three of api_procs. */
int64_t api_stress_ns(void);

/* For t_case(): the limit of a test whose parts take that long, in seconds. */
double api_stress_limit(void);

/*
 * How many others, goroutines and plain threads without a deadline, wait for what begins with why: "chan receive", "sync.Mutex.Lock", "IO wait",
 * as goro_dump() has it. And whether a thread sleeps in the kernel. For t_eventually(): who says that he is about to call is not yet in the queue.
 */
int api_waiting(const char *why);
int api_asleep(pid_t tid);

/* Process figures from /proc/self and the CPU clock. */
int api_fds(void);
int api_threads(void);
long api_rss_kib(void);
int64_t api_cpu_ns(void);

/*
 * Runs fn as the main goroutine of a fresh child process. Returns the child's wait status; what it
 * wrote to stderr is in err, cut to size and terminated.
 */
int api_child(unsigned procs, goro_main_fn fn, void *arg, char *err, size_t size);

/*
 * The child must end by exit with the status, and what it wrote to stderr must begin with begins; NULL: it must have written nothing.
 * It is left in api_err.
 */
extern char api_err[1 << 16];
void api_expect_end(unsigned procs, goro_main_fn fn, void *arg, int status, const char *begins);

/* The child must end with status 2 and have written text, anywhere, to stderr. */
void api_expect_fatal(goro_main_fn fn, void *arg, const char *text);
void api_expect_fatal_procs(unsigned procs, goro_main_fn fn, void *arg, const char *text);

/* Whether times and CPU figures mean something here: not under slow instrumentation (GORO_TEST_DIVISOR). */
int api_timing_is_sound(void);

/* pthread_create() that fails the test; pthread_join() that lets the other goroutines go on. */
pthread_t api_thread(void *(*fn)(void *), void *arg);
void api_join(pthread_t t);

/*
 * work(arg, who) in so many goroutines and in so many plain threads at once, who being 1, 2 and so on, the threads' last. Returns when it has
 * returned in all of them. From: goroutine, or, without goroutines, any thread.
 */
#define API_CROWD_THREADS 4 /* at most */
void api_crowd(int goroutines, int threads, void (*work)(void *arg, int who), void *arg);

/* Runs fn as the main goroutine, on one processor and on eight, and in a plain thread beside a runtime that has one, then two. */
void api_everywhere(void (*fn)(void));

/* Two ends of a stream. Returns 0, or a negative errno if this machine has no such thing (IPv6). */
enum api_link { API_TCP4, API_TCP6, API_UNIX, API_ABSTRACT, API_PAIR, API_LINKS };
int api_link(enum api_link kind, int fd[2]);
const char *api_link_name(enum api_link kind);

/* A fresh directory, and a file name in it; both are the caller's to remove. */
void api_temp_dir(char *path, size_t size);

#endif
