/*
 * code04: sends ten messages, one each ten seconds, and prints each answer.
 *
 * From:  the server/client notes, as the client of code05, port 5051.
 * Shows: a client that takes turns: send, then wait for the answer; so one process is enough.
 * Next:  socket_client, which asks the resolver for the address; echo_mpclient, which does not take turns.
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
	int connection;
};

static bool Client_connect(struct Client *client)
{
	client->connection = socket(AF_INET, SOCK_STREAM, 0);
	if (client->connection == -1)
		return false;
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = inet_addr(IP),
		.sin_port = htons(PORT),
	};
	return connect(client->connection, (struct sockaddr *)&address, sizeof(address)) == 0;
}

static bool Client_send(const struct Client *client, const char *text)
{
	return send(client->connection, text, strlen(text), 0) > 0;
}

static bool Client_recv(const struct Client *client, char *buffer)
{
	memset(buffer, 0, BUF_SIZE);
	return recv(client->connection, buffer, BUF_SIZE - 1, 0) > 0;
}

static void Client_drop(struct Client *client)
{
	if (client->connection > 0)
		close(client->connection);
}

int main(void)
{
	char buffer[BUF_SIZE];
	struct Client client = {0};

	if (!Client_connect(&client)) {
		printf("connect failed\n");
		Client_drop(&client);
		return -1;
	}
	for (int i = 1; i <= 10; i++) {
		snprintf(buffer, sizeof(buffer), "hello %d", i);
		if (!Client_send(&client, buffer))
			break;
		if (!Client_recv(&client, buffer))
			break;
		printf("接收: %s\n", buffer);
		sleep(10);
	}
	Client_drop(&client);
	return 0;
}
