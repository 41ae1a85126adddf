/* SPDX-License-Identifier: MIT
 *
 * One allocation that is laid out in pieces: the same code first measures them, then hands them
 * out.
 */
#ifndef CN_LAYOUT_H
#define CN_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a cache line, and of the widest vectors: how pieces of a layout are aligned. */
enum { CN_ALIGN = 64 };

/* n up to a multiple of unit, which is above 0; less than n if that overflows. */
static inline size_t cn_round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

struct cn_layout {
    uint8_t *base; /* aligned to CN_ALIGN, the caller's; NULL: pieces are measured only */
    size_t used;   /* bytes, a multiple of CN_ALIGN */
    bool overflow; /* more was asked for than can be addressed; pieces from there on are NULL */
};

/* The next piece, for count things of size bytes each; NULL without a base. */
void *cn_layout_take(struct cn_layout *layout, int64_t count, size_t size);

#endif
