/* SPDX-License-Identifier: MIT */
/*
 * conn.c: the loop of a connection.
 *
 *     advance one request out of the input  --READY-->  answer it into the output   (again)
 *                                           --MORE--->  write the output, read input (again)
 *
 * Input lies in one contiguous buffer: in[start .. end) are the bytes of the request at hand and of those behind it. A head is
 * parsed in place; a body of known length is used in place; a chunked one is decoded downwards over its own framing.
 * The answers to all requests that one read brought are gathered and go out in one write: for a client that
 * pipelines, the number of system calls does not grow with the number of requests.
 *
 * I1. What goes out is written before anything is waited for: before a read, and before a handler that may sleep.
 * I2. The bytes sent depend on the bytes received, not on how reads cut them: 100 (Continue) too is sent
 *     whether or not the body is already there.
 * I3. A request has one deadline, set when its first byte is there; a byte a second does not move it. Waiting for the
 *     next request has another one, and so has each write: a client that does not read cannot hold the goroutine.
 * I4. Memory: an idle connection has what is inside struct conn, on its goroutine's stack. Larger buffers come from malloc when a
 *     request or the answers need them, grow with the bytes that really came (not with the length that was announced), are bounded by the
 *     limits, and go when the connection idles.
 * I5. After a refusal nothing on the connection is trusted: it is closed. First our side is shut and the rest is
 *     read and dropped for a while: closing with unread input would send RST, and the client might lose
 *     the answer (RFC 9112, 9.6).
 *
 * Rejected: a buffer of 16 KiB per connection from the start (160 MB for 10,000 idle ones); a read into a
 * scattered second buffer for what overflows (two spans for each head).
 */
#include "conn.h"

#include "api.h"
#include "chunked.h"
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_IN 1024u
#define SMALL_OUT 512u
#define BIG 16384u	 /* the size of both buffers once the small ones do not do */
#define COPY_MAX 8192u	 /* longer bodies are written from where they lie */
#define BLANKS_MAX 8u	 /* empty lines before a request */
#define LINGER_NS GORO_SECOND
#define LINGER_BYTES (1u << 18)
#define SHRINK_NS GORO_SECOND /* idle for this long: the large buffers go */

enum phase { HEAD, LENGTH, CHUNKED };
enum step { MORE, READY, STOP };

struct conn {
	struct stream *io;
	const struct conn_config *cfg;
	struct metrics_shard *shard;

	char *in;
	size_t in_cap, start, end;
	char *out;
	size_t out_cap, out_len;

	/* The request at hand. Offsets are from start. */
	enum phase phase;
	unsigned blanks;
	struct http_scan scan;
	struct http_request req;
	struct http_refusal no;
	struct api_call call;
	struct chunked chunked;
	size_t head_len, body_len, raw; /* raw: where undecoded bytes of a chunked body begin */

	int64_t now;	  /* when the clock was last looked at */
	int64_t deadline; /* of the request at hand, if timed */
	bool timed;
	bool served; /* a request was answered before */
	bool want_big;
	bool close, linger, broken;

	int64_t date_until;
	char date[REPLY_DATE_LEN];
	char small_in[SMALL_IN];
	char small_out[SMALL_OUT];
};

static void cut(struct conn *c, unsigned reason)
{
	metrics_add(&c->cfg->metrics->cuts[reason], 1);
}

/* ------------------------------------------------------------------ buffers */

/* Makes *buf a heap buffer of cap bytes with the first n bytes of what it held. */
static bool regrow(char **buf, size_t *buf_cap, size_t n, size_t cap, char *small)
{
	char *p = *buf == small ? malloc(cap) : realloc(*buf, cap);

	if (p == NULL)
		return false;
	if (*buf == small)
		memcpy(p, small, n);
	*buf = p;
	*buf_cap = cap;
	return true;
}

static void shrink_in(struct conn *c)
{
	if (c->in != c->small_in)
		free(c->in);
	c->in = c->small_in;
	c->in_cap = SMALL_IN;
}

static void shrink_out(struct conn *c)
{
	if (c->out != c->small_out)
		free(c->out);
	c->out = c->small_out;
	c->out_cap = SMALL_OUT;
}

