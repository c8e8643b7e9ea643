/* vfork PORT PROGRAM: runs a program for each connection, by vfork and exec, with the environment of the server. */
#include "echo.h"
#include "reap.h"

int main(int argc, char *argv[])
{
	int listener = listen_on(argc > 1 ? argv[1] : "0");

	if (argc != 3)
		return 100;
	reap_children();
	for (;;) {
		int connection = accept(listener, NULL, NULL);
		if (connection == -1)
			continue;
		if (vfork() == 0) {
			dup2(connection, STDIN_FILENO);
			dup2(connection, STDOUT_FILENO);
			close(connection);
			close(listener);
			execv(argv[2], &argv[2]);
			_exit(127);
		}
		close(connection);
	}
}
