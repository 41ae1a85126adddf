/* SPDX-License-Identifier: MIT
 *
 * What the checks of vector operations share: a case of a slot, its buffers, its call and the
 * comparison of what came out.
 */
#ifndef CN_VEC_CASE_H
#define CN_VEC_CASE_H

#include "bench/kernel/checker.h"

/* eps of one rounding. */
#define CN_EPS 0x1p-24
/* What exp, silu and gelu may be off by, relative: 16 roundings. Exponentials of tiers are
 * polynomials with a relative error below 2^-22; argument reduction and the quotient add to it. */
#define CN_EXP_BOUND (16 * CN_EPS)
/* Results below the smallest normal float may be flushed to zero. */
#define CN_FLUSH 0x1p-126

struct cn_vec_case {
    const struct cn_vec *vec;
    const struct cn_vec *ref;
    struct cn_checker *c;
    struct cn_check *result;
    int64_t n, n_vecs, n_rows, stride;
    enum cn_place place;
    unsigned turn;
    const char *where;
    /* Arguments and results of the call, as the slot has them. */
    float *a, *b, *y;
    uint16_t *h;
    int8_t *q;
    float *d, *sum32;
    int16_t *sum16;
    float scalar, sum;
    bool in_place;
    const struct cn_conv *conv;
};

/* n floats of one of the checker's buffers. */
float *cn_case_floats(struct cn_vec_case *v, enum cn_buffer buffer, int64_t n);

/* Calls the slot. False after a crash, a stray write or if there is no memory: nothing to compare.
 */
bool cn_case_call(struct cn_vec_case *v, void (*fn)(void *));

void cn_case_compare(struct cn_vec_case *v, int64_t i, float got, double expected, double bound,
                     double magnitude);

/* Numbers of very different size, some zero; one NaN in some of the cases. */
void cn_case_fill(struct cn_vec_case *v, float *x, int64_t n, bool with_nan);

#endif
