/*
 * echo_mpclient IP PORT: sends lines to an echo server and prints what comes back, until q.
 *
 * From:  the process notes (dividing input and output), as the client of echo_mpserv.
 * Shows: one socket in two processes: the child only writes, the parent only reads, and neither waits for the other.
 * Next:  echo_mpserv, its server; socket_client, which takes turns instead.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF_SIZE 30

static void fail(const char *message)
{
	fputs(message, stderr);
	fputc('\n', stderr);
	exit(1);
}

static void print_answers(int connection)
{
	char message[BUF_SIZE + 1] = ""; /* mended: the original has no room for the NUL behind 30 bytes */

	for (;;) {
		ssize_t length = read(connection, message, BUF_SIZE);
		if (length == 0)
			return;
		if (length > 0) /* mended: the original puts the NUL at [-1], too */
			message[length] = '\0';
		printf("Message from server: %s", message);
	}
}

static void send_lines(int connection)
{
	char line[BUF_SIZE] = "";

	for (;;) {
		/* Wrong: at the end of input fgets changes nothing, and the last line is sent for ever. */
		if (fgets(line, BUF_SIZE, stdin) == NULL)
			(void)line;
		if (strcmp(line, "q\n") == 0 || strcmp(line, "Q\n") == 0) {
			shutdown(connection, SHUT_WR);
			return;
		}
		if (write(connection, line, strlen(line)) == -1)
			continue;
	}
}

int main(int argc, char *argv[])
{
	if (argc != 3) {
		printf("Usage : %s <IP> <port>\n", argv[0]);
		exit(1);
	}

	int connection = socket(PF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = inet_addr(argv[1]),
		.sin_port = htons((uint16_t)atoi(argv[2])),
	};
	if (connect(connection, (struct sockaddr *)&address, sizeof(address)) == -1)
		fail("connect() error!");

	pid_t pid = fork();
	if (pid == 0)
		send_lines(connection);
	else
		print_answers(connection); /* also when fork failed: then nobody sends */
	close(connection);
	return 0;
}
