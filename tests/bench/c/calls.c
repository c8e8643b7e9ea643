/*
 * calls PORT service|handler|program [PROGRAM]: makes the calls that mpserv makes for a connection of a built-in service
 * or of a program, or the library for a connection of a handler, in the parent and in the child. Its memory has as many
 * pages in use and as many mappings as theirs. So its cost is the least that a server with these calls and this memory
 * costs.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "echo.h"

#define PAGE_SIZE 4096
#define TICK_US 5000
/* So many records the parent reads from the descriptor of its signals at once. */
#define RECORDS 4

enum { SERVICE, HANDLER, PROGRAM };

/*
 * The pages of the stack, the private mappings and the shared ones that are in use besides those of a plain C program.
 * A program with std has a heap, libgcc_s, and a stack for signals. Shared are the scoreboard and the state of the log, and the
 * words that the library's signals are told by.
 */
static const struct mode {
	const char *name;
	int pages, private, shared;
} modes[] = {
	[SERVICE] = {"service", 26, 2, 2},
	[HANDLER] = {"handler", 16, 10, 3},
	[PROGRAM] = {"program", 32, 4, 2},
};

static void late(int signal_number)
{
	(void)signal_number;
}

static void block_alarm(int how)
{
	sigset_t alarm_alone;

	sigemptyset(&alarm_alone);
	sigaddset(&alarm_alone, SIGALRM);
	sigprocmask(how, &alarm_alone, NULL);
}

/* Starts the timer that interrupts closes. SIGALRM is blocked but for a close. */
static void start_ticks(void)
{
	const struct itimerval tick = {{0, TICK_US}, {0, TICK_US}};
	const struct sigaction action = {.sa_handler = late};

	block_alarm(SIG_BLOCK);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &tick, NULL);
}

/* Closes a connection for which a handler may have set SO_LINGER. */
static void close_in_time(int connection)
{
	block_alarm(SIG_UNBLOCK);
	close(connection);
	block_alarm(SIG_BLOCK);
}

/* Blocks SIGCHLD, and returns the descriptor that it is read from. */
static int read_children(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static char *map(size_t size, int flags)
{
	char *area = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		fail("mmap");
	return area;
}

/* The two halves of each private area differ in their protection, so they are two mappings. So do the shared ones. */
static void use_mappings(int private, int shared)
{
	for (int i = 0; i < private / 2; i++) {
		char *area = map(2 * PAGE_SIZE, MAP_PRIVATE);
		if (mprotect(area, PAGE_SIZE, PROT_NONE) == -1)
			fail("mprotect");
		area[PAGE_SIZE] = 1;
	}
	for (int i = 0; i < shared; i++)
		*map(PAGE_SIZE, MAP_SHARED) = 1;
}

/* Does what comes before the work of each child. */
static void begin_child(void)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	getppid();
}

static void serve(int listener, int connection, const int others[2], int mode)
{
	char buffer[BUFFER_SIZE];
	ssize_t length;
	sigset_t none;

	begin_child();
	close(others[0]);
	close(listener);
	close(others[1]);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (mode == HANDLER)
		signal(SIGALRM, SIG_DFL);
	while ((length = recv(connection, buffer, sizeof(buffer), 0)) > 0)
		for (ssize_t sent = 0, now; sent < length; sent += now)
			if ((now = send(connection, buffer + sent, (size_t)(length - sent), MSG_NOSIGNAL)) == -1)
				_exit(1);
	if (mode == HANDLER)
		close(connection);
	_exit(0);
}

/* Runs in the memory of the parent. The parent's other descriptors are closed on exec. */
static void run(int connection, char *argv[])
{
	sigset_t none;

	begin_child();
	dup2(connection, STDIN_FILENO);
	dup2(connection, STDOUT_FILENO);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGTTOU, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(argv[0], argv);
	_exit(127);
}

/* Reaps each child that has ended. A handler and a program may leave processes in their group. */
static void reap(int descriptor, int mode)
{
	struct signalfd_siginfo records[RECORDS];
	pid_t pid;

	if (read(descriptor, records, sizeof(records)) == -1)
		return;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		if (mode != SERVICE)
			kill(-pid, 0);
}

static int mode_of(const char *name)
{
	for (int mode = SERVICE; mode <= PROGRAM; mode++)
		if (strcmp(modes[mode].name, name) == 0)
			return mode;
	exit(100);
}

/* Makes the child for this connection. */
static void start(int listener, int connection, const int others[2], int mode, char *argv[])
{
	struct sockaddr_storage name;
	socklen_t length = sizeof(name);

	if (mode != PROGRAM) {
		if (fork() == 0)
			serve(listener, connection, others, mode);
		return;
	}
	getsockname(connection, (struct sockaddr *)&name, &length);
	if (vfork() == 0)
		run(connection, argv);
}

int main(int argc, char *argv[])
{
	int listener = listen_on(argc > 1 ? argv[1] : "0");
	int mode = mode_of(argc > 2 ? argv[2] : "service");
	int others[2] = {read_children(), fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)};
	struct pollfd events[] = {{others[0], POLLIN, 0}, {-1, 0, 0}, {listener, POLLIN, 0}};
	size_t size = (size_t)modes[mode].pages * PAGE_SIZE;

	if (mode == PROGRAM && argc != 4)
		return 100;
	memset(alloca(size), 1, size);
	use_mappings(modes[mode].private, modes[mode].shared);
	if (mode == HANDLER && sbrk(PAGE_SIZE) == (void *)-1)
		fail("sbrk");
	if (mode != SERVICE)
		start_ticks();
	fcntl(listener, F_SETFL, O_NONBLOCK);
	fcntl(listener, F_SETFD, FD_CLOEXEC);
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		int connection = accept4(listener, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC);

		if (connection == -1) {
			poll(events, sizeof(events) / sizeof(events[0]), -1);
			if (events[0].revents != 0)
				reap(others[0], mode);
			continue;
		}
		start(listener, connection, others, mode, &argv[3]);
		if (mode == SERVICE)
			close(connection);
		else
			close_in_time(connection);
	}
}
