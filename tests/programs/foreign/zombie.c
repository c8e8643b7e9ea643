/* Another author's zombie. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void child(void) { printf("child: hello, "); printf("child: bye\n"); }

static void parent(pid_t kid)
{
    printf("my child is %d, and I shall sleep\n", kid);
    sleep(30);
    printf("parent: bye\n");
}

int main()
{
    pid_t kid = fork();
    if (kid != 0) parent(kid); else child();
    exit(EXIT_SUCCESS);
}
