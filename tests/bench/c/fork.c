/* fork PORT: makes a process for each connection. A handler reaps the process. */
#include "echo.h"
#include "reap.h"

int main(int argc, char *argv[])
{
	int listener = listen_on(argc > 1 ? argv[1] : "0");

	reap_children();
	for (;;) {
		int connection = accept(listener, NULL, NULL);
		if (connection == -1)
			continue;
		if (fork() == 0) {
			close(listener);
			echo(connection);
			_exit(0);
		}
		close(connection);
	}
}
