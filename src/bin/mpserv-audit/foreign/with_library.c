/*
 * Linked to a program that uses the C++ library. Marks the beginning of main with a call that does nothing. Serves the
 * library's calls of malloc before main from an array, so that the program's first malloc grows the heap, as in C.
 */
#include <stddef.h>
#include <unistd.h>

/* start.rs looks for this name. No file has this name. */
#define MARK "//mpserv-audit: main//"

#define ALIGNMENT sizeof(max_align_t)

static _Alignas(max_align_t) char early[1 << 18];
static size_t used;
static int main_has_begun;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	size_t length = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

	if (main_has_begun || length > sizeof(early) - used)
		return __real_malloc(size);
	used += length;
	return early + used - length;
}

void __real_free(void *memory);
void __wrap_free(void *memory)
{
	char *place = memory;

	if (place < early || place >= early + sizeof(early))
		__real_free(memory);
}

int __real_main(int argc, char **argv, char **envp);
int __wrap_main(int argc, char **argv, char **envp)
{
	main_has_begun = 1;
	access(MARK, F_OK);
	return __real_main(argc, argv, envp);
}
