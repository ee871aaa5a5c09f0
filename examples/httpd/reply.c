/* SPDX-License-Identifier: MIT */
/*
 * reply.c: answers as bytes. The header is put together by copying constant pieces: formatted output would cost more than
 * everything else that a small answer needs.
 */
#include "reply.h"

#include <stdio.h>
#include <string.h>

struct status {
	unsigned code;
	unsigned len;
	const char *line;
};

static const struct status statuses[REPLY_COUNT] = {
#define REPLY_LINE(code, text) { code, sizeof("HTTP/1.1 " #code " " text "\r\n") - 1, "HTTP/1.1 " #code " " text "\r\n" },
	REPLY_STATUSES(REPLY_LINE)
#undef REPLY_LINE
};

static unsigned find_status(unsigned status)
{
	unsigned i;

	for (i = 0; i < REPLY_COUNT; i++)
		if (statuses[i].code == status)
			return i;
	return REPLY_COUNT;
}

unsigned reply_index(unsigned status)
{
	unsigned i = find_status(status);

	return i < REPLY_COUNT ? i : REPLY_500;
}

unsigned reply_code(unsigned index)
{
	return statuses[index].code;
}

bool reply_knows(unsigned status)
{
	return find_status(status) < REPLY_COUNT;
}

void reply_text(struct reply *r, unsigned status, const char *type, const char *body, size_t len)
{
	r->status = status;
	r->type = type;
	r->body = body;
	r->len = len;
	r->fields[0] = '\0';
	r->release = NULL;
	r->owner = NULL;
}

void reply_error(struct reply *r, unsigned status, const char *why)
{
	int n = snprintf(r->text, sizeof(r->text), "{\"error\":\"%s\"}\n", why);

	if (n < 0 || (size_t)n >= sizeof(r->text))
		n = (int)sizeof(r->text) - 1;
	reply_text(r, status, "application/json", r->text, (size_t)n);
}

void reply_done(struct reply *r)
{
	if (r->release != NULL)
		r->release(r->owner);
	r->release = NULL;
}

static char *put(char *p, const char *s, size_t n)
{
	memcpy(p, s, n);
	return p + n;
}

#define PUT(p, literal) put((p), (literal), sizeof(literal) - 1)

static char *put_number(char *p, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	return put(p, digits + i, sizeof(digits) - i);
}

size_t reply_head_bound(const struct reply *r)
{
	/* The longest status line, Date, the names of the other fields, 20 digits. */
	enum { FIXED = 50 + 37 + 16 + 18 + 20 + 24 + 6 };

	return FIXED + (r->type != NULL ? strlen(r->type) : 0) + strlen(r->fields);
}

size_t reply_write_head(char *out, const struct reply *r, const struct reply_frame *f)
{
	const struct status *s = &statuses[reply_index(r->status)];
	char *p = put(out, s->line, s->len);

	p = PUT(p, "Date: ");
	p = put(p, f->date, REPLY_DATE_LEN);
	if (r->type != NULL) {
		p = PUT(p, "\r\nContent-Type: ");
		p = put(p, r->type, strlen(r->type));
	}
	/* RFC 9110, 8.6: a 204 has no Content-Length. Every other answer here has one. */
	if (r->status != 204) {
		p = PUT(p, "\r\nContent-Length: ");
		p = put_number(p, r->len);
	}
	if (f->close)
		p = PUT(p, "\r\nConnection: close");
	else if (f->keep_alive)
		p = PUT(p, "\r\nConnection: keep-alive");
	p = PUT(p, "\r\n");
	if (r->fields[0] != '\0')
		p = put(p, r->fields, strlen(r->fields));
	p = PUT(p, "\r\n");
	return (size_t)(p - out);
}

static char *put_two(char *p, unsigned v)
{
	p[0] = (char)('0' + v / 10);
	p[1] = (char)('0' + v % 10);
	return p + 2;
}

/* Days and civil dates by the method of the proleptic Gregorian calendar with years that begin in March. */
void reply_date(char *p, int64_t seconds)
{
	static const char names[] = "ThuFriSatSunMonTueWed", months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
	uint64_t days = (uint64_t)seconds / 86400, rest = (uint64_t)seconds % 86400;
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint64_t mp = (5 * doy + 2) / 153, year = yoe + era * 400 + (mp >= 10);

	p = put(p, names + days % 7 * 3, 3);
	p = PUT(p, ", ");
	p = put_two(p, (unsigned)(doy - (153 * mp + 2) / 5 + 1));
	*p++ = ' ';
	p = put(p, months + mp * 3, 3);
	*p++ = ' ';
	p = put_two(p, (unsigned)(year / 100 % 100));
	p = put_two(p, (unsigned)(year % 100));
	*p++ = ' ';
	p = put_two(p, (unsigned)(rest / 3600));
	*p++ = ':';
	p = put_two(p, (unsigned)(rest / 60 % 60));
	*p++ = ':';
	p = put_two(p, (unsigned)(rest % 60));
	(void)PUT(p, " GMT");
}
