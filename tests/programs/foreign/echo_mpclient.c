/* Another author's echo_mpclient. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM 30

static void reader(int sock)
{
    char room[ROOM + 1] = {0};
    for (;;) {
        ssize_t got = read(sock, room, ROOM);
        if (!got) break;
        if (got > 0) room[got] = 0;
        printf("<- %s", room);
    }
}

static void writer(int sock)
{
    char line[ROOM] = {0};
    for (;;) {
        fgets(line, sizeof line, stdin);
        if (line[1] == '\n' && (line[0] == 'q' || line[0] == 'Q')) break;
        write(sock, line, strlen(line));
    }
    shutdown(sock, SHUT_WR);
}

int main(int count, char *words[])
{
    if (count != 3) { printf("give me an address and a port: %s 127.0.0.1 9190\n", words[0]); return 1; }
    struct sockaddr_in there;
    memset(&there, 0, sizeof there);
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    there.sin_family = AF_INET;
    there.sin_port = htons(atoi(words[2]));
    there.sin_addr.s_addr = inet_addr(words[1]);
    if (connect(sock, (struct sockaddr *)&there, sizeof there) < 0) {
        fprintf(stderr, "nobody answers\n");
        return 1;
    }
    if (fork()) reader(sock); else writer(sock);
    close(sock);
    return 0;
}
