/* SPDX-License-Identifier: MIT */
/* chunked.h: the chunked transfer coding (RFC 9112, 7.1), decoded in place and taken literally. */
#ifndef HTTPD_CHUNKED_H
#define HTTPD_CHUNKED_H

#include <stddef.h>
#include <stdint.h>

struct http_limits;
struct http_refusal;

/* Zero it for each body. */
struct chunked {
	unsigned state;
	unsigned digits;   /* hexadecimal digits seen of this chunk's size */
	uint64_t left;	   /* bytes of this chunk that are still to come */
	uint64_t total;	   /* bytes of content announced so far, this chunk included */
	uint32_t overhead; /* bytes of chunk extensions and trailers so far */
	uint32_t line;	   /* bytes of the trailer line that is open */
};

/*
 * Decodes raw[0..n) and writes the content to out, which may be raw or lie before it in the same buffer.
 * *ret_used and *ret_out are the bytes taken and written. Returns 1 at the end of the body, 0 if more must come,
 * -1 with *ret_no set on a violation. An open trailer line is not taken until its end is there.
 */
int chunked_decode(struct chunked *c, const char *raw, size_t n, const struct http_limits *lim, char *out,
		   size_t *ret_used, size_t *ret_out, struct http_refusal *ret_no);

#endif
