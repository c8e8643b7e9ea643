/* prefork PORT COUNT: makes COUNT processes ahead of time. Each process accepts by itself. */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "echo.h"

int main(int argc, char *argv[])
{
	int listener = listen_on(argc > 1 ? argv[1] : "0");

	for (int left = argc > 2 ? atoi(argv[2]) : 1; left > 0; left--) {
		if (fork() != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			int connection = accept(listener, NULL, NULL);
			if (connection == -1)
				continue;
			echo(connection);
			close(connection);
		}
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
