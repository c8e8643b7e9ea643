/* Another author's waitpid. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    int result = 0;

    if (fork() == 0) { sleep(15); return 24; }
    for (;;) {
        if (waitpid(-1, &result, WNOHANG) != 0) break;
        sleep(3);
        puts("still waiting, three seconds more");
    }
    if (WIFEXITED(result)) printf("it left me %d\n", WEXITSTATUS(result));
    return 0;
}
