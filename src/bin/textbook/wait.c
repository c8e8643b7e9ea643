/*
 * wait: two children that end in two ways, and two waits that read their exit status.
 *
 * From:  the notes on chapter 10 (wait).
 * Shows: a return from main and exit() both set the exit status. wait takes any child that has ended; no zombie stays.
 * Next:  waitpid, which can check for a child without blocking.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int status = 0; /* mended: when both forks failed, the original reads a status that no wait has set */

	pid_t pid = fork();
	if (pid == 0) {
		return 3;
	} else { /* Wrong: this branch is also taken when fork failed, with the id -1. So is the branch below. */
		printf("child process one ID: %d\n", pid);

		pid = fork();
		if (pid == 0) {
			exit(7);
		} else {
			printf("child process two1 ID: %d\n", pid);

			wait(&status);
			if (WIFEXITED(status))
				printf("child sen one: %d\n", WEXITSTATUS(status));

			pid = wait(&status);
			printf("child process two2 ID: %d\n", pid);
			if (WIFEXITED(status))
				printf("child sen two: %d\n", WEXITSTATUS(status));

			sleep(30); /* time to see in `ps au` that there is no zombie */
		}
	}
	return 0;
}
