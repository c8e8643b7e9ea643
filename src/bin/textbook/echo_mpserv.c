/*
 * echo_mpserv PORT: sends back the bytes that it receives, with one process for each connection.
 *
 * From:  the process notes (multi-process servers). The earlier programs of the notes lead to this program.
 * Shows: a parent that only accepts and forks, children that only serve, and a SIGCHLD handler that reaps them.
 * Next:  echo_mpclient, which reads and writes in two processes; rot13_serv, whose handler reaps in a loop.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handler_printf.h"

#define BUF_SIZE 30

static void error_handling(const char *message)
{
	fputs(message, stderr);
	fputc('\n', stderr);
	exit(1);
}

static void read_childproc(int sig)
{
	int status;
	/* Wrong: signals do not queue. If several children end together, one SIGCHLD may stand for all. One waitpid takes
	 * one child, so the others can stay zombies. */
	pid_t pid = waitpid(-1, &status, WNOHANG);

	/* mended: the original uses stdio in a handler. See handler_printf.h. */
	printf("removed proc id: %d \n", pid);
}

int main(int argc, char *argv[])
{
	if (argc != 2) {
		printf("Usage : %s <port>\n", argv[0]);
		exit(1);
	}

	struct sigaction act;
	act.sa_handler = read_childproc;
	sigemptyset(&act.sa_mask);
	act.sa_flags = 0;
	sigaction(SIGCHLD, &act, NULL);

	int serv_sock = socket(PF_INET, SOCK_STREAM, 0);
	struct sockaddr_in serv_adr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(atoi(argv[1])),
	};
	if (bind(serv_sock, (struct sockaddr *)&serv_adr, sizeof(serv_adr)) == -1)
		error_handling("bind() error");
	if (listen(serv_sock, 5) == -1)
		error_handling("listen() error");

	while (1) {
		struct sockaddr_in clnt_adr;
		socklen_t adr_sz = sizeof(clnt_adr);
		int clnt_sock = accept(serv_sock, (struct sockaddr *)&clnt_adr, &adr_sz);
		/* To try again is right for EINTR, which the handler causes. Wrong: after EMFILE the loop never waits. */
		if (clnt_sock == -1)
			continue;
		printf("new client connected...\n");

		pid_t pid = fork();
		if (pid == -1) {
			close(clnt_sock);
			continue;
		}
		if (pid == 0) {
			char buf[BUF_SIZE];
			ssize_t str_len;

			close(serv_sock);
			/* Wrong: read's -1 becomes the length, and write fails with EFAULT. */
			while ((str_len = read(clnt_sock, buf, BUF_SIZE)) != 0)
				write(clnt_sock, buf, str_len);

			close(clnt_sock);
			printf("client disconnected...\n");
			return 0;
		} else {
			close(clnt_sock);
		}
	}
}
