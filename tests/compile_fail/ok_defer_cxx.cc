/* SPDX-License-Identifier: MIT */
#include <goro.h>
#include <goro/short.h>
#include <stdlib.h>
#include <unistd.h>

int f(int n, struct goro_mutex *m);
void g(void);
long *h(long *p);

static void catcher(int *p)
{
	const struct goro_panicked *v = recover();

	if (v)
		*p = v->signal;
}

/* Variables that are changed behind it make no warning. */
int f(int n, struct goro_mutex *m)
{
	int sum = 0, seen = 0;

	goro_mutex_lock(m);
	defer(goro_mutex_unlock, m, -1);
	defer(catcher, &seen, seen);
	for (int i = 0; i < n; i++)
		sum += i;
	while (n-- > 5)
		sum -= n;
	if (sum < 0)
		panic("sum %d", sum);
	return sum;
}

void g(void)
{
	void *p = malloc(3);

	defer(free, p);
	defer(close, 3);
	{
		defer(free, NULL);
	}
}

long *h(long *p)
{
	defer(free, p, NULL);
	goro_panic_with(p, "%ld", *p);
}
