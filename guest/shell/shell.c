/*
 * The shell: prompts, reads a line, runs the command it names.
 *
 * The prompt, "thaw:RC> ", shows the last command's result, so that a script on the other end of the wire knows
 * both that a command has ended and how. `command &` runs the command in a task of its own, with a
 * copy of the line. Before the first prompt the initial ramdisk, if there is one, is run as a script.
 */
#include "shell.h"

#include "freezer.h"
#include "readline.h"
#include "sched.h"
#include "setup.h"
#include "slab.h"
#include "string.h"

static int split(char *line, char **argv)
{
	int argc = 0;

	for (;;) {
		while (*line == ' ' || *line == '\t')
			*line++ = '\0';
		if (!*line)
			return argc;
		if (argc == SHELL_MAX_ARGS)
			return -E2BIG;
		argv[argc++] = line;
		while (*line && *line != ' ' && *line != '\t')
			line++;
	}
}

int shell_run(char *line)
{
	const struct shell_command *command;
	char *argv[SHELL_MAX_ARGS];
	int argc = split(line, argv);

	if (argc <= 0)
		return argc;
	for_each_table_entry(command, shell_command)
		if (!strcmp(command->name, argv[0]))
			return command->fn(argc, argv);
	console_printf("%s: unknown command, try help\n", argv[0]);
	return -ENOENT;
}

static int job_main(void *line)
{
	int ret = shell_run(line);

	if (ret)
		pr_warn("job %d ended with %d\n", current->pid, ret);
	kfree(line);
	return ret;
}

static int run_job(const char *line)
{
	char *copy = kstrdup(line, GFP_KERNEL);
	struct task_struct *task;

	if (!copy)
		return -ENOMEM;
	task = user_task_run(job_main, copy, "job");
	if (IS_ERR(task)) {
		kfree(copy);
		return PTR_ERR(task);
	}
	shell_answer("pid", "%d", task->pid);
	kthread_detach(task);
	return 0;
}

static int run_line(char *line)
{
	size_t len = strlen(line);

	while (len && line[len - 1] == ' ')
		line[--len] = '\0';
	if (len && line[len - 1] == '&') {
		line[len - 1] = '\0';
		return run_job(line);
	}
	return shell_run(line);
}

/* The initial ramdisk's lines, each as if typed; the first that fails ends the script. */
static int run_script(void)
{
	char line[READLINE_MAX];
	const char *text;
	size_t size;
	int ret = 0;

	text = setup_initrd(&size);
	while (size && !ret) {
		const char *eol = memchr(text, '\n', size);
		size_t len = eol ? (size_t)(eol - text) : size;

		if (len >= sizeof(line))
			return -E2BIG;
		memcpy(line, text, len);
		line[len] = '\0';
		console_printf("# %s\n", line);
		ret = run_line(line);
		len += eol ? 1 : 0;
		text += len;
		size -= len;
	}
	return ret;
}

int shell_main(void *unused)
{
	char line[READLINE_MAX];
	int ret = run_script();

	for (;;) {
		console_printf("thaw:%d> ", ret);
		readline(line, sizeof(line));
		ret = run_line(line);
	}
}
