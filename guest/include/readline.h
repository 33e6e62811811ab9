/* One line from the console, edited and echoed. */
#ifndef READLINE_H
#define READLINE_H

#include "types.h"

#define READLINE_MAX 256

/* Returns a terminated line without its end; more than fits is not accepted (and not echoed). */
void readline(char *line, size_t size);

#endif
