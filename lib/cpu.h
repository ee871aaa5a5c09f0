/* SPDX-License-Identifier: MIT */
/*
 * cpu.h: how many processors this process may use.
 */
#ifndef GORO_LIB_CPU_H
#define GORO_LIB_CPU_H

/*
 * The default number of Ps, at least 1: the CPUs in the affinity mask, but no more than the cgroup's CPU bandwidth
 * limit rounded up, which counts as 2 at least.  Reads files, so it may block; allocates nothing.
 */
int goro__cpu_default_procs(void);

/* How many CPUs the affinity mask of the calling thread holds, at least 1. */
int goro__cpu_affinity(void);

/*
 * The cgroup limit in thousandths of a CPU, the least over the cgroup of this process and all above it; 0 when
 * there is none.  root is put before /proc/self/cgroup, /proc/self/mountinfo and the mount points found there,
 * for tests; "" is the real one.
 */
long goro__cpu_quota_milli(const char *root);

/* The rule of goro__cpu_default_procs() as a function of its two inputs. */
int goro__cpu_procs(int affinity, long quota_milli);

#endif
