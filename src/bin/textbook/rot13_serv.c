/*
 * rot13_serv: sends back each line rotated by 13 letters, with one process for each connection.
 *
 * From:  lecture 25 (sockets and processes), port 43211.
 * Shows: a handler that waits in a loop, so that no zombie stays however many children end together. SO_REUSEADDR,
 *        so that the port can be used again at once. signal(), whose meaning depends on how the file is compiled.
 * Next:  echo_mpserv, whose handler waits only once.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 43211
#define BACKLOG 1024
#define MAX_LINE 4096

static void fail(const char *message)
{
	int error = errno;

	fputs(message, stderr);
	fprintf(stderr, ": %s (%d)\n", strerror(error), error);
	exit(1);
}

static char rot13_char(char c)
{
	if ((c >= 'a' && c <= 'm') || (c >= 'A' && c <= 'M'))
		return c + 13;
	if ((c >= 'n' && c <= 'z') || (c >= 'N' && c <= 'Z'))
		return c - 13;
	return c;
}

static void child_run(int fd)
{
	char outbuf[MAX_LINE + 1];
	size_t outbuf_used = 0;

	while (1) {
		char ch;
		ssize_t result = recv(fd, &ch, 1, 0); /* Wrong: recv makes a system call for each byte. */
		if (result == 0)
			break; /* Wrong: a last line without a newline is lost. */
		if (result == -1) {
			perror("read");
			break;
		}
		if (outbuf_used < sizeof(outbuf)) /* Wrong: bytes that do not fit are lost, the newline included. */
			outbuf[outbuf_used++] = rot13_char(ch);
		if (ch == '\n') {
			send(fd, outbuf, outbuf_used, 0); /* Wrong: send may send only a part, or nothing. */
			outbuf_used = 0;
		}
	}
}

static void sigchld_handler(int sig)
{
	int saved = errno; /* mended: the original lets waitpid change the errno of the interrupted code */

	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	errno = saved;
}

static int tcp_server_listen(int port)
{
	int on = 1;

	int listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(port),
	};
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == -1)
		fail("bind failed ");
	if (listen(listener, BACKLOG) == -1)
		fail("listen failed ");
	return listener;
}

int main(void)
{
	int listener = tcp_server_listen(PORT);

	signal(SIGPIPE, SIG_IGN);
	/* Wrong: with -std=c99 this call is System V's signal. Such a handler works once, and makes accept fail with EINTR. */
	signal(SIGCHLD, sigchld_handler);

	while (1) {
		struct sockaddr_storage client;
		socklen_t client_size = sizeof(client);
		int fd = accept(listener, (struct sockaddr *)&client, &client_size);
		if (fd == -1) /* Wrong: a client that went away, or a signal, ends the server. */
			fail("accept failed");

		if (fork() == 0) {
			close(listener);
			child_run(fd);
			exit(0);
		}
		close(fd); /* Wrong: this line is also reached when fork failed. Then no process serves the client. */
	}
}
