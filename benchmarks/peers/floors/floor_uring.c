/* SPDX-License-Identifier: MIT */
/*
 * The io_uring floor: multishot accept, one multishot receive per connection into a
 * ring of provided buffers, sends through the ring, one system call per batch.
 *
 * A received buffer goes back to the ring at once when the answer lies elsewhere, and
 * on the completion of its send when the answer is the buffer itself. MSG_WAITALL has
 * the kernel finish short sends. Two sends of one connection may be in flight when
 * it sends more than a buffer unasked; the kernel keeps their order only while neither has to
 * wait for room. The closed-loop load generators never come near that.
 */
#define _GNU_SOURCE

#include "floor.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	ENTRIES = 2048,
	COMPLETIONS = 16384,
	BUFFERS = 4096, /* a power of two; more than the connections we test with */
	GROUP = 1,
};

enum kind { ACCEPT, RECEIVE, SEND };

/* What an operation's user_data holds; buffer is -1 for a send from elsewhere. */
struct tag {
	int fd;
	int16_t buffer;
	uint16_t kind;
};

static struct io_uring ring;
static struct io_uring_buf_ring *free_buffers;
static char *buffers;

static void set_tag(struct io_uring_sqe *sqe, struct tag tag)
{
	_Static_assert(sizeof tag == sizeof sqe->user_data, "a tag fills user_data");
	memcpy(&sqe->user_data, &tag, sizeof tag);
}

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (sqe == NULL) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	return sqe;
}

static void arm_accept(int listener)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
	set_tag(sqe, (struct tag){.fd = listener, .kind = ACCEPT});
}

static void arm_receive(int fd)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	set_tag(sqe, (struct tag){.fd = fd, .kind = RECEIVE});
}

static char *buffer_at(int id)
{
	return buffers + (size_t)id * FLOOR_BUFFER;
}

static void give_back(int id)
{
	io_uring_buf_ring_add(free_buffers, buffer_at(id), FLOOR_BUFFER, id,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(free_buffers, 1);
}

static void send_answer(int fd, int id, struct bytes out)
{
	bool own = out.data == buffer_at(id);

	if (out.size > 0) {
		struct io_uring_sqe *sqe = next_sqe();

		io_uring_prep_send(sqe, fd, out.data, out.size, MSG_WAITALL | MSG_NOSIGNAL);
		set_tag(sqe, (struct tag){.fd = fd, .buffer = own ? id : -1, .kind = SEND});
		if (!own)
			sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	}
	if (!own || out.size == 0)
		give_back(id);
}

static void on_accept(struct tag tag, const struct io_uring_cqe *cqe)
{
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_accept(tag.fd);
	if (cqe->res < 0)
		return;
	if (cqe->res >= FLOOR_FDS) {
		close(cqe->res);
		return;
	}
	floor_nodelay(cqe->res);
	floor_forget(cqe->res);
	arm_receive(cqe->res);
}

static void on_receive(struct tag tag, const struct io_uring_cqe *cqe, answer_fn *answer)
{
	if (cqe->res > 0) {
		int id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

		send_answer(tag.fd, id, answer(tag.fd, (struct bytes){buffer_at(id), cqe->res}));
	} else if (cqe->res != -ENOBUFS) {
		close(tag.fd);
		return;
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_receive(tag.fd);
}

static void set_up(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
		.cq_entries = COMPLETIONS,
	};
	struct io_uring_buf_reg group = {.ring_entries = BUFFERS, .bgid = GROUP};
	int error = io_uring_queue_init_params(ENTRIES, &ring, &params);

	if (error < 0)
		floor_die("io_uring_queue_init_params", -error);
	io_uring_register_ring_fd(&ring);
	free_buffers = mmap(NULL, BUFFERS * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	buffers = mmap(NULL, (size_t)BUFFERS * FLOOR_BUFFER, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | MAP_PRIVATE | MAP_POPULATE, -1, 0);
	if (free_buffers == MAP_FAILED || buffers == MAP_FAILED)
		floor_die("mmap", errno);
	group.ring_addr = (uintptr_t)free_buffers;
	error = io_uring_register_buf_ring(&ring, &group, 0);
	if (error < 0)
		floor_die("io_uring_register_buf_ring", -error);
	io_uring_buf_ring_init(free_buffers);
	for (int i = 0; i < BUFFERS; i++)
		give_back(i);
}

void floor_uring(int listener, answer_fn *answer)
{
	set_up();
	arm_accept(listener);
	for (;;) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;
		int error = io_uring_submit_and_wait(&ring, 1);

		if (error < 0 && error != -EINTR && error != -EBUSY)
			floor_die("io_uring_submit_and_wait", -error);
		io_uring_for_each_cqe(&ring, head, cqe) {
			struct tag tag;

			memcpy(&tag, &cqe->user_data, sizeof tag);
			if (tag.kind == ACCEPT)
				on_accept(tag, cqe);
			else if (tag.kind == RECEIVE)
				on_receive(tag, cqe, answer);
			else if (tag.buffer >= 0)
				give_back(tag.buffer);
			seen++;
		}
		io_uring_cq_advance(&ring, seen);
	}
}
