/* SPDX-License-Identifier: MIT */
#include "base/region.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = alignof(max_align_t), FIRST_BLOCK = 16 << 10, LARGEST_BLOCK = 1 << 20 };

struct cn_region_block {
    struct cn_region_block *next;
    size_t size; /* of data */
    alignas(max_align_t) char data[];
};

static size_t rounded(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

void *cn_region_alloc(struct cn_region *region, size_t n)
{
    if (n > SIZE_MAX / 2)
        return NULL;
    n = rounded(n ? n : 1);
    if (!region->blocks || n > region->blocks->size - region->used) {
        size_t size = region->total < FIRST_BLOCK ? FIRST_BLOCK : region->total;
        size = size > LARGEST_BLOCK ? LARGEST_BLOCK : size;
        size = size < n ? n : size;
        if (size > region->limit || region->total > region->limit - size)
            return NULL;
        struct cn_region_block *block = malloc(sizeof *block + size);
        if (!block)
            return NULL;
        block->next = region->blocks;
        block->size = size;
        region->blocks = block;
        region->used = 0;
        region->total += size;
    }
    void *p = region->blocks->data + region->used;
    region->used += n;
    return p;
}

void *cn_region_grow(struct cn_region *region, void *p, size_t n_old, size_t n_new)
{
    size_t old = rounded(n_old ? n_old : 1);
    char *start = p;
    if (p && region->blocks && start + old == region->blocks->data + region->used &&
        n_new <= SIZE_MAX / 2) {
        size_t more = rounded(n_new ? n_new : 1) - old;
        if (more <= region->blocks->size - region->used) {
            region->used += more;
            return p;
        }
    }
    char *grown = cn_region_alloc(region, n_new);
    if (grown && p)
        memcpy(grown, p, n_old);
    return grown;
}

void cn_region_free(struct cn_region *region)
{
    while (region->blocks) {
        struct cn_region_block *next = region->blocks->next;
        free(region->blocks);
        region->blocks = next;
    }
    region->used = region->total = 0;
}