/* Makes room for at least one more byte of input. */
static bool make_room(struct conn *c)
{
	if (c->start > 0 && (c->start == c->end || c->in_cap - c->end < c->in_cap / 4)) {
		memmove(c->in, c->in + c->start, c->end - c->start);
		c->end -= c->start;
		c->start = 0;
	}
	if (c->end == c->in_cap || (c->want_big && c->in_cap < BIG)) {
		size_t cap = c->in_cap < BIG ? BIG : c->in_cap * 2;

		if (!regrow(&c->in, &c->in_cap, c->end, cap, c->small_in))
			return c->end < c->in_cap;
	}
	return true;
}

static void send_parts(struct conn *c, const struct iovec *iov, int parts)
{
	ssize_t n = c->io->ops->write(c->io, iov, parts, c->now + c->cfg->write_ns);

	if (n < 0) {
		c->broken = true;
		cut(c, n == -ETIMEDOUT ? CUT_WRITE : CUT_ABANDONED);
	} else {
		metrics_add(&c->shard->sent, (uint64_t)n);
	}
}

static void flush(struct conn *c)
{
	struct iovec iov = { c->out, c->out_len };

	if (c->out_len > 0 && !c->broken)
		send_parts(c, &iov, 1);
	c->out_len = 0;
}

/* Makes room for n bytes of output; n is at most BIG. */
static bool reserve(struct conn *c, size_t n)
{
	if (c->out_cap - c->out_len >= n)
		return true;
	if (c->out_cap < BIG && regrow(&c->out, &c->out_cap, c->out_len, BIG, c->small_out) &&
	    c->out_cap - c->out_len >= n)
		return true;
	flush(c);
	return n <= c->out_cap;
}

/* ------------------------------------------------------------------ output */

static const char *date(struct conn *c)
{
	struct conn_date *d = c->cfg->date;

	if (c->now >= c->date_until) {
		goro_mutex_lock(&d->lock);
		if (c->now >= d->until) {
			int64_t wall = c->io->ops->wall(c->io);

			reply_date(d->text, wall / GORO_SECOND);
			d->until = c->now + GORO_SECOND - wall % GORO_SECOND;
		}
		memcpy(c->date, d->text, sizeof(c->date));
		c->date_until = d->until;
		goro_mutex_unlock(&d->lock);
	}
	return c->date;
}

/* Appends the answer to the output. */
static void queue(struct conn *c, const struct reply *r)
{
	struct reply_frame frame = { date(c), c->close, c->req.minor == 0, c->req.head };
	size_t len = c->req.head ? 0 : r->len, copy = len <= COPY_MAX ? len : 0;

	if (!reserve(c, reply_head_bound(r) + copy)) {
		c->broken = true;
		return;
	}
	c->out_len += reply_write_head(c->out + c->out_len, r, &frame);
	if (copy > 0) {
		memcpy(c->out + c->out_len, r->body, copy);
		c->out_len += copy;
	} else if (len > 0 && !c->broken) {
		struct iovec iov[2] = { { c->out, c->out_len }, { (char *)(uintptr_t)r->body, len } };

		send_parts(c, iov, 2);
		c->out_len = 0;
	}
}

/* Answers the request at hand, of which body is the content, or which is refused. */
static void answer(struct conn *c, const char *body, size_t len)
{
	struct reply r;
	int64_t end;

	c->call.req = &c->req;
	c->call.head = c->in + c->start;
	if (c->call.parks)
		flush(c);
	metrics_add(&c->shard->started, 1);
	api_handle_safely(c->cfg->api, &c->call, body, len, &r);
	/* Draining is looked at after the handler, which may have taken long. */
	if (c->call.close || !c->req.keep_alive || __atomic_load_n(c->cfg->draining, __ATOMIC_RELAXED))
		c->close = true;
	end = c->io->ops->now(c->io);
	metrics_answer(c->shard, reply_index(r.status), end - c->now);
	c->now = end;
	queue(c, &r);
	reply_done(&r);
	c->served = true;
}

/* Answers a request that cannot be read to its end, and ends the connection. */
static enum step refuse(struct conn *c)
{
	c->call.no = c->no;
	c->call.parks = false;
	c->call.close = true;
	c->linger = true;
	answer(c, NULL, 0);
	return STOP;
}

