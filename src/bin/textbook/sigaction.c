/*
 * sigaction: handles one signal. The call sigaction states everything that the call signal leaves to the system.
 *
 * From:  the process notes (signal handling with sigaction).
 * Shows: sigemptyset empties the mask, which has no defined value before. With flags 0 no call is restarted.
 * Next:  remove_zombie, whose handler waits for children.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "handler_printf.h"

static void timeout(int sig)
{
	/* mended: the original uses stdio in a handler. See handler_printf.h. */
	if (sig == SIGALRM)
		printf("Time out!\n");
	alarm(2);
}

int main(void)
{
	struct sigaction act;

	act.sa_handler = timeout;
	sigemptyset(&act.sa_mask);
	act.sa_flags = 0;
	sigaction(SIGALRM, &act, NULL);
	alarm(2);

	for (int i = 0; i < 3; i++) {
		printf("wait...\n");
		sleep(100);
	}
	return 0;
}
