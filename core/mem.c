/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGN 64

/* Stands before each block; exactly one alignment unit, so that the block keeps its alignment. */
struct head {
	struct sm_mem *mem;
	size_t bytes;
	void *whole; /* what malloc gave */
	char pad[ALIGN - sizeof(struct sm_mem *) - sizeof(size_t) - sizeof(void *)];
};
_Static_assert(sizeof(struct head) == ALIGN, "block header must be one alignment unit");

static size_t cgroup_limit(void)
{
	unsigned long long v = 0;
	FILE *f = fopen("/sys/fs/cgroup/memory.max", "r");
	if (!f)
		return SIZE_MAX;
	int n = fscanf(f, "%llu", &v);
	fclose(f);
	return n == 1 ? (size_t)v : SIZE_MAX;
}

void sm_mem_init(struct sm_mem *mem, size_t limit)
{
	if (!limit) {
		long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
		size_t total = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
		size_t group = cgroup_limit();
		total = group < total ? group : total;
		limit = total / 4 * 3;
	}
	mem->limit = limit;
	atomic_init(&mem->used, 0);
	atomic_init(&mem->peak, 0);
}

bool sm_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

bool sm_mul3(size_t a, size_t b, size_t c, size_t *out)
{
	return sm_mul(a, b, out) && sm_mul(*out, c, out);
}

size_t sm_mib_up(size_t bytes)
{
	return (bytes >> 20) + (bytes & 0xfffff ? 1 : 0);
}

static bool charge(struct sm_mem *mem, size_t bytes)
{
	size_t used = atomic_load(&mem->used);
	do {
		if (bytes > mem->limit || used > mem->limit - bytes)
			return false;
	} while (!atomic_compare_exchange_weak(&mem->used, &used, used + bytes));
	size_t now = used + bytes, peak = atomic_load(&mem->peak);
	while (peak < now && !atomic_compare_exchange_weak(&mem->peak, &peak, now))
		;
	return true;
}

/* Large blocks in large pages: fewer page faults, which cost as much as the copying. Only a
 * hint. */
#define LARGE ((size_t)4 << 20)

static void use_large_pages(void *block, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = ((uintptr_t)block + page - 1) / page * page;
	if (bytes >= LARGE)
		madvise((void *)from, bytes - (from - (uintptr_t)block), MADV_HUGEPAGE);
}

void *sm_alloc(struct sm_mem *mem, size_t count, size_t size, const char *what, struct sm_err *err)
{
	size_t bytes;
	if (!sm_mul(count, size, &bytes) || bytes > SIZE_MAX - 3 * ALIGN) {
		SM_FAIL(err, SM_BUDGET, "%s: %zu x %zu bytes overflow the address space", what,
			count, size);
		return NULL;
	}
	bytes = (bytes + 3 * ALIGN - 1) / ALIGN * ALIGN; /* the head, and what alignment may cost */
	if (mem && !charge(mem, bytes)) {
		SM_FAIL(err, SM_BUDGET,
			"%s: needs %.1f MiB but only %.1f of the budget of %.1f MiB are free "
			"(option --memory)",
			what, (double)bytes / 1048576,
			(double)(mem->limit - atomic_load(&mem->used)) / 1048576,
			(double)mem->limit / 1048576);
		return NULL;
	}
	/* Not by aligned_alloc: glibc's asks for more than it keeps and frees the rest, so that a
	 * freed block is never large enough for the next of the same size. */
	unsigned char *whole = malloc(bytes);
	if (!whole) {
		if (mem)
			atomic_fetch_sub(&mem->used, bytes);
		SM_FAIL(err, SM_BUDGET, "%s: the system refused %.1f MiB of memory", what,
			(double)bytes / 1048576);
		return NULL;
	}
	struct head *head = (struct head *)(whole + (ALIGN - (uintptr_t)whole % ALIGN) % ALIGN);
	use_large_pages(whole, bytes);
	head->whole = whole;
	head->mem = mem;
	head->bytes = bytes;
	return head + 1;
}

void *sm_calloc(struct sm_mem *mem, size_t count, size_t size, const char *what, struct sm_err *err)
{
	void *block = sm_alloc(mem, count, size, what, err);
	if (block)
		memset(block, 0, count * size);
	return block;
}

void sm_free(void *block)
{
	if (!block)
		return;
	struct head *head = (struct head *)block - 1;
	if (head->mem)
		atomic_fetch_sub(&head->mem->used, head->bytes);
	free(head->whole);
}

void sm_let_go(const void *from, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = ((uintptr_t)from + page - 1) / page * page,
		  end = ((uintptr_t)from + bytes) / page * page;
	int saved = errno;
	if (end > first)
		madvise((void *)first, end - first, MADV_DONTNEED);
	errno = saved;
}

void sm_mem_trim(void)
{
	malloc_trim(0);
}

size_t sm_mem_heap(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

void sm_mem_one_pool(void)
{
	mallopt(M_ARENA_MAX, 1);
}

char *sm_strf(const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *text = n < 0 ? NULL : malloc((size_t)n + 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}

struct sm_arena_chunk {
	struct sm_arena_chunk *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

void *sm_arena_alloc(struct sm_arena *arena, size_t bytes)
{
	if (bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + 15) / 16 * 16;
	struct sm_arena_chunk *c = arena->chunk;
	if (!c || c->size - c->used < bytes) {
		size_t size = bytes > 16384 ? bytes : 16384;
		c = calloc(1, sizeof *c + size);
		if (!c)
			return NULL;
		c->size = size;
		c->next = arena->chunk;
		arena->chunk = c;
	}
	void *block = c->bytes + c->used;
	c->used += bytes;
	return block;
}

char *sm_arena_strdup(struct sm_arena *arena, const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy = sm_arena_alloc(arena, n);
	if (copy)
		memcpy(copy, text, n);
	return copy;
}

char *sm_arena_strf(struct sm_arena *arena, const char *fmt, ...)
{
	va_list args, again;
	va_start(args, fmt);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	char *text = n < 0 ? NULL : sm_arena_alloc(arena, (size_t)n + 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, fmt, again);
	va_end(again);
	return text;
}

void sm_arena_clear(struct sm_arena *arena)
{
	while (arena->chunk) {
		struct sm_arena_chunk *next = arena->chunk->next;
		free(arena->chunk);
		arena->chunk = next;
	}
}