static enum step refuse_with(struct conn *c, unsigned status, const char *why)
{
	c->no.status = status;
	c->no.why = why;
	return refuse(c);
}

/* ------------------------------------------------------------------ requests */

/* Drops the request at hand, n bytes long, and makes ready for the next. */
static void consume(struct conn *c, size_t n)
{
	c->start += n;
	c->phase = HEAD;
	c->blanks = 0;
	c->scan.pos = c->scan.line = 0;
	c->timed = false;
	if (c->start == c->end) {
		c->start = c->end = 0;
		if (c->in_cap > BIG)
			shrink_in(c);
	}
}

/* RFC 9112, 2.2: empty lines before a request are ignored. False if there are too many. */
static bool skip_blanks(struct conn *c)
{
	while (c->end - c->start >= 2 && c->in[c->start] == '\r' && c->in[c->start + 1] == '\n') {
		if (++c->blanks > BLANKS_MAX)
			return false;
		c->start += 2;
	}
	return true;
}

static void queue_continue(struct conn *c)
{
	static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (reserve(c, sizeof(text) - 1)) {
		memcpy(c->out + c->out_len, text, sizeof(text) - 1);
		c->out_len += sizeof(text) - 1;
	}
}

/* A head is parsed: where does it go, and what follows it? */
static enum step begin_body(struct conn *c)
{
	c->call.req = &c->req;
	c->call.head = c->in + c->start;
	api_route(&c->call);
	if (c->req.expect_continue) {
		/* The client waits: an answer that needs no body is given at once, and spares it the sending. */
		if (c->call.no.status != 0) {
			c->no = c->call.no;
			return refuse(c);
		}
		queue_continue(c);
	}
	c->body_len = 0;
	c->raw = c->head_len;
	c->phase = c->req.chunked ? CHUNKED : LENGTH;
	memset(&c->chunked, 0, sizeof(c->chunked));
	return READY;
}

static enum step read_head(struct conn *c)
{
	const struct http_limits *lim = &c->cfg->limits;
	const char *p;
	size_t n;
	long len;

	if (c->scan.pos == 0 && !skip_blanks(c))
		return refuse_with(c, 400, "too many empty lines before a request");
	p = c->in + c->start;
	n = c->end - c->start;
	if (n == 0 || (n == 1 && *p == '\r'))
		return MORE;
	len = http_find_head(&c->scan, p, n, lim, &c->no);
	if (len == 0)
		return MORE;
	if (len < 0) {
		memset(&c->req, 0, sizeof(c->req));
		c->req.head = n >= 5 && memcmp(p, "HEAD ", 5) == 0;
		return refuse(c);
	}
	if (http_parse_head(p, (size_t)len, lim, &c->req, &c->no) < 0)
		return refuse(c);
	c->head_len = (size_t)len;
	return begin_body(c);
}

static enum step read_chunks(struct conn *c, size_t *ret_total)
{
	char *base = c->in + c->start;
	size_t have = c->end - c->start, used, out;
	int done;

	done = chunked_decode(&c->chunked, base + c->raw, have - c->raw, &c->cfg->limits,
			      base + c->head_len + c->body_len, &used, &out, &c->no);
	if (done < 0)
		return refuse(c);
	c->body_len += out;
	c->raw += used;
	if (done) {
		*ret_total = c->raw;
		return READY;
	}
	/* What is not decoded yet (part of a line) moves down to the content, so that framing takes no room. */
	memmove(base + c->head_len + c->body_len, base + c->raw, have - c->raw);
	c->end -= c->raw - c->head_len - c->body_len;
	c->raw = c->head_len + c->body_len;
	return MORE;
}

/* Takes one request out of the input and answers it. */
static enum step advance(struct conn *c)
{
	size_t total = 0;
	enum step step;

	if (c->phase == HEAD) {
		step = read_head(c);
		if (step != READY)
			return step;
	}
	if (c->phase == LENGTH) {
		/* check_framing() has bounded length by the limit, so the sum does not overflow. */
		c->body_len = (size_t)c->req.length;
		total = c->head_len + c->body_len;
		if (c->end - c->start < total)
			return MORE;
	} else {
		step = read_chunks(c, &total);
		if (step != READY)
			return step;
	}
	answer(c, c->in + c->start + c->head_len, c->body_len);
	consume(c, total);
	return READY;
}

