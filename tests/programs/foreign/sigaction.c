/* Another author's sigaction. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_alarm(int number)
{
    if (number == SIGALRM) puts("ring ring");
    alarm(2);
}

int main(void)
{
    struct sigaction how;
    memset(&how, 0, sizeof how);
    how.sa_handler = on_alarm;
    sigaction(SIGALRM, &how, 0);
    alarm(2);
    int n = 0;
    do { puts("sleeping"); sleep(100); } while (++n < 3);
    return 0;
}
