/* SPDX-License-Identifier: MIT
 *
 * IQ2_KT for AVX2.
 *
 *   row: | header f32 |; block: | 4 bytes: 8 x 4-bit scale code | 32 x u16: index |
 *
 * Idea: gemv_trellis_avx2.h. Sixteen indices are a load.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, eight terms a block.
 */
#include "quant/x86/gemv_trellis_avx2.h"

#include "quant/ref/iq2_kt.h"

extern const struct cn_kernels cn_iq2_kt_avx2;

static void iq2_kt_arrange_avx2(const struct cn_act *x, int64_t c, void *to)
{
    arrange_trellis8(x, c, to);
}

ALWAYS __m256 step(const uint8_t *bytes, const void *x, __m256 total)
{
    const struct cn_block_iq2_kt *b = (const void *)bytes;
    const __m256i nibbles = _mm256_set1_epi32((int)load32(b->scale));
    total = add_runs8(load256(b->index), nl_scales(nibbles), x, 0, total);
    return add_runs8(load256(b->index + 16), nl_scales(_mm256_srli_epi32(nibbles, 4)), x, 1, total);
}

ALWAYS float row_scale(const uint8_t *row)
{
    return header_of(row) * 1.05f;
}

static void iq2_kt_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                             const struct cn_act *x, float *y)
{
    static const struct strips strips = { .block_elems = 256,
                                          .block_bytes = sizeof(struct cn_block_iq2_kt),
                                          .header_bytes = HEADER,
                                          .x_bytes = sizeof(struct runs),
                                          .arrange = iq2_kt_arrange_avx2,
                                          .step = step,
                                          .row_scale = row_scale };
    gemv_by_strips(&strips, n_rows, n_cols, w, row_bytes, x, y);
}

static void iq2_kt_unpack_avx2(int64_t n_cols, const void *blocks, uint8_t *codes,
                               size_t chunk_stride, float *scale, float *min)
{
    const struct cn_block_iq2_kt *b = blocks;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++)
        for (int g = 0; g < 8; g++) {
            const uint32_t index[4] = { b->index[4 * g], b->index[4 * g + 1], b->index[4 * g + 2],
                                        b->index[4 * g + 3] };
            *scale++ = cn_iq4_levels[b->scale[g % 4] >> (4 * (g / 4)) & 15];
            put_codes(codes, chunk_stride, c + 32 * g, codes_of_runs8(index));
        }
}

const struct cn_kernels cn_iq2_kt_avx2 = {
    .gemv = iq2_kt_gemv_avx2,
    .unpack = iq2_kt_unpack_avx2,
    .panel = {.code_max = 252, .offset = CN_TRELLIS_MEAN, .sub = 32, .row_factor = 1.05f},
};
