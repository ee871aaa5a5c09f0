/* SPDX-License-Identifier: MIT */
/*
 * goro/file.h: regular files. The calls park the goroutine; none blocks a worker. Errors as in <goro/net.h>. A regular file's
 * read or write that is already in flight cannot be cancelled: a deadline that passes then, or a context that is cancelled, still waits for it and
 * returns its result. With GORO_NOW a read or write that the page cache cannot serve is -EAGAIN where the file system can tell
 * (ext4 reads, not its writes); all else takes its time. Close with goro_close().
 */
#ifndef GORO_FILE_H
#define GORO_FILE_H

#include <goro/attr.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

GORO_BEGIN_DECLS

/* open(2) with O_CLOEXEC added: a descriptor or negative errno. Parks: yes. From: any thread, as all of these. */
GORO_API GORO_PARKS int goro_file_open(const char *path, int flags, mode_t mode, int64_t deadline);

/* pread(2), pwrite(2): the bytes moved, which may be fewer than n; 0 at the end of the file. */
GORO_API GORO_PARKS ssize_t goro_file_read(int fd, void *buf, size_t n, uint64_t offset, int64_t deadline);
GORO_API GORO_PARKS ssize_t goro_file_write(int fd, const void *buf, size_t n, uint64_t offset, int64_t deadline);

/* fsync(2); with data_only != 0 fdatasync(2). */
GORO_API GORO_PARKS int goro_file_sync(int fd, int data_only, int64_t deadline);

GORO_END_DECLS

#endif
