/* SPDX-License-Identifier: MIT
 *
 * Memory that is taken in small pieces and given back as a whole, with a limit on all of it.
 */
#ifndef CN_ARENA_H
#define CN_ARENA_H

#include <stddef.h>

struct cn_arena {
    struct cn_arena_block *blocks; /* the newest first; NULL: none yet */
    size_t used;                   /* bytes of the newest block */
    size_t total;                  /* bytes taken from the system */
    size_t limit;                  /* most of them; set by the caller before the first use */
};

/* n bytes (0 is allowed), aligned for any type, not cleared. NULL without memory or beyond the
 * limit. */
void *cn_arena_alloc(struct cn_arena *arena, size_t n);
/* The piece p of n_old bytes (NULL: 0) as one of n_new >= n_old, its bytes kept; in place if it is
 * the newest and there is room. NULL as above; the old piece then is still good. */
void *cn_arena_grow(struct cn_arena *arena, void *p, size_t n_old, size_t n_new);
/* Gives all back; the arena is empty then and may be used again. */
void cn_arena_free(struct cn_arena *arena);

#endif
