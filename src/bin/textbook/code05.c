/*
 * code05 [ignore]: receives messages and answers each, with one process for each connection.
 *
 * From:  the server/client notes, as a class Server, port 5051. The argument `ignore` is our addition.
 * Shows: which descriptors parent and child close. An object holds both descriptors and closes them at its end.
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
	int m_listenfd; /* 0 stands for no descriptor, here and below */
	int m_connfd;
};

static void Server_Closelistenfd(struct Server *server)
{
	close(server->m_listenfd); /* closes any number, also 0 */
	server->m_listenfd = 0;
}

static void Server_Closeconnfd(struct Server *server)
{
	close(server->m_connfd);
	server->m_connfd = 0;
}

static bool Server_InitServer(struct Server *server, int port)
{
	/* Wrong: a -1 from socket is not checked. bind fails with EBADF, and so does close. */
	server->m_listenfd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in servaddr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(port),
	};
	if (bind(server->m_listenfd, (struct sockaddr *)&servaddr, sizeof(servaddr)) == -1) {
		Server_Closelistenfd(server);
		return false;
	}
	if (listen(server->m_listenfd, BACKLOG) == -1) {
		Server_Closelistenfd(server);
		return false;
	}
	return true;
}

static bool Server_Accept(struct Server *server)
{
	server->m_connfd = accept(server->m_listenfd, NULL, NULL);
	return server->m_connfd > 0;
}

static int Server_Send(const struct Server *server, const char *buf, int buflen)
{
	return send(server->m_connfd, buf, buflen, 0);
}

static int Server_Recv(const struct Server *server, char *buf, int buflen)
{
	return recv(server->m_connfd, buf, buflen, 0);
}

/* The class's destructor. */
static void Server_drop(struct Server *server)
{
	if (server->m_listenfd != 0)
		close(server->m_listenfd);
	/* Wrong: after a failed accept, this line closes -1. */
	if (server->m_connfd != 0)
		close(server->m_connfd);
}

int main(int argc, char *argv[])
{
	struct Server server = {0, 0};

	/* Wrong: in the original this call is commented out, so each child stays a zombie while the server lives. */
	if (argc == 2 && strcmp(argv[1], "ignore") == 0)
		signal(SIGCHLD, SIG_IGN);

	if (!Server_InitServer(&server, PORT)) {
		Server_drop(&server);
		return -1;
	}

	while (1) {
		if (!Server_Accept(&server)) { /* Wrong: one connection that failed ends the server. */
			Server_drop(&server);
			return -1;
		}
		printf("connect ok\n");

		if (fork() > 0) {
			Server_Closeconnfd(&server);
			continue;
		}
		/* Wrong: this line is also reached when fork failed. Then the server itself serves the client, and ends. */
		Server_Closelistenfd(&server);
		printf("子进程与客户端连接\n");

		char buf[BUF_SIZE];
		while (1) {
			memset(buf, 0, sizeof(buf));
			if (Server_Recv(&server, buf, sizeof(buf) - 1) <= 0)
				break;
			printf("接收: %s\n", buf);

			strcpy(buf, "成功接收");
			if (Server_Send(&server, buf, strlen(buf)) <= 0)
				break;
			printf("发送: %s\n", buf);
		}
		printf("连接断开\n");
		Server_drop(&server);
		return 0;
	}
}
