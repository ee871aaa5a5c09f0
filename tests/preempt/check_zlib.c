/* SPDX-License-Identifier: MIT */
/* check_zlib.c: compression in many goroutines that are stopped anywhere in it. Issue 3: "Real third-party code as the disturbed party"; hazards 1 and 9. */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "api.h"
#include "pre.h"
#include "t.h"

#define GOROUTINES 6
#define TEXT 60000

/* Words of a small vocabulary: it compresses, but not to nothing. */
static void write_text(unsigned char *text, uint64_t seed)
{
	static const char words[16][8] = { "the ", "quick ", "brown ", "fox ",	"jumps ", "over ", "a ",     "lazy ",
					   "dog ", "and ",   "then ",  "it ", "sleeps", ". ",	 "\n",     "0x" };
	uint64_t rng = seed;
	size_t len = 0;

	while (len < TEXT) {
		const char *w = words[api_below(&rng, 16)];
		size_t n = strlen(w) < TEXT - len ? strlen(w) : TEXT - len;

		memcpy(text + len, w, n);
		len += n;
	}
}

static uint64_t zlib_job(uint64_t seed)
{
	uLong bound = compressBound(TEXT);
	unsigned char *text = malloc(TEXT), *back = malloc(TEXT), *packed = malloc(bound);
	uint64_t h = PRE_HASH;

	t_check(text && back && packed);
	for (long n = t_scaled(8); n > 0; n--) {
		uLong len = bound, back_len = TEXT;

		write_text(text, seed * 1000 + (uint64_t)n);
		t_check_int(compress2(packed, &len, text, TEXT, 1 + (int)n % 9), ==, Z_OK);
		t_check_int(uncompress(back, &back_len, packed, len), ==, Z_OK);
		t_check(back_len == TEXT && memcmp(text, back, TEXT) == 0);
		h = pre_hash(h, packed, len);
		h ^= crc32(0, packed, (uInt)len);
	}
	free(text);
	free(back);
	free(packed);
	return h;
}

START_TEST(compressed_data_is_that_of_a_plain_thread)
{
	for (int i = 0; i < 2; i++)
		pre_agree(zlib_job, GOROUTINES);
}
END_TEST

/* A stream that is fed in pieces, with a call that parks between them: it goes on on other threads. */
static uint64_t stream_job(uint64_t seed)
{
	unsigned char *text = malloc(TEXT), *packed = malloc(2 * TEXT);
	z_stream z = { 0 };
	uint64_t h;

	t_check(text && packed);
	write_text(text, seed);
	t_check_int(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
	z.next_in = text;
	z.next_out = packed;
	z.avail_out = 2 * TEXT;
	for (uInt left = TEXT; left > 0;) {
		z.avail_in = left < 5000 ? left : 5000;
		left -= z.avail_in;
		t_check_int(deflate(&z, left ? Z_NO_FLUSH : Z_FINISH), ==, left ? Z_OK : Z_STREAM_END);
		goro_yield();
	}
	h = pre_hash(PRE_HASH, packed, z.total_out);
	t_check_int(deflateEnd(&z), ==, Z_OK);
	free(text);
	free(packed);
	return h;
}

START_TEST(a_stream_goes_on_on_another_thread)
{
	pre_agree(stream_job, 12);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: zlib");
	TCase *tc = tcase_create("zlib");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, compressed_data_is_that_of_a_plain_thread);
	tcase_add_test(tc, a_stream_goes_on_on_another_thread);
	suite_add_tcase(s, tc);
	return t_main(s);
}
