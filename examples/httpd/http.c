/* SPDX-License-Identifier: MIT */
/*
 * http.c: request heads, by libhttp_parser, with the rules of RFC 9112 that it does not enforce.
 *
 * Debian builds libhttp_parser in its fast mode. That mode lets through what smugglers live on: bare LF as a line end, a
 * space before the colon, folded lines, spaces inside names, several spaces in the request line, HTTP/0.9. Two servers
 * that disagree about such bytes see different requests in one stream, so all of it is refused here (RFC 9112, 2.2, 3, 5.1, 5.2).
 *
 * The method is to check the gaps. The library runs over a head that is complete and contiguous, and says by its
 * callbacks which bytes it took for the target, for a name, for a value. What lies between two such spans must be
 * exactly the separator of the grammar and nothing else:
 *
 *     METHOD SP target SP HTTP/1.x CRLF  name ":" OWS value CRLF  name ":" ... CRLF
 *
 * I1. Every byte of the head is either in a span that the library checked or in a gap that we checked.
 * I2. http_find_head() has seen every LF of the head and the CR before it, so a gap can be wrong, never endless.
 * I3. Framing (Content-Length, Transfer-Encoding) is computed by us from the values, and then compared with what
 *     the library computed. A difference refuses the request: two readers must agree before a body is cut.
 * I4. The verdict is a function of the bytes. It never depends on where reads cut them: the scanner stops at the first
 *     bad line in stream order, and the library only ever sees a complete head.
 *
 * Rejected: feeding the library as bytes arrive (spans come in pieces, and the checks turn into a second parser);
 * a parser of our own (the library has been read by more people); the library's own chunked decoder (fast mode takes any
 * two bytes for the CRLF after a chunk): see chunked.c.
 */
#include "http.h"

#include <http_parser.h>
#include <string.h>
#include <strings.h>

/* The header fields that this server looks at. */
enum field { F_OTHER, F_HOST, F_LENGTH, F_ENCODING, F_EXPECT };

struct head {
	const char *base;
	const char *next;  /* where the next field name must begin */
	const char *colon; /* of the field whose value is due; NULL if none is */
	const struct http_limits *lim;
	struct http_request *req;
	struct http_refusal *no;
	struct http_span target;
	uint32_t fields;
	enum field field;
	unsigned hosts, lengths, encodings;
};

