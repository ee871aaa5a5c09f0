/* SPDX-License-Identifier: MIT */
/* check_file.c: what <goro/file.h> promises. */
#define _GNU_SOURCE
#include <goro.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "t.h"

#define F GORO_FOREVER

struct place {
	char dir[64], path[96];
};

static void place_init(struct place *p)
{
	api_temp_dir(p->dir, sizeof p->dir);
	snprintf(p->path, sizeof p->path, "%s/file", p->dir);
}

static void place_fini(struct place *p)
{
	t_check(unlink(p->path) == 0);
	t_check(rmdir(p->dir) == 0);
}

static int offsets_main(void *arg)
{
	struct place *p = arg;
	char buf[32];
	struct stat st;
	int fd;

	umask(0);
	fd = goro_file_open(p->path, O_RDWR | O_CREAT | O_EXCL, 0640, F);
	t_check_int(fd, >=, 0);
	t_check(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	t_check(fstat(fd, &st) == 0);
	t_check_int(st.st_mode & 07777, ==, 0640);
	t_check_int(goro_file_write(fd, "world", 5, 6, F), ==, 5);
	t_check_int(goro_file_write(fd, "hello ", 6, 0, F), ==, 6);
	/* Neither moves the file's own position. */
	t_check_int(lseek(fd, 0, SEEK_CUR), ==, 0);
	memset(buf, 'x', sizeof buf);
	t_check_int(goro_file_read(fd, buf, sizeof buf, 0, F), ==, 11);
	t_check(memcmp(buf, "hello worldx", 12) == 0);
	t_check_int(goro_file_read(fd, buf, 3, 4, F), ==, 3);
	t_check(memcmp(buf, "o w", 3) == 0);
	t_check_int(goro_file_read(fd, buf, sizeof buf, 11, F), ==, 0);
	t_check_int(goro_file_read(fd, buf, sizeof buf, UINT64_C(1) << 40, F), ==, 0);
	t_check_int(goro_file_read(fd, buf, 0, 0, F), ==, 0);
	t_check_int(goro_file_write(fd, buf, 0, 0, F), ==, 0);
	/* A hole beyond 4 GiB: offsets have all their bits. */
	t_check_int(goro_file_write(fd, "far", 3, (UINT64_C(5) << 30) + 1, F), ==, 3);
	t_check_int(goro_file_read(fd, buf, 10, UINT64_C(5) << 30, F), ==, 4);
	t_check(memcmp(buf, "\0far", 4) == 0);
	t_check_int(goro_file_sync(fd, 0, F), ==, 0);
	t_check_int(goro_file_sync(fd, 1, F), ==, 0);
	t_check_int(goro_close(fd), ==, 0);
	t_check_int(goro_close(fd), ==, -EBADF);
	fd = goro_file_open(p->path, O_WRONLY | O_TRUNC, 0, F);
	t_check_int(fd, >=, 0);
	t_check(fstat(fd, &st) == 0 && st.st_size == 0);
	t_check_int(goro_close(fd), ==, 0);
	return 0;
}

START_TEST(writes_and_reads_go_where_the_offset_says)
{
	struct place p;
	int fds = api_fds();

	place_init(&p);
	api_run(offsets_main, &p);
	place_fini(&p);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

static int errors_main(void *arg)
{
	struct place *p = arg;
	char buf[8] = "", name[NAME_MAX + 10];
	int fd = goro_file_open(p->path, O_RDWR | O_CREAT, 0600, F), ro, dir, pipes[2];

	t_check_int(fd, >=, 0);
	t_check_int(goro_file_open("/nowhere/at/all", O_RDONLY, 0, F), ==, -ENOENT);
	t_check_int(goro_file_open("", O_RDONLY, 0, F), ==, -ENOENT);
	t_check_int(goro_file_open(NULL, O_RDONLY, 0, F), ==, -EFAULT);
	t_check_int(goro_file_open((char *)8, O_RDONLY, 0, F), ==, -EFAULT);
	t_check_int(goro_file_open(p->dir, O_WRONLY, 0, F), ==, -EISDIR);
	t_check_int(goro_file_open(p->path, O_RDWR | O_CREAT | O_EXCL, 0600, F), ==, -EEXIST);
	t_check_int(goro_file_open(p->path, O_RDONLY | O_DIRECTORY, 0, F), ==, -ENOTDIR);
	memset(name, 'n', sizeof name);
	name[0] = '/';
	name[sizeof name - 1] = 0;
	t_check_int(goro_file_open(name, O_RDONLY, 0, F), ==, -ENAMETOOLONG);

	t_check_int(goro_file_write(fd, "data", 4, 0, F), ==, 4);
	t_check_int(goro_file_read(fd, NULL, 4, 0, F), ==, -EFAULT);
	t_check_int(goro_file_write(fd, NULL, 4, 0, F), ==, -EFAULT);
	t_check_int(goro_file_read(fd, buf, SIZE_MAX, 0, F), ==, -EINVAL);
	t_check_int(goro_file_write(fd, buf, (size_t)SSIZE_MAX + 1, 0, F), ==, -EINVAL);
	t_check_int(goro_file_read(fd, buf, 4, UINT64_MAX, F), ==, -EINVAL);
	t_check_int(goro_file_write(fd, buf, 4, UINT64_C(1) << 63, F), ==, -EINVAL);
	ro = goro_file_open(p->path, O_RDONLY, 0, F);
	t_check_int(goro_file_write(ro, buf, 4, 0, F), ==, -EBADF);
	dir = goro_file_open(p->dir, O_RDONLY | O_DIRECTORY, 0, F);
	t_check_int(goro_file_read(dir, buf, 4, 0, F), ==, -EISDIR);
	t_check(pipe2(pipes, O_CLOEXEC) == 0);
	t_check_int(goro_file_read(pipes[0], buf, 4, 5, F), ==, -ESPIPE);
	t_check_int(goro_file_sync(pipes[0], 0, F), ==, -EINVAL);
	t_check_int(goro_file_read(fd, buf, sizeof buf, 0, F), ==, 4);
	t_check(memcmp(buf, "data", 4) == 0);
	int all[] = { fd, ro, dir, pipes[0], pipes[1] };
	for (int i = 0; i < 5; i++)
		t_check_int(goro_close(all[i]), ==, 0);
	for (int i = 0; i < 2; i++) {
		int bad = i ? fd : -1;

		t_check_int(goro_file_read(bad, buf, 4, 0, F), ==, -EBADF);
		t_check_int(goro_file_write(bad, buf, 4, 0, F), ==, -EBADF);
		t_check_int(goro_file_sync(bad, 0, F), ==, -EBADF);
	}
	return 0;
}

START_TEST(bad_input_gives_what_the_system_call_gives)
{
	struct place p;
	int fds = api_fds();

	place_init(&p);
	api_run(errors_main, &p);
	place_fini(&p);
	t_check_int(api_fds(), ==, fds);
}
END_TEST

/* ---- many at once --------------------------------------------------------------------------------------- */

#define BLOCK 40000

struct shared {
	int fd;
	struct goro_waitgroup wg;
};

static void block_worker(struct shared *s, int number)
{
	unsigned char *out = malloc(BLOCK), *in = malloc(BLOCK);
	size_t at;
	ssize_t n;

	for (int round = 0; round < 5; round++) {
		uint64_t base = (uint64_t)number * BLOCK;

		memset(out, number * 7 + round, BLOCK);
		for (at = 0; at < BLOCK; at += (size_t)n) {
			n = goro_file_write(s->fd, out + at, BLOCK - at, base + at, F);
			t_check(n > 0, "write gave %zd", n);
		}
		memset(in, 0, BLOCK);
		for (at = 0; at < BLOCK; at += (size_t)n) {
			n = goro_file_read(s->fd, in + at, BLOCK - at, base + at, F);
			t_check(n > 0, "read gave %zd", n);
		}
		t_check(memcmp(in, out, BLOCK) == 0);
		if (number % 16 == 0)
			t_check_int(goro_file_sync(s->fd, round & 1, F), ==, 0);
	}
	free(out);
	free(in);
	goro_waitgroup_done(&s->wg);
}

static void *block_thread(void *arg)
{
	block_worker(arg, 200);
	return NULL;
}

static int many_main(void *arg)
{
	struct place *p = arg;
	struct shared s = { .fd = goro_file_open(p->path, O_RDWR | O_CREAT, 0600, F) };
	pthread_t t;

	t_check_int(s.fd, >=, 0);
	goro_waitgroup_add(&s.wg, 101);
	t = api_thread(block_thread, &s);
	for (int i = 0; i < 100; i++)
		t_check(GORO_GO(block_worker, &s, i) == 0);
	t_check_int(goro_waitgroup_wait(&s.wg, GORO_FOREVER), ==, 0);
	api_join(t);
	t_check_int(goro_close(s.fd), ==, 0);
	return 0;
}

START_TEST(a_hundred_goroutines_and_a_thread_use_one_file)
{
	struct place p;

	place_init(&p);
	api_run(many_main, &p);
	place_fini(&p);
}
END_TEST

/* A deadline that has passed may end a call or not, but never so that bytes are moved and not told. */
static int deadline_main(void *arg)
{
	struct place *p = arg;
	int fd = goro_file_open(p->path, O_RDWR | O_CREAT, 0600, goro_after(20 * GORO_SECOND));
	char c;

	t_check_int(fd, >=, 0);
	for (int i = 0; i < 200; i++) {
		int64_t d = i & 1 ? goro_after(20000) : 1;
		ssize_t n = goro_file_write(fd, "z", 1, (uint64_t)i, d);
		ssize_t got = goro_file_read(fd, &c, 1, (uint64_t)i, F);

		t_check(n == 1 || n == -ETIMEDOUT, "write gave %zd", n);
		t_check_int(got, ==, n == 1);
		if (n < 0) /* the next offsets must not see a longer file */
			t_check_int(goro_file_write(fd, "z", 1, (uint64_t)i, F), ==, 1);
	}
	t_check_int(goro_close(fd), ==, 0);
	return 0;
}

START_TEST(a_deadline_does_not_hide_what_was_written)
{
	struct place p;

	place_init(&p);
	api_run(deadline_main, &p);
	place_fini(&p);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("file");
	TCase *tc = tcase_create("files");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, writes_and_reads_go_where_the_offset_says);
	tcase_add_test(tc, bad_input_gives_what_the_system_call_gives);
	tcase_add_test(tc, a_hundred_goroutines_and_a_thread_use_one_file);
	tcase_add_test(tc, a_deadline_does_not_hide_what_was_written);
	suite_add_tcase(s, tc);
	return t_main(s);
}
