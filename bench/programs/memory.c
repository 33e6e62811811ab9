/* Loads and stores: passes over 4 MiB, first a word of each page in turn, then all words in order. */
#include "program.h"

#define PAGE_WORDS 512

static u64 words[1024 * PAGE_WORDS];

u64 memory(void)
{
	u64 sum = 0;

	for (u64 pass = 1; pass <= 40; pass++) {
		for (u64 offset = 0; offset < 64; offset++) {
			for (u64 page = 0; page < ARRAY_SIZE(words); page += PAGE_WORDS)
				words[page + offset] += page ^ pass;
		}
		for (u64 i = 0; i < ARRAY_SIZE(words); i += 4) {
			words[i] += words[i + 1] ^ pass;
			words[i + 2] += words[i + 3] + i;
			sum += words[i] ^ words[i + 2];
		}
	}
	return sum;
}
