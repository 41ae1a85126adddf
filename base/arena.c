/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

void *cn_arena_take(struct cn_arena *arena, int64_t count, size_t size)
{
    size_t bytes;
    if (arena->overflow || count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) ||
        bytes > SIZE_MAX / 4 || arena->used > SIZE_MAX / 4) {
        arena->overflow = true;
        return NULL;
    }
    void *p = arena->base ? arena->base + arena->used : NULL;
    arena->used += cn_round_up(bytes, CN_ALIGN);
    return p;
}
