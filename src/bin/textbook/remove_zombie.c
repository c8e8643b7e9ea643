/*
 * remove_zombie: a SIGCHLD handler waits for the children while the parent does other work.
 *
 * From:  the process notes (signals against zombies).
 * Shows: the end of a child interrupts the parent's sleep, which is not resumed. The handler reads the exit status.
 * Next:  echo_mpserv, where the parent's other work is to accept connections.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handler_printf.h"

static void read_childproc(int sig)
{
	int status = 0; /* mended: the original reads status even when waitpid returned 0 or -1 and did not set it */
	/* Wrong: signals do not queue. If several children end together, one SIGCHLD may stand for all. One waitpid takes
	 * one child, so the others can stay zombies. */
	pid_t pid = waitpid(-1, &status, WNOHANG);

	if (WIFEXITED(status)) {
		/* mended: the original uses stdio in a handler. See handler_printf.h. */
		printf("Removed proc id: %d \n", pid);
		printf("Child send: %d \n", WEXITSTATUS(status));
	}
}

int main(void)
{
	struct sigaction act;

	act.sa_handler = read_childproc;
	sigemptyset(&act.sa_mask);
	act.sa_flags = 0;
	sigaction(SIGCHLD, &act, NULL);

	pid_t pid = fork();
	if (pid == 0) {
		printf("Hi! I'm child process\n");
		sleep(10);
		return 12;
	} else { /* Wrong: this branch is also taken when fork failed, with the id -1. So is the branch below. */
		printf("Child proc id: %d \n", pid);

		pid = fork();
		if (pid == 0) {
			printf("Hi! I'm child process\n");
			sleep(10);
			exit(24);
		} else {
			printf("Child proc id: %d \n", pid);

			for (int i = 0; i < 5; i++) {
				printf("wait...\n");
				sleep(5);
			}
		}
	}
	return 0;
}
