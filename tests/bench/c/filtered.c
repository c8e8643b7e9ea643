/*
 * filtered PORT: does the same as fork, but each child loads a filter of system calls. The filter is about as short as
 * a useful filter can be. So its cost is the least that a sandbox in each child costs.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "echo.h"
#include "reap.h"

#define ALLOW_IF(number, left) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), (left), 0)

static void load_filter(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW_IF(SYS_read, 6),
		ALLOW_IF(SYS_write, 5),
		ALLOW_IF(SYS_close, 4),
		ALLOW_IF(SYS_recvfrom, 3),
		ALLOW_IF(SYS_sendto, 2),
		ALLOW_IF(SYS_exit_group, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == -1)
		fail("seccomp");
}

int main(int argc, char *argv[])
{
	int listener = listen_on(argc > 1 ? argv[1] : "0");

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fail("prctl");
	reap_children();
	for (;;) {
		int connection = accept(listener, NULL, NULL);
		if (connection == -1)
			continue;
		if (fork() == 0) {
			close(listener);
			load_filter();
			echo(connection);
			_exit(0);
		}
		close(connection);
	}
}
