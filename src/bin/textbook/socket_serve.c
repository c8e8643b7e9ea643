/*
 * socket_serve: receives messages and answers each, with one process for each connection.
 *
 * From:  the blog on concurrent servers, as a class CTcpServer with CloseListen and CloseClient, port 5051.
 * Shows: the parent closes the connection, the child closes the listener. With SIGCHLD ignored no zombie stays.
 * Next:  socket_client, its client; code05, whose children do become zombies.
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

struct CTcpServer {
	int m_listen_sock; /* 0 stands for no descriptor, here and below */
	int m_serve_sock;
};

static bool CTcpServer_InitServer(struct CTcpServer *server, int port)
{
	/* Wrong: a -1 from socket is not checked. bind fails with EBADF, and so does close. */
	server->m_listen_sock = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in servaddr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_ANY),
		.sin_port = htons(port),
	};
	if (bind(server->m_listen_sock, (struct sockaddr *)&servaddr, sizeof(servaddr)) == -1) {
		close(server->m_listen_sock);
		server->m_listen_sock = 0;
		return false;
	}
	if (listen(server->m_listen_sock, BACKLOG) == -1) {
		close(server->m_listen_sock);
		server->m_listen_sock = 0;
		return false;
	}
	return true;
}

static bool CTcpServer_Accept(struct CTcpServer *server)
{
	server->m_serve_sock = accept(server->m_listen_sock, NULL, NULL);
	return server->m_serve_sock > 0;
}

static int CTcpServer_Send(const struct CTcpServer *server, const char *buf, int buflen)
{
	return send(server->m_serve_sock, buf, buflen, 0);
}

static int CTcpServer_Recv(const struct CTcpServer *server, char *buf, int buflen)
{
	return recv(server->m_serve_sock, buf, buflen, 0);
}

static void CTcpServer_CloseListen(struct CTcpServer *server)
{
	/* Wrong: a listener can be 0, where standard input was closed. Then the child keeps the port. */
	if (server->m_listen_sock > 0)
		close(server->m_listen_sock);
	server->m_listen_sock = 0;
}

static void CTcpServer_CloseClient(struct CTcpServer *server)
{
	if (server->m_serve_sock > 0)
		close(server->m_serve_sock);
	server->m_serve_sock = 0;
}

/* The class's destructor. */
static void CTcpServer_drop(struct CTcpServer *server)
{
	CTcpServer_CloseListen(server);
	CTcpServer_CloseClient(server);
}

int main(void)
{
	signal(SIGCHLD, SIG_IGN); /* the kernel removes each child at its end, so no wait is needed */

	struct CTcpServer server = {0, 0};
	if (!CTcpServer_InitServer(&server, PORT)) {
		printf("服务端初始化失败，程序退出。\n");
		CTcpServer_drop(&server);
		return -1;
	}

	while (1) {
		if (!CTcpServer_Accept(&server)) { /* Wrong: one connection that failed ends the server. */
			printf("接收客户端的连接失败\n");
			CTcpServer_drop(&server);
			return -1;
		}

		if (fork() > 0) {
			CTcpServer_CloseClient(&server);
			continue;
		} else { /* Wrong: this branch is also taken when fork failed. Then the server itself serves the client, and ends. */
			CTcpServer_CloseListen(&server);
			break;
		}
	}
	printf("客户端已连接。\n");

	char buf[BUF_SIZE + 1]; /* mended: the original has no room for the NUL after 1024 bytes */
	while (1) {
		memset(buf, 0, sizeof(buf));
		if (CTcpServer_Recv(&server, buf, BUF_SIZE) <= 0)
			break;
		printf("接收：%s\n", buf);

		strcpy(buf, "ok");
		if (CTcpServer_Send(&server, buf, strlen(buf)) <= 0)
			break;
		printf("发送：%s\n", buf);
	}
	printf("客户端已断开连接。\n");
	CTcpServer_drop(&server);
	return 0;
}
