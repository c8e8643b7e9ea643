/*
 * Replaces the C++ library for a program that does not use it. Compilers refer to these functions even in such a
 * program.
 *
 * The names are those of the Itanium C++ ABI, which all compilers on Linux follow.
 */
#include <stdlib.h>

/* std::ios_base::Init: #include <iostream> makes an object of this class. */
void _ZNSt8ios_base4InitC1Ev(void *init) { (void)init; }
void _ZNSt8ios_base4InitD1Ev(void *init) { (void)init; }

/* new and delete, also for arrays, call malloc and free, as in the library. */
void *_Znwm(size_t size) { return malloc(size); }
void *_Znam(size_t size) { return malloc(size); }
void _ZdlPv(void *memory) { free(memory); }
void _ZdaPv(void *memory) { free(memory); }
void _ZdlPvm(void *memory, size_t size) { (void)size; free(memory); }
void _ZdaPvm(void *memory, size_t size) { (void)size; free(memory); }

/* A call of a missing virtual function comes here. */
void __cxa_pure_virtual(void) { abort(); }
