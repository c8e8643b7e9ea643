/*
 * code04: sends ten messages, one each ten seconds, and prints each answer.
 *
 * From:  the server/client notes, as the client of code05, port 5051.
 * Shows: a client that sends and then waits for the answer, so that one process is enough.
 * Next:  socket_client, which looks the host up by name; echo_mpclient, which reads and writes in two processes.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IP "127.0.0.1"
#define PORT 5051
#define BUF_SIZE 1024

struct Client {
	int m_connfd; /* 0 stands for no descriptor */
};

static bool Client_InitClient(struct Client *client, const char *ip, int port)
{
	/* Wrong: a -1 from socket is not checked. connect fails with EBADF, and so does close. */
	client->m_connfd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in servaddr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = inet_addr(ip),
		.sin_port = htons(port),
	};
	return connect(client->m_connfd, (struct sockaddr *)&servaddr, sizeof(servaddr)) == 0;
}

static int Client_Send(const struct Client *client, const char *buf, int buflen)
{
	return send(client->m_connfd, buf, buflen, 0);
}

static int Client_Recv(const struct Client *client, char *buf, int buflen)
{
	return recv(client->m_connfd, buf, buflen, 0);
}

/* The class's destructor. */
static void Client_drop(struct Client *client)
{
	if (client->m_connfd != 0)
		close(client->m_connfd);
}

int main(void)
{
	char buf[BUF_SIZE];
	struct Client client = {0};

	if (!Client_InitClient(&client, IP, PORT)) {
		printf("connect failed\n");
		Client_drop(&client);
		return -1;
	}

	for (int i = 1; i <= 10; i++) {
		snprintf(buf, sizeof(buf), "hello %d", i);
		if (Client_Send(&client, buf, strlen(buf)) <= 0)
			break;

		memset(buf, 0, sizeof(buf));
		if (Client_Recv(&client, buf, sizeof(buf) - 1) <= 0)
			break;
		printf("接收: %s\n", buf);
		sleep(10);
	}
	Client_drop(&client);
	return 0;
}
