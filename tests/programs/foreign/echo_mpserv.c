/* Another author's echo_mpserv. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 30, QUEUE = 5 };

static void die(const char *what) { perror(what); exit(EXIT_FAILURE); }

static void bury(int unused)
{
    int how;
    printf("child %d is gone\n", waitpid(-1, &how, WNOHANG));
}

static void serve(int sock)
{
    char room[ROOM];
    int got;
    while ((got = read(sock, room, sizeof room))) write(sock, room, got);
}

static int open_server(int port)
{
    struct sockaddr_in here;
    int sock = socket(AF_INET, SOCK_STREAM, 0);
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_ANY);
    here.sin_port = htons(port);
    if (bind(sock, (struct sockaddr *)&here, sizeof here) != 0) die("cannot bind");
    if (listen(sock, QUEUE) != 0) die("cannot listen");
    return sock;
}

int main(int count, char *words[])
{
    struct sigaction how;

    if (count != 2) { printf("give me a port, as in: %s 9190\n", words[0]); exit(EXIT_FAILURE); }
    memset(&how, 0, sizeof how);
    how.sa_handler = bury;
    sigaction(SIGCHLD, &how, NULL);
    int server = open_server(atoi(words[1]));
    for (;;) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        int sock = accept(server, (struct sockaddr *)&peer, &size);
        if (sock < 0) continue;
        puts("somebody has come");
        pid_t kid = fork();
        if (kid == 0) {
            close(server);
            serve(sock);
            close(sock);
            puts("somebody has gone");
            exit(EXIT_SUCCESS);
        }
        close(sock);
    }
}
