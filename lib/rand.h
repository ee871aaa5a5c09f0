/* SPDX-License-Identifier: MIT */
/*
 * rand.h: small random numbers for fairness, not for secrets. Layer 0.
 *
 * The state is one word of its owner (m->rand, p->rand), any value is a good one. Each step adds a
 * constant and mixes (the finaliser of MurmurHash3), so all 2^32 states are passed before one comes again.
 */
#ifndef LIB_RAND_H
#define LIB_RAND_H

#include <stdint.h>

static inline uint32_t rand_next(uint32_t *state)
{
	uint32_t x = *state += 0x9e3779b9u;

	x = (x ^ x >> 16) * 0x85ebca6bu;
	x = (x ^ x >> 13) * 0xc2b2ae35u;
	return x ^ x >> 16;
}

/* A number below n, n > 0. By multiplication (Lemire): no division, and a bias of n / 2^32 at most. */
static inline uint32_t rand_below(uint32_t *state, uint32_t n)
{
	return (uint32_t)((uint64_t)rand_next(state) * n >> 32);
}

#endif
