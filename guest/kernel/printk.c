/*
 * The log and the way to the console.
 *
 * Messages are stamped and go into a ring of characters; log_head counts all characters ever logged, so the
 * ring's content is the last LOG_SIZE of them. The first console to register gets what is there already.
 */
#include "printk.h"

#include "console.h"
#include "irqflags.h"
#include "kernel.h"
#include "string.h"
#include "time.h"

#define LOG_SIZE 16384
#define LINE_MAX 256

static char log_buf[LOG_SIZE];
static size_t log_head;
static int console_loglevel = KERN_DEBUG;
static const struct console *console;

static void log_store(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		log_buf[log_head++ % LOG_SIZE] = s[i];
}

void printk(int level, const char *fmt, ...)
{
	u64 now = ktime_get_ns();
	char line[LINE_MAX];
	unsigned long flags;
	va_list args;
	size_t n;

	n = snprintf(line, sizeof(line), "[%5llu.%06llu] ", now / NSEC_PER_SEC,
		     now % NSEC_PER_SEC / NSEC_PER_USEC);
	va_start(args, fmt);
	n += vsnprintf(line + n, sizeof(line) - n, fmt, args);
	va_end(args);
	if (n >= sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	local_irq_save(flags);
	log_store(line, n);
	if (level < console_loglevel)
		console_write(line, n);
	local_irq_restore(flags);
}

void printk_set_quiet(void)
{
	console_loglevel = KERN_INFO;
}

void printk_dump(void)
{
	size_t from = log_head > LOG_SIZE ? log_head - LOG_SIZE : 0;
	size_t to = log_head;

	/* The oldest line may have lost its beginning: leave it out. */
	while (from && from < to && log_buf[from++ % LOG_SIZE] != '\n')
		;
	while (from < to) {
		size_t at = from % LOG_SIZE;
		size_t n = min(to - from, LOG_SIZE - at);

		console_write(log_buf + at, n);
		from += n;
	}
}

void register_console(const struct console *con)
{
	bool first = !console;

	console = con;
	if (first && console_loglevel > KERN_INFO)
		printk_dump();
	pr_info("console: %s\n", con->name);
}

void console_write(const char *s, size_t n)
{
	unsigned long flags;

	if (!console)
		return;
	local_irq_save(flags);
	for (size_t done = 0; done < n;) {
		const char *eol = memchr(s + done, '\n', n - done);
		size_t len = eol ? (size_t)(eol - s) - done : n - done;

		console->write(s + done, len);
		if (eol) {
			console->write("\r\n", 2);
			len++;
		}
		done += len;
	}
	local_irq_restore(flags);
}

void console_printf(const char *fmt, ...)
{
	char line[LINE_MAX];
	va_list args;
	size_t n;

	va_start(args, fmt);
	n = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	console_write(line, min(n, sizeof(line) - 1));
}
