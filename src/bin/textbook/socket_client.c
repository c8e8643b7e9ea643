/*
 * socket_client: sends fifty messages, one each second, and prints each answer.
 *
 * From:  the blog on concurrent servers, as the client of socket_serve, port 5051.
 * Shows: gethostbyname looks up a host by name. The call reads the resolver's files even when the name is an address.
 * Next:  echo_mpclient, which sends and receives at the same time.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IP "127.0.0.1"
#define PORT 5051
#define BUF_SIZE 1024

struct CTcpClient {
	int m_sockfd; /* 0 stands for no descriptor */
};

static bool CTcpClient_ConnectToServer(struct CTcpClient *client, const char *ip, int port)
{
	/* Wrong: a -1 from socket is not checked. connect fails with EBADF, and so does close. */
	client->m_sockfd = socket(AF_INET, SOCK_STREAM, 0);
	const struct hostent *host = gethostbyname(ip);
	if (host == NULL) {
		close(client->m_sockfd);
		client->m_sockfd = 0;
		return false;
	}
	struct sockaddr_in servaddr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	memcpy(&servaddr.sin_addr, host->h_addr_list[0], sizeof(servaddr.sin_addr));
	if (connect(client->m_sockfd, (struct sockaddr *)&servaddr, sizeof(servaddr)) == -1) {
		close(client->m_sockfd);
		client->m_sockfd = 0;
		return false;
	}
	return true;
}

static int CTcpClient_Send(const struct CTcpClient *client, const char *buf, int buflen)
{
	return send(client->m_sockfd, buf, buflen, 0);
}

static int CTcpClient_Recv(const struct CTcpClient *client, char *buf, int buflen)
{
	return recv(client->m_sockfd, buf, buflen, 0);
}

/* The class's destructor. */
static void CTcpClient_drop(struct CTcpClient *client)
{
	if (client->m_sockfd > 0)
		close(client->m_sockfd);
}

int main(void)
{
	struct CTcpClient client = {0};

	if (!CTcpClient_ConnectToServer(&client, IP, PORT)) {
		printf("连接服务端失败\n");
		CTcpClient_drop(&client);
		return -1;
	}

	char buf[BUF_SIZE + 1]; /* mended: the original has no room for the NUL after 1024 bytes */
	for (int i = 1; i <= 50; i++) {
		snprintf(buf, sizeof(buf), "这是第%d个超级女生，编号%03d。", i, i);
		if (CTcpClient_Send(&client, buf, strlen(buf)) <= 0)
			break;
		printf("发送：%s\n", buf);

		memset(buf, 0, sizeof(buf));
		if (CTcpClient_Recv(&client, buf, BUF_SIZE) <= 0)
			break;
		printf("接收：%s\n", buf);
		sleep(1);
	}
	CTcpClient_drop(&client);
	return 0;
}
