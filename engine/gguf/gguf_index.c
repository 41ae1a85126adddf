/* SPDX-License-Identifier: MIT
 *
 * Hash tables from the names of keys and tensors to their places.
 */
#include "engine/gguf/gguf_part.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct cn_gguf_slot {
    uint32_t hash;
    uint32_t item; /* 1 + number; 0: free */
};

/* At half load a run of this length does not happen by chance; a file made to collide is refused
 * rather than searched in quadratic time. */
enum { MAX_PROBES = 2048 };

/* FNV-1a, then the finaliser of MurmurHash3, as the low bits alone are used. */
static uint32_t hash_name(const char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * UINT64_C(0x100000001b3);
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (uint32_t)(h ^ (h >> 33));
}

/* Items are structs that begin with their name. */
struct items {
    const void *first;
    size_t stride;
    int64_t n;
};

static const struct cn_str *name_of(const struct items *items, int64_t i)
{
    return (const struct cn_str *)(const void *)((const char *)items->first +
                                                 (size_t)i * items->stride);
}

/* The slot that holds the name, or the free one where it belongs; NULL after MAX_PROBES. */
static struct cn_gguf_slot *probe(const struct cn_gguf_index *index, const struct items *items,
                                  const char *p, size_t n, uint32_t hash)
{
    size_t at = hash & (index->n_slots - 1);
    for (int i = 0; i < MAX_PROBES; i++, at = (at + 1) & (index->n_slots - 1)) {
        struct cn_gguf_slot *slot = &index->slots[at];
        if (slot->item == 0)
            return slot;
        if (slot->hash == hash) {
            const struct cn_str *name = name_of(items, (int64_t)slot->item - 1);
            if (name->n == n && memcmp(name->p, p, n) == 0)
                return slot;
        }
    }
    return NULL;
}

static enum cn_status index_build(struct cn_gguf_index *index, struct items items, const char *kind,
                                  const char *path, struct cn_error *err)
{
    size_t n_slots = 16;
    CN_RETURN_IF(items.n > INT32_MAX, CN_ERR_UNSUPPORTED, err,
                 "%s: %" PRId64 " %ss found, at most 2^31 - 1 expected", path, items.n, kind);
    while (n_slots < (size_t)items.n * 2)
        n_slots *= 2;
    index->slots = calloc(n_slots, sizeof *index->slots);
    CN_RETURN_IF(!index->slots, CN_ERR_MEMORY, err, "%s: out of memory", path);
    index->n_slots = n_slots;
    for (int64_t i = 0; i < items.n; i++) {
        char shown[CN_SHOW_BYTES];
        const struct cn_str *name = name_of(&items, i);
        uint32_t hash = hash_name(name->p, name->n);
        struct cn_gguf_slot *slot = probe(index, &items, name->p, name->n, hash);
        CN_RETURN_IF(!slot, CN_ERR_FORMAT, err,
                     "%s: %s \"%s\": too many names with one hash: the file was made to be slow",
                     path, kind, cn_str_show(*name, shown, sizeof shown));
        CN_RETURN_IF(slot->item, CN_ERR_FORMAT, err, "%s: %s \"%s\" occurs twice", path, kind,
                     cn_str_show(*name, shown, sizeof shown));
        slot->hash = hash;
        slot->item = (uint32_t)(i + 1);
    }
    return CN_OK;
}

enum cn_status cn_gguf_index_keys(struct cn_gguf *g, struct cn_error *err)
{
    return index_build(&g->kv_index, (struct items){ g->kv, sizeof *g->kv, g->n_kv }, "key",
                       g->path, err);
}

enum cn_status cn_gguf_index_tensors(struct cn_gguf *g, struct cn_error *err)
{
    return index_build(&g->tensor_index,
                       (struct items){ g->tensors, sizeof *g->tensors, g->n_tensors }, "tensor",
                       g->path, err);
}

static const void *lookup(const struct cn_gguf_index *index, struct items items, const char *name)
{
    size_t n = strlen(name);
    if (index->n_slots == 0)
        return NULL;
    struct cn_gguf_slot *slot = probe(index, &items, name, n, hash_name(name, n));
    return slot && slot->item ? name_of(&items, (int64_t)slot->item - 1) : NULL;
}

const struct cn_gguf_kv *cn_gguf_find(const struct cn_gguf *gguf, const char *key)
{
    return lookup(&gguf->kv_index, (struct items){ gguf->kv, sizeof *gguf->kv, gguf->n_kv }, key);
}

const struct cn_gguf_tensor *cn_gguf_tensor(const struct cn_gguf *gguf, const char *name)
{
    return lookup(&gguf->tensor_index,
                  (struct items){ gguf->tensors, sizeof *gguf->tensors, gguf->n_tensors }, name);
}
