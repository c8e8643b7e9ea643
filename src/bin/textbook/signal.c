/*
 * signal: two signals handled, and three long sleeps that they cut short.
 *
 * From:  the process notes (signal handling with signal).
 * Shows: the kernel calls the handler in this very process; a signal wakes a sleep, and the sleep is not resumed.
 * Next:  sigaction, which says what signal leaves to the system.
 */
#include "handler_printf.h"

static void time_out(int signal_number)
{
	/* Wrong: stdio in a handler, here and below. See handler_printf.h. */
	if (signal_number == SIGALRM)
		printf("Time out!\n");
	alarm(2);
}

static void key_pressed(int signal_number)
{
	if (signal_number == SIGINT)
		printf("CTRL+C pressed\n");
}

int main(void)
{
	signal(SIGALRM, time_out);
	signal(SIGINT, key_pressed);
	alarm(2);

	for (int i = 0; i < 3; i++) {
		printf("wait...\n");
		sleep(100);
	}
	return 0;
}
