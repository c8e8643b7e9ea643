/* Another author's rot13_serv. */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONGEST 4096

static int turn(int c)
{
    if (!isascii(c) || !isalpha(c)) return c;
    int first = isupper(c) ? 'A' : 'a';
    return first + (c - first + 13) % 26;
}

static void die(const char *what) { perror(what); exit(1); }

static void bury(int unused) { int kept = errno; while (waitpid(-1, 0, WNOHANG) > 0) {} errno = kept; }

static void talk(int peer)
{
    char line[LONGEST + 1], c;
    unsigned used = 0;
    int got;
    while ((got = recv(peer, &c, 1, 0)) != 0) {
        if (got < 0) { perror("recv"); return; }
        if (used <= LONGEST) line[used++] = turn(c & 0xff);
        if (c != '\n') continue;
        send(peer, line, used, 0);
        used = 0;
    }
}

int main(void)
{
    int yes = 1;
    struct sockaddr_in here;
    int door = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = htons(43211);
    if (bind(door, (struct sockaddr *)&here, sizeof here) < 0) die("bind");
    if (listen(door, 1024) < 0) die("listen");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, bury);
    while (1) {
        struct sockaddr_storage guest;
        socklen_t size = sizeof guest;
        int peer = accept(door, (struct sockaddr *)&guest, &size);
        if (peer < 0) die("accept");
        if (!fork()) {
            close(door);
            talk(peer);
            exit(0);
        }
        close(peer);
    }
}
