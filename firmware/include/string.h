/*
 * string.h - the part of <string.h> that the compiler and the firmware need.
 */
#ifndef STRING_H
#define STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
size_t strnlen(const char *s, size_t limit);
int strcmp(const char *a, const char *b);

#endif
