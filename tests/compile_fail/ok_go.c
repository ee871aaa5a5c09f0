/* SPDX-License-Identifier: MIT */
/* All that GORO_GO() takes, and go() after <goro/short.h>. */
#include <goro/short.h>
#include <stdbool.h>

enum colour { RED };
struct opaque;

void none(void);
int returns(int x);
char *returns_pointer(const char *s);
void text(const char *s, size_t n);
void reals(float a, double b);
void narrow(char a, signed char b, short c, unsigned char d, unsigned short e, bool f, enum colour g);
void pointers(void *a, const void *b, struct opaque *c, const struct opaque *d, char *const *e, char **f);
void functions(void (*a)(void), int (*b)(int), int (*rows)[4]);
void eight(const char *a, const char *b, const char *c, char *d, const char *e, char *f, const char *g, double h);
_Noreturn void never(int x);

int caller(int n, struct opaque *o, const struct opaque *co, void (*pointer)(int), const long size)
{
	char buf[8] = "", *words[2] = {buf, buf};
	int rows[3][4] = {{0}};
	enum colour red = RED;
	const int constant = 7;

	GORO_GO(none);
	GORO_GO(&none);
	GORO_GO(returns, n + 1);
	GORO_GO(returns, constant);
	GORO_GO(returns_pointer, "abc");
	GORO_GO(text, buf, sizeof(buf));
	GORO_GO(text, "literal", (size_t)size);
	GORO_GO(reals, 1.0f, 2.0);
	GORO_GO(narrow, (char)1, (signed char)2, (short)3, (unsigned char)4, (unsigned short)5, (bool)true, red);
	GORO_GO(pointers, (void *)buf, (void *)buf, o, o, (char *const *)words, words);
	GORO_GO(pointers, NULL, NULL, o, co, (char *const *)NULL, (char **)NULL);
	GORO_GO(functions, none, returns, rows);
	GORO_GO(eight, buf, (const char *)buf, "c", buf, buf, buf, "g", 8.0);
	GORO_GO(pointer, 1);
	GORO_GO(never, 1);
	if (n)
		go(returns, n);
	else
		go(none);
	return go(returns, returns(n));
}
