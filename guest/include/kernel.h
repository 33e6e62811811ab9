/* Small arithmetic and pointer helpers, and the ways to die. */
#ifndef KERNEL_H
#define KERNEL_H

#include "compiler.h"
#include "errno.h"
#include "printk.h"
#include "types.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define ALIGN(x, a) (((x) + ((a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a)-1))
#define IS_ALIGNED(x, a) (((x) & ((a)-1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))

#define min(a, b)                                                                                 \
	({                                                                                        \
		__typeof__(a) _a = (a);                                                           \
		__typeof__(b) _b = (b);                                                           \
		_a < _b ? _a : _b;                                                                \
	})
#define max(a, b)                                                                                 \
	({                                                                                        \
		__typeof__(a) _a = (a);                                                           \
		__typeof__(b) _b = (b);                                                           \
		_a > _b ? _a : _b;                                                                \
	})

#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-MAX_ERRNO)
static inline void *ERR_PTR(long error) { return (void *)error; }
static inline long PTR_ERR(const void *ptr) { return (long)ptr; }
static inline bool IS_ERR(const void *ptr) { return IS_ERR_VALUE(ptr); }

/* Prints the message, the registers' backtrace, and shuts the machine down as a system failure. */
__noreturn __printf(1, 2) void panic(const char *fmt, ...);

#define BUG() panic("kernel BUG at %s:%d!", __FILE__, __LINE__)
#define BUG_ON(cond)                                                                              \
	do {                                                                                      \
		if (unlikely(cond))                                                               \
			BUG();                                                                    \
	} while (0)

/* Prints a warning with a backtrace; evaluates to the condition. */
void warn_slowpath(const char *file, int line);
#define WARN_ON(cond)                                                                             \
	({                                                                                        \
		bool _warn = (cond);                                                              \
		if (unlikely(_warn))                                                              \
			warn_slowpath(__FILE__, __LINE__);                                        \
		_warn;                                                                            \
	})

#endif
