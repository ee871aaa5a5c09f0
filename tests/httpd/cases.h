/* SPDX-License-Identifier: MIT */
/*
 * cases.h: byte streams and what the server must make of them, for check_http.c and as the seeds of fuzz_http.c.
 *
 * CASE(what, in, out[, heads]): the summary of script_summary(). "close" is there if an answer announced it. A chunked body,
 * a smuggled request and so on that the server wrongly took for a request of its own would add a status.
 * The limits are those of script_server_new().
 */
#ifndef TESTS_HTTPD_CASES_H
#define TESTS_HTTPD_CASES_H

#include <stddef.h>

struct http_case {
	const char *what, *in;
	size_t in_len;
	const char *out;
	unsigned heads;
};

#define CASE(what, in, ...) { what, in, sizeof(in) - 1, __VA_ARGS__ }

#define H "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" H
#define POST "POST /items HTTP/1.1\r\n" H
#define NEXT GET "\r\n" /* an innocent request behind */
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

#define X8(s) s s s s s s s s
#define X64(s) X8(X8(s))
#define X512(s) X8(X64(s))
#define X4096(s) X8(X512(s))

static const struct http_case http_cases[] = {
	/* ---- what is in order */
	CASE("a plain GET", GET "\r\n", "200", 0),
	CASE("two pipelined", NEXT NEXT, "200 200", 0),
	CASE("HEAD has no body", "HEAD / HTTP/1.1\r\n" H "\r\n" NEXT, "200 200", 1),
	CASE("Connection: close", GET "Connection: close\r\n\r\n" NEXT, "200 close", 0),
	CASE("Connection: close in a list, any case", GET "Connection: foo, CLOSE\r\n\r\n" NEXT, "200 close", 0),
	CASE("HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n" NEXT, "200 close", 0),
	CASE("HTTP/1.0 with keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" NEXT, "200 200", 0),
	CASE("HTTP/1.2 is read as 1.1", "GET / HTTP/1.2\r\n" H "\r\n" NEXT, "200 200", 0),
	CASE("empty lines before a request", "\r\n\r\n" NEXT "\r\n" NEXT, "200 200", 0),
	CASE("an empty line before each of many", X8("\r\n" NEXT) "\r\n" NEXT, "200 200 200 200 200 200 200 200 200", 0),
	CASE("no optional whitespace", "GET / HTTP/1.1\r\nHost:a\r\nX:y\r\n\r\n", "200", 0),
	CASE("much optional whitespace", "GET / HTTP/1.1\r\nHost: \t a \t\r\nX:  \r\nY:\r\n\r\n", "200", 0),
	CASE("an empty field value at the end", GET "X:\r\n\r\n" NEXT, "200 200", 0),
	CASE("obs-text in a value", GET "X: \x80\xff\r\n\r\n" NEXT, "200 200", 0),
	CASE("all token characters in a name", GET "!#$%&'*+-.^_`|~09azAZ: x\r\n\r\n" NEXT, "200 200", 0),
	CASE("absolute-form", "GET http://b:80/ HTTP/1.1\r\n" H "\r\n" NEXT, "200 200", 0),
	CASE("absolute-form without a path", "GET http://b HTTP/1.1\r\n" H "\r\n" NEXT, "200 200", 0),
	CASE("absolute-form with a query only", "GET http://b?x=/y HTTP/1.1\r\n" H "\r\n" NEXT, "200 200", 0),
	CASE("a query", "GET /?a=b&c HTTP/1.1\r\n" H "\r\n" NEXT, "200 200", 0),
	CASE("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" H "\r\n" NEXT, "204 200", 0),
	CASE("a percent-encoded path", "GET /%69tems HTTP/1.1\r\n" H "\r\n" NEXT, "200 200", 0),
	CASE("a body with GET is read and ignored", GET "Content-Length: 3\r\n\r\nabc" NEXT, "200 200", 0),
	CASE("Content-Length: 0", GET "Content-Length: 0\r\n\r\n" NEXT, "200 200", 0),
	CASE("leading zeros of a length", GET "Content-Length: 0003\r\n\r\nabc" NEXT, "200 200", 0),
	CASE("h2c upgrade is ignored", GET "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n" NEXT, "200 200", 0),
	CASE("IPv6 Host", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n" NEXT, "200 200", 0),
	CASE("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n" NEXT, "200 200", 0),

	/* ---- the items */
	CASE("create, read, replace, delete, miss",
	     POST "Content-Length: 9\r\n\r\n{\"a\": 42}"
	     "GET /items/1 HTTP/1.1\r\n" H "\r\n"
	     "PUT /items/1 HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}"
	     "DELETE /items/1 HTTP/1.1\r\n" H "\r\n"
	     "GET /items/1 HTTP/1.1\r\n" H "\r\n"
	     "DELETE /items/1 HTTP/1.1\r\n" H "\r\n", "201 200 200 204 404 404", 0),
	CASE("PUT creates", "PUT /items/7 HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}"
	     "HEAD /items/7 HTTP/1.1\r\n" H "\r\n" NEXT, "201 200 200", 2),
	CASE("not JSON", POST "Content-Length: 4\r\n\r\nnope" NEXT, "400 200", 0),
	CASE("no body at all", POST "\r\n" NEXT, "400 200", 0),
	CASE("not an object", POST "Content-Length: 2\r\n\r\n[]" NEXT, "400 200", 0),
	CASE("garbage after the JSON", POST "Content-Length: 4\r\n\r\n{} x" NEXT, "400 200", 0),
	CASE("a key twice", POST "Content-Length: 13\r\n\r\n{\"a\":1,\"a\":2}" NEXT, "400 200", 0),
	CASE("broken UTF-8", POST "Content-Length: 9\r\n\r\n{\"a\":\"\xff\"}" NEXT, "400 200", 0),
	CASE("NUL in the JSON", POST "Content-Length: 9\r\n\r\n{\"a\":\"\0\"}" NEXT, "400 200", 0),
	CASE("too deep", POST "Content-Length: 64\r\n\r\n" X64("["), "400", 0),
	CASE("ids that are none", "GET /items/0 HTTP/1.1\r\n" H "\r\nGET /items/01 HTTP/1.1\r\n" H "\r\n"
	     "GET /items/-1 HTTP/1.1\r\n" H "\r\nGET /items/9223372036854775808 HTTP/1.1\r\n" H "\r\n"
	     "GET /items/ HTTP/1.1\r\n" H "\r\nGET /items/1/2 HTTP/1.1\r\n" H "\r\n", "404 404 404 404 404 404", 0),
	CASE("an encoded slash is no slash", "GET /items%2F1 HTTP/1.1\r\n" H "\r\n" NEXT, "404 200", 0),
	CASE("list parameters", "GET /items?limit=0 HTTP/1.1\r\n" H "\r\nGET /items?limit=1001 HTTP/1.1\r\n" H "\r\n"
	     "GET /items?after=x HTTP/1.1\r\n" H "\r\nGET /items?limit=1000&after=9223372036854775807 HTTP/1.1\r\n" H "\r\n",
	     "400 400 400 200", 0),

	/* ---- the other routes */
	CASE("unknown paths", "GET /nothing HTTP/1.1\r\n" H "\r\nGET /itemsx HTTP/1.1\r\n" H "\r\n"
	     "GET //items HTTP/1.1\r\n" H "\r\nGET /../items HTTP/1.1\r\n" H "\r\n", "404 404 404 404", 0),
	CASE("/fail", "GET /fail HTTP/1.1\r\n" H "\r\nGET /fail?status=503 HTTP/1.1\r\n" H "\r\n"
	     "GET /fail?status=200 HTTP/1.1\r\n" H "\r\nGET /fail?status=599 HTTP/1.1\r\n" H "\r\n", "500 503 400 400", 0),
	CASE("/slow and /burn", "GET /slow?ms=0 HTTP/1.1\r\n" H "\r\nGET /burn?ms=0 HTTP/1.1\r\n" H "\r\n"
	     "GET /slow?ms=60001 HTTP/1.1\r\n" H "\r\nGET /slow?ms= HTTP/1.1\r\n" H "\r\n"
	     "GET /burn?ms=18446744073709551616 HTTP/1.1\r\n" H "\r\n", "200 200 400 400 400", 0),
	CASE("405, and the body is still read", "PUT /items HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}"
	     "POST / HTTP/1.1\r\n" H "\r\nDELETE /slow HTTP/1.1\r\n" H "\r\n" NEXT, "405 405 405 200", 0),
	CASE("OPTIONS", "OPTIONS /items HTTP/1.1\r\n" H "\r\n" NEXT, "204 200", 0),
	CASE("malformed percent-encoding", "GET /%4 HTTP/1.1\r\n" H "\r\nGET /%zz HTTP/1.1\r\n" H "\r\n", "400 400", 0),

	/* ---- methods and versions that are not served */
	CASE("CONNECT", "CONNECT a:1 HTTP/1.1\r\n" H "\r\n" NEXT, "501 close", 0),
	CASE("TRACE", "TRACE / HTTP/1.1\r\n" H "\r\n" NEXT, "501 close", 0),
	CASE("PATCH", "PATCH / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}" NEXT, "501 close", 0),
	CASE("an unknown method", "BREW / HTTP/1.1\r\n" H "\r\n" NEXT, "501 close", 0),
	CASE("a method in lower case", "get / HTTP/1.1\r\n" H "\r\n" NEXT, "501 close", 0),
	CASE("HTTP/2.0", "GET / HTTP/2.0\r\n" H "\r\n" NEXT, "505 close", 0),
	CASE("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 close", 0),
	CASE("HTTP/0.9", "GET /\r\n\r\n" NEXT, "400 close", 0),

	/* ---- request lines */
	CASE("a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400 close", 0),
	CASE("a space before the method", " GET / HTTP/1.1\r\n" H "\r\n", "400 close", 0),
	CASE("two spaces before the target", "GET  / HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("two spaces before the version", "GET /  HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("a space after the version", "GET / HTTP/1.1 \r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("a space in the target", "GET /a b HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("a tab for a space", "GET\t/ HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("a fragment", "GET /#a HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("a control character in the target", "GET /\x01 HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("NUL in the target", "GET /\0 HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("a byte above 127 in the target", "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("a target without a slash", "GET items HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("GET *", "GET * HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("userinfo in the target", "GET http://u:p@b/ HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("absolute-form without a host", "GET http:///x HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("another scheme", "GET ftp://b/ HTTP/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("HTTP/1.10", "GET / HTTP/1.10\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("HTTP/x.1", "GET / HTTP/x.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("http/1.1 in lower case", "GET / http/1.1\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("SOURCE speaks another protocol", "SOURCE / ICE/1.0\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("a target too long", "GET /" X512("ab") "a HTTP/1.1\r\n" H "\r\n" NEXT, "414 close", 0),
	CASE("a target without end", "GET /" X4096("a"), "414 close", 0),
	CASE("too many empty lines", X8("\r\n") "\r\n" NEXT, "400 close", 0),

	/* ---- line ends */
	CASE("LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n" NEXT, "400 close", 0),
	CASE("LF after a field", GET "X: y\nZ: w\r\n\r\n" NEXT, "400 close", 0),
	CASE("LF for the empty line", GET "\n" NEXT, "400 close", 0),
	CASE("LF alone throughout", "GET / HTTP/1.1\nHost: a\n\n", "400 close", 0),
	CASE("a lone LF first", "\n" NEXT, "400 close", 0),
	CASE("CR alone in a value", GET "X: a\rb\r\n\r\n" NEXT, "400 close", 0),
	CASE("CR alone in the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n" NEXT, "400 close", 0),
	CASE("CR CR LF", GET "X: a\r\r\n\r\n" NEXT, "400 close", 0),
	CASE("NUL in a value", GET "X: a\0b\r\n\r\n" NEXT, "400 close", 0),
	CASE("a control character in a value", GET "X: a\x01\r\n\r\n" NEXT, "400 close", 0),

	/* ---- header fields */
	CASE("a space before the colon", GET "Content-Length : 3\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("a tab before the colon", GET "X\t: 3\r\n\r\n" NEXT, "400 close", 0),
	CASE("a space within a name", GET "X Y: 3\r\n\r\n" NEXT, "400 close", 0),
	CASE("a space before the first name", "GET / HTTP/1.1\r\n Host: a\r\n" H "\r\n" NEXT, "400 close", 0),
	CASE("a folded line", GET "X: a\r\n b\r\n\r\n" NEXT, "400 close", 0),
	CASE("a folded line by tab", GET "X: a\r\n\tb\r\n\r\n" NEXT, "400 close", 0),
	CASE("folded after an empty value", GET "X:\r\n b\r\n\r\n" NEXT, "400 close", 0),
	CASE("folded with nothing in it", GET "X: a\r\n \r\n\r\n" NEXT, "400 close", 0),
	CASE("a folded transfer coding", POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("no colon", GET "Nonsense\r\n\r\n" NEXT, "400 close", 0),
	CASE("an empty name", GET ": x\r\n\r\n" NEXT, "400 close", 0),
	CASE("a name with a slash", GET "a/b: x\r\n\r\n" NEXT, "400 close", 0),
	CASE("a name above 127", GET "\xe4: x\r\n\r\n" NEXT, "400 close", 0),
	CASE("no Host", "GET / HTTP/1.1\r\nX: y\r\n\r\n" NEXT, "400 close", 0),
	CASE("no header at all", "GET / HTTP/1.1\r\n\r\n" NEXT, "400 close", 0),
	CASE("two Hosts", GET "Host: b\r\n\r\n" NEXT, "400 close", 0),
	CASE("two equal Hosts", GET H "\r\n" NEXT, "400 close", 0),
	CASE("Host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n" NEXT, "400 close", 0),
	CASE("Host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n" NEXT, "400 close", 0),
	CASE("Host with userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n" NEXT, "400 close", 0),
	CASE("Host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n" NEXT, "400 close", 0),
	CASE("Host with a comma list", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n" NEXT, "400 close", 0),
	CASE("too many fields", GET X8("A: b\r\nC: d\r\n") "E: f\r\nG: h\r\nI: j\r\nK: l\r\n\r\n" NEXT, "431 close", 0),
	CASE("a header section too large", GET "X: " X512("abcdefgh") "\r\n\r\n" NEXT, "431 close", 0),

	/* ---- framing: where requests are smuggled */
	CASE("both length and coding", POST "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" NEXT, "400 close", 0),
	CASE("both, the other way round", POST "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG" NEXT,
	     "400 close", 0),
	CASE("two lengths that differ", POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd" NEXT, "400 close", 0),
	CASE("two lengths that agree", POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("a list of lengths", POST "Content-Length: 3, 3\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("a signed length", POST "Content-Length: +3\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("a negative length", POST "Content-Length: -3\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("a hexadecimal length", POST "Content-Length: 0x3\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("an empty length", POST "Content-Length:\r\n\r\n" NEXT, "400 close", 0),
	CASE("a length with a space in it", POST "Content-Length: 1 3\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("a length with a tail", POST "Content-Length: 3abc\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("a length above 64 bits", POST "Content-Length: 18446744073709551619\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("a length above the limit", POST "Content-Length: 40001\r\n\r\nabc" NEXT, "413 close", 0),
	CASE("a length far above the limit", POST "Content-Length: 9999999999999999999\r\n\r\nabc" NEXT, "413 close", 0),
	CASE("two codings", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("chunked and identity", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" NEXT,
	     "400 close", 0),
	CASE("chunked twice in a list", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("chunked not last", POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("gzip before chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" NEXT, "501 close", 0),
	CASE("an unknown coding", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("identity", POST "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc" NEXT, "400 close", 0),
	CASE("an empty coding", POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a quoted coding", POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a coding with a control character", POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a coding with a parameter", POST "Transfer-Encoding: chunked;x=y\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a coding in HTTP/1.0", "POST /items HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
	     "0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a space before the coding's colon", POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a name that only looks like it", GET "Transfer_Encoding: chunked\r\n\r\n" NEXT, "200 200", 0),
	CASE("a body that looks like a request", GET "Content-Length: 27\r\n\r\nGET /fail HTTP/1.1\r\n" H NEXT, "200 200", 0),

	/* ---- chunked bodies */
	CASE("one chunk", CHUNKED "9\r\n{\"a\": 42}\r\n0\r\n\r\n" NEXT, "201 200", 0),
	CASE("a chunk per byte", CHUNKED "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n" NEXT, "201 200", 0),
	CASE("coding in another case", POST "transfer-encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" NEXT, "201 200", 0),
	CASE("hexadecimal in both cases, with zeros", CHUNKED "00a\r\n{\"a\": 423}\r\n0B\r\n           \r\n000\r\n\r\n" NEXT,
	     "201 200", 0),
	CASE("extensions", CHUNKED "2;a=b;c=\"d e\"\r\n{}\r\n0 ; x\r\n\r\n" NEXT, "201 200", 0),
	CASE("trailers", CHUNKED "2\r\n{}\r\n0\r\nX: y\r\nContent-Length: 5\r\n\r\n" NEXT, "201 200", 0),
	CASE("an empty chunked body", CHUNKED "0\r\n\r\n" NEXT, "400 200", 0),
	CASE("a chunk of no size", CHUNKED "\r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a size that is no number", CHUNKED "x\r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("0x before a size", CHUNKED "0x2\r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a negative size", CHUNKED "-2\r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a space before a size", CHUNKED " 2\r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a space after a size", CHUNKED "2 \r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a size of 17 digits", CHUNKED "00000000000000002\r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a size that would overflow", CHUNKED "ffffffffffffffff\r\n{}\r\n0\r\n\r\n" NEXT, "413 close", 0),
	CASE("sizes that would overflow together", CHUNKED "2\r\n{}\r\nfffffffffffffffe\r\n{}\r\n0\r\n\r\n" NEXT, "413 close", 0),
	CASE("LF after a size", CHUNKED "2\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("CR without LF after a size", CHUNKED "2\rX{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("LF in an extension", CHUNKED "2;a\nb\r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("a control character in an extension", CHUNKED "2;a\x01\r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("endless extensions", CHUNKED "2;" X4096("a") "\r\n{}\r\n0\r\n\r\n" NEXT, "431 close", 0),
	CASE("no CRLF after the data", CHUNKED "2\r\n{}0\r\n\r\n" NEXT, "400 close", 0),
	CASE("LF after the data", CHUNKED "2\r\n{}\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("other bytes after the data", CHUNKED "2\r\n{}XX0\r\n\r\n" NEXT, "400 close", 0),
	CASE("another byte for the CR after the data", CHUNKED "2\r\n{}X\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("another byte for the LF after the data", CHUNKED "2\r\n{}\rX0\r\n\r\n" NEXT, "400 close", 0),
	CASE("LF after a trailer", CHUNKED "2\r\n{}\r\n0\r\nX: y\n\r\n" NEXT, "400 close", 0),
	CASE("data longer than the size", CHUNKED "1\r\n{}\r\n0\r\n\r\n" NEXT, "400 close", 0),
	CASE("LF after the last chunk", CHUNKED "2\r\n{}\r\n0\n\r\n" NEXT, "400 close", 0),
	CASE("LF for the empty line", CHUNKED "2\r\n{}\r\n0\r\n\n" NEXT, "400 close", 0),
	CASE("a malformed trailer", CHUNKED "2\r\n{}\r\n0\r\nX y\r\n\r\n" NEXT, "400 close", 0),
	CASE("a folded trailer", CHUNKED "2\r\n{}\r\n0\r\nX: y\r\n z\r\n\r\n" NEXT, "400 close", 0),
	CASE("endless trailers", CHUNKED "2\r\n{}\r\n0\r\nX: " X4096("a") "\r\n\r\n" NEXT, "431 close", 0),

	/* ---- Expect */
	CASE("100-continue", POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}" NEXT, "201* 200", 0),
	CASE("100-continue, chunked", POST "Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" NEXT,
	     "201* 200", 0),
	CASE("100-continue without a body", GET "Expect: 100-continue\r\n\r\n" NEXT, "200 200", 0),
	CASE("100-continue in HTTP/1.0", "POST /items HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}",
	     "201 close", 0),
	CASE("100-continue for what cannot be", "POST /nothing HTTP/1.1\r\n" H
	     "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}" NEXT, "404 close", 0),
	CASE("100-continue and too large", POST "Expect: 100-continue\r\nContent-Length: 50000\r\n\r\n", "413 close", 0),
	CASE("100-continue and no body comes", POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n", "400* close", 0),
	CASE("another expectation", POST "Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}" NEXT, "417 close", 0),

	/* ---- streams that end early */
	CASE("nothing", "", "", 0),
	CASE("an empty line", "\r\n", "", 0),
	CASE("half a method", "GE", "400 close", 0),
	CASE("half a head", GET "X: y\r\n", "400 close", 0),
	CASE("half a head after a whole request", NEXT "HEAD / HTTP/1.1\r\n", "200 400 close", 2),
	CASE("half a body", POST "Content-Length: 3\r\n\r\n{}", "400 close", 0),
	CASE("half a chunk", CHUNKED "3\r\n{}", "400 close", 0),
	CASE("no last chunk", CHUNKED "2\r\n{}\r\n", "400 close", 0),
	CASE("no empty line after the last chunk", CHUNKED "2\r\n{}\r\n0\r\n", "400 close", 0),
};

#define HTTP_CASES (sizeof(http_cases) / sizeof(http_cases[0]))

#endif
