/* Accesses that may fault: -EFAULT instead of an oops. */
#ifndef UACCESS_H
#define UACCESS_H

#include "types.h"

int get_kernel_nofault(u8 *value, const void *addr);
int put_kernel_nofault(void *addr, u8 value);

#endif
