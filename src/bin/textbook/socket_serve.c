/*
 * socket_serve: receives messages and answers each, with one process for each connection.
 *
 * From:  the blog on concurrent servers, as a class CTcpServer with CloseListen and CloseClient, port 5051.
 * Shows: the parent closes the connection and the child the listener; with SIGCHLD ignored no child becomes a zombie.
 * Next:  socket_client, its client; code05, where the children do become zombies.
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
#define MESSAGE_MAX_LENGTH 1024
#define BUF_SIZE (MESSAGE_MAX_LENGTH + 1) /* mended: the original has no room for the NUL behind 1024 bytes */

struct CTcpServer {
	int listener;
	int client;
};

static void CTcpServer_CloseListen(struct CTcpServer *server)
{
	/* Wrong: 0 stands for none, here and below, but is a descriptor where standard input was closed. */
	if (server->listener > 0)
		close(server->listener);
	server->listener = 0;
}

static void CTcpServer_CloseClient(struct CTcpServer *server)
{
	if (server->client > 0)
		close(server->client);
	server->client = 0;
}

static bool CTcpServer_Init(struct CTcpServer *server)
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

static bool CTcpServer_Accept(struct CTcpServer *server)
{
	server->client = accept(server->listener, NULL, NULL);
	return server->client > 0;
}

static bool CTcpServer_Recv(const struct CTcpServer *server, char *buffer)
{
	memset(buffer, 0, BUF_SIZE);
	return recv(server->client, buffer, MESSAGE_MAX_LENGTH, 0) > 0;
}

static bool CTcpServer_Send(const struct CTcpServer *server, const char *text)
{
	return send(server->client, text, strlen(text), 0) > 0;
}

static void CTcpServer_drop(struct CTcpServer *server)
{
	CTcpServer_CloseListen(server);
	CTcpServer_CloseClient(server);
}

int main(void)
{
	static const char answer[] = "ok";
	char buffer[BUF_SIZE];
	struct CTcpServer server = {0, 0};

	signal(SIGCHLD, SIG_IGN); /* the kernel drops each child when it ends: nothing to wait for */

	if (!CTcpServer_Init(&server)) {
		printf("服务端初始化失败，程序退出。\n");
		CTcpServer_drop(&server);
		return -1;
	}
	for (;;) {
		if (!CTcpServer_Accept(&server)) { /* Wrong: one connection that failed ends the server. */
			printf("接收客户端的连接失败\n");
			CTcpServer_drop(&server);
			return -1;
		}
		if (fork() > 0) {
			CTcpServer_CloseClient(&server);
			continue;
		}
		CTcpServer_CloseListen(&server); /* Wrong: also when fork failed: then the server itself serves, and ends. */
		break;
	}
	printf("客户端已连接。\n");
	while (CTcpServer_Recv(&server, buffer)) {
		printf("接收：%s\n", buffer);
		if (!CTcpServer_Send(&server, answer))
			break;
		printf("发送：%s\n", answer);
	}
	printf("客户端已断开连接。\n");
	CTcpServer_drop(&server);
	return 0;
}
