/*
 * socket_client: sends fifty messages, one each second, and prints each answer.
 *
 * From:  the blog on concurrent servers, as the client of socket_serve, port 5051.
 * Shows: a host is looked up by name, even where the name is an address: the resolver's files are read.
 * Next:  echo_mpclient, which sends and receives at the same time.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "127.0.0.1"
#define PORT 5051
#define MESSAGE_MAX_LENGTH 1024
#define BUF_SIZE (MESSAGE_MAX_LENGTH + 1) /* mended: the original has no room for the NUL behind 1024 bytes */

struct CTcpClient {
	int server;
};

static bool CTcpClient_Connect(struct CTcpClient *client)
{
	client->server = socket(AF_INET, SOCK_STREAM, 0);
	if (client->server == -1)
		return false;
	const struct hostent *host = gethostbyname(HOST);
	if (host == NULL)
		return false;
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(PORT),
	};
	memcpy(&address.sin_addr, host->h_addr_list[0], sizeof(address.sin_addr));
	return connect(client->server, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool CTcpClient_Send(const struct CTcpClient *client, const char *text)
{
	return send(client->server, text, strlen(text), 0) > 0;
}

static bool CTcpClient_Recv(const struct CTcpClient *client, char *buffer)
{
	memset(buffer, 0, BUF_SIZE);
	return recv(client->server, buffer, MESSAGE_MAX_LENGTH, 0) > 0;
}

static void CTcpClient_drop(struct CTcpClient *client)
{
	if (client->server > 0)
		close(client->server);
}

int main(void)
{
	char buffer[BUF_SIZE];
	struct CTcpClient client = {0};

	if (!CTcpClient_Connect(&client)) {
		printf("连接服务端失败\n");
		CTcpClient_drop(&client);
		return -1;
	}
	for (int i = 1; i <= 50; i++) {
		snprintf(buffer, sizeof(buffer), "这是第%d个超级女生，编号%03d。", i, i);
		if (!CTcpClient_Send(&client, buffer))
			break;
		printf("发送：%s\n", buffer);
		if (!CTcpClient_Recv(&client, buffer))
			break;
		printf("接收：%s\n", buffer);
		sleep(1);
	}
	CTcpClient_drop(&client);
	return 0;
}
