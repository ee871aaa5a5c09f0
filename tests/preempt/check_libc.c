/* SPDX-License-Identifier: MIT */
/*
 * check_libc.c: the C library in many goroutines that are stopped anywhere: its results are those of plain threads. Hazards 1, 2 and 9; issue 3:
 * "printf/scanf, regcomp, qsort with a callback that yields, getaddrinfo".
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

#define GOROUTINES 6

/* ---- malloc (hazard 1: a switch inside malloc corrupts its thread cache, 20 of 20 runs) ---------------------------------- */

#define BLOCKS 64

static unsigned char *fresh(uint64_t *rng, size_t *size, unsigned char mark)
{
	unsigned char *p;

	*size = 1 + api_below(rng, api_below(rng, 16) ? 400 : 40000);
	p = api_below(rng, 4) ? malloc(*size) : calloc(1, *size);
	t_check(p != NULL);
	memset(p, mark, *size);
	return p;
}

static uint64_t malloc_job(uint64_t seed)
{
	unsigned char *p[BLOCKS] = { NULL };
	size_t size[BLOCKS] = { 0 };
	uint64_t rng = seed, h = PRE_HASH;

	for (long n = t_scaled(60000); n > 0; n--) {
		unsigned i = api_below(&rng, BLOCKS);

		for (size_t k = 0; k < size[i]; k += 61)
			t_check(p[i][k] == (unsigned char)i);
		if (p[i] && api_below(&rng, 3) == 0) {
			size[i] = 1 + api_below(&rng, 4000);
			p[i] = realloc(p[i], size[i]);
			t_check(p[i] != NULL);
			memset(p[i], (int)i, size[i]);
		} else {
			free(p[i]);
			p[i] = fresh(&rng, &size[i], (unsigned char)i);
		}
		h = pre_hash(h, &size[i], sizeof size[i]);
	}
	for (int i = 0; i < BLOCKS; i++)
		free(p[i]);
	return h;
}

START_TEST(malloc_works_in_goroutines_that_are_stopped_in_it)
{
	for (int i = 0; i < 3; i++)
		pre_agree(malloc_job, GOROUTINES);
}
END_TEST

/* ---- errno and thread-local variables (hazard 2: in-place switches lose it in 10 of 10 runs) -------------------------------- */

static __thread uint64_t mine;

static uint64_t errno_job(uint64_t seed)
{
	uint64_t x = seed;

	for (long n = t_scaled(300); n > 0; n--) {
		errno = 1000 + (int)seed;
		mine = seed;
		/* No call of goro: nothing may change on this thread. */
		for (int k = 0; k < 40000; k++)
			x = x * 6364136223846793005u + 1442695040888963407u;
		__asm__ volatile("" : "+r"(x));
		t_check_int(errno, ==, 1000 + (int)seed);
		t_check(mine == seed);
	}
	return x;
}

START_TEST(errno_and_thread_local_variables_survive_computing)
{
	pre_agree(errno_job, GOROUTINES);
}
END_TEST

static uint64_t failing_job(uint64_t seed)
{
	char buf[8];

	for (long n = t_scaled(20000); n > 0; n--) {
		errno = 0;
		switch (seed % 3) {
		case 0:
			t_check(read(-1, buf, sizeof buf) == -1 && errno == EBADF);
			break;
		case 1:
			t_check(access("/nowhere/at/all", R_OK) == -1 && errno == ENOENT);
			break;
		default:
			t_check(strtol("999999999999999999999999", NULL, 10) > 0 && errno == ERANGE);
			break;
		}
	}
	return seed;
}

START_TEST(errno_is_that_of_the_last_call)
{
	pre_agree(failing_job, GOROUTINES);
}
END_TEST

/* ---- printf, scanf, strtod (hazard 9) ------------------------------------------------------------------------------------- */

static uint64_t format_job(uint64_t seed)
{
	uint64_t rng = seed, h = PRE_HASH;
	char text[256];

	for (long n = t_scaled(20000); n > 0; n--) {
		double d = (double)(int64_t)t_rand(&rng) / 1e5, back = 0;
		long l = (long)t_rand(&rng), l2 = 0;
		char word[32] = "";
		int len = snprintf(text, sizeof text, "%ld %.17g <%8s> %#x", l, d, "goro", (unsigned)n);

		t_check(sscanf(text, "%ld %lf < %31[a-z]", &l2, &back, word) == 3, "%s", text);
		t_check(l2 == l && memcmp(&back, &d, sizeof d) == 0 && strcmp(word, "goro") == 0, "%s", text);
		t_check(strtod(strchr(text, ' '), NULL) == d);
		h = pre_hash(h, text, (size_t)len);
	}
	return h;
}

