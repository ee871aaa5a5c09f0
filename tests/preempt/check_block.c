/* SPDX-License-Identifier: MIT */
/*
 * check_block.c: a goroutine that blocks its thread in the kernel, without a word, loses its processor and nothing else. Hazard 10; issue 3: "silent
 * retake of a P whose thread is blocked in the kernel unannounced (read, nanosleep, getaddrinfo, flock, fsync, pthread_mutex_lock, dlopen, page fault), no
 * EINTR"; "completions of requests that a blocked or stopped thread had submitted still arrive".
 *
 * Most of these block until another goroutine, which needs the only processor for it, ends that: without retake nothing ever moves again.
 */
#define _GNU_SOURCE
#include <goro.h>
#include <goro/preempt.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "pre.h"
#include "t.h"

/* ---- what blocks until another goroutine acts ------------------------------------------------------------------- */

struct wait {
	int fd[2];
	int ready, done; /* atomic */
	sem_t sem;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	pthread_barrier_t barrier;
	char path[96];
	pid_t child;
	struct goro_chan *chan;
};

static void read_block(struct wait *w)
{
	char c;

	t_check(read(w->fd[0], &c, 1) == 1);
}

static void read_wake(struct wait *w)
{
	t_check(write(w->fd[1], "x", 1) == 1);
}

static void poll_block(struct wait *w)
{
	struct pollfd p = { .fd = w->fd[0], .events = POLLIN };

	t_check(poll(&p, 1, -1) == 1, "%s", strerror(errno));
	read_block(w);
}

static void select_block(struct wait *w)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(w->fd[0], &set);
	t_check(select(w->fd[0] + 1, &set, NULL, NULL, NULL) == 1, "%s", strerror(errno));
	read_block(w);
}

static void sem_block(struct wait *w)
{
	t_check(sem_wait(&w->sem) == 0);
}

static void sem_wake(struct wait *w)
{
	t_check(sem_post(&w->sem) == 0);
}

static void cond_block(struct wait *w)
{
	pthread_mutex_lock(&w->mutex);
	pre_set(&w->ready, 1);
	while (pre_get(&w->ready) != 2)
		pthread_cond_wait(&w->cond, &w->mutex);
	pthread_mutex_unlock(&w->mutex);
}

static void cond_wake(struct wait *w)
{
	t_eventually(pre_get(&w->ready) == 1, API_PATIENCE);
	pthread_mutex_lock(&w->mutex);
	pre_set(&w->ready, 2);
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->mutex);
}

static void barrier_block(struct wait *w)
{
	pthread_barrier_wait(&w->barrier);
}

/* Opening a FIFO waits for the other end. */
static void fifo_block(struct wait *w)
{
	int fd = open(w->path, O_RDONLY | O_CLOEXEC);

	t_check(fd >= 0);
	close(fd);
}

static void fifo_wake(struct wait *w)
{
	int fd = open(w->path, O_WRONLY | O_CLOEXEC);

	t_check(fd >= 0);
	close(fd);
}

static void flock_block(struct wait *w)
{
	int fd = open(w->path, O_RDONLY | O_CLOEXEC);

	t_check(fd >= 0 && flock(fd, LOCK_EX) == 0);
	close(fd);
}

/* The lock was taken by the test and is held over calls that park. */
static void flock_wake(struct wait *w)
{
	t_check_int(goro_sleep(GORO_MILLISECOND), ==, 0);
	t_check(flock(w->fd[0], LOCK_UN) == 0);
}

