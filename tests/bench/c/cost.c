/*
 * cost MEGABYTES PROGRAM: what a process costs whose parent has so much memory in use: how many a second can be made by
 * fork, by fork and exec, and by vfork and exec.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 0.25

enum kind { FORK, FORK_EXEC, VFORK_EXEC, KINDS };

static const char *const names[KINDS] = {"fork", "fork_exec", "vfork_exec"};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void make(enum kind kind, char *argv[])
{
	char *none[] = {NULL};
	pid_t pid = kind == VFORK_EXEC ? vfork() : fork();

	if (pid == 0) {
		if (kind != FORK)
			execve(argv[0], argv, none);
		_exit(0);
	}
	if (pid == -1 || waitpid(pid, NULL, 0) == -1) {
		perror("cost");
		exit(111);
	}
}

static double rate(enum kind kind, char *argv[])
{
	double begin = now(), time;
	long count = 0;

	do {
		make(kind, argv);
		count++;
	} while ((time = now() - begin) < SECONDS);
	return (double)count / time;
}

int main(int argc, char *argv[])
{
	if (argc != 3)
		return 100;
	size_t size = strtoul(argv[1], NULL, 10) << 20;
	if (size > 0) {
		void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED) {
			perror("mmap");
			return 111;
		}
		madvise(memory, size, MADV_NOHUGEPAGE);
		memset(memory, 1, size);
	}
	for (enum kind kind = FORK; kind < KINDS; kind++)
		printf("%s %.1f\n", names[kind], rate(kind, &argv[2]));
	return 0;
}
