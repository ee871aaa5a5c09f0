/* SPDX-License-Identifier: MIT */
/* http.h: one HTTP/1.1 request head, from bytes to a checked struct. No I/O, no allocation, no state between requests. */
#ifndef HTTPD_HTTP_H
#define HTTPD_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_limits {
	uint32_t head;	 /* bytes of request line and header section together; more is 431, or 414 within the line */
	uint32_t target; /* bytes of the request target; more is 414 */
	uint32_t fields; /* header fields; more is 431 */
	uint64_t body;	 /* bytes of content after decoding; more is 413 */
};

/* A part of the head, as offsets from its first byte, so that the buffer may move while the body is read. */
struct http_span {
	uint32_t off, len;
};

struct http_request {
	unsigned method;	/* enum http_method of <http_parser.h> */
	unsigned minor;		/* 0 for HTTP/1.0, 1 for HTTP/1.1 and later 1.x */
	bool head;		/* the method is HEAD; valid even if the rest is refused */
	bool keep_alive;	/* the client lets the connection go on */
	bool expect_continue;	/* it waits for 100 (Continue) before it sends the body */
	bool chunked;		/* the body is in the chunked coding; length is then 0 */
	uint64_t length;	/* bytes of body otherwise */
	struct http_span path;	/* as sent, percent-encoding and all; "*" only for OPTIONS; empty for CONNECT */
	struct http_span query; /* without the '?' */
};

/* How far a head that is still arriving has been looked at; zero it for each request. */
struct http_scan {
	uint32_t pos;  /* bytes that need no second look */
	uint32_t line; /* where the line that is still open began */
};

/* Why a request is refused: the status to answer and a reason in words. */
struct http_refusal {
	unsigned status;
	const char *why;
};

/* Tells the parser library the limit; once, before the first request. */
void http_init(const struct http_limits *lim);

/*
 * Looks for the end of the head in the len bytes at buf that came so far. Returns its length with the empty line;
 * 0 if more must come; -1 with *ret_no set if no continuation can make it right. What it returns depends on the
 * bytes alone, not on how they arrived.
 */
long http_find_head(struct http_scan *scan, const char *buf, size_t len, const struct http_limits *lim,
		    struct http_refusal *ret_no);

/* Parses the head of n bytes that http_find_head() found. 0, or -1 with *ret_no set (and ret->head valid). */
int http_parse_head(const char *buf, size_t n, const struct http_limits *lim, struct http_request *ret,
		    struct http_refusal *ret_no);

/* Whether a header line "name: value" (without its CRLF) is well formed; trailers of chunked bodies are checked with it. */
bool http_valid_field(const char *line, size_t n);

#endif
