/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/layout.h"

enum { ALIGN = alignof(max_align_t), FIRST_BLOCK = 16 << 10, LARGEST_BLOCK = 1 << 20 };

struct cn_arena_block {
    struct cn_arena_block *next;
    size_t size; /* of data */
    alignas(max_align_t) char data[];
};

void *cn_arena_alloc(struct cn_arena *arena, size_t n)
{
    if (n > SIZE_MAX / 2)
        return NULL;
    n = cn_round_up(n ? n : 1, ALIGN);
    if (!arena->blocks || n > arena->blocks->size - arena->used) {
        size_t size = arena->total < FIRST_BLOCK ? FIRST_BLOCK : arena->total;
        size = size > LARGEST_BLOCK ? LARGEST_BLOCK : size;
        size = size < n ? n : size;
        if (size > arena->limit || arena->total > arena->limit - size)
            return NULL;
        struct cn_arena_block *block = malloc(sizeof *block + size);
        if (!block)
            return NULL;
        block->next = arena->blocks;
        block->size = size;
        arena->blocks = block;
        arena->used = 0;
        arena->total += size;
    }
    void *p = arena->blocks->data + arena->used;
    arena->used += n;
    return p;
}

void *cn_arena_grow(struct cn_arena *arena, void *p, size_t n_old, size_t n_new)
{
    size_t old = cn_round_up(n_old ? n_old : 1, ALIGN);
    char *start = p;
    if (p && arena->blocks && start + old == arena->blocks->data + arena->used &&
        n_new <= SIZE_MAX / 2) {
        size_t more = cn_round_up(n_new ? n_new : 1, ALIGN) - old;
        if (more <= arena->blocks->size - arena->used) {
            arena->used += more;
            return p;
        }
    }
    char *grown = cn_arena_alloc(arena, n_new);
    if (grown && p)
        memcpy(grown, p, n_old);
    return grown;
}

void cn_arena_free(struct cn_arena *arena)
{
    while (arena->blocks) {
        struct cn_arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    arena->used = arena->total = 0;
}
