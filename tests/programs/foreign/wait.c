/* Another author's wait. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(const char *which, int st)
{
    if (!WIFEXITED(st)) return;
    printf("%s child said %d\n", which, WEXITSTATUS(st));
}

int main()
{
    int st = 0;
    pid_t first, second, last;

    if ((first = fork()) == 0) exit(3);
    printf("first child is %d\n", first);
    if ((second = fork()) == 0) return 7;
    printf("second child is %d\n", second);

    waitpid(-1, &st, 0); report("one", st);
    last = waitpid(-1, &st, 0);
    printf("the last was %d\n", last); report("another", st);
    sleep(30);
    return 0;
}
