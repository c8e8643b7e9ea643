/*
 * echo_mpserv PORT: sends back what it receives, with one process for each connection.
 *
 * From:  the process notes (multi-process servers), where it is the program that everything before it leads to.
 * Shows: a parent that only accepts and forks, children that only serve, and a SIGCHLD handler that reaps them.
 * Next:  echo_mpclient, which splits its own work over two processes; rot13_serv, whose handler reaps in a loop.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "handler_printf.h"

#define BUF_SIZE 30

static void fail(const char *message)
{
	fputs(message, stderr);
	fputc('\n', stderr);
	exit(1);
}

static void reap(int signal_number)
{
	int status;
	/* Wrong: signals of a kind do not queue, so of children that end together all but one stay zombies. */
	pid_t pid = waitpid(-1, &status, WNOHANG);

	(void)signal_number;
	/* Wrong: stdio in a handler. See handler_printf.h. */
	printf("removed proc id: %d \n", pid);
}

int main(int argc, char *argv[])
{
	if (argc != 2) {
		printf("Usage : %s <port>\n", argv[0]);
		exit(1);
	}

	struct sigaction action = {.sa_handler = reap, .sa_flags = 0};
	sigemptyset(&action.sa_mask);
	sigaction(SIGCHLD, &action, NULL);

	int listener = socket(PF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons((uint16_t)atoi(argv[1])),
	};
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == -1)
		fail("bind() error");
	if (listen(listener, 5) == -1)
		fail("listen() error");

	for (;;) {
		struct sockaddr_in client;
		socklen_t client_size = sizeof(client);
		int connection = accept(listener, (struct sockaddr *)&client, &client_size);
		/* Right for EINTR, when the handler has run; wrong for EMFILE, which makes this a busy loop. */
		if (connection == -1)
			continue;
		printf("new client connected...\n");

		pid_t pid = fork();
		if (pid == -1) {
			close(connection);
			continue;
		}
		if (pid == 0) {
			char buffer[BUF_SIZE];
			ssize_t length;

			close(listener);
			/* Wrong: read's -1 becomes the length, and write fails with EFAULT. */
			while ((length = read(connection, buffer, BUF_SIZE)) != 0)
				if (write(connection, buffer, (size_t)length) == -1)
					continue;
			close(connection);
			printf("client disconnected...\n");
			return 0;
		}
		close(connection);
	}
}
