/*
 * signal: two handled signals, and three long sleeps that the signals interrupt.
 *
 * From:  the process notes (signal handling with signal).
 * Shows: the kernel calls the handler in this same process. A signal ends a sleep early; the sleep is not resumed.
 * Next:  sigaction, which states everything that signal leaves to the system.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "handler_printf.h"

static void timeout(int sig)
{
	/* mended: the original uses stdio in its handlers. See handler_printf.h. */
	if (sig == SIGALRM)
		printf("Time out!\n");
	alarm(2);
}

static void keycontrol(int sig)
{
	if (sig == SIGINT)
		printf("CTRL+C pressed\n");
}

int main(void)
{
	signal(SIGALRM, timeout);
	signal(SIGINT, keycontrol);
	alarm(2);

	for (int i = 0; i < 3; i++) {
		printf("wait...\n");
		sleep(100);
	}
	return 0;
}
