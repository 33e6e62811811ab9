/* Runs the self tests that are linked in. */
#include "selftest.h"

#include "shell.h"
#include "string.h"

static int cmd_selftest(int argc, char **argv)
{
	const struct selftest *test;
	int failures = 0, ran = 0;

	for_each_table_entry(test, selftest) {
		bool ok;

		if (argc > 1 && strcmp(argv[1], test->name))
			continue;
		ok = !test->fn();
		console_printf("%s %s\n", test->name, ok ? "ok" : "FAIL");
		failures += !ok;
		ran++;
	}
	shell_answer("selftest_failures", "%d", failures);
	return failures ? -EIO : ran ? 0 : -ENOENT;
}
SHELL_COMMAND(selftest, "[NAME]: run the tests inside the kernel, or one of them", cmd_selftest);
