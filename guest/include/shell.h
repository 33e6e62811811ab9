/*
 * The shell on the console. A command is one function in a table; it answers with `key value` lines and
 * returns 0 or a negative errno, which the next prompt shows. `command &` runs it as a job of its own.
 */
#ifndef SHELL_H
#define SHELL_H

#include "console.h"
#include "kernel.h"

#define SHELL_MAX_ARGS 8

struct shell_command {
	const char *name;
	const char *help; /* one line: arguments, then what it does */
	int (*fn)(int argc, char **argv);
};

DECLARE_TABLE(const struct shell_command, shell_command);

/* SHELL_COMMAND(mem, "what memory holds", cmd_mem); a second word goes in argv[1]. */
#define SHELL_COMMAND(cmd, text, function)                                                        \
	static const struct shell_command __shell_command_##cmd table_entry(shell_command) = {    \
		.name = #cmd, .help = text, .fn = function                                        \
	}

/* One `key value` line of an answer. */
#define shell_answer(key, fmt, ...) console_printf(key " " fmt "\n", ##__VA_ARGS__)

/* Parses and runs one line (which it cuts up); -ENOENT for an unknown command. */
int shell_run(char *line);
int shell_main(void *unused);

#endif
