/* SPDX-License-Identifier: MIT */
/* reply.h: what a handler answers, and how it becomes bytes in the connection's output buffer. */
#ifndef HTTPD_REPLY_H
#define HTTPD_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The statuses that this server sends; the order is that of /metrics. */
#define REPLY_STATUSES(X)                                                                                         \
	X(200, "OK") X(201, "Created") X(204, "No Content") X(400, "Bad Request") X(404, "Not Found")               \
	X(405, "Method Not Allowed") X(408, "Request Timeout") X(413, "Content Too Large") X(414, "URI Too Long")   \
	X(417, "Expectation Failed") X(431, "Request Header Fields Too Large") X(500, "Internal Server Error")      \
	X(501, "Not Implemented") X(502, "Bad Gateway") X(503, "Service Unavailable") X(504, "Gateway Timeout")     \
	X(505, "HTTP Version Not Supported") X(507, "Insufficient Storage")

enum {
#define REPLY_INDEX(code, text) REPLY_##code,
	REPLY_STATUSES(REPLY_INDEX)
#undef REPLY_INDEX
	REPLY_COUNT
};

/* The number of a status code in the list above; that of 500 for a code that is not there. */
unsigned reply_index(unsigned status);
unsigned reply_code(unsigned index);
bool reply_knows(unsigned status);

/* An answer before it is bytes. body must live until release(owner), which is called once if it is not NULL. */
struct reply {
	unsigned status;
	const char *type; /* Content-Type; NULL if there is no body */
	const char *body;
	size_t len;
	char fields[96]; /* further header lines, each with CRLF; a string */
	char text[160];	 /* room for a short body */
	void (*release)(void *owner);
	void *owner;
};

/* Makes *r an answer of a constant text. */
void reply_text(struct reply *r, unsigned status, const char *type, const char *body, size_t len);
/* Makes *r the JSON object {"error": why}; why needs no escaping. */
void reply_error(struct reply *r, unsigned status, const char *why);
void reply_done(struct reply *r);

/* How an answer is framed on its connection. */
struct reply_frame {
	const char *date; /* REPLY_DATE_LEN bytes */
	bool close;	  /* Connection: close */
	bool keep_alive;  /* Connection: keep-alive, which only HTTP/1.0 clients need to hear */
	bool head;	  /* the answer to HEAD: all of the header, none of the body */
};

#define REPLY_DATE_LEN 29u
/* The header section of *r has at most so many bytes; always below 512. */
size_t reply_head_bound(const struct reply *r);

/* Writes the header section to p, which has so much room. Returns its length. */
size_t reply_write_head(char *p, const struct reply *r, const struct reply_frame *f);

/* IMF-fixdate of RFC 9110, 5.6.7, for a time in seconds since 1970: REPLY_DATE_LEN bytes, not terminated. */
void reply_date(char *p, int64_t seconds);

#endif
