/*
 * sbi_base.c - Base extension (SBI 2.0, chapter 4): who is this, and what can it do?
 */
#include "csr.h"
#include "sbi.h"

enum {
	BASE_GET_SPEC_VERSION,
	BASE_GET_IMPL_ID,
	BASE_GET_IMPL_VERSION,
	BASE_PROBE_EXTENSION,
	BASE_GET_MVENDORID,
	BASE_GET_MARCHID,
	BASE_GET_MIMPID,
};

#define SPEC_VERSION	(2 << 24 | 0)	/* major in bits 30:24, minor in 23:0 */
#define IMPL_ID		0x74686177	/* "thaw"; not in the specification's list of registered ids */
#define IMPL_VERSION	1

struct sbiret sbi_base(unsigned long function, const unsigned long *args)
{
	switch (function) {
	case BASE_GET_SPEC_VERSION:
		return (struct sbiret){ SBI_SUCCESS, SPEC_VERSION };
	case BASE_GET_IMPL_ID:
		return (struct sbiret){ SBI_SUCCESS, IMPL_ID };
	case BASE_GET_IMPL_VERSION:
		return (struct sbiret){ SBI_SUCCESS, IMPL_VERSION };
	case BASE_PROBE_EXTENSION:
		return (struct sbiret){ SBI_SUCCESS, sbi_probe_extension(args[0]) };
	case BASE_GET_MVENDORID:
		return (struct sbiret){ SBI_SUCCESS, csr_read(mvendorid) };
	case BASE_GET_MARCHID:
		return (struct sbiret){ SBI_SUCCESS, csr_read(marchid) };
	case BASE_GET_MIMPID:
		return (struct sbiret){ SBI_SUCCESS, csr_read(mimpid) };
	default:
		return (struct sbiret){ SBI_ERR_NOT_SUPPORTED, 0 };
	}
}
