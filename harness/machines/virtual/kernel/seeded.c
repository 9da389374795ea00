/*
 * The host's random numbers for a virtual machine's kernel, from a seed: loaded before the C library (LD_PRELOAD).
 * User-Mode Linux takes the first of its entropy from getrandom(2), by the C library's function of that name.
 * FENCELINE_SEED is a number; the same number gives the same bytes.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

ssize_t getrandom(void *buffer, size_t size, unsigned int flags)
{
	static uint64_t state;
	unsigned char *bytes = buffer;

	(void)flags;
	if (!state) {
		const char *seed = getenv("FENCELINE_SEED");

		state = (seed ? strtoull(seed, 0, 10) : 0) * 0x9E3779B97F4A7C15ull | 1;
	}
	for (size_t i = 0; i < size; i++) { /* xorshift64 */
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		bytes[i] = state >> 32;
	}
	return size;
}
