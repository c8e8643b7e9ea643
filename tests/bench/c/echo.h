/*
 * The shared part of the benchmark's plain servers: a listener, and the echo of one connection. A plain server shows
 * its design only. Such a server has no log and no limits, and handles no signal except SIGCHLD.
 */
#ifndef ECHO_H
#define ECHO_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE 4096
#define BACKLOG 511

static inline void fail(const char *what)
{
	perror(what);
	exit(111);
}

/* Makes a socket that listens on this port of 127.0.0.1. */
static inline int listen_on(const char *port)
{
	int on = 1;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)atoi(port)),
	};

	if (listener == -1)
		fail("socket");
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) == -1)
		fail("bind");
	if (listen(listener, BACKLOG) == -1)
		fail("listen");
	return listener;
}

/* Sends back all bytes, until the end. */
static inline void echo(int connection)
{
	char buffer[BUFFER_SIZE];
	ssize_t length;

	while ((length = read(connection, buffer, sizeof(buffer))) > 0)
		for (ssize_t sent = 0, now; sent < length; sent += now)
			if ((now = write(connection, buffer + sent, (size_t)(length - sent))) == -1)
				return;
}

#endif
