/* Reaps all children that have ended, in a handler of SIGCHLD. */
#ifndef REAP_H
#define REAP_H

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static void reap(int signal_number)
{
	int before = errno;

	(void)signal_number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = before;
}

static inline void reap_children(void)
{
	struct sigaction action = {.sa_handler = reap, .sa_flags = SA_RESTART};

	sigaction(SIGCHLD, &action, NULL);
}

#endif
