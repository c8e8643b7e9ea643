/*
 * code05 [ignore]: receives messages and answers each, with one process for each connection.
 *
 * From:  the server/client notes, as a class Server, port 5051. The argument is not from there: see below.
 * Shows: what parent and child each close, with the two descriptors held by an object that closes them at its end.
 * Next:  code04, its client; socket_serve, which leaves no zombies.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 5051
#define BACKLOG 5
#define BUF_SIZE 1024

struct Server {
	int listener;
	int connection;
};

static void close_once(int *descriptor)
{
	/* Wrong: 0 stands for none, but is a descriptor where standard input was closed. mended: -1 is not closed. */
	if (*descriptor > 0)
		close(*descriptor);
	*descriptor = 0;
}

static bool Server_listen(struct Server *server)
{
	server->listener = socket(AF_INET, SOCK_STREAM, 0);
	if (server->listener == -1)
		return false;
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(PORT),
	};
	if (bind(server->listener, (struct sockaddr *)&address, sizeof(address)) == -1)
		return false;
	return listen(server->listener, BACKLOG) == 0;
}

static bool Server_accept(struct Server *server)
{
	server->connection = accept(server->listener, NULL, NULL);
	return server->connection > 0;
}

static bool Server_recv(const struct Server *server, char *buffer)
{
	memset(buffer, 0, BUF_SIZE);
	return recv(server->connection, buffer, BUF_SIZE - 1, 0) > 0;
}

static bool Server_send(const struct Server *server, const char *text)
{
	return send(server->connection, text, strlen(text), 0) > 0;
}

static void Server_close_listener(struct Server *server)
{
	close_once(&server->listener);
}

static void Server_close_connection(struct Server *server)
{
	close_once(&server->connection);
}

static void Server_drop(struct Server *server)
{
	Server_close_listener(server);
	Server_close_connection(server);
}

int main(int argc, char *argv[])
{
	static const char answer[] = "成功接收";
	char buffer[BUF_SIZE];
	struct Server server = {0, 0};

	/* Wrong: without this, which the original has as a comment, each child stays a zombie while the server lives. */
	if (argc == 2 && strcmp(argv[1], "ignore") == 0)
		signal(SIGCHLD, SIG_IGN);

	if (!Server_listen(&server)) {
		Server_drop(&server);
		return -1;
	}
	for (;;) {
		if (!Server_accept(&server)) { /* Wrong: one connection that failed ends the server. */
			Server_drop(&server);
			return -1;
		}
		printf("connect ok\n");
		if (fork() <= 0)
			break; /* Wrong: also when fork failed: then the server itself serves, and ends. */
		Server_close_connection(&server);
	}
	Server_close_listener(&server);
	printf("子进程与客户端连接\n");
	while (Server_recv(&server, buffer)) {
		printf("接收: %s\n", buffer);
		if (!Server_send(&server, answer))
			break;
		printf("发送: %s\n", answer);
	}
	printf("连接断开\n");
	Server_drop(&server);
	return 0;
}
