/* SPDX-License-Identifier: MIT
 *
 * Products by the blocked GEMM, whose operands are rounded first.
 */
#ifndef CN_BLOCKED_CHECK_H
#define CN_BLOCKED_CHECK_H

#include "bench/kernel/kernel_check.h"

/* A product by the panel GEMM, or one of a few tokens. */
struct cn_gemm_call {
    const struct cn_kernels *k;
    const struct cn_ops *ops;
    int64_t n_rows, n_tokens, n_cols;
    enum cn_act_kind kind;
    const void *w;
    size_t row_bytes;
    const float *x;
    const struct cn_act *acts; /* of a few tokens; NULL: x goes through the panel */
    void *panel, *scratch;
    float *y;
    int64_t y_stride;
};

/* What a product of the kind CN_ACT_Q8_WIDE or CN_ACT_BF16 made of its operands. The panel's
 * activations and each row's new codes are held to how far rounding may move them; results to the
 * exact product of those. */
bool cn_check_blocked(const struct cn_format *format, const struct cn_gemm_call *call,
                      const char *where, struct cn_check *result);

#endif
