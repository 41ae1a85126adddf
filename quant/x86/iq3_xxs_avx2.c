/* SPDX-License-Identifier: MIT
 *
 * IQ3_XXS for AVX2.
 *
 *   | d f16 | 64 bytes: indices of runs of 4 | 8 x u32: 4 x 7-bit sign code, 4-bit scale |
 *
 * Scales and sign codes, spread to bytes and completed by their parity, are made for all eight
 * groups at once, a block ahead; a group then takes eight loads from the grid, and its signs go to
 * the activations (gemv_by_quads). Panels hold half of the (even) magnitudes.
 *
 * Serves every x86 CPU with AVX2; no gathers, which AMD's CPUs are slow at. Error: float rounding,
 * eight terms a block.
 */
#include "quant/x86/iq3_xxs_avx2.h"

extern const struct cn_kernels cn_iq3_xxs_avx2;

ALWAYS __m256i magnitudes_of(const struct cn_block_iq3_xxs *b, const int g)
{
    const uint8_t *i = b->index + 8 * g;
    return eight_rows(cn_iq3_xxs_grid, i[0], i[1], i[2], i[3], i[4], i[5], i[6], i[7]);
}

ALWAYS struct quad_block ahead(const uint8_t *block, uint16_t *index)
{
    const struct cn_block_iq3_xxs *b = (const void *)block;
    struct quad_block to;
    (void)index;
    quad_signs(even_signs(seven_bit_fields(load256(b->rest))), to.signs);
    to.scale16 = _mm256_set1_epi16(1);
    quad_floats(_mm256_mul_ps(scales_of(b), _mm256_set1_ps(half_at(&b->d) * 0.5f)), to.scale);
    return to;
}

ALWAYS __m256i codes(const uint8_t *block, const uint16_t *index, const int h, const int l)
{
    const struct cn_block_iq3_xxs *b = (const void *)block;
    (void)index;
    const uint8_t *i = b->index + 16 * h + 2 * l;
    return eight_rows(cn_iq3_xxs_grid, i[0], i[1], i[8], i[9], i[32], i[33], i[40], i[41]);
}

static void iq3_xxs_gemv_avx2(int64_t n_rows, int64_t n_cols, const void *w, size_t row_bytes,
                              const struct cn_act *x, float *y)
{
    gemv_by_quads(ahead, codes, 32, sizeof(struct cn_block_iq3_xxs), n_rows, n_cols, w, row_bytes,
                  x, y);
}

static void iq3_xxs_unpack_avx2(int64_t n_cols, const void *row, uint8_t *codes,
                                size_t chunk_stride, float *scale, float *min)
{
    const struct cn_block_iq3_xxs *b = row;
    (void)min;
    for (int64_t c = 0; c < n_cols; c += 256, b++, scale += 8) {
        _mm256_storeu_ps(scale, _mm256_mul_ps(scales_of(b), _mm256_set1_ps(half_at(&b->d))));
        const __m256i signs = even_signs(seven_bit_fields(load256(b->rest)));
        const __m256i signs_lo = both_halves(signs, 0), signs_hi = both_halves(signs, 1);
        UNROLL for (int g = 0; g < 8; g++)
            put_codes(codes, chunk_stride, c + 32 * g,
                      _mm256_add_epi8(negate(_mm256_srli_epi16(magnitudes_of(b, g), 1),
                                             sign_mask(g < 4 ? signs_lo : signs_hi, g % 4)),
                                      _mm256_set1_epi8(OFFSET)));
    }
}

SMALL_FORMAT(iq3_xxs, avx2, sizeof(struct cn_block_iq3_xxs), 1, false, 4, 32, CN_SMALL_SUMS)

const struct cn_kernels cn_iq3_xxs_avx2 = {
    .gemv = iq3_xxs_gemv_avx2,
    .unpack = iq3_xxs_unpack_avx2,
    .small = &iq3_xxs_small_avx2,
    .panel = {.code_max = 2 * OFFSET, .offset = OFFSET, .sub = 32},
};