START_TEST(formatting_and_scanning_give_the_same_text_and_numbers)
{
	pre_agree(format_job, GOROUTINES);
}
END_TEST

/* One stream for all, with its lock: each line comes out whole. */
static FILE *shared;
static int written; /* atomic */

static uint64_t stream_job(uint64_t seed)
{
	for (long n = t_scaled(4000); n > 0; n--) {
		t_check(fprintf(shared, "%03d %s\n", (int)seed, "the quick brown fox jumps over the lazy dog") == 48);
		pre_add(&written, 1);
	}
	return seed;
}

START_TEST(lines_on_a_shared_stream_stay_whole)
{
	char line[256];
	long lines = 0;

	shared = tmpfile();
	t_check(shared != NULL);
	setvbuf(shared, NULL, _IOFBF, 100); /* so small that many lines are written in two parts */
	pre_agree(stream_job, GOROUTINES);
	rewind(shared);
	while (fgets(line, sizeof line, shared)) {
		t_check(strlen(line) == 48 && strcmp(line + 4, "the quick brown fox jumps over the lazy dog\n") == 0, "%s", line);
		lines++;
	}
	t_check_int(lines, ==, written);
	t_check_int(lines, >=, 3 * GOROUTINES * t_scaled(4000));
	fclose(shared);
}
END_TEST

/* A stream whose write function, called under the stream's lock, is a goroutine's and takes its time. */
struct cookie {
	uint64_t h;
};

static ssize_t cookie_write(void *arg, const char *buf, size_t n)
{
	struct cookie *c = arg;

	c->h = pre_hash(c->h, buf, n);
	return (ssize_t)n;
}

static uint64_t cookie_job(uint64_t seed)
{
	struct cookie c = { PRE_HASH };
	FILE *f;

	for (long n = t_scaled(1500); n > 0; n--) {
		f = fopencookie(&c, "w", (cookie_io_functions_t){ .write = cookie_write });
		t_check(f != NULL);
		for (int i = 0; i < 40; i++)
			fprintf(f, "%d %d;", (int)seed, i);
		t_check(fclose(f) == 0);
	}
	return c.h;
}

START_TEST(streams_with_functions_of_their_own_work)
{
	pre_agree(cookie_job, GOROUTINES);
}
END_TEST

/* ---- regular expressions, sorting (hazard 9) ------------------------------------------------------------------------------ */

static uint64_t regex_job(uint64_t seed)
{
	uint64_t rng = seed, h = PRE_HASH;

	for (long n = t_scaled(250); n > 0; n--) {
		char text[64];
		regmatch_t m[3] = { 0 };
		regex_t re;
		int ret;

		t_check(regcomp(&re, "([a-z]+|[0-9]{2,5})*x(y?[0-9]+)", REG_EXTENDED | REG_ICASE) == 0);
		for (int i = 0; i < 4; i++) {
			snprintf(text, sizeof text, "aab%ucxy%u!", (unsigned)t_rand(&rng) % 1000, (unsigned)t_rand(&rng) % 100);
			ret = regexec(&re, text, 3, m, 0);
			h = pre_hash(pre_hash(h, &ret, sizeof ret), m, sizeof m);
		}
		regfree(&re);
	}
	return h;
}

START_TEST(regular_expressions_match_the_same)
{
	pre_agree(regex_job, GOROUTINES);
}
END_TEST

static int by_value_with_a_yield(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	if ((*x ^ *y) % 4096 == 0)
		goro_yield(); /* parks: qsort() goes on on another thread, perhaps. Not so often that it is never stopped in between */
	return *x < *y ? -1 : *x > *y;
}

static uint64_t sort_job(uint64_t seed)
{
	static const size_t sizes[] = { 10, 1000, 5000 }; /* the last is more than glibc's qsort() takes of the stack */
	uint64_t rng = seed, h = PRE_HASH;

	for (int s = 0; s < 3; s++) {
		size_t n = sizes[s] + 1;
		uint64_t *v = malloc(n * sizeof *v);

		t_check(v != NULL);
		for (long round = t_scaled(10); round > 0; round--) {
			for (size_t i = 0; i < n; i++)
				v[i] = t_rand(&rng);
			qsort(v, n, sizeof *v, by_value_with_a_yield);
			for (size_t i = 1; i < n; i++)
				t_check(v[i - 1] <= v[i]);
			h = pre_hash(h, v, n * sizeof *v);
		}
		free(v);
	}
	return h;
}

START_TEST(sorting_with_a_callback_that_yields_sorts)
{
	pre_agree(sort_job, GOROUTINES);
}
END_TEST

