/* Compiler attributes and access helpers. */
#ifndef COMPILER_H
#define COMPILER_H

#define __section(name) __attribute__((__section__(name)))
#define __aligned(x) __attribute__((__aligned__(x)))
#define __packed __attribute__((__packed__))
#define __noreturn __attribute__((__noreturn__))
/* For functions that a backtrace should name. */
#define noinline __attribute__((__noinline__))
#define __used __attribute__((__used__))
#define __printf(fmt, args) __attribute__((__format__(__printf__, fmt, args)))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define barrier() __asm__ volatile("" ::: "memory")
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, val) (*(volatile __typeof__(x) *)&(x) = (val))

/*
 * A table that many files add entries to: kernel.ld gathers the entries' section, `.table.<name>`,
 * between two symbols. The header that owns the table declares it once with DECLARE_TABLE().
 */
#define table_entry(name) __used __section(".table." #name)
#define DECLARE_TABLE(type, name)                                                                \
	extern type __start_##name##_table[];                                                     \
	extern type __stop_##name##_table[]
#define for_each_table_entry(pos, name)                                                           \
	for (pos = __start_##name##_table; pos < __stop_##name##_table; pos++)

#endif
