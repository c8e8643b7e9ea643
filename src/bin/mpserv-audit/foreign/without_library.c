/*
 * In place of the C++ library, for a program that uses none of it: what a compiler refers to all the same.
 *
 * The names are those of the Itanium C++ ABI, which all compilers on Linux follow.
 */
#include <stdlib.h>

/* std::ios_base::Init, of which #include <iostream> makes an object */
void _ZNSt8ios_base4InitC1Ev(void *init) { (void)init; }
void _ZNSt8ios_base4InitD1Ev(void *init) { (void)init; }

/* new and delete, also of arrays, as the library has them: malloc and free */
void *_Znwm(size_t size) { return malloc(size); }
void *_Znam(size_t size) { return malloc(size); }
void _ZdlPv(void *memory) { free(memory); }
void _ZdaPv(void *memory) { free(memory); }
void _ZdlPvm(void *memory, size_t size) { (void)size; free(memory); }
void _ZdaPvm(void *memory, size_t size) { (void)size; free(memory); }

/* a call of a virtual function that is not there */
void __cxa_pure_virtual(void) { abort(); }
