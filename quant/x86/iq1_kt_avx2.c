/* SPDX-License-Identifier: MIT
 *
 * IQ1_KT for AVX2.
 *
 *   row: | d f32 |; block: | 8 bytes: scale code, 4 index bits | 32 low index bytes | 16 bytes |
 *
 * Idea: gemv_trellis_avx2.h. The three parts of sixteen indices meet in words; bit 12, another one
 * of its byte for each run of a group, comes to its place by a product.
 *
 * Serves every x86 CPU with AVX2. Error: float rounding, eight terms a block.
 */
#include "quant/x86/gemv_trellis_avx2.h"
#include "quant/x86/trellis_indices_avx2.h"

extern const struct cn_kernels cn_iq1_kt_avx2;

static void iq1_kt_arrange_avx2(const struct cn_act *x, int64_t c, void *to)
{
    arrange_trellis8(x, c, to);
}

ALWAYS __m256 step(const uint8_t *bytes, const void *x, __m256 total)
{
    const struct cn_block_iq1_kt *b = (const void *)bytes;
    UNROLL for (int h = 0; h < 2; h++) total =
        add_runs8(iq1_kt_indices(b, h), nl_scales(_mm256_set1_epi32((int)load32(b->head + 4 * h))),
                  x, h, total);
    return total;
}

static void iq1_kt_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                             const struct cn_act *x, float *y)
{
    static const struct strips strips = { .block_elems = 256,
                                          .block_bytes = sizeof(struct cn_block_iq1_kt),
                                          .header_bytes = HEADER,
                                          .x_bytes = sizeof(struct runs),
                                          .arrange = iq1_kt_arrange_avx2,
                                          .step = step,
                                          .row_scale = header_of };
    gemv_by_strips(&strips, n_rows, n_cols, w, row_bytes, x, y);
}

static void iq1_kt_unpack_avx2(int64_t n_cols, const void *blocks, uint8_t *codes,
                               size_t chunk_stride, float *scale, float *min)
{
    const struct cn_block_iq1_kt *b = blocks;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++) {
        uint16_t word[32];
        store256(word, iq1_kt_indices(b, 0));
        store256(word + 16, iq1_kt_indices(b, 1));
        for (int g = 0; g < 8; g++) {
            const uint32_t index[4] = { word[4 * g], word[4 * g + 1], word[4 * g + 2],
                                        word[4 * g + 3] };
            *scale++ = cn_iq4_levels[b->head[g] & 15];
            put_codes(codes, chunk_stride, c + 32 * g, codes_of_runs8(index));
        }
    }
}

const struct cn_kernels cn_iq1_kt_avx2 = {
    .gemv = iq1_kt_gemv_avx2,
    .unpack = iq1_kt_unpack_avx2,
    .panel = {.code_max = 252, .offset = CN_TRELLIS_MEAN, .sub = 32},
};
