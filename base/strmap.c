/* SPDX-License-Identifier: MIT */
#include "base/strmap.h"

#include <stdlib.h>
#include <string.h>

/* index is the string's number + 1; 0: free. The tag spares most comparisons of strings. */
struct cn_strmap_slot {
    uint32_t tag;
    uint32_t index;
};

static uint64_t hash(uint64_t seed, struct cn_str key)
{
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t h = seed ^ key.n * odd;
    size_t i = 0;
    for (; i + 8 <= key.n; i += 8) {
        uint64_t word;
        memcpy(&word, key.p + i, 8);
        h = (h ^ word) * odd;
        h ^= h >> 32;
    }
    if (i < key.n) {
        uint64_t word = 0;
        memcpy(&word, key.p + i, key.n - i);
        h = (h ^ word) * odd;
        h ^= h >> 32;
    }
    h *= odd;
    return h ^ h >> 29;
}

static bool equal(struct cn_str a, struct cn_str b)
{
    return a.n == b.n && (a.n == 0 || !memcmp(a.p, b.p, a.n));
}

/* Puts key number `index` - 1 in its slot, unless an equal key is there: a vocabulary of a million
 * equal strings must not make a chain of them. */
static void put(struct cn_strmap *map, uint32_t index)
{
    struct cn_str key = map->keys[index - 1];
    uint64_t h = hash(map->seed, key);
    uint32_t tag = (uint32_t)(h >> 32);
    size_t i = h & (map->n_slots - 1);
    for (; map->slots[i].index; i = (i + 1) & (map->n_slots - 1))
        if (map->slots[i].tag == tag && equal(map->keys[map->slots[i].index - 1], key))
            return;
    map->slots[i] = (struct cn_strmap_slot){ tag, index };
}

static bool reserve(struct cn_strmap *map, size_t n)
{
    if (n > UINT32_MAX - 1)
        return false;
    size_t n_slots = 16;
    while (n_slots < 2 * n)
        n_slots *= 2;
    struct cn_str *keys = realloc(map->keys, n * sizeof *keys);
    if (!keys)
        return false;
    map->keys = keys;
    struct cn_strmap_slot *slots = calloc(n_slots, sizeof *slots);
    if (!slots)
        return false;
    free(map->slots);
    map->slots = slots;
    map->n_slots = n_slots;
    map->capacity = n;
    for (size_t i = 0; i < map->n; i++)
        put(map, (uint32_t)i + 1);
    return true;
}

bool cn_strmap_init(struct cn_strmap *map, size_t n)
{
    *map = (struct cn_strmap){ 0 };
    if (!reserve(map, n < 8 ? 8 : n))
        return false;
    map->seed = (uint64_t)(uintptr_t)map->slots * 0xd1342543de82ef95u; /* addresses are random */
    return true;
}

void cn_strmap_free(struct cn_strmap *map)
{
    free(map->slots);
    free(map->keys);
    *map = (struct cn_strmap){ 0 };
}

int64_t cn_strmap_find(const struct cn_strmap *map, struct cn_str key)
{
    uint64_t h = hash(map->seed, key);
    for (size_t i = h & (map->n_slots - 1); map->slots[i].index; i = (i + 1) & (map->n_slots - 1)) {
        const struct cn_strmap_slot *slot = &map->slots[i];
        if (slot->tag == (uint32_t)(h >> 32) && equal(map->keys[slot->index - 1], key))
            return (int64_t)slot->index - 1;
    }
    return -1;
}

bool cn_strmap_add(struct cn_strmap *map, struct cn_str key)
{
    if (map->n == map->capacity && !reserve(map, 2 * map->capacity))
        return false;
    map->keys[map->n++] = key;
    put(map, (uint32_t)map->n);
    return true;
}
