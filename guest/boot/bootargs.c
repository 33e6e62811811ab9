/* The kernel command line: a private copy, cut into words once. */
#include "init.h"
#include "kernel.h"
#include "string.h"

static char command_line[1024];
static size_t command_line_len;

void bootargs_init(const char *args)
{
	if (strscpy(command_line, args, sizeof(command_line)) < 0)
		pr_warn("command line cut after %zu characters\n", sizeof(command_line) - 1);
	command_line_len = strlen(command_line);
	pr_info("command line: %s\n", command_line);
	for (size_t i = 0; i < command_line_len; i++)
		if (command_line[i] == ' ')
			command_line[i] = '\0';
}

const char *get_bootarg(const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (const char *word = command_line; word < command_line + command_line_len;
	     word += strlen(word) + 1) {
		if (strncmp(word, name, len))
			continue;
		if (word[len] == '=')
			found = word + len + 1;
		else if (!word[len])
			found = word + len;
	}
	return found;
}
