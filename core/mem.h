/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory with a budget. A size that comes from a file is multiplied with an overflow check and
 * held against the budget before anything is allocated, so that a hostile header meets a
 * sentence and not the kernel's out-of-memory killer.
 */
#ifndef SM_CORE_MEM_H
#define SM_CORE_MEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* A budget in bytes, shared by any number of threads. */
struct sm_mem {
	size_t limit;
	atomic_size_t used;
	atomic_size_t peak;
};

/* limit 0 = three quarters of the physical memory (or of the cgroup's limit when smaller). */
void sm_mem_init(struct sm_mem *mem, size_t limit);

/* *out = a * b (* c); false when that overflows size_t. */
bool sm_mul(size_t a, size_t b, size_t *out);
bool sm_mul3(size_t a, size_t b, size_t c, size_t *out);

/* Whole MiB that hold so many bytes, for sentences: "needs 851 MiB, 850 MiB are allowed". */
size_t sm_mib_up(size_t bytes);

/* Allocates count * size bytes aligned to 64, accounted to mem (NULL = no budget). `what` names
 * the thing in the error sentence ("volume of case_001_t1.nii.gz"). NULL on failure with err
 * filled (always SM_BUDGET). Thread-safe.
 * The caller frees with sm_free(). sm_calloc also zeroes. */
void *sm_alloc(struct sm_mem *mem, size_t count, size_t size, const char *what, struct sm_err *err);
void *sm_calloc(struct sm_mem *mem, size_t count, size_t size, const char *what,
		struct sm_err *err);

/* Frees a block of sm_alloc/sm_calloc and gives its bytes back to the budget; NULL is fine. */
void sm_free(void *block);

/* Gives the whole pages within `bytes` bytes from `from` on, a part of such a block, back to the
 * system: what stood there is lost, the block can still be written to. For data that are read once,
 * in order, while what is made of them grows. The budget does not change. */
void sm_let_go(const void *from, size_t bytes);

/* Gives back to the system what is freed but kept by the C library: between two phases of work that
 * both take much. */
void sm_mem_trim(void);

/* Bytes that are allocated at this moment, of the whole process; 0 where the C library does not
 * tell. */
size_t sm_mem_heap(void);

/* All threads from now on share one pool of the C library: only of that can sm_mem_trim give all
 * back. For programs that allocate little but large blocks; first thing in main. */
void sm_mem_one_pool(void);

/* An arena for strings and records that live as long as their owner. Zero-initialise; blocks come
 * zeroed and aligned to 16; NULL when out of memory. Not thread-safe. */
struct sm_arena {
	struct sm_arena_chunk *chunk;
};
void *sm_arena_alloc(struct sm_arena *arena, size_t bytes);
char *sm_arena_strdup(struct sm_arena *arena, const char *text);
char *sm_arena_strf(struct sm_arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void sm_arena_clear(struct sm_arena *arena);

/* printf into fresh malloc memory (free with free()); NULL when out of memory. */
char *sm_strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
