/* SPDX-License-Identifier: MIT
 *
 * IQ2_KT for AVX-512.
 *
 *   row: | header f32 |; block: | 4 bytes: 8 x 4-bit scale code | 32 x u16: index |
 *
 * Idea: gemv_trellis_avx512.h. Sixteen indices are a load.
 *
 * Serves Ice Lake, Zen 4 and later. Error: float rounding, four terms a group of 32.
 */
#include "quant/x86/gemv_trellis_avx512.h"

#include "quant/ref/iq2_kt.h"

extern const struct cn_kernels cn_iq2_kt_avx512;

static void iq2_kt_arrange_avx512(const struct cn_act *x, int64_t c, struct runs *to)
{
    arrange_runs8(x, c, to);
}

ALWAYS __m512 step(const uint8_t *bytes, const struct runs *x, __m512 total)
{
    const struct cn_block_iq2_kt *b = (const void *)bytes;
    const uint32_t nibbles = load32(b->scale);
    UNROLL for (int h = 0; h < 2; h++) total = add_runs8(
        load256(b->index + 16 * h), scale_lanes(nl_scales(nibbles >> (4 * h))), x, h, total);
    return total;
}

static void iq2_kt_gemv_avx512(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                               const struct cn_act *x, float *y)
{
    static const struct trellis trellis = { .block_bytes = sizeof(struct cn_block_iq2_kt),
                                            .arrange = iq2_kt_arrange_avx512,
                                            .step = step,
                                            .row_factor = 1.05f };
    gemv_by_runs(&trellis, n_rows, n_cols, w, row_bytes, x, y);
}

const struct cn_kernels cn_iq2_kt_avx512 = { .gemv = iq2_kt_gemv_avx512 };