/* RFC 9110, 5.6.2: tchar. */
static const bool tchar[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1,
	['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
	['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

/* Bytes of "METHOD SP" and "SP HTTP/1.1 CRLF" that come on top of the target in a request line, generously. */
#define LINE_EXTRA 48u

static int refuse(struct http_refusal *no, unsigned status, const char *why)
{
	no->status = status;
	no->why = why;
	return -1;
}

static bool is_tchar(char c)
{
	return tchar[(unsigned char)c];
}

static bool is_ows(char c)
{
	return c == ' ' || c == '\t';
}

static bool equals(const char *p, size_t n, const char *lower)
{
	return n == strlen(lower) && strncasecmp(p, lower, n) == 0;
}

void http_init(const struct http_limits *lim)
{
	/* The scanner enforces the limit first; the library's own must only not be smaller. */
	http_parser_set_max_header_size(lim->head + 1);
}

/* ------------------------------------------------------------------ finding the end */

long http_find_head(struct http_scan *scan, const char *buf, size_t len, const struct http_limits *lim,
		    struct http_refusal *ret_no)
{
	size_t max_line = (size_t)lim->target + LINE_EXTRA;
	size_t end = len < lim->head ? len : lim->head;
	const char *lf;

	/* A TLS handshake or other noise need not wait for a line end that may never come. */
	if (len > 0 && !is_tchar(buf[0]))
		return refuse(ret_no, 400, "the request does not begin with a method");
	while (scan->pos < end && (lf = memchr(buf + scan->pos, '\n', end - scan->pos)) != NULL) {
		size_t i = (size_t)(lf - buf);

		if (scan->line == 0 && i > max_line)
			return refuse(ret_no, 414, "request line too long");
		if (i == 0 || buf[i - 1] != '\r')
			return refuse(ret_no, 400, "a line ends in LF without CR");
		if (i - scan->line == 1)
			return (long)i + 1;
		scan->pos = scan->line = (uint32_t)i + 1;
	}
	scan->pos = (uint32_t)end;
	if (scan->line == 0 && (end > max_line || end == lim->head))
		return refuse(ret_no, 414, "request line too long");
	if (end == lim->head)
		return refuse(ret_no, 431, "header section too large");
	return 0;
}

/* ------------------------------------------------------------------ request line */

/* p[0..n) is the request line without CRLF. Checks its shape, and the version before the library can mistake it. */
static int check_request_line(struct head *h, const char *p, size_t n)
{
	static const char version[] = " HTTP/";
	size_t method = 0, i, vlen = sizeof(version) - 1 + 3;
	const char *v;

	while (method < n && is_tchar(p[method]))
		method++;
	h->req->head = method == 4 && memcmp(p, "HEAD", 4) == 0;
	if (method == 0 || method == n || p[method] != ' ')
		return refuse(h->no, 400, "malformed method");
	if (n < method + vlen)
		return refuse(h->no, 400, "malformed request line");
	v = p + n - vlen;
	if (memcmp(v, version, sizeof(version) - 1) != 0 || v[6] < '0' || v[6] > '9' || v[7] != '.' ||
	    v[8] < '0' || v[8] > '9')
		return refuse(h->no, 400, "malformed protocol version");
	h->target.off = (uint32_t)method + 1;
	if (v <= p + h->target.off)
		return refuse(h->no, 400, "no request target");
	h->target.len = (uint32_t)(v - p) - h->target.off;
	for (i = h->target.off; i < h->target.off + h->target.len; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == '#') /* bytes above 0x7f are negative or >= 0x80 */
			return refuse(h->no, 400, "bad character in the request target");
	if (h->target.len > h->lim->target)
		return refuse(h->no, 414, "request target too long");
	if (v[6] != '1')
		return refuse(h->no, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	h->req->minor = v[8] == '0' ? 0 : 1;
	return 0;
}

/* ------------------------------------------------------------------ field values */

static bool valid_port(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return false;
	return n <= 5;
}

/* uri-host [ ":" port ] of RFC 3986; the host may be empty. Userinfo ('@') is refused, as RFC 9110, 4.2.4 advises. */
static bool valid_authority(const char *p, size_t n)
{
	static const char punct[] = "-._~%!$&'()*+,;=";
	size_t i = 0;

	if (n > 0 && p[0] == '[') {
		const char *close = memchr(p, ']', n);

		if (close == NULL)
			return false;
		for (i = 1; p + i < close; i++)
			if (strchr("0123456789abcdefABCDEF:.", p[i]) == NULL || p[i] == '\0')
				return false;
		if (i == 1)
			return false;
		i++;
	} else {
		for (; i < n && p[i] != ':'; i++) {
			char c = p[i];
			bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');

			if (!alnum && (c == '\0' || strchr(punct, c) == NULL))
				return false;
		}
	}
	if (i == n)
		return true;
	return p[i] == ':' && valid_port(p + i + 1, n - i - 1);
}

static int on_host(struct head *h, const char *p, size_t n)
{
	if (h->hosts++ > 0)
		return refuse(h->no, 400, "more than one Host");
	if (!valid_authority(p, n))
		return refuse(h->no, 400, "invalid Host");
	return 0;
}

static int on_length(struct head *h, const char *p, size_t n)
{
	uint64_t v = 0;
	size_t i;

	if (h->lengths++ > 0)
		return refuse(h->no, 400, "more than one Content-Length");
	if (n == 0)
		return refuse(h->no, 400, "empty Content-Length");
	for (i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return refuse(h->no, 400, "malformed Content-Length");
		if (v > (UINT64_MAX - 9) / 10)
			return refuse(h->no, 400, "absurd Content-Length");
		v = v * 10 + (uint64_t)(p[i] - '0');
	}
	h->req->length = v;
	return 0;
}

/*
 * RFC 9112, 6.1 and 6.3: chunked must be last and stand once. A coding before it that we do not have is 501; a list that
 * does not end in chunked leaves the length of the body unknown: 400.
 */
static int on_encoding(struct head *h, const char *p, size_t n)
{
	const char *comma;

	if (h->encodings++ > 0)
		return refuse(h->no, 400, "more than one Transfer-Encoding");
	if (equals(p, n, "chunked")) {
		h->req->chunked = true;
		return 0;
	}
	comma = memrchr(p, ',', n);
	if (comma != NULL) {
		const char *last = comma + 1;

		while (last < p + n && is_ows(*last))
			last++;
		if (equals(last, (size_t)(p + n - last), "chunked") &&
		    memmem(p, (size_t)(comma - p), "chunked", 7) == NULL)
			return refuse(h->no, 501, "transfer coding not implemented");
	}
	return refuse(h->no, 400, "the transfer coding does not end in chunked");
}

static int on_expect(struct head *h, const char *p, size_t n)
{
	if (h->req->minor == 0)
		return 0;
	if (!equals(p, n, "100-continue"))
		return refuse(h->no, 417, "unknown expectation");
	h->req->expect_continue = true;
	return 0;
}

static int on_known_value(struct head *h, const char *p, size_t n)
{
	while (n > 0 && is_ows(p[n - 1]))
		n--;
	switch (h->field) {
	case F_HOST:
		return on_host(h, p, n);
	case F_LENGTH:
		return on_length(h, p, n);
	case F_ENCODING:
		return on_encoding(h, p, n);
	case F_EXPECT:
		return on_expect(h, p, n);
	case F_OTHER:
		break;
	}
	return 0;
}

static enum field classify(const char *p, size_t n)
{
	switch (n) {
	case 4:
		return equals(p, n, "host") ? F_HOST : F_OTHER;
	case 6:
		return equals(p, n, "expect") ? F_EXPECT : F_OTHER;
	case 14:
		return equals(p, n, "content-length") ? F_LENGTH : F_OTHER;
	case 17:
		return equals(p, n, "transfer-encoding") ? F_ENCODING : F_OTHER;
	default:
		return F_OTHER;
	}
}

/* ------------------------------------------------------------------ the library's callbacks */

static int cb_url(http_parser *hp, const char *at, size_t n)
{
	struct head *h = hp->data;

	if (at != h->base + h->target.off || n != h->target.len)
		return refuse(h->no, 400, "malformed request line");
	return 0;
}

static int cb_field(http_parser *hp, const char *at, size_t n)
{
	struct head *h = hp->data;

	if (at != h->next || h->colon != NULL)
		return refuse(h->no, 400, "malformed header line");
	if (at[n] != ':' || memchr(at, ' ', n) != NULL)
		return refuse(h->no, 400, "whitespace in or after a field name");
	if (++h->fields > h->lim->fields)
		return refuse(h->no, 431, "too many header fields");
	h->colon = at + n;
	h->field = classify(at, n);
	return 0;
}

static int cb_value(http_parser *hp, const char *at, size_t n)
{
	struct head *h = hp->data;
	const char *p = h->colon;

	if (p == NULL)
		return refuse(h->no, 400, "folded header line");
	do
		p++;
	while (is_ows(*p));
	/* An empty value: the library reports it from the start of the next line. */
	if (n == 0)
		at = p;
	if (at != p || p[n] != '\r' || p[n + 1] != '\n')
		return refuse(h->no, 400, "folded header line");
	h->next = p + n + 2;
	h->colon = NULL;
	return h->field == F_OTHER ? 0 : on_known_value(h, at, n);
}

/* Non-zero stops the library at the end of the head, as we want: 1 means that no body follows. */
static int cb_end(http_parser *hp)
{
	(void)hp;
	return 1;
}

static const http_parser_settings settings = {
	.on_url = cb_url,
	.on_header_field = cb_field,
	.on_header_value = cb_value,
	.on_headers_complete = cb_end,
};

/* ------------------------------------------------------------------ the whole */

/* RFC 9112, 3.2: origin-form, absolute-form, asterisk-form; authority-form is for CONNECT, which is refused by its method. */
static int split_target(struct head *h)
{
	struct http_request *r = h->req;
	const char *t = h->base + h->target.off, *q;
	uint32_t off = h->target.off, len = h->target.len;

	if (r->method == HTTP_CONNECT)
		return 0;
	if (len == 1 && *t == '*' && r->method == HTTP_OPTIONS) {
		r->path = h->target;
		return 0;
	}
	if (len > 7 && strncasecmp(t, "http://", 7) == 0) {
		size_t host = strcspn(t + 7, "/? ");

		if (host == 0 || t[7] == ':' || !valid_authority(t + 7, host))
			return refuse(h->no, 400, "invalid authority in the request target");
		off += 7 + (uint32_t)host;
		len -= 7 + (uint32_t)host;
		t = h->base + off;
	} else if (*t != '/') {
		return refuse(h->no, 400, "malformed request target");
	}
	r->path.off = off;
	r->path.len = len;
	q = len ? memchr(t, '?', len) : NULL;
	if (q != NULL) {
		r->path.len = (uint32_t)(q - t);
		r->query.off = off + r->path.len + 1;
		r->query.len = len - r->path.len - 1;
	}
	return 0;
}

/* What is only known when all fields are: RFC 9112, 3.2 (Host) and 6.3 (length), and I3. */
static int check_framing(struct head *h, const http_parser *hp)
{
	struct http_request *r = h->req;

	if (h->hosts == 0 && r->minor >= 1)
		return refuse(h->no, 400, "no Host");
	if (h->encodings > 0 && r->minor == 0)
		return refuse(h->no, 400, "Transfer-Encoding in HTTP/1.0");
	if (h->encodings > 0 && h->lengths > 0)
		return refuse(h->no, 400, "both Transfer-Encoding and Content-Length");
	if (r->chunked != ((hp->flags & F_CHUNKED) != 0) ||
	    (h->lengths > 0) != ((hp->flags & F_CONTENTLENGTH) != 0) ||
	    (h->lengths > 0 && r->length != hp->content_length))
		return refuse(h->no, 400, "ambiguous body length");
	if (r->length > h->lim->body)
		return refuse(h->no, 413, "body too large");
	if (!r->chunked && r->length == 0)
		r->expect_continue = false;
	return 0;
}

static int parser_refusal(struct head *h, const http_parser *hp)
{
	switch (HTTP_PARSER_ERRNO(hp)) {
	case HPE_INVALID_METHOD:
		return refuse(h->no, 501, "method not implemented");
	case HPE_INVALID_CONTENT_LENGTH:
	case HPE_UNEXPECTED_CONTENT_LENGTH:
	case HPE_INVALID_TRANSFER_ENCODING:
		return refuse(h->no, 400, "bad body length");
	case HPE_INVALID_URL:
		return refuse(h->no, 400, "malformed request target");
	default:
		return refuse(h->no, 400, "malformed request");
	}
}

int http_parse_head(const char *buf, size_t n, const struct http_limits *lim, struct http_request *ret,
		    struct http_refusal *ret_no)
{
	const char *cr = memchr(buf, '\r', n);
	struct head h = { .base = buf, .lim = lim, .req = ret, .no = ret_no };
	http_parser hp;

	memset(ret, 0, sizeof(*ret));
	ret_no->status = 0;
	if (check_request_line(&h, buf, (size_t)(cr - buf)) < 0)
		return -1;
	h.next = cr + 2;
	http_parser_init(&hp, HTTP_REQUEST);
	hp.data = &h;
	if (http_parser_execute(&hp, &settings, buf, n) != n && ret_no->status == 0)
		return parser_refusal(&h, &hp);
	if (ret_no->status != 0)
		return -1;
	/* All bytes taken: what follows the last field is the empty line and nothing else. */
	if (h.colon != NULL || h.next != buf + n - 2)
		return refuse(ret_no, 400, "malformed header section");
	ret->method = hp.method;
	ret->keep_alive = !(hp.flags & F_CONNECTION_CLOSE) &&
			  (ret->minor >= 1 || (hp.flags & F_CONNECTION_KEEP_ALIVE));
	if (check_framing(&h, &hp) < 0)
		return -1;
	return split_target(&h);
}

bool http_valid_field(const char *line, size_t n)
{
	size_t i = 0;

	while (i < n && is_tchar(line[i]))
		i++;
	if (i == 0 || i == n || line[i] != ':')
		return false;
	for (i++; i < n; i++) {
		unsigned char c = (unsigned char)line[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}
