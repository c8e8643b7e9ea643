/*
 * calls PORT service|handler: does the same as fork, and also makes the calls that mpserv makes for a connection of a
 * built-in service, or the library for a connection of a handler. Its memory has as many pages in use and as many
 * mappings as theirs. So its cost is the least that a server with these calls and this memory costs.
 */
#include <alloca.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>

#include "echo.h"
#include "reap.h"

/* What is in use besides what fork has. A program with std has a heap, libgcc_s, and a stack for signals. */
#define SERVICE_PAGES 20
#define HANDLER_PAGES 40
#define HANDLER_MAPPINGS 8
#define PAGE_SIZE 4096
#define TICK_US 5000

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

static void use_memory_of_a_handler(void)
{
	char *heap = malloc(PAGE_SIZE);

	if (heap == NULL)
		fail("malloc");
	memset(heap, 1, PAGE_SIZE);
	/* The two halves of each area differ in their protection, so they are two mappings. */
	for (int i = 0; i < HANDLER_MAPPINGS / 2; i++) {
		char *area = mmap(NULL, 2 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (area == MAP_FAILED || mprotect(area, PAGE_SIZE, PROT_NONE) == -1)
			fail("mmap");
		area[PAGE_SIZE] = 1;
	}
}

static void serve(int listener, int connection, const int others[2], int is_handler)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	getppid();
	close(others[0]);
	close(listener);
	close(others[1]);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (is_handler)
		signal(SIGALRM, SIG_DFL);
	echo(connection);
	if (is_handler)
		close(connection);
	_exit(0);
}

int main(int argc, char *argv[])
{
	int listener = listen_on(argc > 1 ? argv[1] : "0");
	int is_handler = argc > 2 && strcmp(argv[2], "handler") == 0;
	int others[2] = {dup(STDERR_FILENO), dup(STDERR_FILENO)};
	size_t size = (size_t)(is_handler ? HANDLER_PAGES : SERVICE_PAGES) * PAGE_SIZE;

	memset(alloca(size), 1, size);
	if (is_handler) {
		use_memory_of_a_handler();
		start_ticks();
	}
	reap_children();
	for (;;) {
		int connection = accept(listener, NULL, NULL);
		if (connection == -1)
			continue;
		if (fork() == 0)
			serve(listener, connection, others, is_handler);
		if (is_handler)
			close_in_time(connection);
		else
			close(connection);
	}
}
