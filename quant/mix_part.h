/* SPDX-License-Identifier: MIT
 *
 * What the rules of mix.c and of mix_iqk.c have in common: the ids that they speak of, the walk
 * over a file's tensors, and how tensors are told by their names.
 */
#ifndef CN_MIX_PART_H
#define CN_MIX_PART_H

#include "quant/quant.h"

#include <stdlib.h>
#include <string.h>

/* GGUF type ids of the formats: Q4_K, ... */
enum {
#define LOCAL(n)                                                     (CN_LOCAL_TYPES + (n))
#define CN_FORMAT(id, label, code, elems, bytes, header, act, tiers) label = code,
#include "quant/formats.def"
#undef CN_FORMAT
};

/* Ids of the file types: FT_Q4_K_M, ... */
enum {
#define CN_FILE_TYPE(label, id, base) FT_##label = id,
#define CN_FILE_TYPE_ALIAS(label, of)
#include "quant/file_types.def"
};

/* Counting state of one walk over the tensors. */
struct cn_mix_walk {
    uint32_t file_type;
    bool own; /* the file type is a format under its own name */
    uint32_t base;
    const struct cn_mix_model *model;
    int64_t gqa;     /* heads that share one of values */
    int64_t n_vocab; /* 0: no embedding in the file */
    bool has_output;
    int64_t n_attn_v; /* in the whole file */
    int64_t i_attn_v, i_ffn_down, i_ffn_gate, i_ffn_up;
};

static inline bool cn_mix_has(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

static inline bool cn_mix_is_output(const char *name)
{
    return strcmp(name, "output.weight") == 0;
}

/* Tables of which rows are read; the second one holds inputs of each layer. */
static inline bool cn_mix_is_token_embd(const char *name)
{
    return strcmp(name, "token_embd.weight") == 0 ||
           strcmp(name, "per_layer_token_embd.weight") == 0;
}

/* The layer in "blk.12.attn_q.weight", -1 outside the layers. */
static inline int64_t cn_mix_layer_of(const char *name)
{
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9')
        return -1;
    return strtoll(name + 4, NULL, 10);
}

/* The layers that deserve more bits: the first and last eighth, and every third between. */
static inline bool cn_mix_deserves_more_bits(int64_t k, int64_t n)
{
    return k < n / 8 || k >= 7 * n / 8 || (k - n / 8) % 3 == 2;
}

/* The layer that ffn rules go by: mixtures of experts may have several such tensors a layer, so
 * that counting them would run ahead. */
static inline int64_t cn_mix_ffn_layer(const struct cn_mix_walk *w, const char *name,
                                       int64_t *count)
{
    int64_t i = (*count)++;
    return w->model->n_expert > 1 && cn_mix_layer_of(name) >= 0 ? cn_mix_layer_of(name) : i;
}

/* The rules of the file types that are of the IQ*_K and trellis formats, and of Q6_0
 * (mix_iqk.c). */
bool cn_mix_is_iqk(uint32_t file_type);
bool cn_mix_iqk_keeps(const char *name);
uint32_t cn_mix_iqk_type(struct cn_mix_walk *w, const struct cn_mix_tensor *t);
/* What replaces a type whose block does not divide the row length. */
uint32_t cn_mix_iqk_fallback(uint32_t type);

#endif