/* ------------------------------------------------------------------ input */

static ssize_t receive(struct conn *c, int64_t deadline)
{
	size_t room = c->in_cap - c->end;
	ssize_t n = c->io->ops->read(c->io, c->in + c->end, room, deadline);

	if (n > 0) {
		c->end += (size_t)n;
		c->want_big = (size_t)n == room;
		metrics_add(&c->shard->received, (uint64_t)n);
	}
	c->now = c->io->ops->now(c->io);
	return n;
}

/* Waits for the first byte of a request. The connection ends quietly if none comes. */
static void wait_for_request(struct conn *c)
{
	int64_t deadline = c->now + (c->served ? c->cfg->idle_ns : c->cfg->request_ns);
	ssize_t n = -ETIMEDOUT;

	if (!c->io->ops->idle(c->io, true)) {
		c->close = true;
		return;
	}
	if (c->in != c->small_in || c->out != c->small_out) {
		int64_t soon = c->now + SHRINK_NS;

		n = receive(c, soon < deadline ? soon : deadline);
		if (n == -ETIMEDOUT) {
			shrink_in(c);
			shrink_out(c);
			c->want_big = false;
		}
	}
	if (n == -ETIMEDOUT && c->now < deadline)
		n = receive(c, deadline);
	c->io->ops->idle(c->io, false);
	if (n <= 0)
		c->close = true;
	if (n == -ETIMEDOUT)
		cut(c, CUT_IDLE);
	else if (n < 0)
		cut(c, CUT_ABANDONED);
}

/* Reads more of a request that has begun. */
static void read_on(struct conn *c)
{
	ssize_t n;

	if (!c->timed) {
		c->timed = true;
		c->deadline = c->now + c->cfg->request_ns;
	}
	n = c->now < c->deadline ? receive(c, c->deadline) : -ETIMEDOUT;
	if (n > 0)
		return;
	if (c->phase == HEAD) {
		/* Nothing of this request is parsed, and the last one's must not show. */
		memset(&c->req, 0, sizeof(c->req));
		c->req.head = c->end - c->start >= 5 && memcmp(c->in + c->start, "HEAD ", 5) == 0;
	}
	if (n == -ETIMEDOUT) {
		cut(c, CUT_REQUEST);
		refuse_with(c, 408, "the request took too long");
	} else if (n == 0) {
		refuse_with(c, 400, "the request is incomplete");
	} else {
		cut(c, CUT_ABANDONED);
		c->broken = true;
	}
}

static void fill(struct conn *c)
{
	if (!make_room(c)) {
		refuse_with(c, 503, "out of memory");
		return;
	}
	if (c->phase == HEAD && c->start == c->end)
		wait_for_request(c);
	else
		read_on(c);
}

/* I5. */
static void linger(struct conn *c)
{
	int64_t deadline = c->now + LINGER_NS;
	size_t dropped = 0;

	c->io->ops->finish(c->io);
	while (dropped < LINGER_BYTES) {
		ssize_t n = c->io->ops->read(c->io, c->in, c->in_cap, deadline);

		if (n <= 0)
			return;
		dropped += (size_t)n;
	}
}

void conn_run(struct stream *io, const struct conn_config *cfg, uint64_t number)
{
	struct conn c;

	/* The two buffers at the end of the struct are not to be touched before they are used. */
	memset(&c, 0, offsetof(struct conn, date));
	c.io = io;
	c.cfg = cfg;
	c.shard = &cfg->metrics->shards[number & (METRICS_SHARDS - 1)];
	c.in = c.small_in;
	c.in_cap = SMALL_IN;
	c.out = c.small_out;
	c.out_cap = SMALL_OUT;
	c.now = io->ops->now(io);
	while (!c.close && !c.broken) {
		if (advance(&c) == MORE) {
			flush(&c);
			if (!c.broken)
				fill(&c);
		}
	}
	flush(&c);
	if (!c.broken && (c.linger || c.start < c.end || __atomic_load_n(cfg->draining, __ATOMIC_RELAXED)))
		linger(&c);
	shrink_in(&c);
	shrink_out(&c);
}
