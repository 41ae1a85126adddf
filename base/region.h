/* SPDX-License-Identifier: MIT
 *
 * Memory that is taken in small pieces and given back as a whole, with a limit on all of it.
 */
#ifndef CN_REGION_H
#define CN_REGION_H

#include <stddef.h>

struct cn_region {
    struct cn_region_block *blocks; /* the newest first; NULL: none yet */
    size_t used;                    /* bytes of the newest block */
    size_t total;                   /* bytes taken from the system */
    size_t limit;                   /* most of them; set by the caller before the first use */
};

/* n bytes (0 is allowed), aligned for any type, not cleared. NULL without memory or beyond the
 * limit. */
void *cn_region_alloc(struct cn_region *region, size_t n);
/* The piece p of n_old bytes (NULL: 0) as one of n_new >= n_old, its bytes kept; in place if it is
 * the newest and there is room. NULL as above; the old piece then is still good. */
void *cn_region_grow(struct cn_region *region, void *p, size_t n_old, size_t n_new);
/* Gives all back; the region is empty then and may be used again. */
void cn_region_free(struct cn_region *region);

#endif
