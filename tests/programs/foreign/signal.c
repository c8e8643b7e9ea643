/* Another author's signal. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

typedef void handler(int);

static void on_alarm(int number)
{
    if (number == SIGALRM) puts("ring ring");
    alarm(2);
}

static void on_key(int number) { if (number == SIGINT) puts("somebody pressed ctrl-C, and I go on"); }

static void install(int number, handler *function) { signal(number, function); }

int main(void)
{
    int rounds = 3;
    install(SIGALRM, on_alarm);
    install(SIGINT, on_key);
    alarm(2);
    while (rounds-- > 0) { puts("sleeping"); sleep(100); }
    return 0;
}
