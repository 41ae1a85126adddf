/* SPDX-License-Identifier: MIT
 *
 * Private to gguf*.c: the reader of one file's bytes, below open() with its mapping, split files
 * and indices.
 */
#ifndef CN_GGUF_PART_H
#define CN_GGUF_PART_H

#include <string.h>

#include "engine/gguf/gguf.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "GGUF is read as stored");

static inline uint32_t cn_load_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t cn_load_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Bytes of one element as stored; 0 for strings, arrays and anything unknown. */
size_t cn_gguf_elem_bytes(uint32_t type);

/* Checks and takes apart one file: fills version, alignment, kv and tensors of *g (data pointers go
 * into bytes), which the caller frees. On failure *g is untouched. Uniqueness of names is the
 * indices' business. `name` is for messages. */
enum cn_status cn_gguf_parse_part(const uint8_t *bytes, size_t n_bytes, const char *name, int part,
                                  struct cn_gguf *g, struct cn_error *err);

/* gguf_index.c: fill the indices of a file whose keys, or tensors, are all there. CN_ERR_FORMAT if
 * a name occurs twice. */
enum cn_status cn_gguf_index_keys(struct cn_gguf *gguf, struct cn_error *err);
enum cn_status cn_gguf_index_tensors(struct cn_gguf *gguf, struct cn_error *err);

#endif
