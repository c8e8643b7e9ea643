/* The small programs of the tests of drives. The name of the program tells what it does. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char text[400];

static void ring(int signal)
{
	write(1, "a", 1);
}

static struct sockaddr_in address(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

/* Prints the number of the client before each text, and a point at the end of each client. */
static void serve(const char *port)
{
	struct sockaddr_in own = address(port);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&own, sizeof own) == -1 || listen(listener, 5) == -1)
		_exit(1);
	signal(SIGCHLD, SIG_IGN);
	for (text[0] = '0';; text[0]++) {
		int client = accept(listener, NULL, NULL);
		if (fork() == 0) {
			ssize_t length;
			while ((length = read(client, text + 1, 99)) > 0) {
				write(1, text, length + 1);
				write(client, text + 1, length);
			}
			text[1] = '.';
			write(1, text, 2);
			_exit(0);
		}
		close(client);
	}
}

/* Sends two lines, and prints each answer in brackets, and the end. */
static int talk(const char *port, int answers)
{
	struct sockaddr_in server = address(port);
	int connection = socket(AF_INET, SOCK_STREAM, 0);
	ssize_t length;
	connect(connection, (struct sockaddr *)&server, sizeof server);
	write(connection, "one\ntwo\n", 8);
	text[0] = '[';
	for (; answers != 0; answers--) {
		length = read(connection, text + 1, 99);
		if (length <= 0)
			return write(1, length == 0 ? "end" : "reset", length == 0 ? 3 : 5) < 0;
		text[length + 1] = ']';
		write(1, text, length + 2);
	}
	return 0;
}

int main(int argc, char **argv)
{
	/* The caller may ignore it. */
	signal(SIGINT, SIG_DFL);
	const char *name = strrchr(argv[0], '/') + 1;
	const char *port = argc > 1 ? argv[1] : getenv("PORT");
	if (strcmp(name, "serves") == 0)
		serve(port);
	if (strcmp(name, "talks") == 0)
		return talk(port, -1);
	if (strcmp(name, "asks") == 0)
		return talk(port, 1);
	if (strcmp(name, "calls") == 0)
		for (;;)
			write(-1, text, sizeof text);
	if (strcmp(name, "alarms") == 0)
		signal(SIGALRM, ring);
	if (strcmp(name, "ends") != 0)
		for (;;)
			pause();
	return 3;
}
