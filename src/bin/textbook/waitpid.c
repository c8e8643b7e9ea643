/*
 * waitpid: a parent that goes on with its work and asks now and then whether its child has ended.
 *
 * From:  the process notes (waitpid).
 * Shows: with WNOHANG waitpid returns 0 for as long as the child lives; -1 in place of an id means any child.
 * Next:  signal, so that a process is told and need not ask.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	int status = 0; /* mended: the original reads it even when waitpid returned -1 and left it as it was */

	pid_t pid = fork();
	if (pid == 0) {
		sleep(15);
		return 24;
	}
	/* Wrong: also when fork failed; then waitpid has no child to wait for, and the loop ends at once. */
	while (waitpid(-1, &status, WNOHANG) == 0) {
		sleep(3);
		printf("sleep 3sec.\n");
	}
	if (WIFEXITED(status))
		printf("Child send %d \n", WEXITSTATUS(status));
	return 0;
}
