/* SPDX-License-Identifier: MIT
 *
 * The recurrence of gated delta nets (arXiv 2412.06464): each head has a matrix that every token
 * lets decay, corrects towards its value and reads.
 */
#ifndef CN_DELTA_NET_H
#define CN_DELTA_NET_H

#include "engine/run/session.h"

/* A head's matrix is square. Its rows and columns come in groups of so many. */
enum { CN_DELTA_GROUP = 16 };

/* n tokens of a session through the matrices of all heads. */
struct cn_delta {
    struct cn_group *g;
    int64_t n, n_heads, n_key_heads; /* of values; of queries and keys, which several may share */
    int64_t size;                    /* of queries, keys and values, a multiple of CN_DELTA_GROUP */
    bool neighbours; /* heads side by side share keys; else those n_key_heads apart */
    /* [n][n_key_heads][size], normalised, queries divided by the square root of their size; [n]
     * [n_heads][size]; tokens stride floats apart. */
    const float *q, *k, *v;
    int64_t stride;
    const float *log_decay, *beta; /* [n][n_heads]: logarithms of the decays, below 0 or 0 */
    /* [n_heads][size][size], as struct cn_vec has them for delta_step: read and written. */
    float *state;
    float *out; /* [n][n_heads][size] */
    /* What becomes of out: norm with this weight [size], times silu of z [n][n_heads][size], tokens
     * z_stride floats apart. */
    const float *norm, *z;
    int64_t z_stride;
};

/* Tokens of n sessions at once, which differ in number, place and matrices only. */
void cn_delta_run(struct cn_delta *all, int n);

/* Bytes of scratch that a thread needs for it. */
size_t cn_delta_scratch_bytes(int64_t size);

/* Adds what n tokens that come together do: matrices are read and written once. */
void cn_delta_work(int64_t n_heads, int64_t size, int64_t n, struct cn_work *work);

#endif
