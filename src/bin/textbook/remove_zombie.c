/*
 * remove_zombie: a handler for SIGCHLD waits for the children, while the parent does something else.
 *
 * From:  the process notes (signals against zombies).
 * Shows: the end of a child interrupts the parent's sleep, which is not resumed; the handler takes the exit status.
 * Next:  echo_mpserv, where the parent's other work is to accept connections.
 */
#include <stdlib.h>
#include <sys/wait.h>

#include "handler_printf.h"

static void reap(int signal_number)
{
	int status = 0; /* mended: the original reads it even when waitpid returned 0 or -1 and left it as it was */
	/* Wrong: signals of a kind do not queue, so of children that end together all but one stay zombies. */
	pid_t pid = waitpid(-1, &status, WNOHANG);

	(void)signal_number;
	if (WIFEXITED(status)) {
		/* Wrong: stdio in a handler. See handler_printf.h. */
		printf("Removed proc id: %d \n", pid);
		printf("Child send: %d \n", WEXITSTATUS(status));
	}
}

int main(void)
{
	struct sigaction action = {.sa_handler = reap, .sa_flags = 0};

	sigemptyset(&action.sa_mask);
	sigaction(SIGCHLD, &action, NULL);

	pid_t pid = fork();
	if (pid == 0) {
		printf("Hi! I'm child process\n");
		sleep(10);
		return 12;
	}
	/* Wrong: also when fork failed, with the id -1; so below. */
	printf("Child proc id: %d \n", pid);

	pid = fork();
	if (pid == 0) {
		printf("Hi! I'm child process\n");
		sleep(10);
		exit(24);
	}
	printf("Child proc id: %d \n", pid);

	for (int i = 0; i < 5; i++) {
		printf("wait...\n");
		sleep(5);
	}
	return 0;
}
