/* SPDX-License-Identifier: MIT
 *
 * Cuts one allocation into pieces: once to measure, once to hand them out.
 */
#ifndef CN_CARVER_H
#define CN_CARVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CN_CARVE_ALIGN = 64 };

/* With a NULL base it only measures. */
struct cn_carver {
    uint8_t *base;
    size_t used;
    bool overflow; /* the sizes are more than a size_t can hold */
};

static inline void *cn_carve(struct cn_carver *c, int64_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) || bytes > SIZE_MAX / 4 ||
        c->used > SIZE_MAX / 4) {
        c->overflow = true;
        return NULL;
    }
    void *p = c->base ? c->base + c->used : NULL;
    c->used += (bytes + CN_CARVE_ALIGN - 1) / CN_CARVE_ALIGN * CN_CARVE_ALIGN;
    return p;
}

#endif
