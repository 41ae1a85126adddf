/* SPDX-License-Identifier: MIT
 *
 * IQ1_KT for AVX-512.
 *
 *   row: | d f32 |; block: | 8 bytes: scale code, 4 index bits | 32 low index bytes | 16 bytes |
 *
 * Idea: gemv_trellis_avx512.h; the indices are put together as in avx2.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, four terms a group of 32.
 */
#include "quant/x86/gemv_trellis_avx512.h"

#include "quant/x86/trellis_indices_avx2.h"

extern const struct cn_kernels cn_iq1_kt_avx512;

static void iq1_kt_arrange_avx512(const struct cn_act *x, int64_t c, struct runs *to)
{
    arrange_runs8(x, c, to);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct runs *x, __m512 total)
{
    const struct cn_block_iq1_kt *b = (const void *)bytes;
    UNROLL for (int h = 0; h < 2; h++) total = add_runs8(
        iq1_kt_indices(b, h), scale_lanes(nl_scales(load32(b->head + 4 * h))), x, h, total);
    return total;
}

static void iq1_kt_gemv_avx512(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                               const struct cn_act *x, float *y)
{
    static const struct trellis trellis = { .block_bytes = sizeof(struct cn_block_iq1_kt),
                                            .arrange = iq1_kt_arrange_avx512,
                                            .step = step,
                                            .row_factor = 1 };
    gemv_by_runs(&trellis, n_rows, n_cols, w, row_bytes, x, y);
}

const struct cn_kernels cn_iq1_kt_avx512 = { .gemv = iq1_kt_gemv_avx512 };