static void child_block(struct wait *w)
{
	int status;

	t_check(waitpid(w->child, &status, 0) == w->child);
	t_check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void child_wake(struct wait *w)
{
	t_check(kill(w->child, SIGKILL) == 0);
}

static void *receive_thread(void *arg)
{
	t_check_int(goro_chan_recv(arg, NULL, GORO_FOREVER), ==, 1);
	return NULL;
}

static void join_block(struct wait *w)
{
	t_check(pthread_join(api_thread(receive_thread, w->chan), NULL) == 0);
}

static void join_wake(struct wait *w)
{
	t_check_int(goro_chan_send(w->chan, NULL, GORO_FOREVER), ==, 0);
}

static const struct {
	const char *name;
	void (*block)(struct wait *w), (*wake)(struct wait *w);
} ways[] = {
	{ "read", read_block, read_wake },	    { "poll", poll_block, read_wake },
	{ "select", select_block, read_wake },	    { "sem_wait", sem_block, sem_wake },
	{ "pthread_cond_wait", cond_block, cond_wake }, { "pthread_barrier_wait", barrier_block, barrier_block },
	{ "open of a FIFO", fifo_block, fifo_wake }, { "flock", flock_block, flock_wake },
	{ "waitpid", child_block, child_wake },	    { "pthread_join", join_block, join_wake },
};
#define WAYS (sizeof ways / sizeof ways[0])

static void set_up(struct wait *w, char *dir, size_t size)
{
	memset(w, 0, sizeof *w);
	api_temp_dir(dir, size);
	snprintf(w->path, sizeof w->path, "%s/fifo", dir);
	t_check(pipe2(w->fd, O_CLOEXEC) == 0 && mkfifo(w->path, 0600) == 0);
	t_check(sem_init(&w->sem, 0, 0) == 0 && pthread_mutex_init(&w->mutex, NULL) == 0);
	t_check(pthread_cond_init(&w->cond, NULL) == 0 && pthread_barrier_init(&w->barrier, NULL, 2) == 0);
	w->chan = goro_chan_new(0, 0);
}

/* What this way needs beside: a file that is locked; a child. */
static void set_up_way(struct wait *w, unsigned way)
{
	if (ways[way].block == flock_block) {
		t_check(unlink(w->path) == 0);
		close(w->fd[0]);
		w->fd[0] = open(w->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		t_check(w->fd[0] >= 0 && flock(w->fd[0], LOCK_EX) == 0);
	} else if (ways[way].block == child_block) {
		char *const argv[] = { (char *)"sleep", (char *)"1000", NULL };

		w->child = vfork();
		if (w->child == 0) {
			execvp(argv[0], argv);
			_exit(1);
		}
		t_check(w->child > 0);
	}
}

static void blocked(struct wait *w, unsigned way)
{
	ways[way].block(w);
	pre_set(&w->done, 1);
}

static int way_main(void *arg)
{
	unsigned way = *(unsigned *)arg;
	struct wait w;
	char dir[64];

	for (int i = 0; i < 3; i++) {
		set_up(&w, dir, sizeof dir);
		set_up_way(&w, way);
		t_check_int(GORO_GO(blocked, &w, way), ==, 0);
		goro_yield(); /* it runs, and this processor is gone with it */
		ways[way].wake(&w);
		t_eventually(pre_get(&w.done), API_PATIENCE);
		goro_chan_free(w.chan);
		t_check(unlink(w.path) == 0 && rmdir(dir) == 0 && close(w.fd[0]) == 0 && close(w.fd[1]) == 0);
	}
	t_check_int(pre_stats().retakes, >, 0);
	return 0;
}

START_TEST(a_call_that_blocks_until_another_goroutine_acts_ends)
{
	unsigned way = (unsigned)_i;

	pre_run(1, 0, way_main, &way);
}
END_TEST

/* ---- a page fault that somebody must serve ------------------------------------------------------------------------ */

struct fault {
	int uffd;
	char *page;
	long page_size;
	int value, done; /* atomic */
};

static void touch(struct fault *f)
{
	pre_set(&f->value, *(volatile char *)f->page);
	pre_set(&f->done, 1);
}

static void serve_fault(struct fault *f)
{
	struct uffd_msg msg;
	struct uffdio_copy copy = { .dst = (uintptr_t)f->page, .len = (unsigned long)f->page_size };
	char *from = malloc((size_t)f->page_size);

	t_check(from != NULL);
	memset(from, 'p', (size_t)f->page_size);
	t_check_int(read(f->uffd, &msg, sizeof msg), ==, sizeof msg);
	t_check_int(msg.event, ==, UFFD_EVENT_PAGEFAULT);
	copy.src = (uintptr_t)from;
	t_check(ioctl(f->uffd, UFFDIO_COPY, &copy) == 0);
	free(from);
}

static int fault_main(void *arg)
{
	struct fault *f = arg;

	t_check_int(GORO_GO(touch, f), ==, 0);
	goro_yield();
	serve_fault(f);
	t_eventually(pre_get(&f->done), API_PATIENCE);
	t_check_int(f->value, ==, 'p');
	t_check_int(pre_stats().retakes, >, 0);
	return 0;
}

START_TEST(a_page_fault_that_another_goroutine_serves_is_served)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct fault f = { .page_size = sysconf(_SC_PAGESIZE) };

	f.uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	t_skip_unless(f.uffd >= 0, "userfaultfd: %s", strerror(errno));
	t_check(ioctl(f.uffd, UFFDIO_API, &api) == 0);
	f.page = mmap(NULL, (size_t)f.page_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t_check(f.page != MAP_FAILED);
	reg.range.start = (uintptr_t)f.page;
	reg.range.len = (unsigned long)f.page_size;
	t_check(ioctl(f.uffd, UFFDIO_REGISTER, &reg) == 0);
	pre_run(1, 0, fault_main, &f);
	close(f.uffd);
}
END_TEST

/* ---- requests that a blocked or stopped thread has submitted ------------------------------------------------------- */

struct request {
	int fd[2], raw[2], file;
	int arrived, stop; /* atomic */
};

static void wait_for_bytes(struct request *r)
{
	char c;

	for (int i = 0; i < 5; i++) {
		t_check_int(goro_read(r->fd[0], &c, 1, GORO_FOREVER), ==, 1);
		pre_add(&r->arrived, 1);
	}
}

static void wait_for_file(struct request *r)
{
	char c;

	for (int i = 0; i < 20; i++) {
		t_check_int(goro_file_read(r->file, &c, 1, (uint64_t)i, GORO_FOREVER), ==, 1);
		t_check_int(c, ==, 'f');
	}
	pre_add(&r->arrived, 1);
}

static void hold_up(struct request *r, int how)
{
	char c;

	if (how == 0)
		t_check(read(r->raw[0], &c, 1) == 1);
	else
		pre_spin_until(&r->stop);
}

static void *feed(void *arg)
{
	struct request *r = arg;

	for (int i = 1; i <= 5; i++) {
		t_check(write(r->fd[1], "x", 1) == 1);
		t_eventually(pre_get(&r->arrived) >= i, API_PATIENCE);
	}
	t_eventually(pre_get(&r->arrived) == 6, API_PATIENCE);
	pre_set(&r->stop, 1);
	t_check(write(r->raw[1], "xx", 2) == 2);
	return NULL;
}

/* Two requests are with the kernel when this thread blocks for good (how is 0), or is only ever stopped and continued (1). */
static int request_main(void *arg)
{
	struct request r = { .arrived = 0 };
	char page[64];
	FILE *f = tmpfile();
	pthread_t t;

	t_check(f != NULL);
	memset(page, 'f', sizeof page);
	t_check(fwrite(page, 1, sizeof page, f) == sizeof page && fflush(f) == 0);
	r.file = fileno(f);
	t_check_int(api_link(API_PAIR, r.fd), ==, 0);
	t_check(pipe2(r.raw, O_CLOEXEC) == 0);
	t_check_int(GORO_GO(wait_for_bytes, &r), ==, 0);
	t_check_int(GORO_GO(wait_for_file, &r), ==, 0);
	t_check_int(GORO_GO(hold_up, &r, *(int *)arg), ==, 0);
	t_check_int(GORO_GO(hold_up, &r, *(int *)arg), ==, 0);
	goro_yield();
	t = api_thread(feed, &r);
	t_eventually(goro_count() == 1, API_PATIENCE);
	api_join(t);
	t_check(goro_close(r.fd[0]) == 0 && goro_close(r.fd[1]) == 0 && close(r.raw[0]) == 0 && close(r.raw[1]) == 0);
	fclose(f);
	return 0;
}

START_TEST(requests_of_a_thread_that_blocked_or_was_stopped_complete)
{
	int how = _i % 2;

	pre_run(_i < 2 ? 1 : 2, 1000, request_main, &how);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preempt: blocking calls");
	TCase *tc = tcase_create("block");

	tcase_add_loop_test(tc, a_call_that_blocks_until_another_goroutine_acts_ends, 0, WAYS);
	tcase_add_test(tc, a_page_fault_that_another_goroutine_serves_is_served);
	tcase_add_loop_test(tc, requests_of_a_thread_that_blocked_or_was_stopped_complete, 0, 4);
	suite_add_tcase(s, tc);
	return t_main(s);
}
