/* iterative PORT: one connection after another, in one process: what the kernel and the load generator can do at most. */
#include "echo.h"

int main(int argc, char *argv[])
{
	int listener = listen_on(argc > 1 ? argv[1] : "0");

	for (;;) {
		int connection = accept(listener, NULL, NULL);
		if (connection == -1)
			continue;
		echo(connection);
		close(connection);
	}
}
