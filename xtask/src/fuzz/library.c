// A little of everything that memtrace looks for in a file: seeds for the fuzzer are made of this.
#include "usdt.h"
#include <stddef.h>

const char banner[] = "GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n";
static char arena[4096];
static size_t used;

__attribute__((noinline)) static void *take(size_t size)
{
	if (size > sizeof arena - used)
		return NULL;
	used += size;
	return arena + used - size;
}

static inline __attribute__((always_inline)) size_t rounded(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

const char *gnu_get_libc_version(void) { return banner; }
int mallctl(const char *name) { return name != NULL; }
void *malloc(size_t size) { return take(rounded(size)); }
void *calloc(size_t count, size_t size) { return take(rounded(count * size)); }
void *realloc(void *old, size_t size) { return old ? old : take(rounded(size)); }
void *memalign(size_t alignment, size_t size) { return alignment ? take(rounded(size)) : NULL; }

void free(void *block)
{
	if (block == NULL)
		return;
	USDT("free", "0", "8@%0", "r"(block));
	volatile char *bytes = block;
	char copy[*bytes & 127];
	copy[0] = *bytes;
	*bytes = copy[0];
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
	*result = memalign(alignment, size);
	return *result == NULL;
}
