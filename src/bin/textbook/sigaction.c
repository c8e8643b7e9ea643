/*
 * sigaction: one signal handled, by the call that says all that signal leaves to the system.
 *
 * From:  the process notes (signal handling with sigaction).
 * Shows: the mask is emptied with sigemptyset, for it has no value of its own; with flags 0 nothing is restarted.
 * Next:  remove_zombie, whose handler waits for children.
 */
#include "handler_printf.h"

static void time_out(int signal_number)
{
	/* Wrong: stdio in a handler. See handler_printf.h. */
	if (signal_number == SIGALRM)
		printf("Time out!\n");
	alarm(2);
}

int main(void)
{
	struct sigaction action = {.sa_handler = time_out, .sa_flags = 0};

	sigemptyset(&action.sa_mask);
	sigaction(SIGALRM, &action, NULL);
	alarm(2);

	for (int i = 0; i < 3; i++) {
		printf("wait...\n");
		sleep(100);
	}
	return 0;
}
