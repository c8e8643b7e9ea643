/* Another author's fork: other names, other texts, another style. */
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

int counter = 10;

void show(const char *who, int a, int b) { printf("%s has %d and %d\n", who, a, b); }

int main(int argc, char **argv)
{
    int other = 20;
    counter++; other = other + 5;
    switch (fork()) {
    case 0:
        counter = counter + 2; other = other + 2;
        show("The child", counter, other);
        break;
    default:
        counter = counter - 2; other = other - 2;
        show("The parent", counter, other);
    }
    return 0;
}
