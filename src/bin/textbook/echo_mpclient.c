/*
 * echo_mpclient IP PORT: sends lines to an echo server and prints the answers, until q.
 *
 * From:  the process notes (separate input and output), as the client of echo_mpserv.
 * Shows: one socket in two processes. The child only writes, the parent only reads, and neither waits for the other.
 * Next:  echo_mpserv, its server; socket_client, which sends and receives in turn.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUF_SIZE 30

static void error_handling(const char *message)
{
	fputs(message, stderr);
	fputc('\n', stderr);
	exit(1);
}

static void read_routine(int sock, char *buf)
{
	while (1) {
		ssize_t str_len = read(sock, buf, BUF_SIZE);
		/* Wrong: when the server ends, only the parent ends. The child stays and takes the next line typed. */
		if (str_len == 0)
			return;
		if (str_len > 0) /* mended: after a failed read the original writes the NUL at [-1] */
			buf[str_len] = '\0';
		printf("Message from server: %s", buf);
	}
}

static void write_routine(int sock, char *buf)
{
	while (1) {
		/* Wrong: at the end of input fgets returns NULL, and the last line is sent for ever. */
		fgets(buf, BUF_SIZE, stdin);
		if (strcmp(buf, "q\n") == 0 || strcmp(buf, "Q\n") == 0) {
			shutdown(sock, SHUT_WR);
			return;
		}
		write(sock, buf, strlen(buf));
	}
}

int main(int argc, char *argv[])
{
	/* mended: the original has no room for the NUL after 30 bytes. Without input, the original sends an unset buffer. */
	char buf[BUF_SIZE + 1] = "";

	if (argc != 3) {
		printf("Usage : %s <IP> <port>\n", argv[0]);
		exit(1);
	}

	int sock = socket(PF_INET, SOCK_STREAM, 0);
	struct sockaddr_in serv_adr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = inet_addr(argv[1]),
		.sin_port = htons(atoi(argv[2])),
	};
	if (connect(sock, (struct sockaddr *)&serv_adr, sizeof(serv_adr)) == -1)
		error_handling("connect() error!");

	pid_t pid = fork();
	if (pid == 0)
		write_routine(sock, buf);
	else
		read_routine(sock, buf); /* Wrong: this function is also called when fork failed. Then no process sends. */
	close(sock);
	return 0;
}
