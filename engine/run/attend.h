/* SPDX-License-Identifier: MIT
 *
 * Softmax attention over rows of a cache: what attention and latent attention share.
 */
#ifndef CN_ATTEND_H
#define CN_ATTEND_H

#include "engine/run/session.h"

/* n tokens of a session, whose keys and values are in the cache already. Each of the n_head_kv
 * heads of the cache serves n_head / n_head_kv heads of queries. */
struct cn_attend {
    struct cn_group *g;
    const struct cn_kv *kv;
    enum cn_kv_type type; /* of its rows */
    struct cn_work *work; /* reading the cache is added to; NULL: rows were made for this pass */
    int64_t position;     /* of the first token */
    int64_t n, n_head, n_head_kv, d_k, d_v;
    const float *q; /* [n][n_head][d_k], scaled, tokens q_stride floats apart */
    int64_t q_stride;
    float *out;         /* [n][n_head][d_v] */
    int64_t window;     /* positions that a token sees, itself included; 0: all */
    bool chunked;       /* the window begins at a multiple of its size */
    float softcap;      /* of scores; 0: none */
    const float *sinks; /* [n_head]: one more score each, whose value is 0; NULL: none */
    /* private */
    bool direct;
    int64_t part_heads, parts, chunk_tokens; /* of the heads that share a head of keys */
    int64_t range_keys, n_ranges;
    float *ranges;          /* what each makes, to be merged */
    struct cn_kernels q8_0; /* for keys in Q8_0 */
};

/* Tokens of n sessions at once, which differ in position, number, queries and rows only. shared:
 * cn_attend_shared_bytes() bytes. */
void cn_attend(struct cn_attend *all, int n, void *shared);

/* Bytes of scratch that each thread needs for it, and that all need together. */
size_t cn_attend_scratch_bytes(int64_t n_head, int64_t n_head_kv, int64_t d_k, int64_t d_v);
size_t cn_attend_shared_bytes(int64_t d_k, int64_t d_v);

/* The first position that the token at `position` sees. */
int64_t cn_attend_first(int64_t window, bool chunked, int64_t position);

/* Rows of a cache: a ring where tokens see a window only, and so many more as a pass stores before
 * its first token looks back. */
int64_t cn_kv_capacity(int64_t window, int64_t n_ctx, int64_t n_batch);

/* Bytes of a row of n numbers in a cache, writing it, and reading it to floats. */
size_t cn_kv_row_bytes(enum cn_kv_type type, int64_t n);
void cn_kv_store_row(const struct cn_model *model, enum cn_kv_type type, int64_t n, const float *x,
                     uint8_t *row);
void cn_kv_load_row(const struct cn_model *model, enum cn_kv_type type, int64_t n,
                    const uint8_t *row, float *to);
/* The row of a head's key or value at a position. */
uint8_t *cn_kv_key(const struct cn_kv *kv, int64_t head, int64_t position);
uint8_t *cn_kv_value(const struct cn_kv *kv, int64_t head, int64_t position);

#endif
