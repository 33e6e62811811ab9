/* Small allocations: power-of-two size classes up to half a page, whole pages above. */
#ifndef SLAB_H
#define SLAB_H

#include "mm.h"

/* Aligned to the size class (at least 32 bytes, at most a page). NULL when memory is short. */
void *kmalloc(size_t size, gfp_t gfp);
void *kzalloc(size_t size, gfp_t gfp);
/* NULL on overflow of n * size as well. Zeroed. */
void *kcalloc(size_t n, size_t size, gfp_t gfp);
void kfree(const void *ptr);
char *kstrdup(const char *s, gfp_t gfp);

#endif
