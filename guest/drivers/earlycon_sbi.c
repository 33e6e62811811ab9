/* The console of the boot's first moments, before the UART is probed: SBI's debug console, if there is one. */
#include "earlycon.h"

#include "console.h"
#include "page.h"
#include "sbi.h"

static void sbi_console_write(const char *s, size_t n)
{
	while (n) {
		struct sbiret ret = sbi_ecall(SBI_EXT_DBCN, SBI_DBCN_CONSOLE_WRITE, n, __pa(s), 0);

		if (ret.error || !ret.value)
			return;
		s += ret.value;
		n -= ret.value;
	}
}

static const struct console sbi_console = { .name = "sbi0", .write = sbi_console_write };

void earlycon_init(void)
{
	if (sbi_probe_extension(SBI_EXT_DBCN))
		register_console(&sbi_console);
}
