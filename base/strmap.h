/* SPDX-License-Identifier: MIT
 *
 * A hash table from strings to small numbers, for vocabularies. It borrows the strings.
 */
#ifndef CN_STRMAP_H
#define CN_STRMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct cn_strmap {
    struct cn_strmap_slot *slots; /* [n_slots], n_slots a power of two, or 0 */
    struct cn_str *keys;          /* [n], in the order of insertion */
    size_t n_slots, n, capacity;
    uint64_t seed; /* differs from run to run: a file cannot aim at one slot */
};

/* An empty map with room for n strings. False without memory. The caller frees it, also then. */
bool cn_strmap_init(struct cn_strmap *map, size_t n);
void cn_strmap_free(struct cn_strmap *map);

/* The number of `key`, or -1. */
int64_t cn_strmap_find(const struct cn_strmap *map, struct cn_str key);

/* Appends `key`, whose number is then map->n - 1, also if the map has it: the first of equal
 * strings is the one that is found. False without memory or beyond 2^32 - 2 strings. */
bool cn_strmap_add(struct cn_strmap *map, struct cn_str key);

#endif
