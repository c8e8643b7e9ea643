/*
 * A small server for the tests of the fault injection. It takes the place of mpserv, and breaks the rule that a word on
 * its command line names.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SLOTS = 2, SOCKETS = 2, TROUBLE = 111, PAUSE_NS = 100000000, SPIN_NS = 1000000, CHATTER = 8000, VARIANTS = 1000 };

static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGPIPE, SIGCONT};
enum { TAKEN = sizeof(taken) / sizeof(*taken) };

static char **words;
static struct pollfd sockets[SOCKETS];
static int socket_count;
static pid_t children[SLOTS];
static sigset_t all, none;
static int accepted, slots = SLOTS;
static volatile sig_atomic_t told, asked_for_successor;

static int has(const char *word)
{
	for (char **each = words; *each; each++)
		if (strcmp(*each, word) == 0)
			return 1;
	return 0;
}

static void fail(const char *call)
{
	dprintf(2, "mpserv: cannot serve: %s: %s\n", call, strerror(errno));
	exit(TROUBLE);
}

static void take(int number)
{
	if (number == SIGTERM || number == SIGINT)
		told++;
	if (number == SIGUSR2)
		asked_for_successor = 1;
}

static void listen_on(const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int is_unix = strncmp(address, "unix:", 5) == 0;
	if (is_unix)
		strcpy(un.sun_path, address + 5);
	struct sockaddr *own = is_unix ? (struct sockaddr *)&un : (struct sockaddr *)&in;
	socklen_t length = is_unix ? sizeof(un) : sizeof(in);
	int fd = socket(own->sa_family, SOCK_STREAM, 0);
	if (fd < 0)
		fail("socket");
	if (bind(fd, own, length) < 0)
		fail("bind");
	if (listen(fd, SLOTS) < 0)
		fail("listen");
	sockets[socket_count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	if (!is_unix) {
		getsockname(fd, own, &length);
		dprintf(2, "mpserv: listen address=127.0.0.1:%d\n", ntohs(in.sin_port));
		dprintf(1, "%d\n", ntohs(in.sin_port));
	}
}

static void echo(int connection)
{
	char bytes[64];
	ssize_t length;
	while (has("silent"))
		pause();
	while ((length = read(connection, bytes, sizeof(bytes))) > 0)
		if (write(connection, bytes, has("cuts") ? 1 : length) < 0)
			_exit(1);
	/* The client sees the end although the parent may still have the connection open. */
	shutdown(connection, SHUT_RDWR);
}

static void become_child(void)
{
	for (int at = 0; at < TAKEN; at++)
		signal(taken[at], SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int count(void)
{
	int living = 0;
	for (int at = 0; at < SLOTS; at++)
		living += children[at] != 0;
	return living;
}

static void reap(void)
{
	pid_t pid;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (int at = 0; at < SLOTS; at++)
			if (children[at] == pid)
				children[at] = 0;
}

static void keep(pid_t child)
{
	for (int at = 0; at < SLOTS; at++)
		if (children[at] == 0) {
			children[at] = child;
			return;
		}
}

static void serve_one(int listener)
{
	int connection = accept(listener, NULL, NULL);
	if (connection < 0) {
		if (has("ends"))
			exit(0);
		if (has("gives-up"))
			exit(TROUBLE);
		if (has("aborts"))
			abort();
		if (has("loses-a-slot"))
			slots = SLOTS - 1;
		if (has("panics"))
			dprintf(2, "mpserv: panic\n");
		if (errno == EFAULT)
			fail("accept");
		for (int turns = 0; has("chatters") && turns < CHATTER; turns++)
			getppid();
		ppoll(NULL, 0, &(struct timespec){.tv_nsec = PAUSE_NS}, &none);
		return;
	}
	accepted++;
	pid_t child = fork();
	if (child == 0) {
		become_child();
		for (int at = 0; at < socket_count; at++)
			close(sockets[at].fd);
		echo(connection);
		_exit(0);
	}
	dprintf(2, "mpserv: accept pid=%d from=127.0.0.1:1\n", child);
	keep(child);
	if (!has("leaks"))
		close(connection);
}

static void fill_pool(void)
{
	while (count() < SLOTS) {
		pid_t child = fork();
		if (child == 0) {
			become_child();
			for (;;) {
				int connection = accept(sockets[0].fd, NULL, NULL);
				if (connection < 0) {
					usleep(PAUSE_NS / 1000);
					_exit(1);
				}
				echo(connection);
				close(connection);
			}
		}
		keep(child);
	}
}

static void stop(int handed_over)
{
	if (has("stays"))
		for (;;)
			ppoll(NULL, 0, NULL, &none);
	if (has("leaves-a-child") && fork() == 0)
		for (;;)
			pause();
	if (!handed_over)
		dprintf(2, "mpserv: stop signal=SIGTERM\n");
	for (int at = 0; at < socket_count; at++)
		close(sockets[at].fd);
	for (reap(); count() > 0; reap()) {
		for (int at = 0; at < SLOTS; at++)
			if (children[at] && (told > 1 || has("--prefork")))
				kill(children[at], SIGTERM);
		ppoll(NULL, 0, NULL, &none);
	}
	if (!has("says-no-end") && !(accepted == 0 && has("stops-ill-without-clients")))
		dprintf(2, "mpserv: stopped drained=0\n");
	exit(0);
}

static void hand_over(void)
{
	asked_for_successor = 0;
	if (has("ignores-usr2"))
		return;
	if (has("refuses-usr2")) {
		dprintf(2, "mpserv: restart error=unknown\n");
		return;
	}
	pid_t successor = fork();
	if (successor == 0) {
		memset(children, 0, sizeof(children));
		dprintf(2, "mpserv: start pid=%d limit=2\n", getpid());
		return;
	}
	dprintf(2, "mpserv: handover by=%d children=%d\n", successor, count());
	stop(1);
}

int main(int argc, char *argv[])
{
	(void)argc;
	words = argv;
	for (char **each = argv; *each; each++) {
		if (strcmp(*each, "--listen") == 0)
			listen_on(each[1]);
		if (strcmp(*each, "-c") == 0)
			listen_on(each[2]);
	}
	sigfillset(&all);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int at = 0; at < TAKEN; at++)
		signal(taken[at], take);
	dprintf(2, "mpserv: start pid=%d limit=2\n", getpid());
	for (int turns = 0; has("varies") && turns < getpid() % VARIANTS; turns++)
		getppid();
	for (;;) {
		if (!has("keeps-zombies"))
			reap();
		if (told)
			stop(0);
		if (asked_for_successor)
			hand_over();
		if (has("--prefork"))
			fill_pool();
		int accepts = !has("--prefork") && count() < slots && !(has("tires") && accepted > SLOTS);
		while (has("burns"))
			;
		const struct timespec spin = {.tv_nsec = SPIN_NS};
		if (ppoll(sockets, accepts ? socket_count : 0, has("spins") ? &spin : NULL, &none) < 0) {
			if (errno != EINTR)
				fail("ppoll");
			continue;
		}
		for (int at = 0; at < socket_count && count() < slots; at++)
			if (sockets[at].revents & POLLIN)
				serve_one(sockets[at].fd);
	}
}
