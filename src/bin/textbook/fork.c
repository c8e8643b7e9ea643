/*
 * fork: a parent and a child change the same two variables, each its own copy.
 *
 * From:  the notes on chapter 10 (processes), the first example.
 * Shows: fork returns twice, 0 to the child and the child's id to the parent; memory is copied, not shared.
 * Next:  zombie, for what becomes of a child that nobody waits for.
 */
#include <stdio.h>
#include <unistd.h>

static int global = 10;

int main(void)
{
	int local = 20;

	global += 1;
	local += 5;

	pid_t pid = fork();
	if (pid == 0) {
		global += 2;
		local += 2;
		printf("Child proc: [%d %d] \n", global, local);
	} else { /* Wrong: also when fork failed; then there is a parent without a child. */
		global -= 2;
		local -= 2;
		printf("parent proc: [%d %d] \n", global, local);
	}
	return 0;
}
