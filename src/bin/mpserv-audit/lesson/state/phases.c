/* Changes the program's state in the kernel, step by step. After each step the program sleeps until SIGUSR2 comes. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void wake(int signal_number)
{
	(void)signal_number;
}

static void next(void)
{
	sleep(1000);
}

static void child_that_ends(void)
{
	if (fork() == 0)
		_exit(0);
}

int main(int argc, char *argv[])
{
	int ends[2], pair[2];
	sigset_t chld, usr1;

	signal(SIGUSR2, wake);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	next();
	if (argc > 1)
		return 0;

	if (pipe(ends) == -1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return 1;
	next();
	dup2(ends[0], 9);
	fcntl(ends[1], F_DUPFD_CLOEXEC, 20);
	close(ends[0]);
	open("/dev/null", O_RDONLY | O_CLOEXEC);
	next();
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	raise(SIGUSR1);
	next();
	child_that_ends();
	next();
	signal(SIGCHLD, wake);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	child_that_ends();
	child_that_ends();
	next();
	sigprocmask(SIG_UNBLOCK, &chld, NULL);
	next();
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	next();
	signal(SIGUSR1, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	child_that_ends();
	next();
	pid_t child = fork();
	if (child == 0) {
		close(9);
		pause();
	}
	next();
	signal(SIGCHLD, SIG_DFL);
	kill(child, SIGKILL);
	next();
	execl("/proc/self/exe", argv[0], "again", (char *)NULL);
	return 1;
}
