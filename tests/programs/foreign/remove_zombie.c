/* Another author's remove_zombie. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void bury(int unused)
{
    int how = 0;
    pid_t dead = waitpid(-1, &how, WNOHANG);
    if (WIFEXITED(how)) printf("buried %d, who said %d\n", dead, WEXITSTATUS(how));
}

static int work(int result) { printf("at work\n"); sleep(10); return result; }

int main(void)
{
    struct sigaction how;
    memset(&how, 0, sizeof how);
    how.sa_handler = bury;
    sigaction(SIGCHLD, &how, NULL);

    pid_t one = fork();
    if (one == 0) return work(12);
    printf("started %d\n", one);
    pid_t two = fork();
    if (two == 0) exit(work(24));
    printf("started %d\n", two);

    for (int i = 5; i > 0; --i) { printf("tick %d\n", i); sleep(5); }
    return 0;
}
