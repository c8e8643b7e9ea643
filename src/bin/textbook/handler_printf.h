/*
 * printf for a program whose signal handler prints too.
 *
 * The published programs call printf in their handlers. C does not define what happens when the handler interrupted
 * printf itself. This printf makes the same system calls, with one exception: a handler that interrupted stdio writes
 * its line directly to standard output. The Rust library's printf! does the same.
 *
 * Include this header after the others, because it replaces printf in the code after it.
 */
#ifndef HANDLER_PRINTF_H
#define HANDLER_PRINTF_H

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static volatile sig_atomic_t inside_stdio;

/* Runs in exit(), before exit() writes the buffers of stdio. */
__attribute__((destructor)) static void exit_begins(void)
{
	inside_stdio = 1;
}

__attribute__((format(printf, 1, 2))) static void handler_printf(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (inside_stdio) {
		char line[128];
		int length = vsnprintf(line, sizeof(line), format, arguments);

		if (length >= (int)sizeof(line))
			length = sizeof(line) - 1;
		if (length > 0)
			write(STDOUT_FILENO, line, length);
	} else {
		inside_stdio = 1;
		vprintf(format, arguments);
		inside_stdio = 0;
	}
	va_end(arguments);
}

#define printf handler_printf

#endif
