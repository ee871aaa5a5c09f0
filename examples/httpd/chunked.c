/* SPDX-License-Identifier: MIT */
/*
 * chunked.c: the decoder of the chunked transfer coding.
 *
 *     chunk = 1*HEXDIG [ BWS ";" extension ] CRLF data CRLF      last = 1*"0" [ extension ] CRLF  *( field CRLF ) CRLF
 *
 * A state machine over bytes, except for data, which moves by memmove. It is strict where leniency has let requests be
 * smuggled: each CRLF must be CR LF, a size is 1 to 16 hexadecimal digits and nothing else, an extension holds no control
 * character (a bare LF in it ends the line for some readers and not for others), data is followed by CRLF at once.
 * Extensions and trailers are checked for form and dropped; together they may be as large as a head.
 */
#include "chunked.h"

#include "http.h"

#include <string.h>

enum { SIZE, BWS, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER };

#define MAX_DIGITS 16u

static int refuse(struct http_refusal *no, unsigned status, const char *why)
{
	no->status = status;
	no->why = why;
	return -1;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if ((c | 32) >= 'a' && (c | 32) <= 'f')
		return (c | 32) - 'a' + 10;
	return -1;
}

/* One byte of the line that opens a chunk. 0 or -1. */
static int size_line(struct chunked *c, char ch, const struct http_limits *lim, struct http_refusal *no)
{
	int v = c->state == SIZE ? hex_value(ch) : -1;

	if (v >= 0) {
		if (++c->digits > MAX_DIGITS)
			return refuse(no, 400, "absurd chunk size");
		c->left = c->left << 4 | (unsigned)v;
		return 0;
	}
	if (c->digits == 0)
		return refuse(no, 400, "chunk without a size");
	if (ch == '\r') {
		if (c->state == BWS)
			return refuse(no, 400, "whitespace after a chunk size");
		c->state = SIZE_LF;
		return 0;
	}
	if (c->state != EXTENSION) {
		if (ch == ';')
			c->state = EXTENSION;
		else if (ch == ' ' || ch == '\t')
			c->state = BWS;
		else
			return refuse(no, 400, "malformed chunk size");
	} else if (((unsigned char)ch < ' ' && ch != '\t') || ch == 0x7f) {
		return refuse(no, 400, "control character in a chunk extension");
	}
	if (++c->overhead > lim->head)
		return refuse(no, 431, "chunk extensions too large");
	return 0;
}

/* The line is complete: the size is known. */
static int begin_chunk(struct chunked *c, char ch, const struct http_limits *lim, struct http_refusal *no)
{
	if (ch != '\n')
		return refuse(no, 400, "CR without LF after a chunk size");
	if (c->left > lim->body || c->total + c->left > lim->body)
		return refuse(no, 413, "body too large");
	c->total += c->left;
	c->digits = 0;
	c->state = c->left > 0 ? DATA : TRAILER;
	return 0;
}

/*
 * raw[0..n) begins with a trailer line. Returns the bytes of it if it is complete, 0 if not, -1 on a violation; *ret_last
 * is set if it is the empty line.
 */
static long trailer_line(struct chunked *c, const char *raw, size_t n, const struct http_limits *lim, int *ret_last,
			 struct http_refusal *no)
{
	size_t room = lim->head - c->overhead, end = n < room ? n : room, len;
	const char *lf = memchr(raw + c->line, '\n', end - c->line);

	if (lf == NULL) {
		c->line = (uint32_t)end;
		if (end == room)
			return refuse(no, 431, "trailers too large");
		return 0;
	}
	len = (size_t)(lf - raw) + 1;
	c->line = 0;
	c->overhead += (uint32_t)len;
	if (len < 2 || raw[len - 2] != '\r')
		return refuse(no, 400, "a trailer line ends in LF without CR");
	*ret_last = len == 2;
	if (len > 2 && !http_valid_field(raw, len - 2))
		return refuse(no, 400, "malformed trailer");
	return (long)len;
}

/* One byte of framing. 0 or -1. */
static int framing_byte(struct chunked *c, char ch, const struct http_limits *lim, struct http_refusal *no)
{
	switch (c->state) {
	case SIZE:
	case BWS:
	case EXTENSION:
		return size_line(c, ch, lim, no);
	case SIZE_LF:
		return begin_chunk(c, ch, lim, no);
	case DATA_CR:
		c->state = DATA_LF;
		return ch == '\r' ? 0 : refuse(no, 400, "chunk longer than its size");
	default: /* DATA_LF */
		c->state = SIZE;
		return ch == '\n' ? 0 : refuse(no, 400, "CR without LF after a chunk");
	}
}

int chunked_decode(struct chunked *c, const char *raw, size_t n, const struct http_limits *lim, char *out,
		   size_t *ret_used, size_t *ret_out, struct http_refusal *ret_no)
{
	size_t used = 0, written = 0;
	int done = 0;

	while (used < n && !done) {
		if (c->state == DATA) {
			size_t take = n - used < c->left ? n - used : (size_t)c->left;

			memmove(out + written, raw + used, take);
			written += take;
			used += take;
			c->left -= take;
			if (c->left == 0)
				c->state = DATA_CR;
		} else if (c->state == TRAILER) {
			long len = trailer_line(c, raw + used, n - used, lim, &done, ret_no);

			if (len < 0)
				return -1;
			if (len == 0)
				break;
			used += (size_t)len;
		} else if (framing_byte(c, raw[used++], lim, ret_no) < 0) {
			return -1;
		}
	}
	*ret_used = used;
	*ret_out = written;
	return done;
}
