/*
 * waitpid: a parent that continues its work and checks now and then whether its child has ended.
 *
 * From:  the process notes (waitpid).
 * Shows: with WNOHANG waitpid returns 0 while the child lives. The id -1 means any child.
 * Next:  signal: the kernel tells a process, so the process need not ask.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int status = 0; /* mended: the original reads status even when waitpid returned -1 and did not set it */

	pid_t pid = fork();
	if (pid == 0) {
		sleep(15);
		return 24;
	} else { /* Wrong: this branch is also taken when fork failed. Then there is no child, and the loop ends at once. */
		while (waitpid(-1, &status, WNOHANG) == 0) {
			sleep(3);
			printf("sleep 3sec.\n");
		}

		if (WIFEXITED(status))
			printf("Child send %d \n", WEXITSTATUS(status));
	}
	return 0;
}
