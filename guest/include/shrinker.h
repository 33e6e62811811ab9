/*
 * Shrinkers: those who hold memory that they can do without, and give it back when an allocation finds none
 * (Linux: linux/shrinker.h).
 */
#ifndef SHRINKER_H
#define SHRINKER_H

#include "list.h"

/* Both are called from wherever memory is allocated, interrupts included, and count in pages. */
struct shrinker {
	struct list_head list;
	unsigned long (*count_objects)(struct shrinker *shrinker);
	/* Frees at least nr pages, or all there are; returns how many. */
	unsigned long (*scan_objects)(struct shrinker *shrinker, unsigned long nr);
};

void register_shrinker(struct shrinker *shrinker);
void unregister_shrinker(struct shrinker *shrinker);

/* How many pages there are to get. */
unsigned long shrinkable_pages(void);
/* Gets nr of them, or all there are; returns how many. */
unsigned long shrink_slab(unsigned long nr);

#endif