/* ---- names, the loader, once (hazard 9) ------------------------------------------------------------------------------------ */

static uint64_t names_job(uint64_t seed)
{
	static const char *const hosts[] = { "127.0.0.1", "::1", "localhost", "10.1.2.3" };
	uint64_t h = PRE_HASH;

	for (long n = t_scaled(120); n > 0; n--) {
		struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
		const char *host = hosts[(seed + (uint64_t)n) % 4];
		int numeric = strcmp(host, "localhost") != 0, err;

		hints.ai_flags = numeric ? AI_NUMERICHOST : 0;
		err = getaddrinfo(host, "80", &hints, &list);
		/* A machine without a localhost: the same error for all. */
		t_check(err == 0 || !numeric, "%s: %s", host, gai_strerror(err));
		h = pre_hash(h, &err, sizeof err);
		for (struct addrinfo *a = list; a; a = a->ai_next)
			h = pre_hash(h, a->ai_addr, a->ai_family == AF_INET ? 8 : sizeof(struct sockaddr_in6));
		if (list)
			freeaddrinfo(list);
	}
	return h;
}

START_TEST(names_resolve_to_the_same_addresses)
{
	pre_agree(names_job, GOROUTINES);
}
END_TEST

static int count_objects(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)info;
	(void)size;
	++*(int *)arg;
	/* The loader's lock is held here. */
	for (volatile int i = 0; i < 300; i++)
		;
	return 0;
}

static uint64_t loader_job(uint64_t seed)
{
	for (long n = t_scaled(400); n > 0; n--) {
		int objects = 0;
		void *lib;
		Dl_info info;

		dl_iterate_phdr(count_objects, &objects);
		t_check_int(objects, >, 0);
		lib = dlopen("libm.so.6", RTLD_NOW);
		t_check(lib != NULL, "%s", dlerror());
		t_check(dlsym(lib, "cos") != NULL && !dlsym(lib, "no_such_function") && dlerror());
		t_check(dladdr(dlsym(lib, "cos"), &info) != 0 && info.dli_fname);
		t_check(dlclose(lib) == 0);
	}
	return seed;
}

START_TEST(the_loader_can_be_used)
{
	pre_agree(loader_job, GOROUTINES);
}
END_TEST

static pthread_once_t once;
static int once_calls; /* atomic */

static void slow_once(void)
{
	pre_add(&once_calls, 1);
	pre_burn(2 * GORO_MILLISECOND);
}

static void use_once(struct goro_waitgroup *wg)
{
	pthread_once(&once, slow_once);
	t_check_int(pre_get(&once_calls), ==, 1);
	pre_burn(GORO_MILLISECOND / 4);
	goro_waitgroup_done(wg);
}

static int once_main(void *arg)
{
	static const pthread_once_t fresh_once = PTHREAD_ONCE_INIT;
	struct goro_waitgroup wg = GORO_WAITGROUP_INIT;

	(void)arg;
	for (int round = 0; round < 10; round++) {
		once = fresh_once;
		once_calls = 0;
		goro_waitgroup_add(&wg, GOROUTINES);
		for (int i = 0; i < GOROUTINES; i++)
			t_check_int(GORO_GO(use_once, &wg), ==, 0);
		t_check_int(goro_waitgroup_wait(&wg, GORO_FOREVER), ==, 0);
	}
	return 0;
}

/* The one that runs the function is stopped in it, on the only processor; the others block their threads until it is done. */
START_TEST(a_once_function_that_is_stopped_holds_nobody_up_for_ever)
{
	pre_run(1, PRE_SHORT, once_main, NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: the C library");
	TCase *tc = tcase_create("libc");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, malloc_works_in_goroutines_that_are_stopped_in_it);
	tcase_add_test(tc, errno_and_thread_local_variables_survive_computing);
	tcase_add_test(tc, errno_is_that_of_the_last_call);
	tcase_add_test(tc, formatting_and_scanning_give_the_same_text_and_numbers);
	tcase_add_test(tc, lines_on_a_shared_stream_stay_whole);
	tcase_add_test(tc, streams_with_functions_of_their_own_work);
	tcase_add_test(tc, regular_expressions_match_the_same);
	tcase_add_test(tc, sorting_with_a_callback_that_yields_sorts);
	tcase_add_test(tc, names_resolve_to_the_same_addresses);
	tcase_add_test(tc, the_loader_can_be_used);
	tcase_add_test(tc, a_once_function_that_is_stopped_holds_nobody_up_for_ever);
	suite_add_tcase(s, tc);
	return t_main(s);
}
