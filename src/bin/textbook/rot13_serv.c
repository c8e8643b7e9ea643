/*
 * rot13_serv: sends back each line rotated by 13 letters, with one process for each connection.
 *
 * From:  lecture 25 (sockets and processes), port 43211.
 * Shows: a handler that waits in a loop, so that no zombie stays however many children end together; a port that can
 *        be used again at once (SO_REUSEADDR); signal(), whose meaning hangs on how the file is compiled.
 * Next:  echo_mpserv, whose handler waits once.
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
#define LINE_MAX_LENGTH 4096

static void fail(const char *message)
{
	int error = errno;

	fputs(message, stderr);
	fprintf(stderr, ": %s (%d)\n", strerror(error), error);
	exit(1);
}

static void reap(int signal_number)
{
	int interrupted = errno; /* mended: the original leaves waitpid's errno to whatever it interrupted */

	(void)signal_number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	errno = interrupted;
}

static char rot13(char byte)
{
	if ((byte >= 'a' && byte <= 'm') || (byte >= 'A' && byte <= 'M'))
		return (char)(byte + 13);
	if ((byte >= 'n' && byte <= 'z') || (byte >= 'N' && byte <= 'Z'))
		return (char)(byte - 13);
	return byte;
}

static void serve(int connection)
{
	char line[LINE_MAX_LENGTH];
	size_t length = 0;

	for (;;) {
		char byte;
		ssize_t received = recv(connection, &byte, 1, 0); /* Wrong: one system call for each byte. */
		if (received == 0)
			return; /* Wrong: a last line without a newline is lost. */
		if (received == -1) {
			perror("read");
			return;
		}
		if (length < LINE_MAX_LENGTH) /* Wrong: what does not fit is lost, the newline too. */
			line[length++] = rot13(byte);
		if (byte == '\n') {
			if (send(connection, line, length, 0) == -1) /* Wrong: a part may be sent, or none. */
				(void)line;
			length = 0;
		}
	}
}

int main(void)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int on = 1;
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(PORT),
	};
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == -1)
		fail("bind failed ");
	if (listen(listener, BACKLOG) == -1)
		fail("listen failed ");

	signal(SIGPIPE, SIG_IGN);
	/* Wrong: under -std=c99 this is System V's signal: it works once, and has accept fail with EINTR. */
	signal(SIGCHLD, reap);

	for (;;) {
		struct sockaddr_storage client;
		socklen_t client_size = sizeof(client);
		int connection = accept(listener, (struct sockaddr *)&client, &client_size);
		if (connection == -1) /* Wrong: a client that went away, or a signal, ends the server. */
			fail("accept failed");

		if (fork() == 0) {
			close(listener);
			serve(connection);
			exit(0);
		}
		close(connection); /* also when fork failed: then nobody serves it */
	}
}
