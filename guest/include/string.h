/* Memory and string functions; the compiler itself may call the first four. */
#ifndef STRING_H
#define STRING_H

#include "types.h"

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
void *memchr(const void *s, int c, size_t n);
/* Copies at most size - 1 characters and always terminates; -E2BIG when it had to cut. */
ssize_t strscpy(char *dst, const char *src, size_t size);

/* Parses a whole decimal or 0x number; -EINVAL on anything else, -ERANGE on overflow. */
int kstrtou64(const char *s, u64 *value);
/* The same with an optional K, M or G suffix (powers of 1024); *suffixed tells whether it was there. */
int parse_size(const char *s, u64 *value, bool *suffixed);

#endif
