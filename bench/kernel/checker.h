/* SPDX-License-Identifier: MIT
 *
 * What the checks of kernels share: buffers flush against unmapped pages, and the keeping of what
 * was found.
 */
#ifndef CN_CHECKER_H
#define CN_CHECKER_H

#include "bench/kernel/guarded.h"
#include "bench/kernel/kernel_check.h"
#include "bench/kernel/kernel_data.h"

/* The guarded buffers of a case. */
enum cn_buffer {
    CN_BUF_W,
    CN_BUF_OUT,
    CN_BUF_X,
    CN_BUF_Q,
    CN_BUF_D,
    CN_BUF_SUM32,
    CN_BUF_SUM16,
    CN_BUF_SCRATCH,
    CN_N_BUFFERS
};

struct cn_checker {
    struct cn_rng rng;
    uint64_t seed;
    struct cn_guarded buffer[CN_N_BUFFERS];
    bool out_of_memory;
    struct cn_blocks *blocks; /* of `format` */
    const struct cn_format *format;
    const struct cn_vec *ref; /* the reference's vector operations */
    struct cn_vec ref_vec;
    unsigned turn; /* counts cases; choices rotate with it */
};

/* cn_guarded_take() of a buffer that grows when needed; NULL if out of memory. */
void *cn_check_take(struct cn_checker *c, enum cn_buffer buffer, size_t n_bytes,
                    enum cn_place place);

/* True if all buffers' padding is as it was; else says which in `result`. */
bool cn_check_intact(struct cn_checker *c, struct cn_check *result, const char *where);

/* Counts a failure; the words of the first one are kept. */
__attribute__((format(printf, 2, 3))) void cn_check_fail(struct cn_check *result,
                                                         const char *format, ...);

/* Notes that a result was `error` from where it should be and `bound` was allowed, both relative to
 * `magnitude`. Returns whether that is good. NaN is not. */
bool cn_check_within(struct cn_check *result, double error, double bound, double magnitude);

/* The same bits, or both NaN. */
bool cn_same_float(float a, float b);

#endif
