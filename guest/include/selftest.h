/*
 * Tests that run inside the kernel, by the shell's `selftest`. Each leaves the kernel as it found it.
 *
 *   SELFTEST(crc32_known_answers)
 *   {
 *           EXPECT(crc32(0, "123456789", 9) == 0xcbf43926);
 *           return 0;
 *   }
 */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "kernel.h"

struct selftest {
	const char *name;
	int (*fn)(void); /* 0 when it holds */
};

DECLARE_TABLE(const struct selftest, selftest);

#define SELFTEST(test)                                                                            \
	static int test(void);                                                                    \
	static const struct selftest __selftest_##test table_entry(selftest) = { #test, test };   \
	static int test(void)

#define EXPECT(cond)                                                                              \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			pr_err("%s:%d: expected %s\n", __FILE__, __LINE__, #cond);                \
			return -EINVAL;                                                           \
		}                                                                                 \
	} while (0)

#endif
