/*
 * fork: a parent and a child change the same two variables, each its own copy.
 *
 * From:  the notes on chapter 10 (processes), the first example.
 * Shows: fork returns twice, 0 in the child and the child's id in the parent. The child gets a copy of the memory.
 * Next:  zombie, which shows a child whose parent does not wait for it.
 */
#include <stdio.h>
#include <unistd.h>

static int gval = 10;

int main(void)
{
	int lval = 20;

	gval += 1;
	lval += 5;

	pid_t pid = fork();
	if (pid == 0) {
		gval += 2;
		lval += 2;
	} else { /* Wrong: this branch is also taken when fork failed. Then there is a parent without a child. */
		gval -= 2;
		lval -= 2;
	}

	if (pid == 0)
		printf("Child proc: [%d %d] \n", gval, lval);
	else
		printf("parent proc: [%d %d] \n", gval, lval);
	return 0;
}
