/* The line editor: echo, backspace, ^U to start again. CR, LF or CR LF end a line. */
#include "readline.h"

#include "console.h"

#define CTRL(c) ((c)-'@')
#define DEL 0x7f

static size_t erase(size_t len, size_t n)
{
	for (; n; n--, len--)
		console_write("\b \b", 3);
	return len;
}

void readline(char *line, size_t size)
{
	static bool after_cr;
	size_t len = 0;

	for (;;) {
		char c = console_getc();
		bool second_half = c == '\n' && after_cr;

		after_cr = c == '\r';
		if (second_half)
			continue;
		switch (c) {
		case '\r':
		case '\n':
			line[len] = '\0';
			console_write("\n", 1);
			return;
		case '\b':
		case DEL:
			len = erase(len, len ? 1 : 0);
			break;
		case CTRL('U'):
			len = erase(len, len);
			break;
		default:
			if (c >= ' ' && len + 1 < size) {
				line[len++] = c;
				console_write(&c, 1);
			}
		}
	}
}
