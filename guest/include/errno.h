/* Error numbers, with Linux's values. Functions return them negated. */
#ifndef ERRNO_H
#define ERRNO_H

#define EPERM 1
#define ENOENT 2
#define EIO 5
#define ENXIO 6
#define E2BIG 7
#define ENOMEM 12
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define ENODEV 19
#define EINVAL 22
#define ENOSPC 28
#define ERANGE 34
#define ENODATA 61
#define EOPNOTSUPP 95
#define ETIMEDOUT 110
#define EALREADY 114

#define MAX_ERRNO 4095

#endif
